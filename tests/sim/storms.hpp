// Clients that make a chat, or a broadcast, server's life hard in a world where everything goes wrong, and
// what must hold all the same.
#pragma once

#include "planted/journal.hpp"
#include "planted/queue.hpp"
#include "planted/store.hpp"

#include <bight/bight.hpp>
#include <bight/sim/world.hpp>

#include <functional>
#include <stdexcept>

namespace storms {

/// Starts a server, at the port that its clients expect; called anew whenever its host boots.
using server_program = std::function<bight::task<>()>;

/// What goes wrong in a storm: everything.
bight::sim::world_options options();

/// What becomes of half-open connections when the weather gets good, as the seed decides: for clients and
/// servers whose own bounds hold with a peer that is silent. (A chat keeps the name of one until TCP gives
/// up.)
bight::sim::half_open_peers half_open(bight::sim::world& w);

/// A chat room in a storm, then in good weather. Throws broken when one of these does not hold:
///  - of what a client says, another that is present hears each line once, in order, none left out;
///  - nobody hears himself;
///  - a name is free again after its owner has gone;
///  - when the weather is good, everybody who is present hears everything;
///  - a client that never reads is disconnected, and costs the others nothing;
///  - of two who ask for the same name in the same moment one gets it;
///  - who leaves without a word leaves nothing behind.
void chat(bight::sim::world& w, const server_program& start);
/// The same with a server that `boots` gives to its host.
void chat_at(bight::sim::world& w, const std::function<void(bight::sim::host&)>& boots);

/// The same for raw bytes that are forwarded to all others, but for the names.
void broadcast(bight::sim::world& w, const server_program& start);

/// Keys and values (planted/store.hpp): linearizable, no request is done twice, and who waits for a change
/// learns of it.
void store(bight::sim::world& w, planted::store_bug bug);

/// Jobs (planted/queue.hpp): the work on a job is accepted once, and in good weather each job is done.
void queue(bight::sim::world& w, planted::queue_bug bug);

/// Lines (planted/journal.hpp): what was confirmed survives each loss of power.
void journal(bight::sim::world& w, planted::journal_bug bug);

/// What does not hold, and for whom.
class broken : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

}  // namespace storms
