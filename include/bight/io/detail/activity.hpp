// activity_watch: notices that bytes pass through a transport, for idle time-outs.
#pragma once

#include <bight/core/detail/lazy_timer.hpp>
#include <bight/core/duration.hpp>
#include <bight/core/export.hpp>

#include <cstddef>

namespace BIGHT_EXPORT bight {

class transport;

namespace detail {

/// From `begin` to `end`, each byte that is read from the transport or written to it moves a timer. It keeps
/// the transport alive. Transports that nobody watches do no work for this.
class activity_watch {
  public:
    explicit activity_watch(transport& of) noexcept;
    /// May be moved only before `begin`.
    activity_watch(activity_watch&& other) noexcept;
    activity_watch& operator=(const activity_watch&) = delete;
    ~activity_watch();

    void begin(lazy_timer& idle, duration limit) noexcept;
    void end() noexcept;
    /// Called when the timer is overdue. A write is noticed when it has been done, and a long one may take
    /// longer than the limit: true when a part of it has gone since the last look.
    bool write_advances() noexcept;

    transport& watched() const noexcept { return *transport_; }
    duration limit() const noexcept { return limit_; }

  private:
    friend class bight::transport;
    void active(time_point at) noexcept { idle_->move(saturating_add(at, limit_)); }
    void write_waits(std::size_t unwritten) noexcept { unwritten_ = unwritten; }

    transport* transport_;
    lazy_timer* idle_ = nullptr;
    duration limit_{};
    std::size_t unwritten_ = 0;
    activity_watch* next_ = nullptr;  // of the same transport
};

}  // namespace detail
}  // namespace bight
