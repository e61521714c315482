// Cancellation at every point: what is right passes, and what was planted is found.
#include "echo_server.hpp"

#include "support/catch.hpp"

#include <bight/bight.hpp>
#include <bight/sim/injection.hpp>

#include <chrono>
#include <coroutine>
#include <cstdint>
#include <cstdlib>
#include <deque>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

using namespace std::chrono_literals;
using bight::task;
using Catch::Contains;
using test::serve_echo;
namespace sim = bight::sim;

namespace {

task<> say_hello(std::string server) {
    bight::stream peer = co_await bight::connect(server);
    co_await peer.write("hello");
    std::string answer;
    while (answer.size() < 5) {
        auto data = co_await peer.read_some();
        if (!data) co_return;
        answer += data.view();
    }
    co_await peer.shutdown_write();
    auto end = co_await peer.read_some();
}

template <class F>
class at_exit {
  public:
    explicit at_exit(F f) : call_(std::move(f)) {}
    at_exit(const at_exit&) = delete;
    at_exit& operator=(const at_exit&) = delete;
    ~at_exit() { call_(); }

  private:
    F call_;
};

// A lock whose author did not think of a task that goes between the moment when it is given the lock and the
// one when it can give it back.
class forgetful_lock {
  public:
    task<> lock() {
        if (!held_) {
            held_ = true;
            co_return;
        }
        bight::manual_reset_event turn;
        waiting_.push_back(&turn);
        const leaving gone{*this, turn};
        co_await turn.wait();
        co_await bight::yield();
    }
    void unlock() {
        if (waiting_.empty()) {
            held_ = false;
            return;
        }
        bight::manual_reset_event* const next = waiting_.front();
        waiting_.pop_front();
        next->set();
    }

  private:
    struct leaving {
        forgetful_lock& of;
        bight::manual_reset_event& turn;
        leaving(forgetful_lock& l, bight::manual_reset_event& t) noexcept : of(l), turn(t) {}
        leaving(const leaving&) = delete;
        leaving& operator=(const leaving&) = delete;
        ~leaving() { std::erase(of.waiting_, &turn); }
    };
    bool held_ = false;
    std::deque<bight::manual_reset_event*> waiting_;
};

// What tests lose on purpose; LeakSanitizer finds it here.
const void* lost[8];
const void** next_lost = lost;
template <class T>
T* lose(T* p) {
    *next_lost = p;
    if (next_lost < lost + 7) ++next_lost;
    return p;
}

// The point at which a test is broken, and what is said of it.
template <class F, class... More>
std::optional<sim::broken_at> broken(F make, const More&... more) {
    try {
        sim::cancel_everywhere(make, more...);
    } catch (const sim::broken_at& e) {
        return e;
    }
    return std::nullopt;
}

}  // namespace

TEST_CASE("a task is cancelled at each of its points") {
    int begun = 0;
    int ended = 0;
    const auto points = sim::cancel_everywhere([&]() -> task<> {
        ++begun;
        co_await bight::yield();
        co_await bight::sleep_for(1s);
        co_await bight::yield();
        ++ended;
    });
    CHECK(points >= 6);
    CHECK(points <= 10);
    // Two runs without, one for each point, and the last of these comes too late.
    CHECK(static_cast<std::uint64_t>(begun) == points + 2);
    CHECK(ended >= 3);
    CHECK(static_cast<std::uint64_t>(ended) < points);
}

TEST_CASE("a client and a server leave nothing wherever one of them is cancelled") {
    SECTION("the client, and the server is another host") {
        const auto points = sim::cancel_everywhere([](sim::world& w) {
            w.add("server").on_boot(serve_echo);
            return say_hello("tcp:server:7000");
        });
        CHECK(points > 5);
    }
    SECTION("the server, with its client beside it") {
        sim::everywhere_options options;
        const auto points = sim::cancel_everywhere(
            [](sim::world& w) {
                w.add("client").run([]() -> task<> {
                    const auto attempt = []() -> task<> { co_await say_hello("tcp:here:7000"); };
                    try {
                        co_await attempt();
                    } catch (const std::system_error&) {  // it may be gone
                    }
                });
                return []() -> task<> {
                    const bool in_time = co_await bight::try_with_timeout(serve_echo(), 5s);
                    CHECK_FALSE(in_time);
                }();
            },
            options);
        CHECK(points > 5);
    }
}

TEST_CASE("bight's own primitives give what was granted to somebody else") {
    SECTION("mutex") {
        const auto points = sim::cancel_everywhere([](sim::world& w) {
            auto& m = w.own<bight::mutex>();
            for (int i = 0; i < 2; ++i) {
                w.at("here").run([&m]() -> task<> {
                    for (int n = 0; n < 3; ++n) {
                        const auto hold = co_await m.lock();
                        co_await bight::yield();
                    }
                });
            }
            return [](bight::mutex& locks) -> task<> {
                for (int n = 0; n < 3; ++n) {
                    const auto hold = co_await locks.lock();
                    co_await bight::yield();
                }
            }(m);
        });
        CHECK(points > 10);
    }
    SECTION("channel") {
        const auto points = sim::cancel_everywhere([](sim::world& w) {
            auto& c = w.own<bight::channel<int>>(1U);
            w.at("here").run([&c]() -> task<> {
                for (int i = 0; i < 5; ++i) co_await c.send(i);
                c.close();
            });
            w.at("here").run([&c]() -> task<> {
                while (auto value = co_await c.receive()) {
                }
            });
            return [](bight::channel<int>& from) -> task<> {
                while (auto value = co_await from.receive()) {
                }
            }(c);
        });
        CHECK(points > 3);
    }
}

TEST_CASE("a wake-up that a cancelled task took with it is found") {
    const auto found = broken([](sim::world& w) {
        auto& lock = w.own<forgetful_lock>();
        const auto user = [](forgetful_lock& l) -> task<> {
            co_await l.lock();  // bight-lint: allow dropped-guard there is no guard: at_exit unlocks it
            const at_exit unlock([&l] { l.unlock(); });
            co_await bight::sleep_for(1ms);
        };
        w.at("here").run([&lock, user] { return user(lock); });
        w.at("here").run([&lock, user]() -> task<> {
            co_await bight::sleep_for(500us);
            co_await user(lock);
        });
        return user(lock);
    });
    REQUIRE(found);
    const std::string text = found->what();
    INFO(text);
    CHECK_THAT(text, Contains("deadlock"));
    CHECK_THAT(text, Contains("cancelled at point " + std::to_string(found->point()) + " of "));
    CHECK_THAT(text, Contains("injection_test.cpp"));
    CHECK_THAT(text, Contains("BIGHT_SIM_POINT="));
}

TEST_CASE("what a cancelled task leaves behind is found") {
    SECTION("a socket") {
        const auto found = broken([](sim::world& w) {
            w.add("server").on_boot(serve_echo);
            return []() -> task<> {
                bight::stream connected = co_await bight::connect("tcp:server:7000");
                auto* const peer = lose(new bight::stream(std::move(connected)));
                co_await bight::sleep_for(1s);
                delete peer;
            }();
        });
        REQUIRE(found);
        INFO(found->what());
        CHECK_THAT(found->what(), Contains("1 sockets instead of 0"));
    }
    SECTION("the frame of a task") {
        const auto found = broken([]() -> task<> {
            auto* const kept = lose(new task<>(serve_echo()));
            co_await bight::sleep_for(1s);
            delete kept;
        });
        REQUIRE(found);
        INFO(found->what());
        CHECK_THAT(found->what(), Contains("1 frames of tasks"));
    }
    SECTION("what the check looks at") {
        int open = 0;
        const auto found = broken(
            [&open]() -> task<> {
                ++open;
                co_await bight::sleep_for(1s);
                --open;
            },
            [&open] {
                if (std::exchange(open, 0) != 0) throw std::runtime_error("it is still open");
            });
        REQUIRE(found);
        CHECK_THAT(found->what(), Contains("the check failed: it is still open"));
    }
}

TEST_CASE("an error after a cancellation is found, unless there may be one") {
    sim::everywhere_options options;
    const auto make = [](sim::world& w) {
        auto& done = w.own<bool>(false);
        w.at("here").run([&done]() -> task<> {
            co_await bight::sleep_for(2s);
            if (!done) throw std::runtime_error("the other one has not done it");
        });
        return [](bool& of_world) -> task<> {
            co_await bight::sleep_for(1s);
            of_world = true;
        }(done);
    };
    const auto found = broken(make, options);
    REQUIRE(found);
    CHECK_THAT(found->what(), Contains("it did not end well: the other one has not done it"));
    options.may_fail = true;
    CHECK_FALSE(broken(make, options));
}

TEST_CASE("what a test throws when nothing is cancelled is thrown as it is") {
    const auto fails = []() -> task<> {
        co_await bight::yield();
        throw std::out_of_range("by itself");
    };
    CHECK_THROWS_AS(sim::cancel_everywhere(fails), std::out_of_range);
    const auto never = []() -> task<> {
        bight::manual_reset_event no;
        co_await no.wait();
    };
    CHECK_THROWS_AS(sim::cancel_everywhere(never), bight::deadlock);
}

TEST_CASE("a test that has too many points is refused") {
    sim::everywhere_options options;
    options.most_points = 10;
    const auto make = []() -> task<> {
        for (int i = 0; i < 20; ++i) co_await bight::yield();
    };
    CHECK_THROWS_AS(sim::cancel_everywhere(make, options), std::length_error);
}

TEST_CASE("only one point is tried when the environment names it") {
    ::setenv("BIGHT_SIM_POINT", "2", 1);
    int runs = 0;
    sim::cancel_everywhere([&]() -> task<> {
        ++runs;
        co_await bight::sleep_for(1s);
    });
    ::setenv("BIGHT_SIM_POINT", "none", 1);
    CHECK_THROWS_AS(sim::cancel_everywhere([]() -> task<> { co_await bight::yield(); }),
                    std::invalid_argument);
    ::unsetenv("BIGHT_SIM_POINT");
    CHECK(runs == 3);  // two without
}
