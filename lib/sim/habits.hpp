// habits: what a personality does, and how often each of its traits has shown.
#pragma once

#include <bight/sim/personality.hpp>

#include <array>
#include <cstddef>
#include <cstdint>

namespace bight::sim::detail {

/// When an operation that could end in the call that starts it is reported.
enum class first_result : std::uint8_t {
    at_once,  ///< by that call
    later,    ///< by a wait
    either,   ///< the seed decides
};

/// Which operations only learn from a wait that they can go on, and make their call when they leave the ready
/// queue.
enum class call_in_turn : std::uint8_t {
    none,  ///< results come with the event
    receives_into_buffers,
    all,
};

/// When a cancelled operation that was under way has ended.
enum class end_of_cancelled : std::uint8_t {
    at_once,
    in_order,   ///< later, in the order of the cancellations
    any_order,  ///< later
};

/// How a wait reports what has happened.
enum class order_of_report : std::uint8_t {
    any,            ///< the seed decides
    readers_first,  ///< the same, but all readers before all writers
    as_it_came,
    by_descriptor,  ///< as it came, but all that is known of a descriptor in one place
    one_descriptor  ///< only one descriptor, by its place, beginning after the last one that was reported
};

struct habits {
    first_result results = first_result::at_once;
    call_in_turn calls = call_in_turn::none;
    end_of_cancelled cancelled = end_of_cancelled::at_once;
    order_of_report order = order_of_report::any;
    bool tries_in_vain = false;     ///< an event now and then without anything to do
    bool gathers = false;           ///< completions wait for each other
    bool aborts_accepted = false;   ///< ECONNABORTED for a connection that was reset before it was accepted
    std::size_t most_reported = 0;  ///< by one wait; 0: everything
    std::size_t largest_chunk = 0;  ///< of a receive into bight's own buffers; 0: a whole buffer

    bool operator==(const habits&) const noexcept = default;
};

habits habits_of(personality p) noexcept;

/// What can be seen of habits, counted by each world.
enum class trait : std::uint8_t {
    ended_at_once,       ///< an operation, in the call that started it
    ended_later,         ///< one that could have ended at once
    cancelled_later,     ///< a cancelled operation ended with ECANCELED, and not at once
    beat_cancellation,   ///< one that was cancelled and could not end at once had its result all the same
    cancelled_early,     ///< one ended before another that was cancelled earlier
    called_in_turn,      ///< a call was made when the operation left the ready queue
    tried_in_vain,       ///< the same, and it would have blocked
    both_in_one_event,   ///< reader and writer of a descriptor were reported together, the reader first
    events_apart,        ///< they were reported by one wait, and not so
    end_before_data,     ///< the end of a peer was reported while bytes were unread
    batch,               ///< completions of different moments were reported by one wait
    left_for_next_wait,  ///< a wait did not report all that it could have
    accept_aborted,
};
inline constexpr std::size_t traits = static_cast<std::size_t>(trait::accept_aborted) + 1;

using trait_counts = std::array<std::uint64_t, traits>;

}  // namespace bight::sim::detail
