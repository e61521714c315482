#include "all_is_quiet.hpp"

#include "support/cancellable.hpp"
#include "support/death.hpp"
#include "support/reactors.hpp"

#include <bight/core/group.hpp>
#include <bight/core/sleep.hpp>
#include <bight/core/timeout.hpp>
#include <bight/sync/watch.hpp>

#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

using bight::task;
using bight::watch;
using bight::watch_receiver;
using test::all_is_quiet;
using namespace std::chrono_literals;

namespace {

using log_of = std::vector<int>;

task<> note_versions(watch_receiver<int>& from, log_of& log) {
    while (const int* value = co_await from.changed()) log.push_back(*value);
}

}  // namespace

TEST_CASE("a receiver sees each version at most once, and the latest when it looks late") {
    test::virtual_fixture on;
    log_of log;
    on.run([&]() -> task<> {
        watch<int> watched(1);
        CHECK(watched.borrow() == 1);
        auto from = watched.subscribe();
        CHECK(from.borrow() == 1);
        CHECK_FALSE(from.has_changed());  // what is there at the start has been seen
        co_await bight::with_group([&](bight::group& g) -> task<> {
            g.spawn(note_versions, std::ref(from), std::ref(log));
            co_await all_is_quiet();
            CHECK(log.empty());
            watched.set(2);
            CHECK(log.empty());  // in the next turn
            co_await all_is_quiet();
            CHECK(log == log_of{2});
            watched.set(3);
            watched.set(4);
            watched.set(5);
            CHECK(from.has_changed());
            co_await all_is_quiet();
            CHECK_FALSE(from.has_changed());
            watched.set(5);  // equal, and a new version all the same
            co_await all_is_quiet();
            watched.close();
        });
    });
    CHECK(log == log_of{2, 5, 5});
}

TEST_CASE("changed() does not wait for a version that is there already") {
    test::virtual_fixture on;
    on.run([&]() -> task<> {
        watch<int> watched;
        CHECK(watched.borrow() == 0);
        auto from = watched.subscribe();
        watched.set(1);
        const int* value = co_await from.changed();
        CHECK(*value == 1);
        CHECK(value == &watched.borrow());
        const auto none = co_await bight::try_with_timeout(from.changed(), 5ms);
        CHECK_FALSE(none);
        CHECK(on.elapsed() == 5ms);

        watched.set(2);
        CHECK(from.borrow() == 2);
        CHECK(from.has_changed());
        CHECK(from.see() == 2);
        CHECK_FALSE(from.has_changed());
        watched.set(3);
        const auto third = co_await bight::with_timeout(from.changed(), 5ms);
        CHECK(*third == 3);
    });
}

TEST_CASE("receivers that wait all see a new version, in the order in which they came") {
    test::virtual_fixture on;
    log_of log;
    on.run([&]() -> task<> {
        watch<int> watched;
        co_await bight::with_group([&](bight::group& g) -> task<> {
            auto waits = [&](int who) -> task<> {
                auto from = watched.subscribe();
                const int* value = co_await from.changed();
                log.push_back(100 * who + *value);
            };
            for (int who = 1; who <= 3; ++who) g.spawn(waits, who);
            co_await all_is_quiet();
            watched.set(5);
        });
    });
    CHECK(log == log_of{105, 205, 305});
}

TEST_CASE("update changes the value in place, and makes no version when it gives false or throws") {
    watch<std::string> watched("a");
    auto from = watched.subscribe();
    CHECK(watched.update([](std::string& s) { s += "b"; }));
    CHECK(from.has_changed());
    CHECK(from.see() == "ab");
    CHECK_FALSE(watched.update([](std::string&) { return false; }));
    CHECK_FALSE(from.has_changed());
    CHECK_THROWS_AS(watched.update([](std::string&) { throw std::runtime_error("no"); }), std::runtime_error);
    CHECK_FALSE(from.has_changed());
    CHECK(watched.update([](std::string& s) {
        s = "c";
        return true;
    }));
    CHECK(from.see() == "c");
}

TEST_CASE("after close, the last version is still seen, then the end; setting fails") {
    test::virtual_fixture on;
    log_of log;
    on.run([&]() -> task<> {
        watch<int> watched(1);
        auto from = watched.subscribe();
        watched.set(2);
        watched.close();
        watched.close();
        CHECK(watched.closed());
        CHECK(from.closed());
        CHECK_FALSE(watched.try_set(3));
        std::vector<std::error_code> codes;
        try {
            watched.set(3);
        } catch (const std::system_error& e) {
            codes.push_back(e.code());
        }
        try {
            watched.update([](int& value) { value = 3; });
        } catch (const std::system_error& e) {
            codes.push_back(e.code());
        }
        CHECK(codes == std::vector<std::error_code>(2, bight::errc::closed));
        co_await note_versions(from, log);
        CHECK(from.borrow() == 2);
        const auto end = co_await bight::as_result(from.changed());
        CHECK(end.error() == bight::errc::closed);
    });
    CHECK(log == log_of{2});
}

TEST_CASE("close lets all that wait go on, and receivers may outlive the watch") {
    test::virtual_fixture on;
    log_of log;
    on.run([&]() -> task<> {
        auto watched = std::make_unique<watch<int>>(1);
        auto a = watched->subscribe();
        auto b = watched->subscribe();
        co_await bight::with_group([&](bight::group& g) -> task<> {
            g.spawn(note_versions, std::ref(a), std::ref(log));
            g.spawn(note_versions, std::ref(b), std::ref(log));
            co_await all_is_quiet();
            watched->set(2);
            watched.reset();
        });
        CHECK(a.borrow() == 2);
        CHECK(b.closed());
    });
    CHECK(log == log_of{2, 2});
}

TEST_CASE("a cancelled wait has seen nothing, and one that was served goes on") {
    test::virtual_fixture on;
    const int which = GENERATE(0, 1, 2);
    const bool served_first = GENERATE(false, true);
    log_of log;
    on.run([&]() -> task<> {
        watch<int> watched;
        auto a = watched.subscribe();
        auto b = watched.subscribe();
        auto c = watched.subscribe();
        watch_receiver<int>* const each[] = {&a, &b, &c};
        test::cancellable one[3];
        co_await bight::with_group([&](bight::group& g) -> task<> {
            for (int i = 0; i < 3; ++i) {
                auto waits = [&, i]() -> task<> {
                    const int* value = co_await each[i]->changed();
                    log.push_back(100 * i + *value);
                };
                g.spawn([&, i, waits] { return one[i].run(waits()); });
            }
            co_await all_is_quiet();
            if (served_first) watched.set(7);
            one[which].cancel();
            if (!served_first) watched.set(7);
        });
        CHECK(each[which]->has_changed() == !served_first);
    });
    log_of expected;
    for (int i = 0; i < 3; ++i) {
        if (served_first || i != which) expected.push_back(100 * i + 7);
    }
    CHECK(log == expected);
}

TEST_CASE("one task at a time waits in a receiver of a watch, and sees what another looks at meanwhile") {
    test::virtual_fixture on;
    log_of log;
    on.run([&]() -> task<> {
        watch<int> watched;
        auto from = watched.subscribe();
        co_await bight::with_group([&](bight::group& g) -> task<> {
            g.spawn(note_versions, std::ref(from), std::ref(log));
            co_await all_is_quiet();
            std::error_code code;
            try {
                co_await from.changed();
            } catch (const std::system_error& e) {
                code = e.code();
            }
            CHECK(code == bight::errc::busy);
            watched.set(1);
            CHECK(from.see() == 1);
            co_await all_is_quiet();
            CHECK(log == log_of{1});
            watched.close();
        });
    });
    CHECK(log == log_of{1});
}

TEST_CASE("wait_for gives the first version it sees that fits, or null at the end") {
    test::virtual_fixture on;
    on.run([&]() -> task<> {
        watch<int> watched(1);
        auto from = watched.subscribe();
        const auto odd = [](const int& v) { return v % 2 == 1; };
        const auto even = [](const int& v) { return v % 2 == 0; };
        const int* now = co_await from.wait_for(odd);
        CHECK(*now == 1);
        co_await bight::with_group([&](bight::group& g) -> task<> {
            auto sets = [&]() -> task<> {
                for (int i = 3; i <= 8; i += 5) {
                    co_await bight::sleep_for(1ms);
                    watched.set(i);
                }
            };
            g.spawn(sets);
            const int* later = co_await from.wait_for(even);
            CHECK(*later == 8);
            CHECK(on.elapsed() == 2ms);
            watched.close();
        });
        const int* none = co_await from.wait_for(odd);
        CHECK(none == nullptr);
    });
}

TEST_CASE("a value that only moves can be watched") {
    watch<std::unique_ptr<int>> watched(std::make_unique<int>(1));
    auto from = watched.subscribe();
    watched.set(std::make_unique<int>(2));
    CHECK(*from.see() == 2);
    watched.close();
    auto refused = std::make_unique<int>(3);
    CHECK_FALSE(watched.try_set(std::move(refused)));
    CHECK(refused != nullptr);
}

TEST_CASE("an assignment that throws makes no new version") {
    class refuses {
      public:
        refuses& operator=(int n) {
            if (n < 0) throw std::invalid_argument("negative");
            return *this;
        }
    };
    watch<refuses> watched;
    auto from = watched.subscribe();
    CHECK_THROWS_AS(watched.set(-1), std::invalid_argument);
    CHECK_FALSE(from.has_changed());
    watched.set(1);
    CHECK(from.has_changed());
}

TEST_CASE("a receiver of a watch may be moved while nobody waits in it") {
    watch<int> one(1);
    watch<int> other(2);
    auto from = one.subscribe();
    one.set(3);
    auto moved = std::move(from);
    CHECK(moved.has_changed());
    moved = other.subscribe();
    CHECK(moved.borrow() == 2);
    CHECK_FALSE(moved.has_changed());
}

TEST_CASE("destroying a receiver of a watch in which a task waits ends the program, and names the line") {
    const std::string said = test::dying_words([&] {
        bight::reactor r;
        watch<int> watched;
        auto from = std::make_optional(watched.subscribe());
        auto waits = [&]() -> task<> { co_await from->changed(); };
        auto body = [&](bight::group& g) -> task<> {
            g.spawn(waits);
            co_await bight::yield();
            co_await bight::yield();
            from.reset();
        };
        auto root = [&]() -> task<> { co_await bight::with_group(body); };
        r.run(root());
    });
    CHECK_THAT(said, Catch::Contains("a receiver, or the place that it was moved from") &&
                         Catch::Contains("watch_test.cpp"));
}

TEST_CASE("a watch and its receivers may go on the thread that has joined the reactor's") {
    std::optional<bight::watch_receiver<int>> left;
    watch<int> watched(1);
    std::thread other([&] {
        bight::reactor r;
        r.run([&]() -> task<> {
            auto mine = watched.subscribe();
            watched.set(2);
            const int* const value = co_await mine.changed();
            CHECK(*value == 2);
            left.emplace(std::move(mine));
        }());
    });
    other.join();
    left.reset();
}  // and the watch
