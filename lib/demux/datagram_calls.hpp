// datagram_calls: the calls of the operations receive_datagrams and send_datagrams, which do not wait.
#pragma once

#include "operation.hpp"
#include "tried_calls.hpp"

namespace bight::detail {

attempt try_receive_datagrams(receive_datagrams_operation& op) noexcept;
attempt try_send_datagrams(send_datagrams_operation& op) noexcept;

}  // namespace bight::detail
