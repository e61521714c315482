// explore without fork(2): the seeds run in this process, one after the other. A crash or a hang of one ends
// the program, after a report that says how to run it again.
#include "explore_search.hpp"
#include "replay_command.hpp"
#include "watched_world.hpp"

#include <windows.h>

#include <chrono>
#include <condition_variable>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <new>
#include <string>
#include <thread>

namespace bight::sim::detail {

namespace {

using clock = std::chrono::steady_clock;

constexpr const char* why_it_ends =
    "bight: Windows has no child processes that could run a seed alone (fork), so this ends the program\n";

void say_end(const std::string& name, std::uint64_t seed, const std::string& what) {
    const std::string text = "bight: " + name + ": seed " + std::to_string(seed) + " " + what + "\n" +
                             why_it_ends + "bight: to run this again, here and now:\n  " +
                             replay_command(std::to_string(seed)) + "\n";
    std::fwrite(text.data(), 1, text.size(), stderr);
    std::fflush(stderr);
}

// What runs now, for the handlers of a crash. The world's own thread may not be the one that crashes.
struct {
    std::mutex lock;
    const std::string* name = nullptr;
    std::uint64_t seed = 0;
} now_running;

void say_crash(const std::string& what) noexcept {
    try {
        const std::lock_guard hold(now_running.lock);
        if (now_running.name) say_end(*now_running.name, now_running.seed, what);
        now_running.name = nullptr;
    } catch (...) {  // the program ends all the same
    }
}

LONG WINAPI on_crash(EXCEPTION_POINTERS* why) {
    say_crash(why->ExceptionRecord->ExceptionCode == EXCEPTION_ACCESS_VIOLATION
                  ? "crashes: an access to memory that is not there"
                  : "crashes: exception " + std::to_string(why->ExceptionRecord->ExceptionCode) +
                        " of Windows");
    return EXCEPTION_CONTINUE_SEARCH;
}

void on_abort(int) { say_crash("crashes: it called abort"); }

// While it lives, the end of this process is reported as that of one seed: a crash, or more time than the
// limit.
class lookout {
  public:
    lookout(const std::string& name, std::uint64_t seed, duration limit)
        : name_(name),
          seed_(seed),
          until_(saturating_add(clock::now(), limit)),
          before_(::SetUnhandledExceptionFilter(on_crash)),
          abort_before_(std::signal(SIGABRT, on_abort)) {
        {
            const std::lock_guard hold(now_running.lock);
            now_running.name = &name_;
            now_running.seed = seed;
        }
        if (until_ != clock::time_point::max()) thread_ = std::thread([this] { watch(); });
    }
    lookout(const lookout&) = delete;
    lookout& operator=(const lookout&) = delete;
    ~lookout() {
        {
            const std::lock_guard hold(lock_);
            over_ = true;
        }
        changed_.notify_all();
        if (thread_.joinable()) thread_.join();
        ::SetUnhandledExceptionFilter(before_);
        if (abort_before_ != SIG_ERR) std::signal(SIGABRT, abort_before_);
        const std::lock_guard hold(now_running.lock);
        now_running.name = nullptr;
    }

  private:
    void watch() {
        std::unique_lock hold(lock_);
        if (changed_.wait_until(hold, until_, [this] { return over_; })) return;
        say_end(name_, seed_, "hangs: it takes longer than its limit");
        std::_Exit(EXIT_FAILURE);
    }

    const std::string& name_;
    std::uint64_t seed_;
    clock::time_point until_;
    LPTOP_LEVEL_EXCEPTION_FILTER before_;
    void (*abort_before_)(int);
    std::mutex lock_;
    std::condition_variable changed_;
    bool over_ = false;
    std::thread thread_;
};

attempt run_one(world_test& test, const explore_options& options, std::uint64_t index) {
    const std::uint64_t seed = options.first_seed + index;
    const bool twice = options.run_twice_each > 0 && index % options.run_twice_each == 0;
    const lookout watching(options.name, seed, options.limit_for_each);
    try {
        return twice ? run_twice_here(test, seed, options.world) : run_here(test, seed, options.world, false);
    } catch (const std::bad_alloc& e) {  // outside the test, while its world was made or examined
        attempt a;
        a.failed = true;
        a.type = "std::bad_alloc";
        a.message = e.what();
        return a;
    }
}

}  // namespace

struct usual_child_signal::handling {};
usual_child_signal::usual_child_signal() = default;
usual_child_signal::~usual_child_signal() = default;

search_result search(world_test& test, const explore_options& options) {
    search_result result;
    const auto end = saturating_add(clock::now(), options.limit_for_all);
    for (std::uint64_t index = 0; index < options.seeds; ++index) {
        if (options.limit_for_all.count() > 0 && clock::now() >= end) break;
        attempt a = run_one(test, options, index);
        ++result.seeds;
        result.simulated += a.elapsed;
        if (a.failed) {
            result.failure = std::move(a);
            break;
        }
    }
    return result;
}

attempt run_in_child(world_test& test, std::uint64_t seed, const world_options& options,
                     const child_options& how) {
    static const std::string name = "a run for a smaller failure";
    running_here.html = how.html;
    running_here.title = how.title;
    const lookout watching(name, seed, how.limit);
    attempt a = run_here(test, seed, options, how.with_details);
    running_here.html.clear();
    return a;
}

}  // namespace bight::sim::detail
