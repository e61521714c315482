#include <bight/sync/detail/channel_base.hpp>

#include <bight/sync/channel.hpp>
#include <bight/sync/channel_place.hpp>
#include <bight/sync/priority_queue.hpp>

#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <string>

namespace bight::detail {

void throw_closed(const char* what) { throw std::system_error(errc::closed, what); }

void throw_sending(const char* what) {
    throw std::system_error(errc::busy,
                            std::string(what) +
                                " was sent to by a constructor of the value that is being sent to "
                                "it");
}

void throw_place_used() { throw std::logic_error("a channel_place was used that holds no place"); }

void check_buffered(std::size_t capacity) {
    if (capacity > 0) return;
    throw std::logic_error(
        "channel::reserve: a channel with a capacity of 0 hands values from task to task, and has no place "
        "to "
        "keep");
}

void abort_place_kept(const char* what) noexcept {
    std::fprintf(stderr, "bight: %s was destroyed while a place in it is kept, which it must outlive\n",
                 what);
    std::abort();
}

std::size_t checked_capacity(std::size_t capacity) {
    if (capacity == 0) throw std::invalid_argument("a capacity of at least 1 is needed here");
    return capacity;
}

}  // namespace bight::detail
