#include "stall_watch.hpp"

#include "no_signals.hpp"

#include <bight/core/detail/job.hpp>
#include <bight/core/detail/promise.hpp>
#include <bight/core/error.hpp>

#include <algorithm>
#include <string>

namespace bight::detail {

namespace {

std::string in_milliseconds(duration d) {
    return std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(d).count()) + " ms";
}

}  // namespace

stall_watch::stall_watch(reactor& r, const std::string& name, duration limit)
    : reactor_(r), name_(name), limit_(limit), thread_(started()) {}

std::thread stall_watch::started() {
    [[maybe_unused]] const no_signals blocked{};
    return std::thread([this] { watch(); });
}

stall_watch::~stall_watch() {
    {
        const std::lock_guard hold(lock_);
        done_ = true;
    }
    changed_.notify_all();
    thread_.join();
}

void stall_watch::watch() {
    const duration pause = std::max<duration>(limit_ / 4, std::chrono::microseconds(100));
    std::uint64_t seen = 0;
    time_point since = clock::now();
    std::unique_lock hold(lock_);
    while (!changed_.wait_for(hold, pause, [this] { return done_; })) {
        const std::uint64_t item = item_.load(std::memory_order_relaxed);
        const time_point now = clock::now();
        if (item != seen) {
            seen = item;
            since = now;
            continue;
        }
        if (item % 2 == 0 || now - since < limit_ || caught_.load(std::memory_order_relaxed) == item / 2) {
            continue;
        }
        const auto where = detail::reactor_access::resumed_at(reactor_);
        caught_since_.store(since.time_since_epoch().count(), std::memory_order_relaxed);
        caught_.store(item / 2, std::memory_order_relaxed);
        try {
            log(log_level::warning, who() + " has been held for more than " + in_milliseconds(limit_) +
                                        " by the task that went on from " + describe_location(where));
        } catch (...) {  // out of memory: the end of the stall may still be logged
        }
    }
}

void stall_watch::report_end(const job* j) noexcept {
    const time_point since{clock::duration(caught_since_.load(std::memory_order_relaxed))};
    try {
        std::string text = who() + " was held for " + in_milliseconds(clock::now() - since);
        if (j) {
            text += " by ";
            j->describe_with_name(text);
            if (const promise_base* at = j->innermost()) {
                text += ", which has come to " + describe_location(at->where());
            } else {
                text += ", which has ended";
            }
        }
        log(log_level::warning, text);
    } catch (...) {  // out of memory
    }
}

}  // namespace bight::detail
