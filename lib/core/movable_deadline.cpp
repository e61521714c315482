#include <bight/core/movable_deadline.hpp>

#include <bight/core/detail/wait_list.hpp>
#include <bight/core/error.hpp>
#include <bight/core/now.hpp>

#include <system_error>

namespace bight {

void movable_deadline::push(std::source_location where) { move_to(saturating_add(now(where), limit_)); }

void movable_deadline::claim() const {
    if (waiting_) {
        throw std::system_error(errc::busy, "another with_timeout waits for this movable_deadline");
    }
}

time_point movable_deadline::begin(detail::lazy_timer& waiting, const reactor& home) noexcept {
    if (!begun_) move_to(saturating_add(home.now(), limit_));
    waiting_ = &waiting;
    return due_;
}

void movable_deadline::destroyed_in_use() noexcept {
    detail::abort_misused("a movable_deadline was destroyed while a with_timeout waited for it");
}

}  // namespace bight
