// Conversations that are played step by step by both ends of a connection, in any place: what each step
// gives.
#pragma once

#include "support/places.hpp"

#include <bight/bight.hpp>

#include <cerrno>
#include <chrono>
#include <functional>
#include <sstream>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

namespace test {

// Ends are A, which connects, and B, which accepts. What they do, one after the other, each when everything
// has arrived that the one before sent:
//   write      a few bytes
//   read       everything until the end, an error, or until nothing comes for a while
//   takes      one read
//   gives_up   one read, which is cancelled when nothing has come for a while
//   shutdown, close, abort
//   reads      begins a read, which is told after the last step, when both ends have closed
//   fills      the same for a write of more bytes than all buffers take
// Deadlines are matters of other tests: what has one gets hours.

inline std::string said(std::error_code e) {
    if (!e) return "ok";
    if (e == bight::errc::closed) return "closed";
    if (e == bight::errc::aborted) return "aborted";
    if (e == bight::errc::timed_out) return "timed_out";
    if (e == from_errno(EPIPE)) return "EPIPE";
    if (e == from_errno(ECONNRESET)) return "ECONNRESET";
    return e.message();
}

struct step {
    char who;
    std::string what;
};

inline std::vector<step> steps_of(const std::string& text) {
    std::vector<step> all;
    std::istringstream words(text);
    for (std::string word; words >> word;) all.push_back({word[0], word.substr(2)});
    return all;
}

// One script as it is played, in turns.
struct play {
    std::vector<step> steps;
    std::vector<std::string> gave;
    int connected = 0;  ///< ends that are, and then
    std::size_t next = 0;
    int ended = 0;
    std::string where;
};

inline bight::task<std::string> read_what_comes(const place_fixture& on, bight::stream& from) {
    std::string seen;
    for (;;) {
        auto data = co_await bight::try_with_timeout(bight::as_result(from.read_some()), on.moment());
        std::string last;
        if (!data) {
            last = "pending";
        } else if (!data->has_value()) {
            last = said(data->error());
        } else if ((*data)->empty()) {
            last = "end";
        } else {
            seen = "bytes+";
            continue;
        }
        co_return seen + last;
    }
}

inline bight::task<> read_once(bight::stream& from, std::string& gave) {
    auto data = co_await bight::as_result(from.read_some());
    gave = !data ? said(data.error()) : data->empty() ? "end" : "bytes";
}

inline bight::task<> fill(const place_fixture& on, bight::stream& to, std::string& gave) {
    const std::string much = pattern(0, on.more_than_buffers());
    const auto done = co_await error_of(to.write(much));
    gave = said(done);
}

inline bight::task<std::string> take_step(const place_fixture& on, bight::stream& peer, std::string what) {
    std::string gave;
    if (what == "takes") {
        co_await read_once(peer, gave);
    } else if (what == "gives_up") {
        const auto got = co_await bight::try_with_timeout(bight::as_result(peer.read_some()), on.moment());
        gave = got ? "something" : "pending";
    } else if (what == "read") {
        gave = co_await read_what_comes(on, peer);
    } else if (what == "abort") {
        peer.abort();
        gave = "ok";
    } else {
        std::error_code error;
        const std::string few = "few";
        if (what == "write") error = co_await error_of(peer.write(few));
        if (what == "shutdown") error = co_await error_of(peer.shutdown_write(std::chrono::hours(10)));
        if (what == "close") error = co_await error_of(peer.close(std::chrono::hours(10)));
        gave = said(error);
    }
    co_return gave;
}

inline bight::task<> play_part(const place_fixture& on, play& p, char who, bight::stream& peer) {
    co_await bight::with_group([&](bight::group& begun) -> bight::task<> {
        ++p.connected;
        while (p.connected != 2) co_await bight::sleep_for(on.moment() / 8);
        for (std::size_t i = 0; i < p.steps.size(); ++i) {
            if (p.steps[i].who != who) continue;
            while (p.next != i) co_await bight::sleep_for(on.moment() / 8);
            const std::string& what = p.steps[i].what;
            if (what == "reads") {
                begun.spawn(read_once, std::ref(peer), std::ref(p.gave[i]));
            } else if (what == "fills") {
                begun.spawn(fill, std::ref(on), std::ref(peer), std::ref(p.gave[i]));
            } else {
                p.gave[i] = co_await take_step(on, peer, what);
            }
            co_await on.settle();
            p.next = i + 1;
        }
        while (p.next != p.steps.size()) co_await bight::sleep_for(on.moment() / 8);
        ++p.ended;
        while (p.ended != 2) co_await bight::sleep_for(on.moment() / 8);
        peer.abort();
    });
}

inline bight::task<> serve_part(place_fixture& on, play& p) {
    bight::listener l = bight::listen(on.new_endpoint());
    p.where = endpoint_to(l.local());
    bight::stream peer = co_await l.accept();
    l.close();
    co_await play_part(on, p, 'B', peer);
}

inline bight::task<> connect_part(place_fixture& on, play& p) {
    co_await on.until([&] { return !p.where.empty(); });
    bight::stream peer = co_await bight::connect(p.where);
    co_await play_part(on, p, 'A', peer);
}

inline bight::task<> all_parts(place_fixture& on, std::vector<play>& plays,
                               bight::task<> (*part)(place_fixture&, play&)) {
    co_await bight::with_group([&](bight::group& g) {
        for (play& p : plays) g.spawn(part, std::ref(on), std::ref(p));
    });
}

inline std::string joined(const std::vector<std::string>& words) {
    std::string text;
    for (const std::string& word : words) text += (text.empty() ? "" : " ") + word;
    return text;
}

/// Plays them beside each other in one place; gives what the steps of each gave.
inline std::vector<std::string> play_all(place_fixture& on, const std::vector<std::string>& scripts) {
    std::vector<play> plays;
    for (const std::string& s : scripts) {
        const std::vector<step> steps = steps_of(s);
        plays.push_back({steps, std::vector<std::string>(steps.size()), 0, 0, 0, {}});
    }
    on.run([&] { return all_parts(on, plays, serve_part); },
           [&] { return all_parts(on, plays, connect_part); });
    std::vector<std::string> gave;
    for (const play& p : plays) gave.push_back(joined(p.gave));
    return gave;
}

}  // namespace test
