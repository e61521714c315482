// reactor_statistics: counters of one reactor.
#pragma once

#include <bight/core/duration.hpp>
#include <bight/core/export.hpp>

#include <cstdint>

namespace BIGHT_EXPORT bight {

/// Counters of one reactor since it was made; reading them costs one look at the clock.
struct reactor_statistics {
    std::uint64_t turns = 0;             ///< ready batches run
    std::uint64_t polls = 0;             ///< times the demultiplexer was asked, whether or not it slept
    std::uint64_t resumptions = 0;       ///< items taken from the ready queue
    std::uint64_t wakes = 0;             ///< wake-ups by another thread
    std::uint64_t operations = 0;        ///< operations on sockets: receive, send, accept, connect
    std::uint64_t tasks = 0;             ///< tasks started, by scopes and by run and start
    std::uint64_t live_tasks = 0;        ///< tasks that have not ended
    std::uint64_t live_timers = 0;       ///< timers armed now
    std::uint64_t live_buffers = 0;      ///< receive buffers that chunks hold now
    std::uint64_t live_descriptors = 0;  ///< sockets open now
    /// Connections of servers that ended in an error because their peers had reset them, or did not read.
    std::uint64_t peers_gone = 0;
    /// The longest time that tasks ran between two looks at the demultiplexer and the timers.
    duration longest_turn = duration::zero();
};

}  // namespace bight
