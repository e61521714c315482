// Connecting to names: several addresses, silent ones among them, and machines that lack a family.
#include "black_hole.hpp"
#include "fake_names.hpp"

#include "support/catch.hpp"
#include "support/connections.hpp"
#include "support/each_reactor.hpp"
#include "support/reactors.hpp"
#include "support/thread_count.hpp"

#include <bight/bight.hpp>
#include <bight/net/resolver.hpp>

#include <chrono>
#include <optional>
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

// What a refused connection is called here.
task<std::string> refusal() {
    std::string where;
    {
        const bight::listener closed = bight::listen("tcp:0:interface=127.0.0.1");
        where = test::endpoint_to(closed.local());
    }
    const auto error = co_await error_of(connect(where));
    CHECK(error == from_errno(ECONNREFUSED));
    co_return error.message();
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

}  // namespace

TEST_CASE("a name whose first address is silent is reached at its second, and nothing of the first is left") {
    test::on_each_of(test::real_reactors(), []() -> task<> {
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
    test::on_each_of(test::real_reactors(), []() -> task<> {
        const test::black_hole hole;
        const std::string port = hole.endpoint().substr(hole.endpoint().rfind(':') + 1);
        const test::fake_name name("dual.test", {"127.0.0.3", "127.0.0.1"});
        const std::string said = co_await attempt("tcp:dual.test:" + port + ":timeout=0.3");
        const std::string refused = co_await refusal();
        CHECK_THAT(said, Catch::Contains("127.0.0.3:" + port + ": " + refused) &&
                             Catch::Contains("127.0.0.1:" + port + ": no answer"));
        const test::hanging_name hangs("hangs.test");
        const std::string looked_up = co_await attempt("tcp:hangs.test:1:timeout=0.01");
        CHECK_THAT(looked_up, Catch::Contains("the look-up of its name has not ended"));
    });
}

TEST_CASE("the families take turns, each address is tried once, and the error lists them in this order") {
    if (test::no_ipv6()) test::skip(*test::no_ipv6());
    test::on_each_of(test::real_reactors(), []() -> task<> {
        std::string port;
        {
            const bight::listener l = bight::listen("tcp:0:interface=127.0.0.1");
            port = std::to_string(l.local().port());
        }
        const test::fake_name name("many.test", {"127.0.0.2", "127.0.0.3", "127.0.0.2", "::1", "127.0.0.4"});
        const std::string said = co_await attempt("tcp:many.test:" + port);
        const std::string refused = ":" + port + ": " + co_await refusal();
        CHECK_THAT(said, Catch::Contains("(127.0.0.2" + refused + ", [::1]" + refused + ", 127.0.0.3" +
                                         refused + ", 127.0.0.4" + refused + ")"));
    });
}

TEST_CASE("cancelling while several addresses are tried closes them all") {
    test::on_each_of(test::real_reactors(), []() -> task<> {
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
    test::on_each_of(test::real_reactors(), []() -> task<> {
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

TEST_CASE("a machine that has a loopback and nothing else finds its names over IPv6, too") {
    if (test::no_ipv6()) test::skip(*test::no_ipv6());
    test::on_each_of(test::real_reactors(), []() -> task<> {
        bight::listener l = bight::listen("tcp6:0:interface=\\:\\:1");
        const test::fake_name name("six.test", {"::1"}, test::machine::has_loopback_only);
        const std::string said = co_await attempt("tcp6:six.test:" + std::to_string(l.local().port()));
        CHECK(said == "connected to " + l.local().to_string());
    });
}

TEST_CASE("tcp6 does not reach a name at an address of IPv4") {
    test::on_each_of(test::real_reactors(), []() -> task<> {
        bight::listener l = bight::listen("tcp:0:interface=127.0.0.1");
        const test::fake_name name("four.test", {"127.0.0.1"});
        const auto error = co_await error_of(connect("tcp6:four.test:" + std::to_string(l.local().port())));
        CHECK(std::string(error.category().name()) == "getaddrinfo");
    });
}

TEST_CASE("a name that the system does not know is an error of getaddrinfo, with the name") {
    test::on_each_of(test::real_reactors(), []() -> task<> {
        const test::fake_name none("none.test", {});
        std::string said;
        try {
            co_await bight::system_resolver().resolve("none.test", "80");
        } catch (const std::system_error& e) {
            CHECK(e.code().category() == bight::resolver_category());
            said = e.what();
        }
        CHECK_THAT(said, Catch::Contains("look-up of none.test"));
        const std::string connecting = co_await attempt("tcp:none.test:80");
        CHECK_THAT(connecting,
                   Catch::StartsWith("cannot connect to tcp:none.test:80: look-up of none.test: "));
        // The system's words come once.
        const std::string words = make_error_code(bight::resolver_errc::no_such_name).message();
        CHECK(connecting.find(words) == connecting.rfind(words));
        CHECK_THAT(connecting, Catch::EndsWith(words));
    });
}

TEST_CASE("connects that hang in one name share one look-up, and its thread") {
    test::on_each_of(test::real_reactors(), []() -> task<> {
        std::optional<test::hanging_name> hangs(std::in_place, "hangs.test");
        std::vector<task<std::error_code>> clients;
        for (int i = 0; i < 10; ++i)
            clients.push_back(error_of(connect("tcp:hangs.test:" + std::to_string(i + 1))));
        auto all = [&]() -> task<> {
            const auto errors = co_await bight::when_all(std::move(clients));
            for (const auto& error : errors) CHECK(error.category() == bight::resolver_category());
        };
        auto let_go = [&]() -> task<> {
            while (test::hanging_look_ups("hangs.test") == 0) co_await bight::sleep_for(1ms);
            CHECK(test::hanging_look_ups("hangs.test") == 1);
            hangs.reset();
        };
        co_await bight::when_all(all(), let_go());
    });
}

TEST_CASE("look-ups that hang hold up no job, and jobs hold up no look-up") {
    test::on_each_of(test::real_reactors(), []() -> task<> {
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
        test::thread_count over;
        std::vector<task<>> jobs;
        const auto job = [](test::thread_count& end) -> task<> {
            auto wait = [&end] { end.wait_until(1); };
            co_await bight::offload(wait);
        };
        for (int i = 0; i < many; ++i) jobs.push_back(job(over));
        const test::fake_name name("nowhere.test", {});
        auto look_up = [&]() -> task<> {
            co_await bight::yield();  // the jobs have begun
            const auto error = co_await error_of(connect("tcp:nowhere.test:1:timeout=20"));
            CHECK(error != errc::timed_out);
            over.add();
        };
        auto work = [&]() -> task<> { co_await bight::when_all(std::move(jobs)); };
        co_await bight::when_all(work(), look_up());
    });
}
