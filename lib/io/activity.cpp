#include <bight/io/detail/activity.hpp>

#include <bight/io/transport.hpp>

#include <utility>

namespace bight {

namespace detail {

activity_watch::activity_watch(transport& of) noexcept : transport_(&of) { of.retain(); }

activity_watch::activity_watch(activity_watch&& other) noexcept
    : transport_(std::exchange(other.transport_, nullptr)) {}

activity_watch::~activity_watch() {
    if (transport_) transport_->release();
}

void activity_watch::begin(lazy_timer& idle, duration limit) noexcept {
    idle_ = &idle;
    limit_ = limit;
    transport_->watch(*this);
}

void activity_watch::end() noexcept { transport_->unwatch(*this); }

bool activity_watch::write_advances() noexcept {
    const std::size_t before = unwritten_;
    unwritten_ = transport_->writer() ? transport_->unwritten() : 0;
    return unwritten_ > 0 && unwritten_ != before;
}

}  // namespace detail

// Reads and writes leave their short paths while somebody watches.

void transport::watch(detail::activity_watch& w) noexcept {
    w.next_ = watches_;
    watches_ = &w;
    plain_reads_ = plain_writes_ = false;
    if (writer_) w.write_waits(unwritten());
}

void transport::unwatch(detail::activity_watch& w) noexcept {
    detail::activity_watch** at = &watches_;
    while (*at != &w) at = &(*at)->next_;
    *at = w.next_;
    plain_reads_ = reads_plainly_now();
    plain_writes_ = accepts_writes_ && cut_ == cut::no && !watches_;
}

void transport::tell_watches() noexcept {
    const time_point now = home_->now();
    for (detail::activity_watch* w = watches_; w; w = w->next_) w->active(now);
}

void transport::tell_watches_of_wait(std::size_t whole) noexcept {
    const std::size_t left = unwritten();
    if (left < whole) tell_watches();
    for (detail::activity_watch* w = watches_; w; w = w->next_) w->write_waits(left);
}

std::size_t transport::size_of(const write_request& request) noexcept {
    std::size_t left = 0;
    for (std::size_t i = 0; i < request.count; ++i) left += request.pieces[i].size;
    return left;
}

std::size_t transport::unwritten() const noexcept { return size_of(*writer_); }

}  // namespace bight
