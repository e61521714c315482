#include "checked_options.hpp"

#include <bight/core/reactor_options.hpp>

#include <bit>
#include <cstddef>
#include <stdexcept>
#include <string>

namespace bight::detail {

namespace {

// What the kernel allows (io_uring_setup(2), io_uring_register_buf_ring(3)); a reactor asks for four times as
// many completions as submissions, and there may be 65,536 of these.
constexpr unsigned most_submissions = 16384;
constexpr unsigned most_buffers = 32768;
// The smallest of the buffers that it is for.
constexpr std::size_t least_bulk_memory = std::size_t{64} << 10;

[[noreturn]] void refuse(const char* member, unsigned is, const std::string& may_be) {
    throw std::invalid_argument("reactor_options::" + std::string(member) + " is " + std::to_string(is) +
                                "; it is " + may_be);
}

}  // namespace

void check_options(const reactor_options& options) {
    if (options.submission_entries == 0 || options.submission_entries > most_submissions) {
        refuse("submission_entries", options.submission_entries,
               "from 1 to " + std::to_string(most_submissions));
    }
    if (!std::has_single_bit(options.receive_buffers) || options.receive_buffers > most_buffers) {
        refuse("receive_buffers", options.receive_buffers,
               "a power of two, from 1 to " + std::to_string(most_buffers));
    }
    if (options.bulk_memory > 0 && options.bulk_memory < least_bulk_memory) {
        throw std::invalid_argument("reactor_options::bulk_memory is " + std::to_string(options.bulk_memory) +
                                    " bytes; it is 0, or room for one large buffer: " +
                                    std::to_string(least_bulk_memory) + " or more");
    }
    if (options.stall_limit && *options.stall_limit < duration::zero()) {
        throw std::invalid_argument("reactor_options::stall_limit is negative; zero is for no warnings");
    }
}

}  // namespace bight::detail
