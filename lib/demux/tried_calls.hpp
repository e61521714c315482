// try_call: non-blocking calls that all demultiplexers share.
#pragma once

#include "operation.hpp"

namespace bight::detail {

/// Whether the operation is carried out by `try_call`, on every demultiplexer.
constexpr bool is_tried_call(operation_kind kind) noexcept {
    return kind == operation_kind::read || kind == operation_kind::write ||
           kind == operation_kind::receive_message || kind == operation_kind::send_message ||
           kind == operation_kind::receive_datagrams || kind == operation_kind::send_datagrams ||
           kind == operation_kind::wait_process;
}

/// The state of an operation after a try.
enum class attempt : unsigned char {
    done,         ///< op.result is final
    would_block,  ///< it must wait until the descriptor is ready
    unfinished,   ///< it could go on, but has used up its budget: it continues in the next turn
};

/// Makes the call of an operation for which is_tried_call. Its descriptor is non-blocking.
attempt try_call(operation& op) noexcept;

/// Whether the kernel takes RWF_NOSIGNAL; asks it once.
bool has_no_signal_flag() noexcept;

/// For tests: false makes writes as before Linux 6.18, which introduced a flag against SIGPIPE.
inline bool uses_no_signal_flag = true;

}  // namespace bight::detail
