// Answers that are kept, and for how long.
#include "asked_resolver.hpp"

#include "io/socket_headers.hpp"

#include "support/catch.hpp"
#include "support/connections.hpp"
#include "support/each_reactor.hpp"

#include <bight/bight.hpp>
#include <bight/net/caching_resolver.hpp>
#include <bight/sim/world.hpp>

#include <chrono>
#include <string>
#include <system_error>

using bight::caching_options;
using bight::caching_resolver;
using bight::task;
using test::asked_resolver;
using test::error_of;
using test::in_words;
using namespace std::chrono_literals;

namespace {

task<std::string> found(bight::resolver& by, std::string host) {
    const bight::resolved_host what = co_await by.resolve(std::move(host));
    co_return in_words(what);
}

}  // namespace

TEST_CASE("an answer is kept for its time to live, and what is left of it is told") {
    test::on_each_in_virtual_time([]() -> task<> {
        asked_resolver origin;
        origin.names["one.test"] = {"192.0.2.1"};
        origin.ttl = 10s;
        caching_resolver names(origin);
        co_await names.resolve("one.test");
        origin.names["one.test"] = {"192.0.2.2"};
        co_await bight::sleep_for(9s);
        const bight::resolved_host kept = co_await names.resolve("ONE.test", "80");
        CHECK(in_words(kept) == "192.0.2.1:80");
        REQUIRE(kept.ttl.has_value());
        CHECK(*kept.ttl > 500ms);
        CHECK(*kept.ttl <= 1s);
        co_await bight::sleep_for(1s);
        const std::string fresh = co_await found(names, "one.test");
        CHECK(fresh == "192.0.2.2:0");
        CHECK(origin.asked.size() == 2);
        const bight::caching_statistics so_far = names.statistics();
        CHECK(so_far.hits == 1);
        CHECK(so_far.misses == 2);
        CHECK(so_far.evicted == 0);
        CHECK(so_far.entries == 1);
    });
}

TEST_CASE("answers without a time to live are kept for the default, and none longer than the longest") {
    test::on_each_in_virtual_time([]() -> task<> {
        asked_resolver origin;
        origin.names["one.test"] = {"192.0.2.1"};
        caching_options options;
        options.default_ttl = 5s;
        options.longest_ttl = 20s;
        caching_resolver names(origin, options);
        const auto asked_after = [&](bight::duration pause) -> task<std::size_t> {
            co_await bight::sleep_for(pause);
            co_await names.resolve("one.test");
            co_return origin.asked.size();
        };
        std::size_t asked = co_await asked_after(0s);
        CHECK(asked == 1);
        asked = co_await asked_after(4s);
        CHECK(asked == 1);
        origin.ttl = 24h;
        asked = co_await asked_after(2s);
        CHECK(asked == 2);
        asked = co_await asked_after(19s);
        CHECK(asked == 2);
        origin.ttl = 0s;  // not to be kept (RFC 1035, 3.2.1)
        asked = co_await asked_after(2s);
        CHECK(asked == 3);
        asked = co_await asked_after(0s);
        CHECK(asked == 4);
        CHECK(names.statistics().entries == 0);
    });
}

TEST_CASE("that a name is not found is kept for a short time, and other errors are not") {
    test::on_each_in_virtual_time([]() -> task<> {
        asked_resolver origin;
        caching_options options;
        options.negative_ttl = 3s;
        caching_resolver names(origin, options);
        origin.failure = {EAI_AGAIN, bight::resolver_category()};
        for (std::size_t i = 1; i <= 2; ++i) {
            const auto again = co_await error_of(names.resolve("none.test"));
            CHECK(again == origin.failure);
            CHECK(origin.asked.size() == i);
        }
        origin.failure = {EAI_NONAME, bight::resolver_category()};
        for (int i = 0; i < 3; ++i) {
            const auto none = co_await error_of(names.resolve("none.test"));
            CHECK(none == origin.failure);
            co_await bight::sleep_for(1s);
        }
        CHECK(origin.asked.size() == 3);
        origin.names["none.test"] = {"192.0.2.1"};
        const std::string now_there = co_await found(names, "none.test");
        CHECK(now_there == "192.0.2.1:0");
        const auto nameless = bight::address::from_ip("192.0.2.9", 7);
        for (int i = 0; i < 2; ++i) {
            const auto none = co_await error_of(names.reverse(nameless));
            CHECK(none == origin.failure);
        }
        for (int i = 0; i < 2; ++i) {
            const std::string name = co_await names.reverse(bight::address::from_ip("192.0.2.1", 7));
            CHECK(name == "none.test");
        }
        CHECK(origin.asked.size() == 6);
    });
}

TEST_CASE("what an error of a look-up says is the same on every system") {
    using bight::resolver_errc;
    const auto of = [](int code) { return std::error_code(code, bight::resolver_category()); };
    CHECK(of(EAI_NONAME) == resolver_errc::no_such_name);
#if defined(EAI_NODATA)
    CHECK(of(EAI_NODATA) == resolver_errc::no_such_name);
#endif
#if defined(WSANO_DATA)
    CHECK(of(WSANO_DATA) == resolver_errc::no_such_name);
#endif
    CHECK(of(EAI_AGAIN) == resolver_errc::try_again);
    CHECK(of(EAI_FAIL) == resolver_errc::failed);
    CHECK(of(EAI_SERVICE) == resolver_errc::no_such_service);
    CHECK(of(EAI_AGAIN) != resolver_errc::no_such_name);
    CHECK(std::error_code(EAI_NONAME, std::generic_category()) != resolver_errc::no_such_name);
    for (const auto e : {resolver_errc::no_such_name, resolver_errc::try_again, resolver_errc::failed,
                         resolver_errc::no_such_service}) {
        CHECK(make_error_code(e) == e);
        CHECK(&make_error_code(e).category() == &bight::resolver_category());
        CHECK_FALSE(make_error_condition(e).message().empty());
    }
}

TEST_CASE("a full cache forgets what was asked for least recently, and clear forgets all") {
    test::on_each_in_virtual_time([]() -> task<> {
        asked_resolver origin;
        for (const char* name : {"a.test", "b.test", "c.test"}) origin.names[name] = {"192.0.2.1", "::1"};
        caching_options options;
        options.most_entries = 2;
        caching_resolver names(origin, options);
        for (const char* name : {"a.test", "b.test", "a.test", "c.test", "a.test", "b.test"}) {
            co_await names.resolve(name);
        }
        CHECK(origin.asked == std::vector<std::string>{"a.test", "b.test", "c.test", "b.test"});
        CHECK(names.statistics().entries == 2);
        CHECK(names.statistics().evicted == 2);
        names.clear();
        CHECK(names.statistics().entries == 0);
        bight::resolve_options six;
        six.family = bight::address::family_type::ipv6;
        for (int i = 0; i < 2; ++i) {
            co_await names.resolve("b.test");
            co_await names.resolve("b.test", "", six);  // another answer
        }
        CHECK(origin.asked.size() == 6);
        options.most_entries = 0;
        caching_resolver none(origin, options);
        for (int i = 0; i < 2; ++i) co_await none.resolve("a.test");
        CHECK(origin.asked.size() == 8);
        CHECK(none.statistics().entries == 0);
    });
}

TEST_CASE("an answer that was under way when all was forgotten is not kept") {
    test::on_each_in_virtual_time([]() -> task<> {
        asked_resolver origin(false);
        origin.names["one.test"] = {"192.0.2.1"};
        origin.failure = {EAI_NONAME, bight::resolver_category()};
        caching_resolver names(origin);
        auto body = [&](bight::group& g) -> task<> {
            auto ask = [&](const char* name) -> task<> {
                (void)co_await bight::as_result(names.resolve(name));
                (void)co_await bight::as_result(names.reverse(bight::address::from_ip("192.0.2.1", 0)));
            };
            g.spawn(ask, "one.test");
            g.spawn(ask, "none.test");
            while (origin.under_way < 2) co_await bight::yield();
            names.clear();
            origin.answering.set();
        };
        co_await bight::with_group(body);
        CHECK(names.statistics().entries == 1);  // the name of the address, which was asked for afterwards
        origin.names["one.test"] = {"192.0.2.2"};
        const std::string now = co_await found(names, "one.test");
        CHECK(now == "192.0.2.2:0");
    });
}

TEST_CASE("in a world a cache keeps a name that has moved until its time to live is over") {
    bight::sim::world w(1);
    bight::sim::name_options options;
    options.ttl = 1min;
    w.set_name("name", {"192.0.2.1"}, options);
    std::string early;
    std::string late;
    w.add("client").run([&]() -> task<> {
        caching_resolver names(bight::system_resolver());
        co_await names.resolve("name");
        w.set_name("name", {"192.0.2.2"}, options);
        co_await bight::sleep_for(59s);
        early = co_await found(names, "name");
        co_await bight::sleep_for(1s);
        late = co_await found(names, "name");
    });
    w.run();
    CHECK(early == "192.0.2.1:0");
    CHECK(late == "192.0.2.2:0");
}
