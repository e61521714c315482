// stall_watch: detects a task that holds the reactor for too long.
#pragma once

#include "item_observer.hpp"

#include <bight/core/reactor.hpp>

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>

namespace bight::detail {

/// A thread checks, four times within the limit, whether the reactor still runs the same item. If so, it logs
/// at once where that was resumed, since it may never end; when the item ends, the reactor logs how long it
/// took and where its task waits now. The cause lies between the two lines.
class stall_watch final : public item_observer {
  public:
    /// `name` is that of the reactor, or empty, and must outlive this. Throws std::system_error when no
    /// thread can be started.
    stall_watch(reactor& r, const std::string& name, duration limit);
    ~stall_watch();

    void item_begins() noexcept override { item_.store(++number_ * 2 + 1, std::memory_order_relaxed); }
    void item_ended(const job* ran) noexcept override {
        item_.store(number_ * 2, std::memory_order_relaxed);
        if (caught_.load(std::memory_order_relaxed) == number_) [[unlikely]]
            report_end(ran);
    }

  private:
    std::thread started();
    void watch();
    void report_end(const job* j) noexcept;

    std::string who() const { return name_.empty() ? "the reactor" : name_; }

    reactor& reactor_;
    const std::string& name_;
    const duration limit_;
    std::uint64_t number_ = 0;
    std::atomic<std::uint64_t> item_{0};    // odd while an item runs
    std::atomic<std::uint64_t> caught_{0};  // the number of the last one reported
    std::atomic<clock::rep> caught_since_{0};

    std::mutex lock_;
    std::condition_variable changed_;
    bool done_ = false;
    std::thread thread_;
};

/// The limit that these options ask for, and where they leave it open, the environment or the kind of build
/// (reactor_options::stall_limit). Throws std::system_error (errc::unavailable).
duration stall_limit_of(const reactor_options& options, bool simulated);

}  // namespace bight::detail
