// The chat sample with a bug planted on purpose: an iterator that is kept over an await.
#pragma once

#include <bight/bight.hpp>

#include <algorithm>
#include <chrono>
#include <string>
#include <vector>

namespace planted_kept_iterator {

struct seat {
    std::string name;
    bight::stream* peer;
};

struct room {
    std::vector<seat> seats;
    bight::mutex speaking;  // one line at a time
    bool has(const std::string& name) const {
        return std::any_of(seats.begin(), seats.end(), [&](const seat& s) { return s.name == name; });
    }
};

// A place in the room while it lives.
class visit {
  public:
    visit(room& in, const std::string& name, bight::stream& peer) : room_(in), peer_(&peer) {
        room_.seats.reserve(64);
        room_.seats.push_back({name, &peer});
    }
    visit(const visit&) = delete;
    ~visit() {
        std::erase_if(room_.seats, [this](const seat& s) { return s.peer == peer_; });
    }

  private:
    room& room_;
    bight::stream* peer_;
};

inline bight::task<> tell_others(room& room, bight::stream& speaker, std::string line) {
    const auto held = co_await room.speaking.lock();
    // The bug: while one is written to, others come and go, and `at` stands elsewhere then.
    for (auto at = room.seats.begin(); at < room.seats.end(); ++at) {
        if (at->peer == &speaker) continue;
        bight::stream& to = *at->peer;
        auto written =
            co_await bight::try_with_timeout(bight::as_result(to.write(line)), std::chrono::seconds(2));
        if (!written && at < room.seats.end() && at->peer == &to) to.abort();  // it does not read
    }
}

inline bight::task<> chat(room& room, bight::stream peer) {
    bight::line_reader lines(peer);
    co_await peer.write("What's your name?\r\n");
    auto name = co_await lines.next();
    while (name && room.has(*name)) {
        co_await peer.write("Name taken, please choose another.\r\n");
        name = co_await lines.next();
    }
    if (!name) co_return;

    co_await peer.write("Welcome, " + *name + "!\r\n");
    visit here(room, *name, peer);
    while (auto line = co_await lines.next()) {
        co_await tell_others(room, peer, "<" + *name + "> " + *line + "\r\n");
    }
}

inline bight::task<> server() {
    room room;
    co_await bight::serve("tcp:8123", chat, std::ref(room));
}

}  // namespace planted_kept_iterator
