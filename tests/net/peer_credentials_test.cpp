// Who is at the other end of a Unix socket.
#include "support/catch.hpp"
#include "support/child.hpp"
#include "support/connections.hpp"
#include "support/reactors.hpp"

#include <bight/bight.hpp>
#include <bight/net/peer_credentials.hpp>

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

using bight::task;
using test::family;

namespace {

[[maybe_unused]] std::vector<std::uint32_t> own_groups() {
    std::vector<gid_t> groups(static_cast<std::size_t>(::getgroups(0, nullptr)));
    ::getgroups(static_cast<int>(groups.size()), groups.data());
    return {groups.begin(), groups.end()};
}

template <class T>
std::vector<T> sorted(std::vector<T> all) {
    std::sort(all.begin(), all.end());
    return all;
}

/// Whether the process of a pidfd has ended.
bool has_ended(const bight::owned_descriptor& pidfd) {
    pollfd p{pidfd.get(), POLLIN, 0};
    return ::poll(&p, 1, 0) == 1;
}

std::system_error refusal_of(const bight::stream& s) {
    try {
        (void)bight::credentials_of_peer(s);
    } catch (const std::system_error& e) {
        return e;
    }
    return std::system_error(std::error_code());
}

/// Whether this kernel has SO_PEERPIDFD.
bool gives_pidfd(const bight::stream& s) {
#ifdef __linux__
    int fd = -1;
    socklen_t size = sizeof fd;
    if (::getsockopt(s.native_handle(), SOL_SOCKET, 77, &fd, &size) == 0) return ::close(fd) == 0;
#else
    (void)s;
#endif
    return false;
}

}  // namespace

TEST_CASE("credentials: both ends know each other's process, user and groups; other streams tell nothing") {
    test::need_unix_sockets();
    const auto where = GENERATE(from_range(test::reactors()));
    test::reactor_fixture on(where);
    on.run([&]() -> task<> {
        auto pair = co_await test::connected_pair(family::unix_path);
        for (const bight::stream* end : {&pair.server, &pair.client}) {
            const auto peer = bight::credentials_of_peer(*end);
            if (where.seed) {
                CHECK(peer.process == 1);
                CHECK(peer.user == 0U);
                CHECK(peer.group == 0U);
                CHECK_FALSE(peer.pidfd);
                continue;
            }
            CHECK(peer.process == ::getpid());
            CHECK(peer.user == ::geteuid());
            CHECK(peer.group == ::getegid());
#ifdef __linux__
            CHECK(sorted(peer.groups) == sorted(own_groups()));
#endif
            REQUIRE(static_cast<bool>(peer.pidfd) == gives_pidfd(*end));
            if (peer.pidfd) CHECK_FALSE(has_ended(peer.pidfd));
        }
        pair.client.abort();
        CHECK(refusal_of(pair.client).code() == std::errc::bad_file_descriptor);
        auto lingers = co_await test::connected_pair(family::unix_path);
        co_await lingers.client.close();
        CHECK(refusal_of(lingers.client).code() == std::errc::bad_file_descriptor);
        auto tcp = co_await test::connected_pair(family::tcp);
        auto memory = co_await test::connected_pair(family::memory);
        const bight::stream none;
        for (const bight::stream* end : {&tcp.server, &memory.server}) {
            const std::system_error refused = refusal_of(*end);
            CHECK(refused.code() == std::errc::operation_not_supported);
            CHECK(std::string(refused.what()).find("only Unix sockets tell") != std::string::npos);
        }
        CHECK(refusal_of(bight::stream()).code() == std::errc::bad_file_descriptor);
    });
}

TEST_CASE("credentials: those of a process that has ended are as they were, and its pidfd tells that") {
    test::need_unix_sockets();
    const test::temporary_directory directory;
    test::reactor_fixture on(GENERATE(from_range(test::demultiplexers())));
    on.run([&]() -> task<> {
        bight::listener l = bight::listen(test::new_endpoint(family::unix_path, directory));
        const bight::address place = l.local();
        test::child peer([&](test::witness_pipe said) {
            const test::raw_socket s = test::raw_connect(place);
            said.say(std::to_string(::getpid()) + "\n");
            (void)s.receive_all();
            return 0;
        });
        bight::stream accepted = co_await l.accept();
        auto before = bight::credentials_of_peer(accepted);
        if (before.pidfd) CHECK_FALSE(has_ended(before.pidfd));
        co_await accepted.shutdown_write();
        const bight::chunk end = co_await accepted.read_some();
        CHECK(end.empty());
        CHECK(peer.exit_status() == 0);
        CHECK(before.process == std::stoll(peer.said()));
        if (before.pidfd) CHECK(has_ended(before.pidfd));
        const auto after = bight::credentials_of_peer(accepted);
        CHECK(after.process == before.process);
        CHECK(after.user == before.user);
        if (after.pidfd) CHECK(has_ended(after.pidfd));
    });
}
