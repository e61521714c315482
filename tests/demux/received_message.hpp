// received_message: a receive of a message, with memory for everything.
#pragma once

#include "probes.hpp"

#include <array>
#include <cstddef>
#include <string>

namespace test {

struct received_message {
    explicit received_message(probe_descriptor& d) : op(d, operation_kind::receive_message) {
        op.pieces = &piece;
        op.piece_count = 1;
        op.address = &from;
        op.address_room = sizeof from;
        op.control = control.data();
        op.control_room = control.size();
    }
    std::string text() const { return std::string(bytes.data(), static_cast<std::size_t>(op.result)); }

    std::array<char, 32> bytes{};
    bight::mutable_buffer piece{bytes.data(), bytes.size()};
    sockaddr_in from{};
    alignas(std::max_align_t) std::array<char, 64> control{};
    receive_message_probe op;
};

}  // namespace test
