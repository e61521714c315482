// The udp_echo sample, as a process.
#include "server.hpp"

#include "support/skip.hpp"

#include <cerrno>
#include <string>

using namespace test;

namespace {

// Asks until there is an answer: before the server is there, its port refuses.
std::string answer_of(int socket, const std::string& question) {
    char memory[2000];
    const auto last = deadline();
    while (steady::now() < last) {
        if (::send(socket, question.data(), question.size(), 0) < 0 && errno != ECONNREFUSED) break;
        pollfd waits{socket, POLLIN, 0};
        if (::poll(&waits, 1, 100) <= 0) continue;
        const ssize_t got = ::recv(socket, memory, sizeof memory, MSG_DONTWAIT);
        if (got >= 0) return {memory, static_cast<std::size_t>(got)};
    }
    return "no answer";
}

}  // namespace

TEST_CASE("udp_echo sends each datagram back, one of no bytes too") {
    const auto kind = GENERATE(from_range(demultiplexers()));
    CAPTURE(kind);
    // An address that no other test has.
    sockaddr_in to = loopback(7000);
    const auto own = static_cast<std::uint32_t>(::getpid()) & 0xffffff;
    to.sin_addr.s_addr = htonl(0x7f000000 | own);
    char ip[INET_ADDRSTRLEN];
    ::inet_ntop(AF_INET, &to.sin_addr, ip, sizeof ip);
    process server({sample("udp_echo"), "udp:7000:interface=" + std::string(ip)}, {use_reactor(kind)});
    const int client = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    REQUIRE(::connect(client, reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0);
    CHECK(answer_of(client, "hello") == "hello");
    CHECK(answer_of(client, std::string("\0\xff", 2)) == std::string("\0\xff", 2));
    CHECK(answer_of(client, "").empty());
    ::close(client);
}

TEST_CASE("udp_echo answers from the address that was asked, of IPv4 and IPv6") {
    const auto kind = GENERATE(from_range(demultiplexers()));
    const bool ipv6 = GENERATE(false, true);
    CAPTURE(kind, ipv6);
    const std::uint16_t port = free_port();
    process server({sample("udp_echo"), (ipv6 ? "udp6:" : "udp:") + std::to_string(port)},
                   {use_reactor(kind)});
    const int client = ::socket(ipv6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    sockaddr_in6 to6{};
    to6.sin6_family = AF_INET6;
    to6.sin6_port = htons(port);
    to6.sin6_addr = in6addr_loopback;
    sockaddr_in to = loopback(port);
    to.sin_addr.s_addr = htonl(0x7f000002);  // not the one that the system would answer from
    const auto* at = ipv6 ? reinterpret_cast<const sockaddr*>(&to6) : reinterpret_cast<const sockaddr*>(&to);
    // It hears this address alone from now on.
    const int connected = ::connect(client, at, ipv6 ? sizeof to6 : sizeof to);
    if (connected < 0 && ipv6 && errno == EADDRNOTAVAIL) {
        ::close(client);
        test::skip("there is no ::1 here");
    }
    REQUIRE(connected == 0);
    CHECK(answer_of(client, "hello") == "hello");
    ::close(client);
}
