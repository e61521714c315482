#include <bight/core/error.hpp>
#include <bight/core/shield.hpp>
#include <bight/core/sleep.hpp>
#include <bight/core/task.hpp>
#include <bight/core/timeout.hpp>
#include <bight/core/when_all.hpp>

#include "support/reactors.hpp"

#include <array>
#include <list>
#include <memory>
#include <stdexcept>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

using bight::task;
using namespace std::chrono_literals;

namespace {

using test::any_demultiplexer;

task<int> number(int n, bight::duration after) {
    co_await bight::sleep_for(after);
    co_return n;
}
task<std::unique_ptr<int>> owned(int n) { co_return std::make_unique<int>(n); }
task<> note(std::vector<int>& log, int n) {
    log.push_back(n);
    co_return;
}
task<int> fail(const char* what, bight::duration after) {
    if (after > 0s) co_await bight::sleep_for(after);
    throw std::runtime_error(what);
}
task<int> sleeper(bool& unwound) {
    struct mark {
        bool& set;
        ~mark() { set = true; }
    };
    const mark here{unwound};
    co_await bight::sleep_for(1h);
    co_return 0;
}

// Says when it goes.
class held {
  public:
    explicit held(bool& gone) : gone_(&gone) {}
    held(held&& other) noexcept : gone_(std::exchange(other.gone_, nullptr)) {}
    ~held() {
        if (gone_) *gone_ = true;
    }

  private:
    bool* gone_;
};
task<std::string> handle(held) {
    co_await bight::yield();
    co_return "handled";
}
task<int> fail_with(held) {
    co_await bight::yield();
    throw std::runtime_error("failed");
}

// A value that cannot be moved out of its task.
struct moved_once {
    moved_once() = default;
    moved_once(moved_once&& other) : moves(other.moves + 1) {
        if (moves > 1) throw std::runtime_error("moved twice");
    }
    int moves = 0;
};
task<moved_once> give_moved_once() { co_return moved_once(); }

}  // namespace

TEST_CASE("what a task of when_all holds goes when the task has ended, whatever the others do") {
    test::reactor_fixture on(any_demultiplexer);
    on.run([&]() -> task<> {
        bool first = false;
        bool second = false;
        auto others = [&]() -> task<int> {
            for (int i = 0; i < 5; ++i) co_await bight::yield();
            CHECK(first);
            CHECK(second);
            co_return 5;
        };
        const auto [one, five, two] =
            co_await bight::when_all(handle(held(first)), others(), handle(held(second)));
        CHECK(one == "handled");
        CHECK(five == 5);
        CHECK(two == "handled");
    });
}

TEST_CASE("what a task of a list given to when_all holds goes when the task has ended") {
    test::reactor_fixture on(any_demultiplexer);
    on.run([&]() -> task<> {
        bool gone = false;
        auto others = [&]() -> task<std::string> {
            for (int i = 0; i < 5; ++i) co_await bight::yield();
            CHECK(gone);
            co_return "other";
        };
        std::vector<task<std::string>> both;
        both.push_back(handle(held(gone)));
        both.push_back(others());
        const auto values = co_await bight::when_all(std::move(both));
        CHECK(values == std::vector<std::string>{"handled", "other"});
    });
}

TEST_CASE("what a failed task of when_all holds goes before the others have unwound") {
    test::reactor_fixture on(any_demultiplexer);
    std::string caught;
    on.run([&]() -> task<> {
        bool gone = false;
        auto slow_to_end = [&]() -> task<> {
            co_await bight::shield(bight::sleep_for(1ms), 1h);
            CHECK(gone);
        };
        try {
            co_await bight::when_all(fail_with(held(gone)), slow_to_end());
        } catch (const std::runtime_error& e) {
            caught = e.what();
        }
    });
    CHECK(caught == "failed");
}

TEST_CASE("when_all gives references and values of tasks that ended long before the others") {
    test::reactor_fixture on(any_demultiplexer);
    on.run([&]() -> task<> {
        int n = 0;
        auto refer = [&]() -> task<int&> { co_return n; };
        auto all = co_await bight::when_all(refer(), owned(2), bight::sleep_for(1ms));
        CHECK(&std::get<0>(all) == &n);
        CHECK(*std::get<1>(all) == 2);
        std::string caught;
        try {
            co_await bight::when_all(give_moved_once(), bight::sleep_for(1ms));
        } catch (const std::runtime_error& e) {
            caught = e.what();
        }
        CHECK(caught == "moved twice");
    });
}

TEST_CASE("when_all gives a tuple of the values, in the order of its arguments") {
    test::reactor_fixture on(any_demultiplexer);
    std::vector<int> log;
    on.run([&]() -> task<> {
        auto all = co_await bight::when_all(number(1, 4ms), owned(2), note(log, 3), bight::sleep_for(1ms));
        CHECK(std::get<0>(all) == 1);
        CHECK(*std::get<1>(all) == 2);
        CHECK(std::get<2>(all) == bight::void_value{});
        static_assert(std::tuple_size_v<decltype(all)> == 4);
    });
    CHECK(log == std::vector<int>{3});
}

TEST_CASE("the tasks of when_all run at once, and begin in order") {
    test::reactor_fixture on(any_demultiplexer);
    std::vector<int> log;
    on.run([&]() -> task<> {
        bool first_done = false;
        auto waits = [&]() -> task<> {
            log.push_back(1);
            while (!first_done) co_await bight::yield();
            log.push_back(4);
        };
        auto lets_go = [&]() -> task<> {
            log.push_back(2);
            co_await bight::yield();
            log.push_back(3);
            first_done = true;
        };
        co_await bight::when_all(waits(), lets_go());
    });
    CHECK(log == std::vector<int>{1, 2, 3, 4});
}

TEST_CASE("when_all of a list gives a vector in the order of the list; an empty one is done at once") {
    test::reactor_fixture on(any_demultiplexer);
    on.run([&]() -> task<> {
        std::vector<task<int>> tasks;
        for (int i = 0; i < 10; ++i) tasks.push_back(number(i, std::chrono::microseconds(1000 - 100 * i)));
        const auto values = co_await bight::when_all(std::move(tasks));
        CHECK(values == std::vector<int>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9});

        std::vector<task<int>> none;
        const auto empty = co_await bight::when_all(std::move(none));
        CHECK(empty.empty());

        std::vector<int> log;
        std::vector<task<>> notes;
        for (int i = 0; i < 3; ++i) notes.push_back(note(log, i));
        co_await bight::when_all(std::move(notes));
        CHECK(log == std::vector<int>{0, 1, 2});
    });
}

TEST_CASE("an error of one task of when_all cancels the others and comes out when they have ended") {
    test::reactor_fixture on(any_demultiplexer);
    on.run([&]() -> task<> {
        bool unwound = false;
        std::string what;
        try {
            co_await bight::when_all(sleeper(unwound), fail("bad", 1ms), number(1, 0s));
        } catch (const std::runtime_error& e) {
            what = e.what();
            CHECK(unwound);
        }
        CHECK(what == "bad");
    });
}

TEST_CASE("an error of one task of a list cancels the others and comes out when they have ended") {
    test::reactor_fixture on(any_demultiplexer);
    on.run([&]() -> task<> {
        bool unwound = false;
        std::vector<task<int>> tasks;
        tasks.push_back(sleeper(unwound));
        tasks.push_back(fail("bad", 1ms));
        std::string what;
        try {
            co_await bight::when_all(std::move(tasks));
        } catch (const std::runtime_error& e) {
            what = e.what();
            CHECK(unwound);
        }
        CHECK(what == "bad");
    });
}

TEST_CASE("several errors of when_all come out as an aggregate_error, in the order in which they came") {
    test::reactor_fixture on(any_demultiplexer);
    on.run([&]() -> task<> {
        // Both throw before the cancellation of the first one's error can reach an await of the second.
        auto second = [](bool& go) -> task<> {
            while (!go) co_await bight::yield();
            throw std::logic_error("second");
        };
        bool go = false;
        auto first = [](bool& released) -> task<> {
            co_await bight::yield();
            released = true;
            throw std::runtime_error("first");
        };
        std::string what;
        try {
            co_await bight::when_all(first(go), second(go));
        } catch (const bight::aggregate_error& e) {
            CHECK(e.errors().size() == 2);
            CHECK_THROWS_AS(std::rethrow_exception(e.errors()[0]), std::runtime_error);
            CHECK_THROWS_AS(std::rethrow_exception(e.errors()[1]), std::logic_error);
            what = e.what();
        }
        CHECK(what == "2 tasks failed: [first] [second]");
    });
}

TEST_CASE("three errors of when_all come out in the order in which they came, not in that of the tasks") {
    test::reactor_fixture on(any_demultiplexer);
    on.run([&]() -> task<> {
        // Each waits where the error of another cannot cut it short.
        auto waits = [](int turns) -> task<> {
            for (int i = 0; i < turns; ++i) co_await bight::yield();
        };
        auto fails = [&](const char* what, int turns) -> task<> {
            co_await bight::shield(waits(turns), 1h);
            throw std::runtime_error(what);
        };
        std::string what;
        try {
            co_await bight::when_all(fails("third", 7), fails("first", 3), fails("second", 5));
        } catch (const bight::aggregate_error& e) {
            what = e.what();
        }
        CHECK(what == "3 tasks failed: [first] [second] [third]");
    });
}

TEST_CASE("cancelling when_all from outside cancels all its tasks, and is passed on") {
    test::reactor_fixture on(any_demultiplexer);
    on.run([&]() -> task<> {
        bool a = false;
        bool b = false;
        bool went_on = false;
        auto both = [&]() -> task<> {
            co_await bight::when_all(sleeper(a), sleeper(b));
            went_on = true;
        };
        const bool done = co_await bight::try_with_timeout(both(), 1ms);
        CHECK_FALSE(done);
        CHECK(a);
        CHECK(b);
        CHECK_FALSE(went_on);
    });
}

TEST_CASE("when_all takes any range of tasks, and takes the tasks out of it") {
    test::virtual_fixture on;
    on.run([&]() -> task<> {
        auto number = [](int n) -> task<int> {
            co_await bight::sleep_for(std::chrono::seconds(5 - n));
            co_return n;
        };
        std::array<task<int>, 3> few{number(1), number(2), number(3)};
        const std::vector<int> values = co_await bight::when_all(std::move(few));
        CHECK(values == std::vector<int>{1, 2, 3});
        CHECK(on.elapsed() == 4s);
        std::list<task<>> listed;
        listed.push_back([]() -> task<> { co_await bight::yield(); }());
        co_await bight::when_all(std::move(listed));
    });
}
