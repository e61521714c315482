// Calls that are tried, and would block or have a result: those that the demultiplexers share.
#pragma once

#include "operation.hpp"

namespace bight::detail {

/// Whether the operation is carried out by `try_call`, on every demultiplexer.
constexpr bool is_tried_call(operation_kind kind) noexcept {
    return kind == operation_kind::read || kind == operation_kind::write ||
           kind == operation_kind::receive_message || kind == operation_kind::send_message ||
           kind == operation_kind::wait_process;
}

/// What an operation that was tried needs next.
enum class attempt : unsigned char {
    done,         ///< op.result is final
    would_block,  ///< until the descriptor becomes ready
    unfinished,   ///< it would not block, but has used up its budget: it goes on in the next turn
};

/// Makes the call of an operation for which is_tried_call. Its descriptor is non-blocking.
attempt try_call(operation& op) noexcept;

/// For tests: false makes writes as before Linux 6.18, which has a flag against SIGPIPE.
inline bool uses_no_signal_flag = true;

}  // namespace bight::detail
