// set_options, options_of: socket_options as calls on a socket.
#pragma once

#include "../demux/socket_calls.hpp"

#include <bight/io/socket_options.hpp>

#include <string>

namespace bight::detail {

/// Sets what has a value, in the order of socket_options. Throws std::system_error: "set TCP_KEEPCNT to 200
/// of `whose`: …".
void set_options(socket_calls& calls, native_handle fd, const socket_options& options,
                 const std::string& whose);

/// What the socket has now. What cannot be asked for has no value.
socket_options options_of(socket_calls& calls, native_handle fd);

/// `first`, and where that has no value, `second`.
socket_options merged(const socket_options& first, const socket_options& second) noexcept;

}  // namespace bight::detail
