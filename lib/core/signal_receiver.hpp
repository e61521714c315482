// signal_receiver: is told that a signal has come. See docs/design/signals.md.
#pragma once

#include "handled_signals.hpp"

#include <bight/core/detail/intrusive_list.hpp>
#include <bight/core/export.hpp>

#include <atomic>
#include <cstdint>
#include <optional>

namespace BIGHT_EXPORT bight {
class reactor;

namespace detail {

class platform;

/// Notes that a signal has come, and alerts its reactor (alert_listener). One number, one reactor. On a
/// simulated host the signals are those of its world.
class signal_receiver : public list_hook<signal_receiver> {
  public:
    signal_receiver(reactor& home, int number) noexcept : home_(home), number_(number) {}
    signal_receiver(const signal_receiver&) = delete;
    signal_receiver& operator=(const signal_receiver&) = delete;
    ~signal_receiver() { end(); }

    /// From now on all that come are noted; once. On the reactor's thread, where the signal is unblocked.
    /// Throws std::system_error (EINVAL) when the system does not let it be handled, and std::bad_alloc.
    void begin();
    /// Puts back the action that was there before, if it is the last of its number. When it has returned no
    /// handler refers to it, nor to its reactor.
    void end() noexcept;

    int number() const noexcept { return number_; }
    /// Whether it has come since this was called the last time; gives the process that has sent the last one,
    /// or 0 if that is not known. Thread: any.
    std::optional<int> take() noexcept {
        if (noted_.load(std::memory_order_relaxed) == nothing) return std::nullopt;
        const int from = noted_.exchange(nothing);
        return from == nothing ? std::nullopt : std::optional(from);
    }
    /// Notes one. Thread: any, also in a signal handler.
    void note(int sender) noexcept;

  private:
    friend class signal_table;
    static constexpr int nothing = -1;

    reactor& home_;
    const int number_;
    std::atomic<int> noted_{nothing};
    platform* listed_in_ = nullptr;  // on a simulated host
    unsigned begun_in_ = 0;          // the process; 0: it has not begun
    std::uint64_t thread_ = 0;       // where it has begun
    bool unblocked_ = false;         // it was blocked there
};

/// Has `f` called for `number`, unless there are receivers, or the program has another action than the
/// default one, or has set one since. True when it is called. Each call needs its own leave. Thread: any.
bool handle_signal_in_run(int number, signal_function f) noexcept;
void leave_signal_in_run(int number) noexcept;

}  // namespace detail
}  // namespace bight
