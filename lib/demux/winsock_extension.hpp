// winsock_extension: calls that Windows has, but its libraries do not.
#pragma once

#include "../io/socket_headers.hpp"

#include <mswsock.h>

namespace bight::detail {

/// The call with this number (WSAID_WSARECVMSG, …), of the provider of `s`; null when it has none.
template <class Call>
Call winsock_extension(SOCKET s, GUID id) noexcept {
    Call found = nullptr;
    DWORD size = 0;
    if (::WSAIoctl(s, SIO_GET_EXTENSION_FUNCTION_POINTER, &id, sizeof id, &found, sizeof found, &size,
                   nullptr, nullptr) == SOCKET_ERROR)
        return nullptr;
    return found;
}

}  // namespace bight::detail
