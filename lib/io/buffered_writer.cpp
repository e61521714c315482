#include <bight/io/buffered_writer.hpp>

#include "outbox_state.hpp"

#include <bight/core/detail/wait_list.hpp>

namespace bight {

buffered_writer::buffered_writer(stream& to, buffered_writer_options options) {
    if (!to) detail::throw_stream_error(detail::no_connection(), "make a buffered_writer for", nullptr);
    outbox_options waits;
    waits.capacity = options.capacity;
    waits.when_full = overflow_policy::wait;
    state_ = new detail::outbox_state(to.lower(), waits, true);
}

buffered_writer::~buffered_writer() {
    if (state_) state_->let_go();
}

detail::outbox_state& buffered_writer::state() const noexcept {
    if (!state_) [[unlikely]]
        detail::abort_misused("a buffered_writer was used that is empty: it was moved from");
    return *state_;
}

detail::outbox_waiter buffered_writer::flush() noexcept { return {state(), payload(), true}; }
std::size_t buffered_writer::buffered() const noexcept { return state().bytes(); }

}  // namespace bight
