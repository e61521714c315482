#include "habits.hpp"

namespace bight::sim {

std::string_view name_of(personality p) noexcept {
    switch (p) {
        case personality::plain: return "plain";
        case personality::io_uring: return "io_uring";
        case personality::epoll: return "epoll";
        case personality::kqueue: return "kqueue";
        case personality::iocp: return "iocp";
        case personality::wfmo: return "wfmo";
        case personality::by_seed: return "by_seed";
    }
    return "unknown";
}

std::optional<personality> personality_called(std::string_view name) noexcept {
    for (const personality p : personalities) {
        if (name_of(p) == name) return p;
    }
    if (name == name_of(personality::by_seed)) return personality::by_seed;
    return std::nullopt;
}

namespace detail {

habits habits_of(personality p) noexcept {
    habits has;
    switch (p) {
        case personality::io_uring:
            has.results = first_result::later;
            has.cancelled = end_of_cancelled::any_order;
            has.order = order_of_report::as_it_came;
            has.largest_chunk = 4096;
            break;
        case personality::epoll:
            has.calls = call_in_turn::all;
            has.order = order_of_report::by_descriptor;
            has.tries_in_vain = true;
            break;
        case personality::kqueue:
            has.calls = call_in_turn::all;
            has.order = order_of_report::readers_first;
            has.aborts_accepted = true;
            break;
        case personality::iocp:
            has.results = first_result::either;
            has.calls = call_in_turn::receives_into_buffers;
            has.cancelled = end_of_cancelled::in_order;
            has.order = order_of_report::as_it_came;
            has.gathers = true;
            has.most_reported = 8;
            break;
        case personality::wfmo:
            has.calls = call_in_turn::all;
            has.order = order_of_report::one_descriptor;
            break;
        case personality::plain:
        case personality::by_seed: break;
    }
    return has;
}

}  // namespace detail
}  // namespace bight::sim
