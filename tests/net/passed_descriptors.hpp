// What tests of descriptors that are passed share.
#pragma once

#include "full_socket.hpp"

#include "support/catch.hpp"
#include "support/connections.hpp"
#include "support/reactors.hpp"
#include "support/unix_sockets.hpp"

#include <bight/core/task.hpp>
#include <bight/net/connect.hpp>
#include <bight/net/owned_descriptor.hpp>

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <cstring>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

/// A reactor on each demultiplexer of a machine that has Unix sockets.
#define ON_EACH_WITH_UNIX_SOCKETS \
    test::need_unix_sockets();    \
    test::reactor_fixture on(GENERATE(from_range(test::demultiplexers())))

namespace test {

/// A reactor that is busy looks at the kernel every 64 turns. Then an operation has ended, and its task does
/// not know yet.
inline constexpr std::array turns_until_told{0, 1, 2, 60, 61, 62, 63, 64};

/// A descriptor that can be told from others: the read end of a pipe that holds `mark`.
inline bight::owned_descriptor marked(int mark) {
    int ends[2];
    REQUIRE(::pipe(ends) == 0);
    REQUIRE(::write(ends[1], &mark, sizeof mark) == sizeof mark);
    ::close(ends[1]);
    return bight::owned_descriptor(ends[0]);
}

inline int mark_of(const bight::owned_descriptor& d) {
    int mark = -1;
    return ::read(d.get(), &mark, sizeof mark) == sizeof mark ? mark : -1;
}

inline std::vector<int> marks_of(const std::vector<bight::owned_descriptor>& all) {
    std::vector<int> marks;
    for (const auto& d : all) marks.push_back(mark_of(d));
    return marks;
}

inline bool is_close_on_exec(const bight::owned_descriptor& d) {
    return (::fcntl(d.get(), F_GETFD) & FD_CLOEXEC) != 0;
}

/// A message with `count` copies of `fd`, by a plain call that waits.
inline void send_raw(int to, const std::string& bytes, int fd, std::size_t count) {
    alignas(cmsghdr) std::array<char, CMSG_SPACE(253 * sizeof(int))> control{};
    iovec piece{const_cast<char*>(bytes.data()), bytes.size()};
    msghdr message{};
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = static_cast<decltype(message.msg_controllen)>(CMSG_SPACE(count * sizeof fd));
    cmsghdr* const header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = static_cast<decltype(header->cmsg_len)>(CMSG_LEN(count * sizeof fd));
    for (std::size_t i = 0; i < count; ++i) std::memcpy(CMSG_DATA(header) + i * sizeof fd, &fd, sizeof fd);
    REQUIRE(::sendmsg(to, &message, 0) == static_cast<ssize_t>(bytes.size()));
}

/// test::fill without the second look that TCP needs.
inline std::size_t fill_unix(int socket) { return detail::send_until_refused(socket, 4096); }

/// A stream whose peer is a plain socket. No listener that is yet to be closed disturbs the counts.
inline bight::task<half_pair> beside_raw() {
    int ends[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    const bight::owned_descriptor first(ends[0]);
    raw_socket raw(ends[1]);
    bight::stream s = co_await bight::connect(first.as_endpoint());
    co_return half_pair(std::move(s), std::move(raw));
}

/// What a call throws.
template <class F>
std::error_code code_thrown_by(F call) {
    try {
        call();
    } catch (const std::system_error& e) {
        return e.code();
    }
    return {};
}

}  // namespace test
