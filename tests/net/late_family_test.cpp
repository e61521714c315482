// Names whose addresses of one family are found later than those of the other.
#include "asked_resolver.hpp"
#include "dns_serving.hpp"

#include "support/catch.hpp"
#include "support/connections.hpp"
#include "support/dns_server.hpp"
#include "support/each_reactor.hpp"

#include <bight/bight.hpp>
#include <bight/net/caching_resolver.hpp>
#include <bight/net/datagram_socket.hpp>
#include <bight/net/dns_resolver.hpp>
#include <bight/sim/world.hpp>

#include <cerrno>
#include <chrono>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

using bight::address;
using bight::task;
using test::dns_address;
using test::dns_question;
using test::dns_response;
using test::dns_server;
using namespace std::chrono_literals;

namespace {

using family_type = address::family_type;

std::vector<address> addresses(const std::vector<std::string>& ips) {
    std::vector<address> all;
    for (const std::string& ip : ips) all.push_back(address::from_ip(ip, 0));
    return all;
}

/// Finds some addresses at once, and says that those of a family are missing, which it finds after a while.
class late_resolver final : public bight::resolver {
  public:
    std::vector<std::string> at_once;
    std::vector<std::string> late;
    bight::duration after = 120ms;
    family_type missing = family_type::ipv4;
    std::vector<family_type> asked;
    int ended = 0;  // of those that were asked for later

  protected:
    task<bight::resolved_host> look_up(std::string host, family_type family) override {
        asked.push_back(family);
        bight::resolved_host found;
        if (family == family_type::none) {
            found.addresses = addresses(at_once);
            found.missing = missing;
            co_return found;
        }
        co_await bight::sleep_for(after);
        ++ended;
        if (late.empty()) throw std::system_error(test::not_found, host);
        found.addresses = addresses(late);
        co_return found;
    }
};

/// What connecting came to, in words: where to, or the error.
task<std::string> attempt(std::string where, bight::resolver& names) {
    bight::connect_options options;
    options.resolver = &names;
    try {
        const bight::stream s = co_await bight::connect(std::move(where), options);
        co_return "connected to " + s.peer().host();
    } catch (const std::system_error& e) {
        co_return e.what();
    }
}

task<std::string> attempt_with_datagrams(std::string where, bight::resolver& names,
                                         bight::datagram_options options = {}) {
    options.resolver = &names;
    try {
        const bight::datagram_socket s = co_await bight::datagram_socket::connect(std::move(where), options);
        co_return "connected to " + s.peer().host();
    } catch (const std::system_error& e) {
        co_return e.what();
    }
}

}  // namespace

TEST_CASE("late family: a connect whose first addresses are dead waits for those of the other family") {
    const bool six_is_late = GENERATE(false, true);
    test::on_each_of(test::reactors_with_ipv6(), [six_is_late]() -> task<> {
        dns_server server([six_is_late](const dns_question& q) -> dns_server::reply {
            const std::string ip = q.type == 28 ? "::1" : six_is_late ? "127.0.0.2" : "127.0.0.1";
            const bool late = (q.type == 28) == six_is_late;
            return {{dns_response(q, {dns_address(ip, 60)})}, late ? bight::duration(120ms) : 0ms};
        });
        bight::listener l =
            bight::listen(six_is_late ? "tcp6:0:interface=[::1]" : "tcp:0:interface=127.0.0.1");
        const std::string where = "tcp:web.test:" + std::to_string(l.local().port());
        auto ask = [&](bight::dns_options options) -> task<> {
            bight::dns_resolver dns(std::move(options));
            const std::string said = co_await attempt(where, dns);
            CHECK(said == "connected to " + l.local().host());
            // What a cache keeps of the first answer is made whole by the second.
            bight::caching_resolver names(dns);
            for (int i = 0; i < 2; ++i) {
                const std::string again = co_await attempt(where, names);
                CHECK(again == "connected to " + l.local().host());
            }
            CHECK(server.asked.size() == 6);
        };
        co_await test::with_server(server, ask);
    });
}

TEST_CASE("late family: without a way to those of one family the other's are waited for") {
    bight::sim::world w(1);
    bight::resolved_host found;
    std::vector<std::string> said;
    auto& host = w.add("host");
    host.run([&]() -> task<> {
        dns_server server(
            [&](const dns_question& q) -> dns_server::reply {
                if (q.type == 28) return {{dns_response(q, {dns_address("2001:db8::1", 60)})}};
                return {{dns_response(q, {dns_address(host.ip(), 60)})}, 3s};
            },
            host.ip());
        const bight::listener l = bight::listen("tcp:80");
        auto ask = [&](bight::dns_options options) -> task<> {
            bight::dns_resolver names(std::move(options));
            found = co_await names.resolve("web.test");
            said.push_back(co_await attempt("tcp:web.test:80", names));
            said.push_back(co_await attempt_with_datagrams("udp:web.test:53", names));
        };
        co_await test::with_server(server, ask);
    });
    w.run();
    CHECK(test::in_words(found) == host.ip() + ":0 [2001:db8::1]:0");
    CHECK(found.missing == family_type::none);
    CHECK(said == std::vector<std::string>(2, "connected to " + host.ip()));
}

TEST_CASE("late family: those that are found later take turns with the others, or are the only ones") {
    bight::sim::world_options world;
    world.ipv6_black_hole = true;
    bight::sim::world w(1, world);
    auto& server = w.add("server");
    server.on_boot([&]() -> task<> {
        bight::listener l = bight::listen("tcp:80");
        for (;;) (void)co_await l.accept();
    });
    auto& client = w.add("client");
    client.run([&]() -> task<> {
        const std::string connected = "connected to " + server.ip();
        const std::string refused = server.ip() + ":81: " + test::from_errno(ECONNREFUSED).message();
        late_resolver names;
        bight::duration took{};
        auto timed = [&](std::string where) -> task<std::string> {
            const auto begin = bight::reactor::current()->now();
            names.asked.clear();
            names.ended = 0;
            std::string said = co_await attempt(std::move(where), names);
            took = bight::reactor::current()->now() - begin;
            co_return said;
        };
        // Two that are silent, and more behind them: what comes later is the next, when its turn comes.
        names.at_once = {"2001:db8::1", "2001:db8::2", "2001:db8::3", "2001:db8::4"};
        names.late = {server.ip()};
        std::string said = co_await timed("tcp:web.test:80");
        CHECK(said == connected);
        CHECK((took >= 250ms && took < 400ms));
        // All have been tried: at once.
        names.after = 2s;
        said = co_await timed("tcp:web.test:80");
        CHECK(said == connected);
        CHECK((took >= 2s && took < 2100ms));
        // The later ones are dead, too, or there are none.
        names.at_once = {server.ip()};
        names.missing = family_type::ipv6;
        names.late = {"::1"};
        said = co_await timed("tcp:web.test:81");
        CHECK_THAT(said, Catch::StartsWith("cannot connect to tcp:web.test:81 (" + refused + ", [::1]:81: "));
        names.late = {};
        said = co_await timed("tcp:web.test:81");
        CHECK_THAT(said, Catch::StartsWith("cannot connect to tcp:web.test:81 (" + refused + "): "));
        CHECK(names.ended == 1);
        // Nobody waits for what is not needed, or of no use.
        said = co_await timed("tcp:web.test:80");
        CHECK(said == connected);
        CHECK(took < 100ms);
        CHECK(names.ended == 0);
        said = co_await timed("tcp:web.test:81:interface=" + client.ip());
        CHECK_THAT(said, Catch::Contains(refused + "): "));
        CHECK(names.asked == std::vector<family_type>{family_type::none});
        CHECK(took < 100ms);
        said = co_await timed("tcp:web.test:81:timeout=1");
        CHECK_THAT(said, Catch::Contains(refused + ", the look-up of its other addresses has not ended)"));
        CHECK(took == 1s);
        // None of the first is of the family of the own address.
        names.at_once = {"2001:db8::1"};
        names.missing = family_type::ipv4;
        names.late = {server.ip()};
        said = co_await timed("tcp:web.test:80:interface=" + client.ip());
        CHECK(said == connected);
    });
    w.run();
}

TEST_CASE("late family: sockets of datagrams have a peer among the later addresses") {
    bight::sim::world w(1);
    auto& host = w.add("host");
    host.run([&]() -> task<> {
        late_resolver names;
        names.at_once = {"2001:db8::1"};
        names.late = {"10.9.9.9"};
        std::string said = co_await attempt_with_datagrams("udp:web.test:53", names);
        CHECK(said == "connected to 10.9.9.9");
        const auto before = names.asked.size();
        said = co_await attempt_with_datagrams("udp:web.test:53:timeout=0.05", names);
        CHECK_THAT(said,
                   Catch::StartsWith("cannot connect to udp:web.test:53:timeout=0.05 ([2001:db8::1]:53: "));
        CHECK(names.asked.size() == before + 2);
        names.late = {};
        said = co_await attempt_with_datagrams("udp:web.test:53", names);
        CHECK_THAT(said, Catch::StartsWith("cannot connect to udp:web.test:53 ([2001:db8::1]:53: "));
        // Of the family of the own address.
        bight::datagram_options options;
        options.local = address::from_ip(host.ip(), 0);
        names.late = {"10.9.9.9"};
        said = co_await attempt_with_datagrams("udp:web.test:53", names, options);
        CHECK(said == "connected to 10.9.9.9");
        names.at_once = {"10.9.9.8"};
        names.missing = family_type::ipv6;
        names.asked.clear();
        said = co_await attempt_with_datagrams("udp:web.test:53", names, options);
        CHECK(said == "connected to 10.9.9.8");
        CHECK(names.asked.size() == 1);
        CHECK(host.sockets() == 0);
    });
    w.run();
}

TEST_CASE("late family: cancelling a connect that waits for further addresses ends their look-up") {
    test::on_each_in_virtual_time([]() -> task<> {
        late_resolver names;
        names.at_once = {"127.0.0.2"};
        bight::connect_options options;
        options.resolver = &names;
        names.after = 1h;
        auto connecting = [&]() -> task<> { (void)co_await bight::connect("tcp:web.test:9", options); };
        const auto done = co_await bight::try_with_timeout(connecting(), 10s);
        CHECK_FALSE(done);
        CHECK(names.ended == 0);
        CHECK(names.asked.size() == 2);
    });
}
