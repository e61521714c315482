// Many children at once.
#include "children.hpp"

#include "support/many_descriptors.hpp"

#include <bight/core/group.hpp>
#include <bight/core/sleep.hpp>

#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <cstddef>
#include <functional>
#include <string>
#include <utility>
#include <vector>

using namespace test;
using namespace std::chrono_literals;
using bight::command;
using bight::process;

TEST_CASE("500 children at once, each with its own status") {
    with_children([]() -> bight::task<> {
        std::vector<process> all;
        for (int i = 0; i < 500; ++i) {
            command c = shell("read x; exit " + std::to_string(i % 200));
            c.inherit(1).pipe_to(0);
            all.push_back(process::spawn(c));
        }
        for (process& child : all) child.standard_input().abort();
        for (std::size_t i = 0; i < all.size(); ++i) {
            const auto how = co_await all[i].wait();
            CHECK(how.code() == static_cast<int>(i % 200));
        }
    });
}

TEST_CASE("a storm of exits loses none") {
    with_children([]() -> bight::task<> {
        int ends[2];
        REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
        std::vector<process> all;
        for (int i = 0; i < 200; ++i) {
            command c = shell("read x; exit 1");
            c.inherit(0, ends[0]);
            all.push_back(process::spawn(c));
        }
        ::close(ends[0]);
        int ended = 0;
        auto wait = [&](process& child) -> bight::task<> {
            const auto how = co_await child.wait();
            CHECK(how.code() == 1);
            ++ended;
        };
        auto body = [&](bight::group& g) -> bight::task<> {
            for (process& child : all) g.spawn(wait, std::ref(child));
            co_await bight::yield();
            ::close(ends[1]);  // all at once
        };
        co_await bight::with_group(body);
        CHECK(ended == 200);
    });
}

TEST_CASE("children that end while others are started are all noticed") {
    with_children([]() -> bight::task<> {
        int ended = 0;
        auto one = [&](int i) -> bight::task<> {
            process child = process::spawn(command(i % 2 == 0 ? "true" : "false"));
            const auto how = co_await child.wait();
            CHECK(how.code() == i % 2);
            ++ended;
        };
        auto body = [&](bight::group& g) -> bight::task<> {
            for (int i = 0; i < 150; ++i) {
                g.spawn(one, i);
                if (i % 10 == 0) co_await bight::yield();
            }
        };
        co_await bight::with_group(body);
        CHECK(ended == 150);
    });
}

TEST_CASE("many handles that go at once leave no child") {
    with_children([]() -> bight::task<> {
        std::vector<process> all;
        for (int i = 0; i < 100; ++i) all.push_back(process::spawn(command("sleep", "60")));
        co_return;
    });
}
