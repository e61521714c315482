// The model checker itself: it finds what is known to be broken, and passes what is known to be right.
#include "support/interleavings.hpp"

#include "support/catch.hpp"

#include <string>

namespace {

using model = test::model_threads;
template <class T>
using atomic = model::atomic<T>;

struct lost_update {
    atomic<int> count;
    void thread(int) { count.store(count.load() + 1); }
    void finish() {
        if (count.load() != 2) throw test::violation("an update was lost");
    }
};

struct atomic_update {
    atomic<int> count;
    void thread(int) { count.fetch_add(1); }
    void finish() {
        if (count.load() != 3) throw test::violation("an update was lost");
    }
};

// Peterson's lock for two threads, right or with the turn given away too late.
template <bool Right>
struct peterson {
    atomic<int> wants[2];
    atomic<int> turn;
    int inside = 0;
    atomic<int> within;

    void thread(int me) {
        const int other = 1 - me;
        if (Right) {
            wants[me].store(1);
            turn.store(other);
        } else {
            turn.store(other);
            wants[me].store(1);
        }
        for (int tries = 0; wants[other].load() && turn.load() == other;) {
            if (++tries == 3) {  // somebody who only waits makes no new orders
                wants[me].store(0);
                return;
            }
        }
        if (++inside > 1) throw test::violation("two threads are inside");
        within.store(me);
        --inside;
        wants[me].store(0);
    }
    void finish() {}
};

// Waiting for an event: looking first and waiting then loses it; saying so first does not.
template <bool Right>
struct event {
    atomic<int> happened;
    atomic<int> waiting;
    atomic<int> woken;

    void thread(int who) {
        if (who == 0) {
            happened.store(1);
            if (waiting.load()) woken.store(1);
        } else if (Right) {
            waiting.store(1);
            if (!happened.load()) woken.wait_while_zero();
        } else {
            if (happened.load()) return;
            waiting.store(1);
            woken.wait_while_zero();
        }
    }
    void finish() {}
};

struct opposite_locks {
    model::mutex a;
    model::mutex b;
    void thread(int who) {
        (who == 0 ? a : b).lock();
        (who == 0 ? b : a).lock();
        a.unlock();
        b.unlock();
    }
    void finish() {}
};

struct counting {
    model::mutex m;
    int count = 0;
    atomic<int> seen;
    void thread(int) {
        m.lock();
        const int before = count;
        seen.store(before);
        count = before + 1;
        m.unlock();
    }
    void finish() {
        if (count != 3) throw test::violation("the lock did not exclude");
    }
};

// N operations of each of two threads on one object: every order is another one.
struct all_orders {
    atomic<int> shared;
    void thread(int) {
        for (int i = 0; i < 3; ++i) shared.fetch_add(1);
    }
    void finish() {}
};

struct nothing_shared {
    atomic<int> own[3];
    void thread(int me) {
        for (int i = 0; i < 5; ++i) own[me].fetch_add(1);
    }
    void finish() {}
};

}  // namespace

TEST_CASE("the search finds a lost update, and says in which order") {
    const auto found = test::explore<lost_update>(2);
    CHECK(found.failure == "an update was lost");
    CHECK_FALSE(found.schedule.empty());
    CHECK_FALSE(found.complete);
}

TEST_CASE("the search passes an atomic update, having run every order") {
    const auto found = test::explore<atomic_update>(3);
    CHECK(found.failure == "");
    CHECK(found.complete);
    CHECK(found.runs == 6);  // three operations that do not commute
}

TEST_CASE("the search finds what is wrong with a lock, and nothing where nothing is") {
    const auto wrong = test::explore<peterson<false>>(2);
    CHECK(wrong.failure == "two threads are inside");
    const auto right = test::explore<peterson<true>>(2);
    CHECK(right.failure == "");
    CHECK(right.complete);
}

TEST_CASE("the search finds a lost wake-up") {
    const auto wrong = test::explore<event<false>>(2);
    CHECK(wrong.failure.find("a wake-up was lost") != std::string::npos);
    const auto right = test::explore<event<true>>(2);
    CHECK(right.failure == "");
    CHECK(right.complete);
}

TEST_CASE("the search finds a deadlock of two locks, and passes one lock that excludes") {
    const auto wrong = test::explore<opposite_locks>(2);
    CHECK(wrong.failure.find("nobody can go on") != std::string::npos);
    const auto right = test::explore<counting>(3);
    CHECK(right.failure == "");
    CHECK(right.runs == 6);
}

TEST_CASE("orders that differ only in operations that commute are run once; all others are run") {
    CHECK(test::explore<nothing_shared>(3).runs == 1);
    CHECK(test::explore<all_orders>(2).runs == 20);  // 6! / (3! 3!)
}

TEST_CASE("a limit on preemptions leaves out the orders with more, and still finds what needs few") {
    test::exploration_limits limits;
    limits.preemptions = 0;
    const auto none = test::explore<all_orders>(2, limits);
    CHECK(none.runs == 2);
    CHECK(none.complete);
    CHECK(test::explore<lost_update>(2, limits).failure == "");
    limits.preemptions = 1;
    CHECK(test::explore<lost_update>(2, limits).failure == "an update was lost");
}
