// The parts of a reactor that only the library sees.
#pragma once

#include "frame_cache.hpp"
#include "inbox.hpp"

#include "../demux/demultiplexer.hpp"

#include <bight/core/reactor.hpp>

#include <atomic>
#include <memory>
#include <string>
#include <vector>

namespace bight::detail {

struct reactor_state {
    // Destroyed last to first: the demultiplexer goes before the frames' cache and the inbox.
    frame_cache frames;
    inbox posted;
    std::unique_ptr<demultiplexer> demux;

    std::string fallback_reason;
    reactor_statistics counted;
    std::vector<job*> roots;  // what run and start were given
    grace_timer* first_grace = nullptr;

    std::atomic<bool> running{false};
    std::atomic<int> stop_level{0};  // 1: stop, 2: stop_now; set by any thread
    int obeyed_level = 0;

    void add_root(job& root) { roots.push_back(&root); }
    void remove_root(job& root) noexcept { std::erase(roots, &root); }
    /// Everything that a stop was for has ended: the reactor may run again.
    void end_stop() noexcept { stop_level = obeyed_level = 0; }
    std::string dump() const;
};

}  // namespace bight::detail
