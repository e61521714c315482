// A chat server on several reactors: each has the seats of its own guests, and the first one has all names.
// As it is right, and with a race between two reactors.
#pragma once

#include <bight/bight.hpp>

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace planted {

enum class sharded_chat_bug {
    none,
    name_entered_late,  ///< one message asks whether a name is free, and the next one enters it
};

namespace sharded_chat {

class seat;

struct room {
    sharded_chat_bug bug = sharded_chat_bug::none;
    bight::runtime* cores = nullptr;
    std::set<std::string> names;            // for the first reactor
    std::vector<std::vector<seat*>> seats;  // each for its own
};

/// Calls `ask` on the first reactor: gives what it gives.
inline bight::task<bool> ask_first(room& in, std::function<bool()> ask) {
    struct answer {
        bight::manual_reset_event came;
        bool is = false;
    };
    auto waits = std::make_shared<answer>();
    bight::reactor& here = *bight::reactor::current();
    in.cores->reactor(0).post([&here, waits, ask = std::move(ask)]() mutable {
        here.post([waits = std::move(waits), is = ask()] {
            waits->is = is;
            waits->came.set();
        });
    });
    co_await waits->came.wait();
    co_return waits->is;
}

/// True when the name was free, and is taken now.
inline bight::task<bool> take_name(room& in, std::string name) {
    // With names of their own: a temporary that captures would be destroyed twice (GCC PR 99576).
    std::function<bool()> is_free = [&in, name] { return !in.names.contains(name); };
    std::function<bool()> enter = [&in, name] { return in.names.insert(name).second; };
    if (in.bug == sharded_chat_bug::name_entered_late) {
        const bool was_free = co_await ask_first(in, is_free);
        if (!was_free) co_return false;
        co_await ask_first(in, enter);
        co_return true;
    }
    const bool taken = co_await ask_first(in, enter);
    co_return taken;
}

/// Gives it back, however its owner goes.
class held_name {
  public:
    held_name(room& in, std::string name) : room_(in), name_(std::move(name)) {}
    held_name(const held_name&) = delete;
    ~held_name() {
        room_.cores->reactor(0).post([&in = room_, name = name_] { in.names.erase(name); });
    }

  private:
    room& room_;
    const std::string name_;
};

class seat {
  public:
    seat(room& in, bight::stream& peer) : seats_(in.seats[in.cores->index_here()]), outbox_(peer) {
        seats_.push_back(this);
    }
    seat(const seat&) = delete;
    ~seat() { std::erase(seats_, this); }
    void send(const std::string& line) { outbox_.send(line); }

  private:
    std::vector<seat*>& seats_;
    bight::outbox outbox_;
};

/// The calls from one reactor to another keep their order, and so do the lines of one speaker. He has his
/// seat still when he is told apart from the others: his own reactor comes first.
inline void tell_others(room& in, const seat& speaker, const std::string& line) {
    const std::size_t here = in.cores->index_here();
    for (seat* const other : in.seats[here]) {
        if (other != &speaker) other->send(line);
    }
    for (std::size_t i = 0; i < in.seats.size(); ++i) {
        if (i == here) continue;
        in.cores->reactor(i).post([&in, i, line] {
            for (seat* const other : in.seats[i]) other->send(line);
        });
    }
}

inline bight::task<> be_guest(room& in, bight::stream peer) {
    bight::line_reader lines(peer);
    co_await peer.write("What's your name?\r\n");
    std::string name;
    for (bool taken = false; !taken;) {
        auto line = co_await lines.next();
        if (!line) co_return;
        name = *line;
        // Shielded: who goes meanwhile would leave a name behind that nobody gives back.
        taken = co_await bight::shield(take_name(in, name), std::chrono::seconds(1));
        if (!taken) co_await peer.write("Name taken, please choose another.\r\n");
    }
    const held_name mine(in, name);
    seat here(in, peer);
    here.send("Welcome, " + name + "!\r\n");
    while (auto line = co_await lines.next()) tell_others(in, here, "<" + name + "> " + *line + "\r\n");
}

}  // namespace sharded_chat

/// A main function.
template <sharded_chat_bug Bug>
int sharded_chat_server(bight::sharding how) {
    return bight::exit_status_of([how] {
        sharded_chat::room room;
        room.bug = Bug;
        bight::runtime cores;
        room.cores = &cores;
        room.seats.resize(cores.size());
        bight::serve_options options;
        options.listen.sharding = how;
        return bight::serve_on(cores, "tcp:8123", options, sharded_chat::be_guest, std::ref(room));
    });
}

}  // namespace planted
