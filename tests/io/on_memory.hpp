// on_memory: a pair of memory streams, in virtual time on each demultiplexer.
#pragma once

#include "support/catch.hpp"
#include "support/reactors.hpp"

#include <bight/core/task.hpp>
#include <bight/sim/memory_stream.hpp>

namespace test {

/// Runs `body(from, to)`: what is written to `from` comes out of `to`, as `forth` says.
template <class F>
void on_memory(const bight::sim::memory_direction& forth, F body) {
    for (const auto kind : demultiplexers()) {
        CAPTURE(kind);
        virtual_fixture on(kind);
        on.run([&]() -> bight::task<> {
            auto [from, to] =
                bight::sim::memory_pair(bight::sim::memory_options(forth, bight::sim::memory_direction()));
            co_await body(from, to);
        });
    }
}

}  // namespace test
