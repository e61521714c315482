// The queue and the waiting of concurrent_channel, in every order of their atomic operations.
#include <bight/thread/detail/concurrent_channel_core.hpp>

#include "support/interleavings.hpp"

#include "support/catch.hpp"

#include <cstdlib>
#include <optional>
#include <string>
#include <vector>

namespace {

using model = test::model_threads;
using core = bight::detail::concurrent_channel_core<int, model>;
using queue = bight::detail::mpmc_queue<int, model>;
using test::require;
using test::violation;

// Somebody who waits: what task and thread have in common.
class sleeper final : public bight::detail::concurrent_waiter<int> {
  public:
    sleeper() = default;
    // NOLINTNEXTLINE(performance-move-const-arg): it takes an rvalue.
    explicit sleeper(int v) : concurrent_waiter<int>(std::move(v)) {}
    void sleep() const { woken_.wait_while_zero(); }

  private:
    void granted() noexcept override { woken_.store(1); }
    model::atomic<int> woken_{0};
};

bool send(core& c, int v) {
    sleeper here(v);
    if (!c.send(here)) here.sleep();
    return !here.closed;
}
std::optional<int> receive(core& c) {
    sleeper here;
    if (!c.receive(here)) here.sleep();
    if (here.closed && here.value) throw violation("closed, and yet a value");
    return here.value;
}

// What each thread sent successfully and received. A thread writes its own row only.
struct record {
    std::vector<int> sent[3];
    std::vector<int> received[3];

    // Each value that was sent was received once, and nothing else; `left` are those still inside. Senders
    // use ranges of ten: within one range, who receives sees rising values.
    void check(const std::vector<int>& left = {}) const {
        std::vector<int> seen(100, 0);
        for (const auto& row : received) {
            int last[10] = {-1, -1, -1, -1, -1, -1, -1, -1, -1, -1};
            for (const int v : row) {
                require(v > last[v / 10], "the values of one sender changed places");
                last[v / 10] = v;
                ++seen[static_cast<std::size_t>(v)];
            }
        }
        for (const int v : left) ++seen[static_cast<std::size_t>(v)];
        for (const auto& row : sent) {
            for (const int v : row) --seen[static_cast<std::size_t>(v)];
        }
        for (const int n : seen)
            require(n == 0, n > 0 ? "a value came twice, or from nowhere" : "a value was lost");
    }
};

std::vector<int> drain(queue& q) {
    std::vector<int> left;
    while (q.try_pop([&](int v) { left.push_back(v); })) {
    }
    return left;
}
std::vector<int> drain(core& c) {
    std::vector<int> left;
    for (std::optional<int> v; c.try_receive(v) == core::outcome::done; v.reset()) left.push_back(*v);
    return left;
}

// --- the queue alone

// Two threads push, one pops what it finds.
template <std::size_t Capacity>
struct pushes_and_pops {
    queue q{Capacity};
    record seen;

    void thread(int me) {
        if (me == 2) {
            for (int i = 0; i < 2; ++i) q.try_pop([&](int v) { seen.received[2].push_back(v); });
            return;
        }
        int v = 10 * me;
        if (q.try_push(v) == queue::outcome::done) seen.sent[me].push_back(v);
    }
    void finish() {
        const auto left = drain(q);
        seen.check(left);
    }
};

// One pushes, two pop.
template <std::size_t Capacity>
struct two_consumers {
    queue q{Capacity};
    record seen;

    void thread(int me) {
        if (me > 0) {
            q.try_pop([&](int v) { seen.received[me].push_back(v); });
            return;
        }
        for (int v = 0; v < 2; ++v) {
            int moved = v;
            if (q.try_push(moved) == queue::outcome::done) seen.sent[0].push_back(v);
        }
    }
    void finish() {
        const auto left = drain(q);
        seen.check(left);
    }
};

// A producer and a consumer, several rounds of a small ring.
struct round_after_round {
    queue q{1};
    record seen;
    void thread(int me) {
        for (int i = 0; i < 4; ++i) {
            if (me == 0) {
                int v = i;
                if (q.try_push(v) == queue::outcome::done) seen.sent[0].push_back(i);
            } else {
                q.try_pop([&](int v) { seen.received[1].push_back(v); });
            }
        }
    }
    void finish() {
        const auto left = drain(q);
        seen.check(left);
    }
};

// What is pushed beside a close is either refused or there.
struct push_and_close {
    queue q{2};
    record seen;
    void thread(int me) {
        if (me == 2) {
            q.close();
            return;
        }
        int v = 10 * me;
        if (q.try_push(v) == queue::outcome::done) seen.sent[me].push_back(v);
    }
    void finish() {
        const auto left = drain(q);
        seen.check(left);
        require(q.drained(), "not drained");
    }
};

// --- waiting

// Two senders and a receiver that waits for both values.
struct senders_and_receiver {
    core c{1};
    record seen;
    void thread(int me) {
        if (me < 2) {
            if (send(c, 10 * me)) seen.sent[me].push_back(10 * me);
        } else {
            for (int i = 0; i < 2; ++i) seen.received[2].push_back(receive(c).value());
        }
    }
    void finish() { seen.check(); }
};

// One sender, two receivers that wait.
struct sender_and_receivers {
    core c{1};
    record seen;
    void thread(int me) {
        if (me == 0) {
            for (int v = 0; v < 2; ++v) {
                if (send(c, v)) seen.sent[0].push_back(v);
            }
        } else {
            seen.received[me].push_back(receive(c).value());
        }
    }
    void finish() { seen.check(); }
};

// Several values between two threads, through a queue of one: both wait.
template <int Values>
struct back_and_forth {
    core c{1};
    record seen;
    void thread(int me) {
        for (int v = 0; v < Values; ++v) {
            if (me == 0) {
                if (send(c, v)) seen.sent[0].push_back(v);
            } else {
                seen.received[1].push_back(receive(c).value());
            }
        }
    }
    void finish() { seen.check(); }
};

// A receiver that gives up: it has a value then, or the other one gets it.
struct withdrawn_receiver {
    core c{1};
    record seen;
    void thread(int me) {
        if (me == 0) {
            if (send(c, 1)) seen.sent[0].push_back(1);
            return;
        }
        sleeper here;
        if (!c.receive(here)) {
            if (c.withdraw_receiver(here)) return;
            here.sleep();  // the grant is under way
        }
        require(here.value.has_value(), "granted without a value");
        seen.received[1].push_back(*here.value);
    }
    void finish() { seen.check(drain(c)); }
};

// The same beside a second receiver that stays: whichever value there is reaches it.
struct withdrawn_beside_another {
    core c{1};
    record seen;
    void thread(int me) {
        if (me == 0) {
            for (int v = 0; v < 2; ++v) {
                if (send(c, v)) seen.sent[0].push_back(v);
            }
        } else if (me == 1) {
            sleeper here;
            if (!c.receive(here)) {
                if (c.withdraw_receiver(here)) return;
                here.sleep();
            }
            seen.received[1].push_back(here.value.value());
        } else {
            seen.received[2].push_back(receive(c).value());
        }
    }
    void finish() { seen.check(drain(c)); }
};

// A sender that gives up while the receiver makes room.
struct withdrawn_sender {
    core c{1};
    record seen;
    void thread(int me) {
        if (me == 1) {
            seen.received[1].push_back(receive(c).value());
            return;
        }
        for (int v = 0; v < 2; ++v) {
            sleeper here(v);
            if (!c.send(here)) {
                if (c.withdraw_sender(here)) return;
                here.sleep();
            }
            seen.sent[0].push_back(v);
        }
    }
    void finish() { seen.check(drain(c)); }
};

// A close beside a sender and a receiver: who waits is let go, and what was sent arrives.
struct close_beside {
    core c{1};
    record seen;
    void thread(int me) {
        if (me == 0) {
            for (int v = 0; v < 2; ++v) {
                if (send(c, v)) seen.sent[0].push_back(v);
            }
        } else if (me == 1) {
            while (const auto v = receive(c)) seen.received[1].push_back(*v);
        } else {
            c.close();
        }
    }
    void finish() { seen.check(); }
};

// The last value of a closed channel goes to one of two receivers: the other one must not wait for it.
struct last_value {
    core c{1};
    record seen;
    void thread(int me) {
        if (me == 0) {
            if (send(c, 3)) seen.sent[0].push_back(3);
            c.close();
        } else {
            while (const auto v = receive(c)) seen.received[me].push_back(*v);
        }
    }
    void finish() { seen.check(); }
};

// A receiver that comes while one waits, and one that does not wait at all.
struct no_overtaking {
    core c{1};
    record seen;
    void thread(int me) {
        if (me == 0) {
            if (send(c, 1)) seen.sent[0].push_back(1);
        } else if (me == 1) {
            std::optional<int> v;
            if (c.try_receive(v) == core::outcome::done) seen.received[1].push_back(*v);
            if (send(c, 12)) seen.sent[1].push_back(12);
        } else {
            seen.received[2].push_back(receive(c).value());
        }
    }
    void finish() { seen.check(drain(c)); }
};

template <class World>
void pass_in_all_orders(int threads, const test::exploration_limits& limits = {}) {
    const auto found = test::explore<World>(threads, limits);
    INFO(found.runs << " runs, " << found.pruned << " pruned, at most " << found.longest << " points");
    CHECK(found.failure == "");
    CHECK(found.complete);
    CHECK(found.runs > 1);
}

// Three threads that wait have hundreds of thousands of orders, which `tests/run.sh --full` asks for by this
// variable. Else those with two switches away from a thread that could have gone on: few bugs need more
// (Musuvathi and Qadeer, "Iterative context bounding", PLDI 2007). Under ASan, which looks at memory and not
// at orders, with one.
template <class World>
void most_orders_of_three() {
    test::exploration_limits limits;
#if defined(BIGHT_TEST_ASAN)
    constexpr int usual = 1;
#else
    constexpr int usual = 2;
#endif
    if (!std::getenv("BIGHT_TEST_ALL_ORDERS")) limits.preemptions = usual;
    pass_in_all_orders<World>(3, limits);
}

}  // namespace

TEST_CASE("in every order the queue loses, doubles and reorders nothing") {
    pass_in_all_orders<pushes_and_pops<1>>(3);
    pass_in_all_orders<pushes_and_pops<2>>(3);
    pass_in_all_orders<two_consumers<1>>(3);
    pass_in_all_orders<two_consumers<2>>(3);
    pass_in_all_orders<round_after_round>(2);
}

TEST_CASE("in every order a push beside a close is refused, or its value is there") {
    pass_in_all_orders<push_and_close>(3);
}

TEST_CASE("in every order a wake-up reaches a waiting sender and a waiting receiver") {
    pass_in_all_orders<back_and_forth<1>>(2);
    pass_in_all_orders<back_and_forth<2>>(2);
    pass_in_all_orders<back_and_forth<3>>(2);
    most_orders_of_three<senders_and_receiver>();
    most_orders_of_three<sender_and_receivers>();
    most_orders_of_three<no_overtaking>();
}

TEST_CASE("in every order a withdrawal leaves the value to somebody else, or comes too late") {
    pass_in_all_orders<withdrawn_receiver>(2);
    pass_in_all_orders<withdrawn_sender>(2);
    most_orders_of_three<withdrawn_beside_another>();
}

TEST_CASE("in every order a close lets everybody go, and what was sent arrives") {
    most_orders_of_three<close_beside>();
    most_orders_of_three<last_value>();
}
