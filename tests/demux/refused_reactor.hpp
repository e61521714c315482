// asking_for, refusal: reactors with a demultiplexer that is asked for, and why there is none.
#pragma once

#include <bight/core/error.hpp>
#include <bight/core/reactor.hpp>

#include <string>
#include <system_error>

namespace test {

inline bight::reactor_options asking_for(bight::demultiplexer_kind kind) {
    bight::reactor_options options;
    options.demultiplexer = kind;
    return options;
}

/// What the construction of a reactor throws; "" when it throws nothing.
inline std::string refusal(const bight::reactor_options& options = {}) {
    try {
        const bight::reactor r(options);
        return {};
    } catch (const std::system_error& e) {
        return (e.code() == bight::errc::unavailable ? "unavailable: " : "another code: ") +
               std::string(e.what());
    }
}

}  // namespace test
