// no_unix_sockets, has_unix_datagrams, has_abstract_names: what this machine has of Unix sockets.
#pragma once

#include "skip.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <optional>
#include <string>
#include <system_error>

namespace test {

/// Why there are no Unix sockets; nothing where there are.
inline const std::optional<std::string>& no_unix_sockets() {
    static const std::optional<std::string> why = []() -> std::optional<std::string> {
        const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        const int error = errno;
        if (fd >= 0) ::close(fd);
        if (fd >= 0) return std::nullopt;
        std::string text = "there are no Unix sockets: " + std::generic_category().message(error);
        leave_out(text);
        return text;
    }();
    return why;
}

/// Skips the test case where there are none.
inline void need_unix_sockets() {
    if (const auto& why = no_unix_sockets()) skip(*why);
}

/// Whether there are Unix sockets of datagrams.
inline bool has_unix_datagrams() {
#ifdef _WIN32
    static const bool told = [] {
        leave_out("there are no Unix sockets of datagrams: Windows has streams alone");
        return true;
    }();
    return !told;
#else
    return !no_unix_sockets();
#endif
}

/// Whether Unix sockets have names that are not in the file system, as only Linux's have.
inline bool has_abstract_names() {
#ifdef __linux__
    return true;
#else
    static const bool told = [] {
        leave_out("Unix sockets have no abstract names: only Linux has them");
        return true;
    }();
    return !told;
#endif
}

/// Skips the test case where there are none.
inline void need_abstract_names() {
    if (!has_abstract_names()) skip("Unix sockets have no abstract names: only Linux has them");
}

}  // namespace test
