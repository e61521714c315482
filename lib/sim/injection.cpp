#include <bight/sim/injection.hpp>

#include "../core/item_observer.hpp"
#include "../core/reactor_state.hpp"

#include <bight/core/detail/frame_pool.hpp>
#include <bight/core/error.hpp>
#include <bight/core/group.hpp>
#include <bight/core/sleep.hpp>
#include <bight/core/virtual_clock.hpp>
#include <bight/sim/allocation_fault.hpp>
#include <bight/sim/leaks.hpp>

#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>

namespace bight::sim::detail {

constinit thread_local allocation_fault* armed_fault = nullptr;
constinit std::atomic<long> blocks{0};
constinit std::atomic<bool> new_is_replaced{false};

namespace {

// A text that is not allocated with operator new, and so does not count as left over by a run.
using uncounted_text = std::unique_ptr<char, void (*)(void*)>;
uncounted_text uncounted(const std::string& text) { return {::strdup(text.c_str()), &std::free}; }

/// Cancels the test at one point, or has one of its allocations fail.
class injector final : public bight::detail::item_observer {
  public:
    /// `cancel_at` counts from 1; 0: never.
    injector(std::uint64_t cancel_at, allocation_fault fault) noexcept
        : cancel_at_(cancel_at), fault_(fault) {}
    ~injector() = default;

    void item_begins() noexcept override {
        if (!test_) return;
        const std::uint64_t turn = reactor_->statistics().turns;
        if (std::exchange(turn_, turn) != turn) reach_point();
        armed_fault = &fault_;
    }
    void item_ended(const bight::detail::job*) noexcept override {
        armed_fault = nullptr;
        if (test_) reach_point();
    }

    void begin(reactor& r, group& test) noexcept {
        reactor_ = &r;
        test_ = &test;
        armed_fault = &fault_;
    }
    void end() noexcept {
        test_ = nullptr;
        armed_fault = nullptr;
    }

    std::uint64_t points() const noexcept { return points_; }
    const allocation_fault& fault() const noexcept { return fault_; }
    /// The tasks at the moment of the cancellation.
    const char* tasks() const noexcept { return tasks_ ? tasks_.get() : ""; }

  private:
    void reach_point() noexcept {
        if (++points_ != cancel_at_) return;
        tasks_ = uncounted(reactor_->dump_tasks());
        test_->cancel();
    }

    const std::uint64_t cancel_at_;
    allocation_fault fault_;
    reactor* reactor_ = nullptr;
    group* test_ = nullptr;  // while it runs
    std::uint64_t turn_ = 0;
    std::uint64_t points_ = 0;
    uncounted_text tasks_{nullptr, &std::free};
};

struct run_state {
    host* here = nullptr;
    injector* injects = nullptr;
    std::optional<task<>> root;
    duration settle{};
    std::exception_ptr error;
    usage left;
};

/// Marks the time while the test's own task lives.
class test_running {
  public:
    test_running(run_state& run, group& g) noexcept : injects_(*run.injects) {
        injects_.begin(run.here->reactor(), g);
    }
    test_running(const test_running&) = delete;
    test_running& operator=(const test_running&) = delete;
    ~test_running() { injects_.end(); }

  private:
    injector& injects_;
};

task<> run_test(run_state& run) {
    auto body = [&run](group& g) -> task<> {
        const test_running now(run, g);
        co_await std::move(*run.root);
    };
    try {
        co_await with_group(body);
    } catch (...) {
        run.error = std::current_exception();
    }
    co_await sleep_for(run.settle);
    run.left = usage::of(*run.here);
}

bool out_of_memory(const std::exception_ptr& error) {
    try {
        std::rethrow_exception(error);
    } catch (const std::bad_alloc&) {
        return true;
    } catch (const std::system_error& e) {
        return e.code() == std::errc::not_enough_memory;
    } catch (const aggregate_error& e) {
        for (const std::exception_ptr& one : e.errors()) {
            if (!out_of_memory(one)) return false;
        }
        return true;
    } catch (...) {
        return false;
    }
}

bool never_ended(const std::exception_ptr& error) {
    try {
        std::rethrow_exception(error);
    } catch (const deadlock&) {
        return true;
    } catch (const stuck&) {
        return true;
    } catch (...) {
        return false;
    }
}

struct outcome_of_run {
    bool failed = false;   ///< the run, the test, or its check
    bool checked = false;  ///< it is the check
    bool never_ended = false;
    bool out_of_memory = false;
    std::unique_ptr<char, void (*)(void*)> error{nullptr,
                                                 &std::free};  ///< not by operator new, which is counted
    usage left;
    long frames = 0;
    long blocks = 0;
};

outcome_of_run run_once(everywhere_test& test, const everywhere_options& options, injector& injects,
                        bool throws = false) {
    outcome_of_run r;
    const long frames = bight::detail::live_frames();
    const long blocks_before = blocks_out();
    long blocks_of_check = 0;
    {
        run_state run;  // outlives the tasks
        world w(options.seed, options.world);
        host& here = w.add("here");
        bight::detail::reactor_state::observe(here.reactor(), &injects);
        run.here = &here;
        run.injects = &injects;
        run.settle = options.settle;
        run.root.emplace(test.start(w));
        here.run([&run] { return run_test(run); });
        std::exception_ptr error;
        try {
            w.run();
            error = run.error;
            r.left = run.left;
        } catch (...) {
            error = std::current_exception();
        }
        if (!error) {
            const long before = blocks_out();
            try {
                test.check(w);
            } catch (...) {
                error = std::current_exception();
                r.checked = true;
            }
            blocks_of_check = blocks_out() - before;
        }
        if (error) {
            if (throws) std::rethrow_exception(error);
            r.failed = true;
            r.never_ended = never_ended(error);
            r.out_of_memory = out_of_memory(error);
            r.error = uncounted(bight::detail::describe_error(error));
        }
    }
    r.frames = bight::detail::live_frames() - frames;
    if (!r.checked) r.blocks = blocks_out() - blocks_before - blocks_of_check;
    return r;
}

// Describes leaks; empty when there are none.
std::string leaks(const outcome_of_run& r, const outcome_of_run& usual) {
    std::string text = excess(r.left, usual.left);
    if (r.frames != 0) text += ", " + std::to_string(r.frames) + " frames of tasks";
    if (r.blocks != 0) text += ", " + std::to_string(r.blocks) + " blocks of memory";
    return text.empty() ? text : "something is left behind: " + text.substr(2);
}

/// Prints the point of the injection when the process terminates.
class last_words {
  public:
    explicit last_words(const std::string& where) : before_(std::set_terminate(&speak)) { text() = &where; }
    last_words(const last_words&) = delete;
    last_words& operator=(const last_words&) = delete;
    ~last_words() {
        std::set_terminate(before_);
        text() = nullptr;
    }

  private:
    static const std::string*& text() noexcept {
        static const std::string* of_run = nullptr;
        return of_run;
    }
    [[noreturn]] static void speak() {
        std::fprintf(stderr, "bight: std::terminate was called by a test that was %s\n", text()->c_str());
        std::abort();
    }
    std::terminate_handler before_;
};

outcome_of_run run_as_it_is(everywhere_test& test, const everywhere_options& options, injector& injects) {
    {
        injector first(0, {-1, false, false});
        run_once(test, options, first, true);  // what is made once for the program
    }
    outcome_of_run usual = run_once(test, options, injects, true);
    const std::string left = leaks(usual, usual);
    if (!left.empty()) throw broken_at(0, "a run with nothing injected: " + left);
    return usual;
}

std::optional<std::uint64_t> only_point() {
    const char* const text = std::getenv("BIGHT_SIM_POINT");
    if (!text) return std::nullopt;
    const std::string_view all = text;
    std::uint64_t point = 0;
    const auto [end, error] = std::from_chars(all.data(), all.data() + all.size(), point);
    if (error != std::errc() || end != all.data() + all.size() || point == 0) {
        throw std::invalid_argument("BIGHT_SIM_POINT is \"" + std::string(all) +
                                    "\", and no number from 1 on");
    }
    return point;
}

}  // namespace

std::uint64_t cancel_everywhere_in(everywhere_test& test, const everywhere_options& options) {
    const allocation_fault none{-1, false, false};
    injector counting(0, none);
    const outcome_of_run usual = run_as_it_is(test, options, counting);
    if (counting.points() > options.most_points) {
        throw std::length_error("a test for cancel_everywhere has " + std::to_string(counting.points()) +
                                " points");
    }
    const auto only = only_point();
    for (std::uint64_t n = 1; n <= counting.points(); ++n) {
        if (only && *only != n) continue;
        injector injects(n, none);
        const std::string where =
            "cancelled at point " + std::to_string(n) + " of " + std::to_string(counting.points());
        const last_words words(where);
        const outcome_of_run r = run_once(test, options, injects);
        std::string wrong;
        if (r.failed && (r.checked || r.never_ended || !options.may_fail)) {
            wrong = std::string(r.checked ? "the check failed: " : "it did not end well: ") + r.error.get();
        } else {
            wrong = leaks(r, usual);
        }
        if (wrong.empty()) continue;
        throw broken_at(n, where + ", when its tasks were\n" + injects.tasks() + wrong +
                               "\nto run this again: BIGHT_SIM_POINT=" + std::to_string(n));
    }
    return counting.points();
}

allocation_tally fail_allocations_everywhere_in(everywhere_test& test, const everywhere_options& options) {
    if (!new_is_replaced) {
        throw std::logic_error(
            "fail_allocations_everywhere needs <bight/sim/failing_new.hpp> in one file of the program");
    }
    constexpr long many = 1'000'000'000;
    injector counting(0, {many, false, false});
    const outcome_of_run usual = run_as_it_is(test, options, counting);
    allocation_tally tally;
    tally.allocations = static_cast<std::uint64_t>(many - counting.fault().after);
    if (tally.allocations > options.most_points) {
        throw std::length_error("a test for fail_allocations_everywhere has " +
                                std::to_string(tally.allocations) + " allocations");
    }
    const auto only = only_point();
    for (const bool all : {false, true}) {
        for (std::uint64_t n = 1; n <= tally.allocations; ++n) {
            if (only && *only != n) continue;
            injector injects(0, {static_cast<long>(n) - 1, all, false});
            const std::string where = "without memory for allocation " + std::to_string(n) + " of " +
                                      std::to_string(tally.allocations) +
                                      (all ? ", and for all after it" : "");
            const last_words words(where);
            const outcome_of_run r = run_once(test, options, injects);
            std::string wrong;
            if (r.failed && (r.checked || !r.out_of_memory)) {
                wrong =
                    std::string(r.checked ? "the check failed: " : "it did not end well: ") + r.error.get();
            } else {
                wrong = leaks(r, usual);
            }
            if (!wrong.empty()) {
                throw broken_at(
                    n, where + ": " + wrong + "\nto run this again: BIGHT_SIM_POINT=" + std::to_string(n));
            }
            if (!r.failed && injects.fault().happened) ++tally.endured;
        }
    }
    return tally;
}

}  // namespace bight::sim::detail
