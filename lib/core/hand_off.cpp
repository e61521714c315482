#include <bight/core/hand_off.hpp>

#include <bight/core/priority_queue.hpp>

#include <stdexcept>

namespace bight::detail {

void throw_closed(const char* what) { throw std::system_error(errc::closed, what); }

std::size_t checked_capacity(std::size_t capacity) {
    if (capacity == 0) throw std::invalid_argument("a capacity of at least 1 is needed here");
    return capacity;
}

}  // namespace bight::detail
