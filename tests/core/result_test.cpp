// result<T>: what it holds when moving throws, and results that are references.
#include <bight/core/result.hpp>

#include <bight/core/error.hpp>
#include <bight/sync/broadcast_channel.hpp>
#include <bight/sync/channel.hpp>
#include <bight/sync/once.hpp>

#include "support/fickle.hpp"
#include "support/reactors.hpp"

#include <stdexcept>
#include <string>
#include <system_error>
#include <type_traits>
#include <utility>

using bight::result;
using bight::task;
using test::fickle;

namespace {

/// Copies, and throws from a copy after `copies_left` others; once, and never while that is negative.
struct copied {
    explicit copied(int v) : value(v) {}
    copied(const copied& other) : value(other.value) {
        if (copies_left-- == 0) throw std::runtime_error("not copied");
    }
    copied& operator=(const copied&) = delete;
    int value;
    static inline int copies_left = -1;
};

}  // namespace

TEST_CASE("an assignment whose move throws leaves a result without a value, and nothing destroyed twice") {
    fickle::living = 0;
    {
        result<fickle> to(fickle(1));
        result<fickle> from(fickle(2));
        fickle::moves_left = 0;
        CHECK_THROWS_AS(to = std::move(from), std::runtime_error);
        CHECK_FALSE(to.has_value());
        CHECK(to.error() == std::errc::state_not_recoverable);
        to = std::move(from);
        REQUIRE(to.has_value());
        CHECK((*to).value == 2);
        to = result<fickle>(bight::make_error_code(bight::errc::closed));
        CHECK(to.error() == bight::errc::closed);
    }
    CHECK(fickle::living == 0);
}

TEST_CASE("as_result throws what moving the value of a send throws, and nothing was sent") {
    test::virtual_fixture on;
    on.run([&]() -> task<> {
        bight::channel<fickle> ch(2);
        for (int moves = 0; moves < 3; ++moves) {
            bool thrown = false;
            bool sent = false;
            fickle value(1);
            fickle::moves_left = moves;
            try {
                const auto done = co_await bight::as_result(ch.send(std::move(value)));
                sent = done.has_value();
            } catch (const std::runtime_error&) {
                thrown = true;
            }
            fickle::moves_left = -1;
            CHECK(thrown != sent);
            CHECK(ch.size() == (sent ? 1u : 0u));
            (void)ch.try_receive();
        }
    });
}

TEST_CASE("a copy that throws has received nothing from a broadcast channel, with as_result as without") {
    test::virtual_fixture on;
    const bool as_result = GENERATE(true, false);
    on.run([&]() -> task<> {
        bight::broadcast_channel<copied> ch(4);
        auto from = ch.subscribe();
        const auto other = ch.subscribe();
        for (int copies = 0; copies < 4; ++copies) {
            ch.send(copied(7));
            bool thrown = false;
            copied::copies_left = copies;
            try {
                if (as_result) {
                    (void)co_await bight::as_result(from.receive());
                } else {
                    (void)co_await from.receive();
                }
            } catch (const std::runtime_error&) {
                thrown = true;
            }
            copied::copies_left = -1;
            const auto again = from.try_receive();
            CHECK(again.has_value() == thrown);
        }
    });
}

TEST_CASE("the result of a task that gives a reference refers to the same object") {
    test::virtual_fixture on;
    on.run([&]() -> task<> {
        bight::once_value<int> value;
        auto open = []() -> task<int> { co_return 4; };
        const auto got = co_await bight::as_result(value.get(open));
        REQUIRE(got);
        CHECK(&*got == value.get_if());
        CHECK(&got.value() == value.get_if());
        auto fails = []() -> task<int&> {
            throw std::system_error(bight::errc::closed);
            static int never = 0;
            co_return never;
        };
        const auto none = co_await bight::as_result(fails());
        CHECK(none.error() == bight::errc::closed);
        CHECK_THROWS_AS(none.value(), std::system_error);
    });
}

namespace {

int length(const result<std::string>& r) {
    return static_cast<int>(r->size() + (*r).size() + r.value().size());
}

}  // namespace

TEST_CASE("a result is read through const, changed in place, and moved out of only when it goes") {
    result<std::string> r(std::string("value"));
    CHECK(length(r) == 15);
    r.value() += "s";
    r->append("!");
    *r += "?";
    CHECK(*r == "values!?");
    static_assert(std::is_same_v<decltype(*std::as_const(r)), const std::string&>);
    static_assert(std::is_same_v<decltype(std::as_const(r).value()), const std::string&>);
    static_assert(std::is_same_v<decltype(r.value()), std::string&>);
    static_assert(std::is_same_v<decltype(std::move(r).value()), std::string>);
    const std::string taken = std::move(r).value();
    CHECK(taken == "values!?");

    result<std::string> none(bight::make_error_code(bight::errc::closed));
    const auto code_of = [](auto get) {
        try {
            get();
        } catch (const std::system_error& e) {
            return e.code();
        }
        return std::error_code();
    };
    CHECK(code_of([&] { (void)none.value(); }) == bight::errc::closed);
    CHECK(code_of([&] { (void)std::as_const(none).value(); }) == bight::errc::closed);
    CHECK(code_of([&] { (void)std::move(none).value(); }) == bight::errc::closed);
}
