// A small model checker: runs a few threads in every order of their atomic operations.
//
//     struct world {
//         test::model<int>::atomic …                     // fresh for each run
//         void thread(int who);                          // what thread `who` does
//         void finish();                                 // checks at the end; throws test::violation
//     };
//     const auto found = test::explore<world>(2);
//     CHECK(found.failure == "");
//
// The threads are fibers of one real thread. Each atomic operation, lock and wait of the code under test
// (which takes its atomics from a policy, here test::model_threads) is a point at which the search decides
// which thread goes on. The search is depth-first: it repeats the decisions of the previous run up to the
// last one that had an alternative, and takes that.
//
// Operations on different objects, and two loads, commute; of orders that differ only by such swaps, one is
// run (sleep sets; Godefroid, "Partial-Order Methods for the Verification of Concurrent Systems", 1996). With
// `preemptions` limited, only orders with at most that many switches away from a thread that could have gone
// on are run (Musuvathi, Qadeer: "Iterative Context Bounding", 2007); the reduction is off then, because the
// two together would miss orders.
//
// What it covers: all orders of sequentially consistent operations, lost wake-ups (no thread can go on, but
// not all have ended) and the checks of `finish`. It does not cover weaker memory orders (every write is
// visible at once, in one order), spurious failures of a compare-and-swap, and data races. For those there
// are runs under ThreadSanitizer, and the arguments in the comments of the code.
#pragma once

#include "fiber.hpp"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace test {

/// Thrown by a check in the code under test.
struct violation : std::runtime_error {
    using std::runtime_error::runtime_error;
};
inline void require(bool ok, const char* what) {
    if (!ok) throw violation(what);
}

struct exploration {
    std::uint64_t runs = 0;     ///< complete ones
    std::uint64_t pruned = 0;   ///< abandoned because an equal one had been run
    std::uint64_t longest = 0;  ///< points in the longest run
    bool complete = false;      ///< every order was covered, within the limit on preemptions
    std::string failure;        ///< of the first run that failed; empty when none did
    std::vector<int> schedule;  ///< which thread went on at each point of that run
};

struct exploration_limits {
    int preemptions = -1;             ///< at most; negative: any number, and equal orders are left out
    std::uint64_t runs = 20'000'000;  ///< give up after so many
    std::uint64_t points = 100'000;   ///< a run longer than this fails: threads that wait by spinning
};

class explorer {
  public:
    static explorer*& current() {
        static explorer* the_one = nullptr;
        return the_one;
    }

    /// What a thread is about to do.
    struct operation {
        const void* object = nullptr;
        bool writes = true;
        bool (*possible)(const void*) = nullptr;  // null: always
    };

    /// Called by the code under test before each operation.
    void point(const operation& next) {
        thread& self = threads_[running_];
        self.next = next;
        self.own.suspend();
    }
    int running() const { return static_cast<int>(running_); }

    template <class World>
    exploration explore(int threads, const exploration_limits& limits) {
        limits_ = limits;
        current() = this;
        threads_ = std::vector<thread>(static_cast<std::size_t>(threads));
        path_.clear();
        for (;;) {
            auto world = std::make_unique<World>();
            body_ = [](void* w, int who) { static_cast<World*>(w)->thread(who); };
            world_ = world.get();
            const ending end = run_once();
            if (end == ending::through) {
                ++found_.runs;
                in_threads_ = false;
                try {
                    world->finish();
                } catch (const violation& v) {
                    fail(v.what());
                }
            } else if (end == ending::pruned) {
                ++found_.pruned;
            }
            if (end == ending::failed) {  // its threads are still inside it: kept, and known to LeakSanitizer
                static auto* const left_behind = new std::vector<World*>;
                left_behind->push_back(world.release());
            }
            if (!found_.failure.empty() || !next_path()) break;
            if (found_.runs + found_.pruned >= limits_.runs) break;
        }
        found_.complete = path_.empty() && found_.failure.empty();
        threads_.clear();
        current() = nullptr;
        return found_;
    }

    bool in_threads() const { return in_threads_; }

  private:
    enum class ending { through, pruned, failed };

    struct thread {
        fiber own;
        operation next;
        bool begun = false;
        bool through = false;

        bool enabled() const { return !through && (!next.possible || next.possible(next.object)); }
    };

    // One point of a run: which thread went on there, and which could have.
    struct choice {
        unsigned chosen = 0;
        unsigned enabled = 0;  // bit sets of threads
        unsigned done = 0;     // tried already
        unsigned asleep = 0;   // would only repeat what was tried before
        int preemptions = 0;   // before this point
        unsigned previous = 0;
        std::vector<operation> next;  // what each thread was about to do
    };

    static bool commute(const operation& a, const operation& b) {
        return a.object != b.object || (!a.writes && !b.writes);
    }

    void fail(const std::string& why) {
        if (!found_.failure.empty()) return;
        found_.failure = why;
        for (const choice& c : path_) found_.schedule.push_back(static_cast<int>(c.chosen));
    }

    ending run_once() {
        for (thread& t : threads_) {
            t.begun = t.through = false;
            t.next = {&t, false, nullptr};  // beginning touches nothing of anyone's
            t.own.begin(&explorer::enter);
        }
        unsigned asleep = 0;
        unsigned previous = ~0u;
        int preemptions = 0;
        for (std::size_t depth = 0;; ++depth) {
            unsigned enabled = 0;
            bool all_through = true;
            for (std::size_t i = 0; i < threads_.size(); ++i) {
                if (!threads_[i].through) all_through = false;
                if (threads_[i].enabled()) enabled |= 1u << i;
            }
            if (depth > found_.longest) found_.longest = depth;
            if (all_through) return ending::through;
            if (enabled == 0) {
                fail("nobody can go on: a wake-up was lost, or a lock is held for ever");
                return ending::failed;
            }
            if (depth > limits_.points) {
                fail("a run that does not end");
                return ending::failed;
            }
            if (depth == path_.size()) {
                choice c;
                c.enabled = enabled;
                c.asleep = asleep & enabled;
                c.previous = previous;
                c.preemptions = preemptions;
                for (const thread& t : threads_) c.next.push_back(t.next);
                if (!choose(c)) return run_to_end() ? ending::pruned : ending::failed;
                path_.push_back(std::move(c));
            }
            choice& c = path_[depth];
            // Below this point, threads need not run first if their turn at this point is covered elsewhere.
            asleep = 0;
            if (limits_.preemptions < 0) {
                for (std::size_t i = 0; i < threads_.size(); ++i) {
                    const unsigned bit = 1u << i;
                    if (((c.asleep | c.done) & bit) && i != c.chosen &&
                        commute(c.next[i], c.next[c.chosen])) {
                        asleep |= bit;
                    }
                }
            }
            preemptions = c.preemptions + (is_preemption(c, c.chosen) ? 1 : 0);
            previous = c.chosen;
            step(c.chosen);
            if (!found_.failure.empty()) return ending::failed;
        }
    }

    // Runs the threads to their ends in any order, since the world can be destroyed only after that. False
    // when they cannot end, which an equal run has found or will find.
    bool run_to_end() {
        for (;;) {
            bool all_through = true;
            bool any = false;
            for (std::size_t i = 0; i < threads_.size(); ++i) {
                if (threads_[i].through) continue;
                all_through = false;
                if (!threads_[i].enabled()) continue;
                any = true;
                step(static_cast<unsigned>(i));
            }
            if (all_through) return true;
            if (!any) fail("nobody can go on, at the end of a run that repeats another");
            if (!found_.failure.empty()) return false;
        }
    }

    static bool is_preemption(const choice& c, unsigned next) {
        return c.previous != ~0u && next != c.previous && (c.enabled >> c.previous & 1u);
    }

    // Takes the next alternative at this point. False when there is none left.
    bool choose(choice& c) const {
        const auto allowed = [&](unsigned i) {
            const unsigned bit = 1u << i;
            if (!(c.enabled & bit) || (c.done & bit) || (c.asleep & bit)) return false;
            return limits_.preemptions < 0 || !is_preemption(c, i) || c.preemptions < limits_.preemptions;
        };
        if (c.done == 0 && c.previous != ~0u && allowed(c.previous)) {
            c.chosen = c.previous;
            return true;
        }
        for (unsigned i = 0; i < threads_.size(); ++i) {
            if (allowed(i)) {
                c.chosen = i;
                return true;
            }
        }
        return false;
    }

    // Makes path_ the beginning of the next run. False when there is none.
    bool next_path() {
        while (!path_.empty()) {
            choice& c = path_.back();
            c.done |= 1u << c.chosen;
            if (choose(c)) return true;
            path_.pop_back();
        }
        return false;
    }

    void step(unsigned who) {
        running_ = who;
        in_threads_ = true;
        threads_[who].own.resume();
        in_threads_ = false;
    }

    // What a thread does, on its fiber.
    static void enter() {
        explorer& self = *current();
        try {
            self.body_(self.world_, self.running());
        } catch (const violation& v) {
            self.fail(v.what());
        }
        self.threads_[self.running_].through = true;
    }

    exploration_limits limits_;
    exploration found_;
    std::vector<choice> path_;
    std::vector<thread> threads_;
    std::size_t running_ = 0;
    void (*body_)(void*, int) = nullptr;
    void* world_ = nullptr;
    bool in_threads_ = false;
};

/// Runs `World::thread(0…threads-1)` in every order.
template <class World>
exploration explore(int threads, const exploration_limits& limits = {}) {
    return explorer().explore<World>(threads, limits);
}

inline void reach(const void* object, bool writes, bool (*possible)(const void*) = nullptr) {
    explorer* const e = explorer::current();
    if (e && e->in_threads()) e->point({object, writes, possible});
}

/// Atomics and locks for the code under test.
struct model_threads {
    template <class T>
    class atomic {
      public:
        atomic(T v = T()) : value_(v) {}
        atomic(const atomic&) = delete;
        atomic& operator=(const atomic&) = delete;
        T load(std::memory_order = std::memory_order_seq_cst) const {
            reach(this, false);
            return value_;
        }
        void store(T v, std::memory_order = std::memory_order_seq_cst) {
            reach(this, true);
            value_ = v;
        }
        T exchange(T v, std::memory_order = std::memory_order_seq_cst) {
            reach(this, true);
            return std::exchange(value_, v);
        }
        bool compare_exchange_weak(T& expected, T desired, std::memory_order = std::memory_order_seq_cst,
                                   std::memory_order = std::memory_order_seq_cst) {
            reach(this, true);
            if (value_ == expected) {
                value_ = desired;
                return true;
            }
            expected = value_;
            return false;
        }
        T fetch_add(T by, std::memory_order = std::memory_order_seq_cst) {
            reach(this, true);
            const T old = value_;
            value_ = static_cast<T>(value_ + by);
            return old;
        }
        T fetch_or(T with, std::memory_order = std::memory_order_seq_cst) {
            reach(this, true);
            const T old = value_;
            value_ = static_cast<T>(value_ | with);
            return old;
        }
        /// Waits until the value is not zero.
        void wait_while_zero() const {
            reach(this, false,
                  [](const void* self) { return static_cast<const atomic*>(self)->value_ != T(); });
        }

      private:
        T value_;
    };

    static void fence() {}  // every operation is sequentially consistent here

    /// A mutex. `lock` is possible only while nobody holds it.
    class mutex {
      public:
        void lock() {
            reach(this, true, [](const void* self) { return !static_cast<const mutex*>(self)->held_; });
            held_ = true;
        }
        void unlock() {
            reach(this, true);
            held_ = false;
        }

      private:
        bool held_ = false;
    };
    using lock = mutex;
};

}  // namespace test
