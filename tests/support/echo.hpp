// echo: the protocol of most servers in tests.
#pragma once

#include <bight/core/task.hpp>
#include <bight/io/stream.hpp>

namespace test {

/// Gives back what comes, until the peer's end.
inline bight::task<> echo(bight::stream peer) {
    while (auto chunk = co_await peer.read_some()) co_await peer.write(chunk);
}

}  // namespace test
