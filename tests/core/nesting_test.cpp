// Scopes that are nested deeply, as by a recursive algorithm: they begin, end, fail, are cancelled and are
// looked at in bounded stack.
#include <bight/bight.hpp>

#include "support/catch.hpp"

#include <pthread.h>

#include <chrono>
#include <cstddef>
#include <memory>
#include <stdexcept>
#include <string>

using bight::task;
using namespace std::chrono_literals;

namespace {

constexpr int depth = 20'000;
// Less than so many calls need, were each the caller of the next: 50 bytes for each.
constexpr std::size_t small_stack = std::size_t{1} << 20;

// Calls `body` on a thread with that stack. An overflow ends the process.
template <class F>
void on_small_stack(F body) {
    pthread_attr_t attributes;
    REQUIRE(::pthread_attr_init(&attributes) == 0);
    REQUIRE(::pthread_attr_setstacksize(&attributes, small_stack) == 0);
    pthread_t thread{};
    const auto call = [](void* f) -> void* {
        (*static_cast<F*>(f))();
        return nullptr;
    };
    REQUIRE(::pthread_create(&thread, &attributes, call, &body) == 0);
    ::pthread_join(thread, nullptr);
    ::pthread_attr_destroy(&attributes);
}

enum class kind { timeout, group_body, group_child, all, any };

task<> leaf(bool fails) {
    co_await bight::sleep_for(1s);
    if (fails) throw std::runtime_error("deep");
}

task<> nested(kind of, int levels, bool fails) {
    if (levels == 0) {
        co_await leaf(fails);
        co_return;
    }
    switch (of) {
        case kind::timeout: co_await bight::with_timeout(nested(of, levels - 1, fails), 1h); break;
        case kind::group_body: {
            auto body = [&](bight::group&) -> task<> { co_await nested(of, levels - 1, fails); };
            co_await bight::with_group(body);
            break;
        }
        case kind::group_child: {
            auto body = [&](bight::group& g) -> task<> {
                g.spawn(nested, of, levels - 1, fails);
                co_return;
            };
            co_await bight::with_group(body);
            break;
        }
        case kind::all: co_await bight::when_all(bight::sleep_for(1ms), nested(of, levels - 1, fails)); break;
        case kind::any: {
            const auto ended = co_await bight::when_any(bight::sleep_for(1h), nested(of, levels - 1, fails));
            CHECK(ended.index == 1);
            break;
        }
    }
}

// Runs `make()` in virtual time on a small stack.
template <class F>
void run_nested(F make) {
    on_small_stack([&] {
        bight::virtual_clock time;
        bight::reactor_options options;
        options.clock = &time;
        bight::reactor r(options);
        r.run(make());
    });
}

}  // namespace

TEST_CASE("scopes that are nested deeply end in bounded stack") {
    const auto of = GENERATE(kind::timeout, kind::group_body, kind::group_child, kind::all, kind::any);
    CAPTURE(static_cast<int>(of));
    bool ended = false;
    run_nested([&]() -> task<> {
        co_await nested(of, depth, false);
        ended = true;
    });
    CHECK(ended);
}

TEST_CASE("scopes that are nested deeply let an error out in bounded stack") {
    const auto of = GENERATE(kind::timeout, kind::group_body, kind::group_child, kind::all);
    CAPTURE(static_cast<int>(of));
    std::string what;
    run_nested([&]() -> task<> {
        try {
            co_await nested(of, depth, true);
        } catch (const std::exception& e) {
            what = e.what();
        }
    });
    CHECK(what == "deep");
}

TEST_CASE("scopes that are nested deeply are cancelled in bounded stack") {
    const auto of = GENERATE(kind::timeout, kind::group_body, kind::group_child, kind::all, kind::any);
    CAPTURE(static_cast<int>(of));
    bool in_time = true;
    run_nested(
        [&]() -> task<> { in_time = co_await bight::try_with_timeout(nested(of, depth, false), 10ms); });
    CHECK_FALSE(in_time);
}

TEST_CASE("scopes that are nested deeply are shown in bounded stack, and in few lines") {
    const auto of = GENERATE(kind::timeout, kind::group_body, kind::group_child, kind::all, kind::any);
    CAPTURE(static_cast<int>(of));
    std::string tree;
    run_nested([&]() -> task<> {
        auto look = [&]() -> task<> {
            co_await bight::sleep_for(10ms);
            tree = bight::reactor::current()->dump_tasks();
        };
        const auto ended = co_await bight::when_any(look(), nested(of, depth, false));
        (void)ended;
    });
    CHECK(tree.size() < 100'000);
    CHECK(tree.find("nested more than") != std::string::npos);
}

TEST_CASE("children are cancelled in their order, each with all that is inside it before the next") {
    std::string order;
    bight::virtual_clock time;
    bight::reactor_options options;
    options.clock = &time;
    bight::reactor r(options);
    r.run([&]() -> task<> {
        auto leaf_called = [&](char name) -> task<> {
            const auto note = [&order, name](int*) { order += name; };
            int ignored = 0;
            const std::unique_ptr<int, decltype(note)> at_the_end(&ignored, note);
            co_await bight::sleep_for(1h);
        };
        auto pair = [&](char first, char second) -> task<> {
            co_await bight::when_all(leaf_called(first), leaf_called(second));
        };
        auto all = [&]() -> task<> {
            co_await bight::when_all(pair('a', 'b'), leaf_called('c'), pair('d', 'e'));
        };
        co_await bight::try_with_timeout(all(), 1s);
    }());
    CHECK(order == "abcde");
}
