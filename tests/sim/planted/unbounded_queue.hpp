// The chat sample with a bug planted on purpose: what a client does not read is kept for it, however much it
// is.
#pragma once

#include <bight/bight.hpp>

#include <cstddef>
#include <limits>
#include <map>
#include <string>

namespace planted_unbounded_queue {

class seat;

struct room {
    std::map<std::string, seat*> seats;
    void tell_others(const seat& speaker, const bight::payload& line);
};

class seat {
  public:
    // The bug: no bound.
    seat(room& in, std::string name, bight::stream& peer)
        : room_(in),
          name_(std::move(name)),
          outbox_(peer, {std::numeric_limits<std::size_t>::max() / 2, bight::overflow_policy::disconnect}) {
        room_.seats.emplace(name_, this);
    }
    seat(const seat&) = delete;
    ~seat() { room_.seats.erase(name_); }

    void send(const bight::payload& line) { outbox_.send(line); }

  private:
    room& room_;
    const std::string name_;
    bight::outbox outbox_;
};

inline void room::tell_others(const seat& speaker, const bight::payload& line) {
    for (const auto& [name, other] : seats)
        if (other != &speaker) other->send(line);
}

inline bight::task<> chat(room& room, bight::stream peer) {
    bight::line_reader lines(peer);
    co_await peer.write("What's your name?\r\n");
    auto name = co_await lines.next();
    while (name && room.seats.contains(*name)) {
        co_await peer.write("Name taken, please choose another.\r\n");
        name = co_await lines.next();
    }
    if (!name) co_return;

    seat here(room, *name, peer);
    here.send("Welcome, " + *name + "!\r\n");
    while (auto line = co_await lines.next()) room.tell_others(here, "<" + *name + "> " + *line + "\r\n");
}

inline bight::task<> server() {
    room room;
    co_await bight::serve("tcp:8123", chat, std::ref(room));
}

}  // namespace planted_unbounded_queue
