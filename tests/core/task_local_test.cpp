#include <bight/core/group.hpp>
#include <bight/core/sleep.hpp>
#include <bight/core/task_local.hpp>
#include <bight/core/timeout.hpp>
#include <bight/core/when_all.hpp>

#include "support/reactors.hpp"

#include <algorithm>
#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

using bight::task;
using bight::task_local;
using namespace std::chrono_literals;

namespace {

const task_local<std::string> user{"nobody"};
const task_local<int> level{0};

// A plain function: it needs no promise and no co_await.
std::string whoami() { return *user + "/" + std::to_string(*level); }

task<std::string> ask() {
    std::string before = whoami();
    co_await bight::sleep_for(1ms);
    co_return before + " " + whoami();
}

}  // namespace

TEST_CASE("outside of tasks, and where nothing is bound, the default is seen") {
    CHECK(whoami() == "nobody/0");
    CHECK_FALSE(user.is_bound());
    test::virtual_fixture on;
    on.run([]() -> task<> {
        CHECK(whoami() == "nobody/0");
        CHECK_FALSE(user.is_bound());
        co_return;
    });
}

TEST_CASE("what is awaited sees the value, across its suspensions; afterwards the outer one is back") {
    test::virtual_fixture on;
    on.run([]() -> task<> {
        const std::string within = co_await user.bind("alice", ask());
        CHECK(within == "alice/0 alice/0");
        CHECK(whoami() == "nobody/0");
        co_await bight::yield();
        CHECK(whoami() == "nobody/0");
    });
}

TEST_CASE("bindings nest: the innermost wins, and other variables are seen through it") {
    test::virtual_fixture on;
    on.run([]() -> task<> {
        auto inner = []() -> task<> {
            CHECK(whoami() == "bob/2");
            const std::string deeper = co_await level.bind(3, ask());
            CHECK(deeper == "bob/3 bob/3");
            CHECK(whoami() == "bob/2");
        };
        auto outer = [&]() -> task<> {
            CHECK(whoami() == "alice/2");
            co_await user.bind("bob", inner());
            CHECK(whoami() == "alice/2");
        };
        co_await user.bind("alice", level.bind(2, outer()));
    });
}

TEST_CASE("children inherit: of groups, when_all and time-outs, and each sees its own binding meanwhile") {
    test::virtual_fixture on;
    std::vector<std::string> seen;
    on.run([&]() -> task<> {
        auto note = [&]() -> task<> {
            const std::string mine = co_await ask();
            seen.push_back(mine);
        };
        auto body = [&](bight::group& g) -> task<> {
            g.spawn(note);
            g.spawn([&]() -> task<> { co_await user.bind("carol", note()); });
            g.spawn([&]() -> task<> { co_await user.bind("dave", note()); });
            co_await bight::with_timeout(note(), 1s);
        };
        auto in_group = [&]() -> task<> { co_await bight::with_group(body); };
        co_await user.bind("alice", in_group());
    });
    CHECK(seen.size() == 4);
    for (const char* expected : {"alice/0 alice/0", "carol/0 carol/0", "dave/0 dave/0"}) {
        CHECK(std::count(seen.begin(), seen.end(), expected) >= 1);
    }
}

TEST_CASE("interleaved tasks never see each other's values") {
    test::virtual_fixture on;
    on.run([]() -> task<> {
        auto looping = [](int mine) -> task<> {
            auto loop = [&]() -> task<> {
                for (int i = 0; i < 100; ++i) {
                    CHECK(*level == mine);
                    co_await bight::yield();
                }
            };
            co_await level.bind(mine, loop());
        };
        co_await bight::when_all(looping(1), looping(2), looping(3));
    });
}

TEST_CASE("destructors that a cancellation runs see the value of their task") {
    test::virtual_fixture on;
    std::string seen;
    on.run([&]() -> task<> {
        struct at_end {
            std::string& seen;
            ~at_end() { seen = whoami(); }
        };
        auto cancelled = [&]() -> task<> {
            const at_end looks{seen};
            co_await bight::sleep_for(1h);
        };
        auto bound = [&]() -> task<> { co_await user.bind("erin", cancelled()); };
        const bool done = co_await bight::try_with_timeout(bound(), 1s);
        CHECK_FALSE(done);
    });
    CHECK(seen == "erin/0");
}

TEST_CASE("errors and values pass through a binding; the value may be move-only") {
    test::virtual_fixture on;
    const task_local<std::unique_ptr<int>> number;
    on.run([&]() -> task<> {
        auto read = [&]() -> task<int> { co_return **number + 1; };
        const int got = co_await number.bind(std::make_unique<int>(41), read());
        CHECK(got == 42);
        CHECK(number.get() == nullptr);
        auto fail = []() -> task<> {
            co_await bight::yield();
            throw std::runtime_error("within");
        };
        std::string error;
        try {
            co_await user.bind("x", fail());
        } catch (const std::runtime_error& e) {
            error = e.what();
        }
        CHECK(error == "within");
    });
}
