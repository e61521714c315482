// The discover sample: processes that find each other, and a peer that sends what it should not.
#include "server.hpp"

#include "support/skip.hpp"

#include <net/if.h>

#include <algorithm>
#include <list>
#include <optional>
#include <string>

using namespace test;
using namespace std::string_literals;

namespace {

// A group of this machine's own: on the loopback interface, or of the scope of an interface.
struct group {
    std::string ip;
    unsigned interface_index = 1;
    std::uint16_t port = 0;

    bool is_ipv6() const { return ip.find(':') != ip.npos; }
    std::string where() const {
        return (is_ipv6() ? "udp6:[" + ip + "]:" : "udp:" + ip + ":") + std::to_string(port);
    }
};

std::uint16_t free_udp_port() {
    const int s = ::socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    sockaddr_in6 any{};
    any.sin6_family = AF_INET6;
    const bool ipv6 = s >= 0 && ::bind(s, reinterpret_cast<const sockaddr*>(&any), sizeof any) == 0;
    socklen_t size = sizeof any;
    if (ipv6) ::getsockname(s, reinterpret_cast<sockaddr*>(&any), &size);
    if (s >= 0) ::close(s);
    return ipv6 ? ntohs(any.sin6_port) : free_port();
}

// Sends to a group.
class mouth {
  public:
    explicit mouth(const group& to)
        : fd_(::socket(to.is_ipv6() ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
        if (to.is_ipv6()) {
            auto& a = reinterpret_cast<sockaddr_in6&>(to_);
            a.sin6_family = AF_INET6;
            a.sin6_port = htons(to.port);
            ::inet_pton(AF_INET6, to.ip.c_str(), &a.sin6_addr);
            ::setsockopt(fd_, IPPROTO_IPV6, IPV6_MULTICAST_IF, &to.interface_index,
                         sizeof to.interface_index);
            size_ = sizeof a;
        } else {
            auto& a = reinterpret_cast<sockaddr_in&>(to_);
            a.sin_family = AF_INET;
            a.sin_port = htons(to.port);
            ::inet_pton(AF_INET, to.ip.c_str(), &a.sin_addr);
            ip_mreqn through{};
            through.imr_ifindex = static_cast<int>(to.interface_index);
            ::setsockopt(fd_, IPPROTO_IP, IP_MULTICAST_IF, &through, sizeof through);
            size_ = sizeof a;
        }
    }
    mouth(const mouth&) = delete;
    ~mouth() { ::close(fd_); }
    bool say(std::string_view text) const {
        return ::sendto(fd_, text.data(), text.size(), 0, reinterpret_cast<const sockaddr*>(&to_), size_) >=
               0;
    }

  private:
    int fd_;
    sockaddr_storage to_{};
    socklen_t size_ = 0;
};

group ipv4_group() { return {"239.255.76.76", 1, free_udp_port()}; }

// None where no interface has groups of IPv6: the loopback one has none on Linux.
std::optional<group> ipv6_group() {
    group found{"ff01::4c4c", 0, free_udp_port()};
    const auto names = ::if_nameindex();
    for (auto* i = names; i && i->if_index != 0; ++i) {
        const group tried{found.ip, i->if_index, found.port};
        if (mouth(tried).say("")) found = tried;
    }
    ::if_freenameindex(names);
    return found.interface_index != 0 ? std::optional(found) : std::nullopt;
}

process discover(const std::string& name, const group& in, bight::demultiplexer_kind kind) {
    return process({sample("discover"), name, in.where(), std::to_string(in.interface_index)},
                   {use_reactor(kind)});
}

bool sees(process& who, const std::string& line) { return who.wait_for_output(line + " at "); }

std::size_t lines(const std::string& text) {
    return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
}

void come_and_go(const group& in, bight::demultiplexer_kind kind) {
    process ann = discover("ann", in, kind);
    CHECK(sees(ann, "+ ann"));
    process bob = discover("bob", in, kind);
    CHECK(sees(ann, "+ bob"));
    CHECK(sees(bob, "+ ann"));
    CHECK(sees(bob, "+ bob"));
    bob.signal(SIGINT);
    CHECK(bob.wait() == exit_state{130, 0});
    CHECK(sees(ann, "- bob"));
    process again = discover("bob", in, kind);
    CHECK(ann.wait_for([&] { return lines(ann.output()) == 4; }));
    CHECK(sees(again, "+ ann"));
    ann.signal(SIGTERM);
    CHECK(sees(again, "- ann"));
    CHECK(ann.wait() == exit_state{143, 0});
    CHECK(ann.errors().empty());
    CHECK(bob.errors().empty());
}

}  // namespace

TEST_CASE("discover: two find each other, and hear that one leaves and comes again") {
    const auto kind = GENERATE(from_range(demultiplexers()));
    CAPTURE(kind);
    come_and_go(ipv4_group(), kind);
}

TEST_CASE("discover: the same in a group of IPv6") {
    const auto kind = GENERATE(from_range(demultiplexers()));
    CAPTURE(kind);
    const auto in = ipv6_group();
    if (!in) skip("no network interface has groups of IPv6");
    come_and_go(*in, kind);
}

TEST_CASE("discover: who falls silent is gone after three seconds") {
    struct pair {
        explicit pair(bight::demultiplexer_kind kind)
            : in(ipv4_group()), ann(discover("ann", in, kind)), bob(discover("bob", in, kind)) {}
        group in;
        process ann;
        process bob;
        steady::time_point killed;
    };
    std::list<pair> all;  // side by side, because each takes three seconds
    for (const auto kind : demultiplexers()) all.emplace_back(kind);
    for (pair& p : all) {
        REQUIRE(sees(p.ann, "+ bob"));
        p.killed = steady::now();
        p.bob.signal(SIGKILL);
    }
    for (pair& p : all) {
        CHECK(sees(p.ann, "- bob"));
        CHECK(steady::now() - p.killed >=
              std::chrono::seconds(1));  // the last word came a second before, or less
        CHECK(p.ann.output().find("- ann") == std::string::npos);
    }
}

TEST_CASE("discover: what is no name is passed over, and so are more than a hundred peers") {
    const auto kind = GENERATE(from_range(demultiplexers()));
    CAPTURE(kind);
    const group in = ipv4_group();
    process ann = discover("ann", in, kind);
    REQUIRE(sees(ann, "+ ann"));
    const mouth eve(in);
    for (const std::string& wrong : {""s, "+"s, "-"s, "eve"s, "+eve\n"s, "+\x1b[2J"s, "+e v e"s, "+\0eve"s,
                                     "+" + std::string(33, 'e'), std::string(60'000, '+'), "-eve"s}) {
        REQUIRE(eve.say(wrong));
    }
    const std::string longest(32, 'e');
    REQUIRE(eve.say("+" + longest));
    CHECK(sees(ann, "+ " + longest));
    CHECK(lines(ann.output()) == 2);
    REQUIRE(eve.say("-" + longest));
    CHECK(sees(ann, "- " + longest));

    std::list<mouth> crowd;
    for (int i = 0; i < 150; ++i) REQUIRE(crowd.emplace_back(in).say("+one-of-many"));
    CHECK(ann.wait_for([&] { return lines(ann.output()) == 3 + 99; }));
    // When they have gone, there is room again.
    CHECK(ann.wait_for([&] { return lines(ann.output()) == 3 + 99 + 99; }));
    CHECK(ann.output().find("- ann") == std::string::npos);
    REQUIRE(crowd.back().say("+last"));
    CHECK(sees(ann, "+ last"));
}

TEST_CASE("discover with arguments that it does not know explains itself") {
    for (const std::vector<std::string>& arguments : {std::vector<std::string>{},
                                                      {""},
                                                      {"a b"},
                                                      {std::string(33, 'a')},
                                                      {"ann", "udp:239.255.76.76:7676", "lo"},
                                                      {"ann", "udp:239.255.76.76:7676", "1", "1"}}) {
        std::vector<std::string> command{sample("discover")};
        command.insert(command.end(), arguments.begin(), arguments.end());
        process wrong(command);
        CHECK(wrong.wait() == exit_state{2, 0});
        CHECK(wrong.errors() == "usage: discover NAME [GROUP [INTERFACE]]\n");
    }
    for (const std::string where :
         {"tcp:239.255.76.76:7676", "udp:nowhere.example:7676", "udp:127.0.0.1:7676", "udp:7676",
          "udp:239.255.76.76:0"}) {
        CAPTURE(where);
        process wrong({sample("discover"), "ann", where});
        CHECK(wrong.wait() == exit_state{1, 0});
        CHECK_FALSE(wrong.errors().empty());
    }
}
