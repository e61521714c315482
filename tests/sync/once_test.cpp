#include <bight/sync/once.hpp>

#include "support/cancellable.hpp"
#include "support/death.hpp"
#include "support/reactors.hpp"

#include <bight/core/group.hpp>
#include <bight/core/sleep.hpp>
#include <bight/core/timeout.hpp>

#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

using bight::once;
using bight::once_value;
using bight::task;
using Catch::Contains;
using namespace std::chrono_literals;

namespace {

// An initialiser of 1 ms that notes who ran it, and fails for a negative number.
task<> call_and_note(once& o, std::vector<int>& ran, std::vector<int>& returned, int who) {
    auto initialise = [&]() -> task<> {
        ran.push_back(who);
        co_await bight::sleep_for(1ms);
        if (who < 0) throw std::runtime_error("not this time");
    };
    co_await o.call(initialise);
    returned.push_back(who);
}

// Moves once or twice, and then throws.
class reluctant {
  public:
    explicit reluctant(int moves) : moves_(moves) {}
    reluctant(reluctant&& other) : moves_(other.moves_ - 1) {
        if (moves_ < 0) throw std::runtime_error("moved too often");
    }

  private:
    int moves_;
};

}  // namespace

TEST_CASE("an initialiser runs once; those who come meanwhile wait for it, those who come later do not") {
    test::virtual_fixture on;
    std::vector<int> ran;
    std::vector<int> returned;
    on.run([&]() -> task<> {
        once o;
        CHECK_FALSE(o.done());
        co_await bight::with_group([&](bight::group& g) -> task<> {
            for (int who = 1; who <= 3; ++who) g.spawn(call_and_note(o, ran, returned, who));
            co_await test::turns(3);
            CHECK(returned.empty());
            CHECK_FALSE(o.done());
        });
        CHECK(o.done());
        CHECK(on.elapsed() == 1ms);
        co_await call_and_note(o, ran, returned, 4);
        CHECK(on.elapsed() == 1ms);
    });
    CHECK(ran == std::vector<int>{1});
    CHECK(returned == std::vector<int>{1, 2, 3, 4});
}

TEST_CASE("when an initialiser throws, its caller gets the error, and the next in the queue takes over") {
    test::virtual_fixture on;
    std::vector<int> ran;
    std::vector<int> returned;
    on.run([&]() -> task<> {
        once o;
        int failed = 0;
        co_await bight::with_group([&](bight::group& g) -> task<> {
            for (const int who : {-1, -2, 3, 4}) {
                g.spawn([&, who]() -> task<> {
                    try {
                        co_await call_and_note(o, ran, returned, who);
                    } catch (const std::runtime_error&) {
                        ++failed;
                    }
                });
            }
            co_return;
        });
        CHECK(failed == 2);
        CHECK(o.done());
        CHECK(on.elapsed() == 3ms);
    });
    CHECK(ran == std::vector<int>{-1, -2, 3});
    CHECK(returned == std::vector<int>{3, 4});
}

TEST_CASE("when the only initialiser fails, the next call runs its own") {
    test::virtual_fixture on;
    std::vector<int> ran;
    std::vector<int> returned;
    on.run([&]() -> task<> {
        once o;
        const bool done = co_await bight::try_with_timeout(call_and_note(o, ran, returned, 1), 500us);
        CHECK_FALSE(done);
        CHECK_FALSE(o.done());
        co_await call_and_note(o, ran, returned, 2);
        CHECK(o.done());
    });
    CHECK(ran == std::vector<int>{1, 2});
    CHECK(returned == std::vector<int>{2});
}

TEST_CASE(
    "when the task that initialises is cancelled, the next takes over; cancelling another changes nothing") {
    const int victim = GENERATE(1, 2, 3);
    test::virtual_fixture on;
    std::vector<int> ran;
    std::vector<int> returned;
    on.run([&]() -> task<> {
        once o;
        test::cancellable all[3];
        co_await bight::with_group([&](bight::group& g) -> task<> {
            for (int i = 0; i < 3; ++i) g.spawn(all[i].run(call_and_note(o, ran, returned, i + 1)));
            co_await test::turns(3);
            all[victim - 1].cancel();
        });
        CHECK(o.done());
    });
    CHECK(ran == (victim == 1 ? std::vector<int>{1, 2} : std::vector<int>{1}));
    std::vector<int> expected{1, 2, 3};
    expected.erase(expected.begin() + victim - 1);
    CHECK(returned == expected);
}

TEST_CASE("a task whose turn has come passes it on when it is cancelled in the same turn") {
    test::virtual_fixture on;
    std::vector<int> ran;
    std::vector<int> returned;
    on.run([&]() -> task<> {
        once o;
        test::cancellable first;
        test::cancellable second;
        co_await bight::with_group([&](bight::group& g) -> task<> {
            g.spawn(first.run(call_and_note(o, ran, returned, 1)));
            g.spawn(second.run(call_and_note(o, ran, returned, 2)));
            g.spawn(call_and_note(o, ran, returned, 3));
            co_await test::turns(3);
            first.cancel();
            co_await bight::yield();  // the first has unwound, and the second been told
            second.cancel();
        });
        CHECK(o.done());
    });
    CHECK(ran.back() == 3);
    CHECK(returned == std::vector<int>{3});
}

TEST_CASE("an initialiser that calls its own once waits for itself, which virtual time reports") {
    test::virtual_fixture on;
    const auto nested = []() -> task<> {
        once o;
        auto inner = []() -> task<> { co_return; };
        auto outer = [&]() -> task<> { co_await o.call(inner); };
        co_await o.call(outer);
    };
    CHECK_THROWS_AS(on.run(nested), bight::deadlock);
}

TEST_CASE("a once_value is made once, and stays where it is") {
    test::virtual_fixture on;
    on.run([&]() -> task<> {
        once_value<std::unique_ptr<int>> value;
        CHECK(value.get_if() == nullptr);
        int made = 0;
        auto make = [&]() -> task<std::unique_ptr<int>> {
            co_await bight::sleep_for(1ms);
            co_return std::make_unique<int>(++made);
        };
        std::vector<std::unique_ptr<int>*> seen;
        co_await bight::with_group([&](bight::group& g) -> task<> {
            for (int i = 0; i < 3; ++i) {
                g.spawn([&]() -> task<> {
                    std::unique_ptr<int>& got = co_await value.get(make);
                    CHECK(*got == 1);
                    seen.push_back(&got);
                });
            }
            co_return;
        });
        CHECK(made == 1);
        CHECK(seen == std::vector<std::unique_ptr<int>*>(3, value.get_if()));
        CHECK(on.elapsed() == 1ms);
    });
}

TEST_CASE("a value whose move throws is not there, and the next call makes another") {
    test::virtual_fixture on;
    on.run([&]() -> task<> {
        once_value<reluctant> value;
        int moves = 0;
        auto make = [&]() -> task<reluctant> { co_return reluctant(moves); };
        int attempts = 0;
        while (!value.get_if()) {
            ++attempts;
            try {
                co_await value.get(make);
            } catch (const std::runtime_error&) {
                ++moves;
            }
        }
        CHECK(attempts > 1);
        CHECK(value.done());
    });
}

TEST_CASE("destroying a once with a task that waits, or while it runs, ends the program") {
    const auto with_tasks = [](int tasks) {
        return test::dying_words([&] {
            bight::reactor r;
            std::vector<int> ran;
            std::vector<int> returned;
            auto o = std::make_unique<once>();
            auto body = [&](bight::group& g) -> task<> {
                for (int i = 1; i <= tasks; ++i) g.spawn(call_and_note(*o, ran, returned, i));
                co_await test::turns(2);
                o.reset();
            };
            auto root = [&]() -> task<> { co_await bight::with_group(body); };
            r.run(root());
        });
    };
    const std::string said = with_tasks(2);
    CHECK_THAT(said, Contains("a once was destroyed while a task waits for it"));
    CHECK_THAT(said, Contains("call_and_note at ") && Contains("once_test.cpp:"));
    CHECK_THAT(with_tasks(1), Contains("a once was destroyed while its initialiser runs"));
}
