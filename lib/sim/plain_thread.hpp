// plain_thread: a thread of a simulated host that runs a main function.
#pragma once

#include "../core/simulated_thread.hpp"

#include <condition_variable>
#include <exception>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

namespace bight::sim::detail {

struct host_thread;

/// A real thread, which runs only while the thread of its world waits for it, so that both behave like one
/// thread. Its function must return before it is destroyed.
class plain_thread final : public bight::detail::simulated_thread {
  public:
    /// `main` begins with the first turn.
    plain_thread(host_thread& as, std::function<void()> main);
    ~plain_thread();

    // For the thread of the world.

    /// Whether it has not begun, or the condition that it waits for holds.
    bool can_run();
    std::uint64_t place_in_order() noexcept;
    /// Gives it a turn, until it waits or has ended.
    void run();
    bool ended() const noexcept { return ended_; }
    /// Its host has crashed, and the world ends: brings its function to its end, if it has begun.
    void finish() noexcept;
    /// For a tree of tasks.
    std::string dump() const;

    // For its own thread.

    bight::detail::platform& surroundings() noexcept override;
    unsigned processors() const noexcept override;
    bight::detail::platform& add_reactor() override;
    bool has(const bight::detail::platform* of) const noexcept override;
    void give_turns(bight::detail::platform& of, bool on) noexcept override;
    bool wait(condition& until) override;

  private:
    void be_thread() noexcept;
    /// The world lets the thread go on, and waits for it.
    void give_turn(std::unique_lock<std::mutex>& hold);
    /// The thread waits for its next turn, unless it has ended.
    void give_back(std::unique_lock<std::mutex>& hold);

    host_thread& on_;
    const std::function<void()> main_;
    std::thread thread_;
    condition* until_ = nullptr;
    bool ended_ = false;
    bool finishing_ = false;

    std::mutex lock_;
    std::condition_variable changed_;
    bool worlds_turn_ = true;
    long frames_from_heap_ = 0;  ///< of its last turn: see thread_state
};

}  // namespace bight::sim::detail
