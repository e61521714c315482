// Clients that make a chat, or a broadcast, server's life hard in a world where everything goes wrong, and
// what must hold all the same.
#pragma once

#include <bight/bight.hpp>
#include <bight/sim/world.hpp>

#include <functional>

namespace storms {

/// Starts a server, at tcp:8123 or tcp:8006; called anew whenever its host boots.
using server_program = std::function<bight::task<>()>;

/// What goes wrong in a storm: everything.
bight::sim::world_options options();

/// A chat room in a storm, then in good weather. Throws broken when one of these does not hold:
///  - of what a client says, another that is present hears each line once, in order, none left out;
///  - nobody hears himself;
///  - a name is free again after its owner has gone;
///  - when the weather is good, everybody who is present hears everything;
///  - a client that never reads is disconnected, and costs the others nothing.
void chat(bight::sim::world& w, const server_program& start);

/// The same for raw bytes that are forwarded to all others, but for the names.
void broadcast(bight::sim::world& w, const server_program& start);

/// What does not hold, and for whom.
class broken : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

}  // namespace storms
