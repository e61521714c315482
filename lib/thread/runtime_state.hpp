// runtime_state, shard_run: the reactors of a runtime, and one run of them.
#pragma once

#include "../core/process.hpp"
#include "../core/simulated_thread.hpp"

#include <bight/core/task.hpp>
#include <bight/thread/runtime.hpp>

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace bight::detail {

class shard_scope;

/// One call of runtime::run; it lives until none of its threads runs.
struct shard_run {
    shard_run(runtime_state& all, shard_roots& of, bool reports_errors, std::size_t count)
        : state(all), roots(of), reports(reports_errors), remaining(count), scopes(count) {}

    /// Stops all reactors. Does nothing once all tasks have ended, because a reactor that has returned would
    /// keep the stop for its next run.
    void stop(bool now = false) noexcept;
    void failed(const std::exception_ptr& error) noexcept;
    void cut_short() noexcept { cancelled = true; }
    /// The task of one reactor has ended.
    void one_ended() noexcept;
    /// The task of one reactor could not begin because of the current exception.
    void could_not_begin() noexcept;

    runtime_state& state;
    shard_roots& roots;
    const bool reports;
    std::atomic<std::size_t> remaining;
    // Each is written and used by its own thread; the last thread to end, which has seen all others end,
    // reads them.
    std::vector<shard_scope*> scopes;
    std::atomic<bool> any_failed{false};
    std::atomic<bool> cancelled{false};
    int signal = 0;
    std::mutex lock;
    std::vector<std::exception_ptr> errors;
    bool over = false;
};

struct runtime_state {
    struct worker {
        std::optional<bight::reactor> own;  // made and destroyed on its own thread
        std::thread thread;
    };

    explicit runtime_state(const runtime_options& o) : options(o) {}
    ~runtime_state() {
        if (simulated) {
            end_simulated();
        } else {
            join();
        }
    }

    void start();
    void start_threads(std::size_t count);
    /// "reactor 2 of 4", counted from 0 as everywhere.
    std::string name_of(std::size_t index) const;
    void join() noexcept;
    // For a simulated host, which has no threads: the world gives the reactors their turns.
    void make_simulated(std::size_t count);
    void run_simulated(shard_run& run);
    void end_simulated() noexcept;
    void give_turns(bool on) noexcept;
    void be_worker(std::size_t index) noexcept;
    void run_shard(shard_run& run, std::size_t index) noexcept;
    void run(shard_run& run);
    void stop() noexcept {
        for (auto& w : workers) w->own->stop();
    }
    void stop_now() noexcept {
        for (auto& w : workers) w->own->stop_now();
    }

    const runtime_options options;
    const unsigned made_in = this_process();
    std::shared_ptr<simulated_machine> machine;  // of BIGHT_REACTOR=sim:SEED
    simulated_thread* simulated = simulated_thread::current();
    std::vector<int> processors;
    std::vector<std::unique_ptr<worker>> workers;

    std::mutex lock;
    std::condition_variable changed;
    std::size_t busy = 0;     // threads that start, or run
    std::size_t started = 0;  // reactors that could be made
    std::size_t done = 0;     // reactors that have nothing left to run
    std::uint64_t runs = 0;
    shard_run* current = nullptr;
    std::exception_ptr start_error;
    bool ending = false;
};

/// The task of one reactor in a run. `stopped`: a stop came before it could begin.
task<> shard_main(shard_run& run, std::size_t index, bool stopped);

}  // namespace bight::detail
