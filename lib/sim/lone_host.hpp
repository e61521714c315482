// lone_host: the world of a program that does not know that it is simulated.
#pragma once

#include "world_state.hpp"

#include <cstdint>

namespace bight::sim::detail {

/// A world with one host, "localhost", which is up and has no reactor of its own.
class lone_host {
  public:
    lone_host(std::uint64_t seed, const world_options& options, virtual_clock::mode mode)
        : world_(seed, options, mode), host_(world_, "localhost", "10.0.0.1", 0) {
        world_.states.push_back(&host_);
        thread_ = &host_.begin_life(0);
        host_.up = true;
    }
    lone_host(const lone_host&) = delete;
    lone_host& operator=(const lone_host&) = delete;
    // The world's destructor looks at its hosts, and this one is destroyed before it.
    ~lone_host() {
        host_.crash();
        world_.states.clear();
    }

    world_state& world() noexcept { return world_; }
    host_state& host() noexcept { return host_; }
    /// The thread of the program's main function.
    host_thread& thread() const noexcept { return *thread_; }

  private:
    world_state world_;
    host_state host_;
    host_thread* thread_ = nullptr;
};

}  // namespace bight::sim::detail
