// Listeners in trouble more than once, or in the middle of something: what they keep in reserve, and count.
#include "accept_faults.hpp"
#include "ended.hpp"
#include "support/catch.hpp"
#include "support/connections.hpp"
#include "support/few_sockets.hpp"
#include "support/reactors.hpp"

#include <bight/bight.hpp>

#include <cerrno>
#include <chrono>
#include <string>

using bight::task;
using test::anywhere;
using test::ended;
using namespace std::chrono_literals;

namespace {

bight::listen_options when_exhausted(bight::exhaustion_policy policy) {
    bight::listen_options options;
    options.when_exhausted = policy;
    return options;
}

}  // namespace

TEST_CASE("a listener that could keep nothing in reserve has a reserve when descriptors are free again") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    CAPTURE(kind);
    test::virtual_fixture on(kind);
    on.run([&]() -> task<> {
        bight::listener l;
        {
            const test::few_sockets one(1);  // that which listens
            l = bight::listen(anywhere, when_exhausted(bight::exhaustion_policy::shed));
        }
        for (int exhaustions = 0; exhaustions < 2; ++exhaustions) {
            const auto waits = test::raw_connect(l.local());
            test::fail_accept(on.reactor(), l.native_handle(), ENOBUFS);
            const auto nobody = co_await bight::try_with_timeout(l.accept(), 1ms);
            CHECK_FALSE(nobody.has_value());
            CHECK(ended(waits));
        }
    });
    on.take_log();
}

TEST_CASE("attempts that fail are counted from the last connection on") {
    const auto kind = GENERATE(from_range(test::those_that_call_accept()));
    CAPTURE(kind);
    test::virtual_fixture on(kind);
    on.run([&]() -> task<> {
        bight::listener l = bight::listen(anywhere);
        for (int connections = 0; connections < 4; ++connections) {
            for (int i = 0; i < 40; ++i) test::fail_accept(on.reactor(), l.native_handle(), ECONNABORTED);
            const auto client = test::raw_connect(l.local());
            co_await l.accept();
        }
    });
    CHECK(on.elapsed() == 0s);  // 64 of them in a row, and it would have paused
    CHECK(on.take_log().empty());
}

TEST_CASE("attempts that fail are counted from the last pause on") {
    const auto kind = GENERATE(from_range(test::those_that_call_accept()));
    CAPTURE(kind);
    test::virtual_fixture on(kind);
    on.run([&]() -> task<> {
        bight::listener l = bight::listen(anywhere);
        for (int i = 0; i < 64 + 64 + 63; ++i)
            test::fail_accept(on.reactor(), l.native_handle(), ECONNABORTED);
        const auto client = test::raw_connect(l.local());
        co_await l.accept();
    });
    CHECK(on.elapsed() == 200ms);
    CHECK(on.take_log().size() == 1);
}

TEST_CASE("a listener that is closed while it pauses ends the accept that waits") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    CAPTURE(kind);
    test::virtual_fixture on(kind);
    on.run([&]() -> task<> {
        bight::listener l = bight::listen(anywhere, when_exhausted(bight::exhaustion_policy::wait));
        const auto client = test::raw_connect(l.local());
        test::fail_accept(on.reactor(), l.native_handle(), EMFILE);
        auto accept = [&]() -> task<> {
            const auto code = co_await test::error_of(l.accept());
            CHECK(code == bight::errc::closed);
        };
        auto close = [&]() -> task<> {
            co_await bight::sleep_for(50ms);
            l.close();
        };
        co_await bight::when_all(accept(), close());
    });
    CHECK(on.elapsed() == 50ms);
    CHECK(on.take_log().size() == 1);
}
