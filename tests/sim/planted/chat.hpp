// A chat server with a queue of its own for each client, as it is right, and with each of several bugs that
// such servers have had.
#pragma once

#include <bight/bight.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

namespace planted {

enum class chat_bug {
    none,
    wake_up_lost_in_a_write,   ///< what is said during a write has set the event, which is reset after it
    wake_up_hidden_by_a_poll,  ///< the same, and a look every 5 s that makes up for it
    name_entered_late,         ///< between the check of a name and its entry there is an await
    prefix_taken_for_name,     ///< who speaks is told from the others by the beginning of the name
    seat_kept_over_an_await,   ///< a seat is in the frame of a task that may have ended meanwhile
    reference_kept_for_1_ms,   ///< into a vector that others leave meanwhile
    count_kept_on_errors,      ///< who leaves by an error goes on counting as a guest
};

namespace chat {

constexpr std::chrono::milliseconds a_moment(1);

class seat;

struct entry {
    std::string name;
    seat* at;
};

struct room {
    static constexpr int most_guests = 12;

    chat_bug bug = chat_bug::none;
    int guests = 0;
    std::vector<entry> entries;

    bool has(const std::string& name) const {
        return std::any_of(entries.begin(), entries.end(), [&](const entry& e) { return e.name == name; });
    }
    entry& entry_of(const seat& s) {
        return *std::find_if(entries.begin(), entries.end(), [&](const entry& e) { return e.at == &s; });
    }
};

class seat {
  public:
    seat(room& in, std::string name, bight::stream& peer) : room_(in), peer_(peer) {
        room_.entries.push_back({std::move(name), this});
    }
    seat(const seat&) = delete;
    ~seat() {
        std::erase_if(room_.entries, [this](const entry& e) { return e.at == this; });
    }

    void send(const std::string& line) {
        if (queue_.size() + line.size() > 262144) return peer_.abort();  // it does not read
        queue_ += line;
        news_.set();
    }

    bight::task<> write_all() {
        const bool resets_late =
            room_.bug == chat_bug::wake_up_lost_in_a_write || room_.bug == chat_bug::wake_up_hidden_by_a_poll;
        for (;;) {
            if (room_.bug == chat_bug::wake_up_hidden_by_a_poll) {
                co_await bight::try_with_timeout(news_.wait(), std::chrono::seconds(5));
            } else {
                co_await news_.wait();
            }
            if (!resets_late) news_.reset();
            const std::string batch = std::exchange(queue_, {});
            if (!batch.empty()) co_await peer_.write(batch);
            if (resets_late) news_.reset();
        }
    }

  private:
    room& room_;
    bight::stream& peer_;
    std::string queue_;
    bight::manual_reset_event news_;
};

inline bight::task<> tell_others(room& room, const seat& speaker, std::string name, std::string line) {
    const std::vector<entry> present = room.entries;
    for (const entry& other : present) {
        const bool is_speaker =
            room.bug == chat_bug::prefix_taken_for_name ? other.name.starts_with(name) : other.at == &speaker;
        if (!is_speaker) other.at->send(line);
        if (room.bug == chat_bug::seat_kept_over_an_await) co_await bight::sleep_for(a_moment);
    }
}

inline bight::task<> converse(room& room, bight::stream& peer) {
    bight::line_reader lines(peer);
    co_await peer.write("What's your name?\r\n");
    auto name = co_await lines.next();
    while (name && room.has(*name)) {
        co_await peer.write("Name taken, please choose another.\r\n");
        name = co_await lines.next();
    }
    if (!name) co_return;

    const std::string welcome = "Welcome, " + *name + "!\r\n";
    if (room.bug == chat_bug::name_entered_late) co_await peer.write(welcome);
    seat here(room, *name, peer);
    if (room.bug != chat_bug::name_entered_late) here.send(welcome);
    auto listen = [&]() -> bight::task<> {
        while (auto line = co_await lines.next()) {
            const entry& mine = room.entry_of(here);
            if (room.bug == chat_bug::reference_kept_for_1_ms) co_await bight::sleep_for(a_moment);
            co_await tell_others(room, here, mine.name, "<" + mine.name + "> " + *line + "\r\n");
        }
    };
    co_await bight::when_any(listen(), here.write_all());
}

inline bight::task<> be_guest(room& room, bight::stream peer) {
    if (room.guests == room::most_guests) co_return;
    ++room.guests;
    if (room.bug == chat_bug::count_kept_on_errors) {
        co_await converse(room, peer);
        --room.guests;
        co_return;
    }
    struct counted {
        int& guests;
        ~counted() { --guests; }
    };
    const counted leaves{room.guests};
    co_await converse(room, peer);
}

}  // namespace chat

template <chat_bug Bug>
bight::task<> chat_server() {
    chat::room room;
    room.bug = Bug;
    co_await bight::serve("tcp:8123", chat::be_guest, std::ref(room));
}

}  // namespace planted
