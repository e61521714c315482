// An echo server of datagrams with recvmmsg(2) and sendmmsg(2), 64 at a time: the limit. It waits in the
// receive. usage: raw_datagrams PORT
#include "bench.hpp"

#include <array>
#include <cerrno>
#include <cstddef>

namespace {

constexpr std::size_t at_once = 64;
constexpr std::size_t longest = 1500;

}  // namespace

int main(int count, char** arguments) {
    bench::live_at_most(600);
    const int fd = bench::bound_datagrams(bench::number(count, arguments, 1, 7000, 65535));
    static std::array<std::array<char, longest>, at_once> memory;
    static std::array<sockaddr_in, at_once> names;
    static std::array<iovec, at_once> pieces;
    static std::array<mmsghdr, at_once> messages;
    for (;;) {
        for (std::size_t i = 0; i < at_once; ++i) {
            pieces[i] = {memory[i].data(), longest};
            msghdr& header = messages[i].msg_hdr;
            header = {};
            header.msg_name = &names[i];
            header.msg_namelen = sizeof names[i];
            header.msg_iov = &pieces[i];
            header.msg_iovlen = 1;
        }
        const int got = ::recvmmsg(fd, messages.data(), at_once, MSG_WAITFORONE, nullptr);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) bench::fail("recvmmsg");
        for (int i = 0; i < got; ++i) {
            const auto at = static_cast<std::size_t>(i);
            pieces[at].iov_len = messages[at].msg_len;
        }
        for (int sent = 0; sent < got;) {
            const int more = ::sendmmsg(fd, messages.data() + sent, static_cast<unsigned>(got - sent), 0);
            if (more < 0 && errno != EINTR) bench::fail("sendmmsg");
            if (more > 0) sent += more;
        }
    }
}
