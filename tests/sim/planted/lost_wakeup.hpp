// The chat sample with a bug planted on purpose: its own queue for each client, and a wake-up that can be
// lost.
#pragma once

#include <bight/bight.hpp>

#include <chrono>
#include <cstddef>
#include <deque>
#include <map>
#include <string>

namespace planted_lost_wakeup {

class seat;

struct room {
    std::map<std::string, seat*> seats;
    void tell_others(const seat& speaker, const std::string& line);
};

class seat {
  public:
    seat(room& in, std::string name, bight::stream& peer) : room_(in), name_(std::move(name)), peer_(peer) {
        room_.seats.emplace(name_, this);
    }
    seat(const seat&) = delete;
    ~seat() { room_.seats.erase(name_); }

    void send(std::string line) {
        queued_ += line.size();
        if (queued_ > 262144) return peer_.abort();
        queue_.push_back(std::move(line));
        news_.set();
    }

    bight::task<> write_all() {
        for (;;) {
            co_await news_.wait();
            std::string batch;
            for (const std::string& line : queue_) batch += line;
            queue_.clear();
            queued_ = 0;
            co_await peer_.write(batch);
            co_await bight::sleep_for(std::chrono::milliseconds(2));  // so that more goes out together
            // The bug: what was said during the pause has set the event, and is forgotten here.
            news_.reset();
        }
    }

  private:
    room& room_;
    const std::string name_;
    bight::stream& peer_;
    std::deque<std::string> queue_;
    std::size_t queued_ = 0;
    bight::manual_reset_event news_;
};

inline void room::tell_others(const seat& speaker, const std::string& line) {
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
    auto listen = [&]() -> bight::task<> {
        while (auto line = co_await lines.next()) room.tell_others(here, "<" + *name + "> " + *line + "\r\n");
    };
    co_await bight::when_any(listen(), here.write_all());
}

inline bight::task<> server() {
    room room;
    co_await bight::serve("tcp:8123", chat, std::ref(room));
}

}  // namespace planted_lost_wakeup
