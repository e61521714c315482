// What a listener and a server do about each error that accept(2) can give.
#include "accept_faults.hpp"
#include "ended.hpp"
#include "support/catch.hpp"
#include "support/connections.hpp"
#include "support/listen_no_more.hpp"
#include "support/reactors.hpp"

#include <bight/bight.hpp>

#include <cerrno>
#include <chrono>
#include <optional>
#include <string>
#include <vector>

using bight::stream;
using bight::task;
using test::anywhere;
using test::ended;
using namespace std::chrono_literals;

namespace {

// The connection failed before it was accepted, or a signal came.
const auto of_one_connection =
    test::errors_here({ECONNABORTED, EPERM, EPROTO, ENETDOWN, ENOPROTOOPT, EHOSTDOWN, ENONET, EINTR,
                       EHOSTUNREACH, EOPNOTSUPP, ENETUNREACH});
const auto of_resources = test::errors_here({EMFILE, ENFILE, ENOBUFS, ENOMEM});
const auto of_the_listener =
    test::errors_here({EBADF, EINVAL, ENOTSOCK, EFAULT, ENOSYS, 511});  // 511: of no name

bight::serve_options with(bight::exhaustion_policy policy) {
    bight::serve_options options;
    options.listen.when_exhausted = policy;
    return options;
}

}  // namespace

TEST_CASE("an error of accept that concerns one connection is passed over") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    CAPTURE(kind);
    test::virtual_fixture on(kind);
    on.run([&]() -> task<> {
        bight::listener l = bight::listen(anywhere);
        for (const int error : of_one_connection) {
            CAPTURE(error);
            test::fail_accept(on.reactor(), l.native_handle(), error);
            test::fail_accept(on.reactor(), l.native_handle(), error);
            const auto client = test::raw_connect(l.local());
            const auto first = co_await bight::as_result(l.accept());
            CHECK(first.has_value());
            // The same while somebody waits for a connection.
            auto accept = [&]() -> task<> {
                const auto second = co_await bight::as_result(l.accept());
                CHECK(second.has_value());
            };
            auto connect = [&]() -> task<> {
                co_await bight::yield();
                co_await bight::yield();
                test::fail_accept(on.reactor(), l.native_handle(), error);
                const auto other = test::raw_connect(l.local());
                co_await bight::yield();
            };
            co_await bight::when_all(accept(), connect());
        }
    });
    CHECK(on.elapsed() == 0s);
    CHECK(on.take_log().empty());
    CHECK(test::accept_errors().empty());
}

TEST_CASE("wfmo under Wine: an accept that finds nothing, although a connection was told of, looks again") {
    test::need(bight::demultiplexer_kind::wfmo);
    if (!test::under_wine())
        test::skip("Windows tells of a connection again after any accept; Wine does not");
    test::reactor_fixture on(bight::demultiplexer_kind::wfmo);
    int accepted = 0;
    on.run([&]() -> task<> {
        bight::listener l = bight::listen(anywhere);
        auto accept = [&]() -> task<> {
            for (; accepted < 3; ++accepted) (void)co_await l.accept();
        };
        auto connect = [&]() -> task<> {
            for (int i = 0; i < 3; ++i) {
                for (int turn = 0; accepted < i || turn < 3; ++turn) co_await bight::yield();  // it waits
                // No event follows: the next one would come after an accept that has been made.
                test::fail_accept(on.reactor(), l.native_handle(), EAGAIN);
                const auto client = test::raw_connect(l.local());
                while (accepted == i) co_await bight::sleep_for(1ms);
            }
        };
        co_await bight::when_all(accept(), connect());
        CHECK(test::accept_errors().empty());
        // And no more once it has got one: a look every 20 ms would show.
        const auto polls = on.reactor().statistics().polls;
        const auto none = co_await bight::try_with_timeout(l.accept(), 400ms);
        CHECK_FALSE(none.has_value());
        CHECK(on.reactor().statistics().polls - polls < 10);
    });
    CHECK(accepted == 3);
}

TEST_CASE("out of something, with wait: the listener looks again every 100 ms, says so once, and recovers") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    CAPTURE(kind);
    for (const int error : of_resources) {
        CAPTURE(error);
        test::virtual_fixture on(kind);
        on.run([&]() -> task<> {
            bight::listener l = bight::listen(anywhere, with(bight::exhaustion_policy::wait).listen);
            const auto client = test::raw_connect(l.local());
            test::fail_accept(on.reactor(), l.native_handle(), error);
            auto accept = [&]() -> task<> { co_await l.accept(); };
            auto look = [&]() -> task<> {
                for (int pauses = 1; pauses <= 3; ++pauses) {
                    co_await bight::sleep_for(50ms);
                    if (pauses < 3) test::fail_accept(on.reactor(), l.native_handle(), error);
                    co_await bight::sleep_for(50ms);
                }
            };
            co_await bight::when_all(accept(), look());
            CHECK(on.elapsed() == 300ms);
            const auto said = on.take_log();
            REQUIRE(said.size() == 1);
            CHECK(said[0].find("cannot accept connections on 127.0.0.1:") == 0);
            CHECK(said[0].find(test::text_of(error)) != std::string::npos);
            // It has recovered: the next time is said again.
            test::fail_accept(on.reactor(), l.native_handle(), error);
            const auto other = test::raw_connect(l.local());
            co_await l.accept();
            CHECK(on.take_log().size() == 1);
        });
    }
}

TEST_CASE("out of something, with shed: who waits is refused, and the next is accepted") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    CAPTURE(kind);
    for (const int error : of_resources) {
        CAPTURE(error);
        test::virtual_fixture on(kind);
        on.run([&]() -> task<> {
            bight::listener l = bight::listen(anywhere, with(bight::exhaustion_policy::shed).listen);
            const auto first = test::raw_connect(l.local());
            const auto second = test::raw_connect(l.local());
            const int descriptors = test::open_descriptors();
            test::fail_accept(on.reactor(), l.native_handle(), error);
            std::optional<test::raw_socket> later;
            std::optional<stream> held;
            auto accept = [&]() -> task<> {
                stream s = co_await l.accept();
                held = std::move(s);
            };
            auto look = [&]() -> task<> {
                while (!ended(first) || !ended(second)) co_await bight::yield();
                later.emplace(test::raw_connect(l.local()));
            };
            co_await bight::when_all(accept(), look());
            CHECK_FALSE(ended(*later));
            later->close();
            CHECK(test::open_descriptors() == descriptors + 1);  // with the reserve for the next time
            const std::string nothing = co_await test::read_all(*held);
            CHECK(nothing.empty());
            CHECK(on.take_log().size() == 1);
        });
        CHECK(on.elapsed() == 0s);
    }
}

TEST_CASE("out of descriptors, connections that have said all give theirs up at once") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    const int error = GENERATE(from_range(test::errors_here({EMFILE, ENFILE})));
    CAPTURE(kind, error);
    test::virtual_fixture on(kind);
    on.run([&]() -> task<> {
        bight::listener l = bight::listen(anywhere, with(bight::exhaustion_policy::wait).listen);
        const auto stays = test::raw_connect(l.local());
        {
            const stream dropped = co_await l.accept();
        }
        while (!ended(stays)) co_await bight::yield();  // from here on it waits for its peer's end
        const auto next = test::raw_connect(l.local());
        test::fail_accept(on.reactor(), l.native_handle(), error);
        const stream accepted = co_await l.accept();
        CHECK(accepted.is_open());
    });
    CHECK(on.elapsed() == 0s);
    CHECK(on.take_log().size() == 1);
}

TEST_CASE("any other error of accept is thrown with its errno and the place, and the listener stays") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    CAPTURE(kind);
    test::reactor_fixture on(kind);
    on.run([&]() -> task<> {
        bight::listener l = bight::listen(anywhere);
        for (const int error : of_the_listener) {
            CAPTURE(error);
            test::fail_accept(on.reactor(), l.native_handle(), error);
            std::error_code code;
            std::string text;
            try {
                co_await l.accept();
            } catch (const std::system_error& e) {
                code = e.code();
                text = e.what();
            }
            CHECK(code == test::from_errno(error));
            CHECK(text.find("accept on " + l.local().to_string()) == 0);
            const auto client = test::raw_connect(l.local());
            const auto accepted = co_await bight::as_result(l.accept());
            CHECK(accepted.has_value());
        }
    });
}

TEST_CASE("the kernel's own EINVAL, of a socket that listens no more, is thrown to who waits") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    CAPTURE(kind);
    test::reactor_fixture on(kind);
    on.run([&]() -> task<> {
        bight::listener l = bight::listen(anywhere);
        auto accept = [&]() -> task<> {
            const auto code = co_await test::error_of(l.accept());
            CHECK(code == test::from_errno(EINVAL));
        };
        std::optional<test::listen_no_more> ended;
        auto end = [&]() -> task<> {
            co_await bight::yield();
            co_await bight::yield();
            ended.emplace(l.native_handle());
        };
        co_await bight::when_all(accept(), end());
    });
}

TEST_CASE(
    "a server passes over what concerns one connection, and ends in good order when its listener fails") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    CAPTURE(kind);
    test::virtual_fixture on(kind);
    on.run([&]() -> task<> {
        bight::listener l = bight::listen(anywhere, with(bight::exhaustion_policy::wait).listen);
        const int handle = l.native_handle();
        const auto where = l.local();
        auto echo = [](stream peer) -> task<> {
            while (auto chunk = co_await peer.read_some()) co_await peer.write(chunk);
        };
        const auto fail = [&](int error) { test::fail_accept(on.reactor(), handle, error); };
        std::error_code code;
        auto server = [&]() -> task<> {
            code = co_await test::error_of(bight::serve(std::move(l), {}, echo));
        };
        auto client = [&]() -> task<> {
            std::vector<stream> all;
            const auto talk = [](stream& s) -> task<> {
                char answer[2] = {};
                co_await s.write("hi");
                co_await s.read_exactly(bight::mutable_buffer(answer, sizeof answer));
                CHECK(std::string(answer, sizeof answer) == "hi");
            };
            for (const int error : test::errors_here({ECONNABORTED, EPERM, EMFILE, ENOMEM, EPROTO})) {
                fail(error);
                stream s = co_await bight::connect(test::endpoint_to(where));
                co_await talk(s);
                all.push_back(std::move(s));
            }
            fail(EFAULT);
            // On io_uring it is found at the accept after this one; elsewhere nobody accepts it any more.
            auto last = co_await bight::as_result(bight::connect(test::endpoint_to(where)));
            while (::fcntl(handle, F_GETFD) >= 0) co_await bight::yield();
            for (auto& s : all) co_await talk(s);  // they may end by themselves
            for (auto& s : all) co_await s.close();
            if (last) co_await last->close();
        };
        co_await bight::when_all(server(), client());
        CHECK(code == test::from_errno(EFAULT));
    });
    on.take_log();
}

TEST_CASE("an accept that fails for ever does not spin, is said once, and can be cancelled") {
    const auto kind = GENERATE(from_range(test::those_that_call_accept()));
    CAPTURE(kind);
    for (const int error : {EPERM, ECONNABORTED, EMFILE, ENOBUFS}) {
        CAPTURE(error);
        const auto policy = error == EMFILE ? bight::exhaustion_policy::shed : bight::exhaustion_policy::wait;
        test::virtual_fixture on(kind);
        on.run([&]() -> task<> {
            bight::listener l = bight::listen(anywhere, with(policy).listen);
            const auto client = test::raw_connect(l.local());
            test::accept_always_fails = error;
            test::accepts_failed = 0;
            const auto nobody = co_await bight::try_with_timeout(l.accept(), 950ms);
            CHECK_FALSE(nobody.has_value());
            CHECK(test::accepts_failed >= 10);  // now, and every 100 ms
            CHECK(test::accepts_failed <= 650);
            CHECK(on.take_log().size() == 1);
            test::accept_always_fails = 0;
            const auto accepted = co_await bight::as_result(l.accept());
            CHECK(accepted.has_value());
        });
        CHECK(on.elapsed() == 950ms);
    }
}

TEST_CASE("a cancellation in the turn in which an accept fails for lack of descriptors is not lost") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    const int error = GENERATE(EMFILE, ECONNABORTED);
    CAPTURE(kind, error);
    bight::virtual_clock time(bight::virtual_clock::mode::manual);
    bight::reactor_options options;
    options.clock = &time;
    test::reactor_fixture on(kind, options);
    on.run([&]() -> task<> {
        bight::listener l = bight::listen(anywhere, with(bight::exhaustion_policy::wait).listen);
        auto accept = [&]() -> task<> {
            const auto got = co_await bight::try_with_timeout(l.accept(), 1s);
            // An io_uring had the connection before it had the error.
            CHECK(got.has_value() == (kind == bight::demultiplexer_kind::io_uring));
        };
        auto fail = [&]() -> task<> {
            for (int i = 0; i < 3; ++i) co_await bight::yield();
            test::fail_accept(on.reactor(), l.native_handle(), error);
            const auto client = test::raw_connect(l.local());
            time.advance(1s);
            co_await bight::yield();
        };
        co_await bight::when_all(accept(), fail());
    });
    on.take_log();
    test::accept_errors().clear();
}
