// receive_beside: what a plain socket hears from a server on the same thread.
#pragma once

#include "support/connections.hpp"

#include <bight/core/sleep.hpp>
#include <bight/core/task.hpp>

#include <sys/socket.h>

#include <cerrno>
#include <chrono>
#include <cstddef>
#include <string>

namespace test {

/// Everything until the end of the stream or an error; the server runs meanwhile.
inline bight::task<std::string> receive_beside(const raw_socket& from) {
    std::string all;
    char buffer[64];
    for (;;) {
        const auto got = ::recv(from.get(), buffer, sizeof buffer, MSG_DONTWAIT);
        if (got > 0) {
            all.append(buffer, static_cast<std::size_t>(got));
        } else if (got < 0 && errno == EAGAIN) {
            co_await bight::sleep_for(std::chrono::milliseconds(1));
        } else {
            co_return all;
        }
    }
}

}  // namespace test
