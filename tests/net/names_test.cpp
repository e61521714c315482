// Connecting to names: several addresses, silent ones among them, and machines that lack a family.
#include "black_hole.hpp"
#include "fake_names.hpp"
#include "own_network.hpp"

#include "support/catch.hpp"
#include "support/connections.hpp"
#include "support/reactors.hpp"

#include <bight/bight.hpp>

#include <chrono>
#include <future>
#include <string>
#include <utility>
#include <vector>

using bight::connect;
using bight::errc;
using bight::task;
using test::error_of;
using test::from_errno;
using namespace std::chrono_literals;

namespace {

template <class F>
void on_each_demultiplexer(F body) {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    CAPTURE(kind);
    test::reactor_fixture on(kind);
    on.run([&] { return body(); });
}

// What connecting to `where` came to, in words: where to, or the error.
task<std::string> attempt(std::string where) {
    try {
        const bight::stream s = co_await connect(where);
        co_return "connected to " + s.peer().to_string();
    } catch (const std::system_error& e) {
        co_return e.what();
    }
}

// The same on each demultiplexer, one line each.
template <class F>
std::string on_each_in_turn(F body) {
    std::string said;
    for (const auto kind : test::demultiplexers()) {
        bight::reactor_options options;
        options.demultiplexer = kind;
        bight::reactor r(options);
        said += std::string(test::name_of(kind)) + ": " + r.run(body()) + "\n";
    }
    return said;
}

std::string each_says(const std::string& line) {
    std::string said;
    for (const auto kind : test::demultiplexers())
        said += std::string(test::name_of(kind)) + ": " + line + "\n";
    return said;
}

}  // namespace

TEST_CASE("a name whose first address is silent is reached at its second, and nothing of the first is left") {
    on_each_demultiplexer([]() -> task<> {
        bight::listener l = bight::listen("tcp:0:interface=127.0.0.1");
        const test::black_hole hole("127.0.0.2", l.local().port());
        const test::fake_name name("dual.test", {"127.0.0.2", "127.0.0.1"});
        const int before = test::open_descriptors();
        {
            const bight::stream s = co_await connect("tcp:dual.test:" + std::to_string(l.local().port()));
            CHECK(s.peer() == l.local());
            CHECK(test::open_descriptors() == before + 1);
        }
    });
}

TEST_CASE("a time-out says what has become of each address") {
    on_each_demultiplexer([]() -> task<> {
        const test::black_hole hole;
        const std::string port = hole.endpoint().substr(hole.endpoint().rfind(':') + 1);
        const test::fake_name name("dual.test", {"127.0.0.3", "127.0.0.1"});
        const std::string said = co_await attempt("tcp:dual.test:" + port + ":timeout=0.02");
        CHECK_THAT(said, Catch::Contains("127.0.0.3:" + port + ": Connection refused") &&
                             Catch::Contains("127.0.0.1:" + port + ": no answer"));
        const test::hanging_name hangs("hangs.test");
        const std::string looked_up = co_await attempt("tcp:hangs.test:1:timeout=0.01");
        CHECK_THAT(looked_up, Catch::Contains("the look-up of its name has not ended"));
    });
}

TEST_CASE("the families take turns, each address is tried once, and the error lists them in this order") {
    if (test::no_ipv6()) test::skip(*test::no_ipv6());
    on_each_demultiplexer([]() -> task<> {
        std::string port;
        {
            const bight::listener l = bight::listen("tcp:0:interface=127.0.0.1");
            port = std::to_string(l.local().port());
        }
        const test::fake_name name("many.test", {"127.0.0.2", "127.0.0.3", "127.0.0.2", "::1", "127.0.0.4"});
        const std::string said = co_await attempt("tcp:many.test:" + port);
        const std::string refused = ":" + port + ": Connection refused";
        CHECK_THAT(said, Catch::Contains("(127.0.0.2" + refused + ", [::1]" + refused + ", 127.0.0.3" +
                                         refused + ", 127.0.0.4" + refused + ")"));
    });
}

TEST_CASE("cancelling while several addresses are tried closes them all") {
    on_each_demultiplexer([]() -> task<> {
        const test::black_hole first("127.0.0.1");
        const std::string port = first.endpoint().substr(first.endpoint().rfind(':') + 1);
        const test::black_hole second("127.0.0.2", static_cast<std::uint16_t>(std::stoi(port)));
        const test::fake_name name("holes.test", {"127.0.0.3", "127.0.0.1", "127.0.0.2"});
        const int before = test::open_descriptors();
        auto wait = [&]() -> task<> {
            const bight::stream s = co_await connect("tcp:holes.test:" + port);
            FAIL_CHECK("connected");
        };
        auto both_under_way = [&]() -> task<> {
            while (test::open_descriptors() < before + 2) co_await bight::sleep_for(1ms);
        };
        co_await bight::when_any(wait(), both_under_way());
        co_await bight::yield();
        CHECK(test::open_descriptors() == before);
    });
}

TEST_CASE("with interface=, addresses of another family are not tried") {
    on_each_demultiplexer([]() -> task<> {
        std::string port;
        {
            const bight::listener l = bight::listen("tcp:0:interface=127.0.0.1");
            port = std::to_string(l.local().port());
        }
        const std::string from = ":interface=127.0.0.1";
        const auto refused = co_await error_of(connect("tcp:localhost:" + port + from));
        CHECK(refused == from_errno(ECONNREFUSED));
        std::string what;
        try {
            co_await connect("tcp:\\:\\:1:" + port + from);
        } catch (const std::system_error& e) {
            CHECK(e.code() == from_errno(EAFNOSUPPORT));
            what = e.what();
        }
        CHECK_THAT(what, Catch::Contains("family of its interface"));
    });
}

TEST_CASE("where IPv6 is off, a server that is down at localhost refuses") {
    const auto said = test::in_own_network(
        [] {
            return test::set_network("ipv6/conf/all/disable_ipv6", "1") &&
                   test::set_network("ipv6/conf/lo/disable_ipv6", "1");
        },
        [] {
            return on_each_in_turn([]() -> task<std::string> {
                const auto error = co_await error_of(connect("tcp:localhost:9"));
                co_return error.message();
            });
        });
    if (!said) test::skip("a network namespace is not allowed here");
    CHECK(*said == each_says("Connection refused"));
}

TEST_CASE("a machine that has a loopback and nothing else finds its names over IPv6, too") {
    if (test::no_ipv6()) test::skip(*test::no_ipv6());
    on_each_demultiplexer([]() -> task<> {
        bight::listener l = bight::listen("tcp6:0:interface=\\:\\:1");
        const test::fake_name name("six.test", {"::1"}, test::machine::has_loopback_only);
        const std::string said = co_await attempt("tcp6:six.test:" + std::to_string(l.local().port()));
        CHECK(said == "connected to " + l.local().to_string());
    });
}

TEST_CASE("tcp6 does not reach a name at an address of IPv4") {
    on_each_demultiplexer([]() -> task<> {
        bight::listener l = bight::listen("tcp:0:interface=127.0.0.1");
        const test::fake_name name("four.test", {"127.0.0.1"});
        const auto error = co_await error_of(connect("tcp6:four.test:" + std::to_string(l.local().port())));
        CHECK(std::string(error.category().name()) == "getaddrinfo");
    });
}

TEST_CASE("a connection to a local port at which nobody listens does not meet itself") {
    constexpr const char* only_port = "40000";
    const auto said = test::in_own_network(
        [] {
            return test::set_network("ipv4/ip_local_port_range", std::string(only_port) + " " + only_port);
        },
        [] {
            return on_each_in_turn([]() -> task<std::string> {
                for (const char* ip : {"127.0.0.1", "0.0.0.0", "\\:\\:1"}) {
                    if (ip[0] == '\\' && test::no_ipv6()) continue;
                    for (int i = 0; i < 3; ++i) {  // nor does an attempt keep the port
                        const std::string where = "tcp:" + std::string(ip) + ":" + only_port;
                        const auto error = co_await error_of(connect(where));
                        if (error != from_errno(ECONNREFUSED)) co_return where + ": " + error.message();
                    }
                }
                const bight::listener l =
                    bight::listen(std::string("tcp:interface=127.0.0.1:port=") + only_port);
                co_return "refused, and the port is free";
            });
        });
    if (!said) test::skip("a network namespace is not allowed here");
    CHECK(*said == each_says("refused, and the port is free"));
}

TEST_CASE("look-ups that hang hold up no job, and jobs hold up no look-up") {
    on_each_demultiplexer([]() -> task<> {
        constexpr int many = 40;  // more than the shared pool has threads
        {
            const test::hanging_name hangs("hangs.test");
            std::vector<task<std::error_code>> clients;
            for (int i = 0; i < many; ++i)
                clients.push_back(error_of(connect("tcp:hangs.test:1:timeout=0.01")));
            const auto errors = co_await bight::when_all(std::move(clients));
            for (const auto& error : errors) CHECK(error == errc::timed_out);
            const auto seven = co_await bight::try_with_timeout(bight::offload([] { return 7; }), 20s);
            CHECK(seven == 7);
            const test::fake_name name("here.test", {});
            const auto found = co_await error_of(connect("tcp:here.test:1:timeout=20"));
            CHECK(found != errc::timed_out);
        }
        std::promise<void> over;
        const std::shared_future<void> until = over.get_future().share();
        std::vector<task<>> jobs;
        const auto job = [](std::shared_future<void> end) -> task<> {
            auto wait = [end] { end.wait(); };
            co_await bight::offload(wait);
        };
        for (int i = 0; i < many; ++i) jobs.push_back(job(until));
        const test::fake_name name("nowhere.test", {});
        auto look_up = [&]() -> task<> {
            co_await bight::yield();  // the jobs have begun
            const auto error = co_await error_of(connect("tcp:nowhere.test:1:timeout=20"));
            CHECK(error != errc::timed_out);
            over.set_value();
        };
        auto work = [&]() -> task<> { co_await bight::when_all(std::move(jobs)); };
        co_await bight::when_all(work(), look_up());
    });
}
