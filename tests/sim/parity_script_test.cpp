// Short conversations, step by step: what each step gives is the same on every demultiplexer and in a
// simulated world, where Linux has been asked.
#include "support/catch.hpp"
#include "support/places.hpp"

#include <bight/bight.hpp>

#include <cerrno>
#include <chrono>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

using bight::errc;
using bight::stream;
using bight::task;
using test::pattern;
using test::place_fixture;

namespace {

// Deadlines are matters of other tests.
constexpr bight::duration never = std::chrono::hours(10);

// Ends are A, which connects, and B, which accepts. What they do, one after the other, each when everything
// has arrived that the one before sent:
//   write      a few bytes
//   read       everything until the end, an error, or until nothing comes for a while
//   takes      one read
//   gives_up   one read, which is cancelled when nothing has come for a while
//   shutdown, close, abort
//   reads      begins a read, which is told after the last step, when both ends have closed
//   fills      the same for a write of more bytes than all buffers take
struct script {
    const char* steps;
    const char* over_tcp;
    const char* over_unix = nullptr;  ///< where it is another
};

const script scripts[] = {
    {"A:shutdown B:read B:write B:shutdown A:read", "ok end ok ok bytes+end"},
    {"A:shutdown B:shutdown A:read B:read", "ok ok end end"},
    {"A:shutdown A:shutdown B:read B:write A:read", "ok ok end ok bytes+pending"},
    {"A:write A:shutdown B:read B:shutdown A:read", "ok ok bytes+end ok end"},
    {"A:write B:close A:read A:write A:write A:read", "ok ok end ok ok end"},
    {"A:write B:abort A:read A:write A:write", "ok ok ECONNRESET ECONNRESET ECONNRESET"},
    {"B:close A:write A:write A:read", "ok ok ok end"},
    {"B:abort A:write A:write A:read", "ok ECONNRESET ECONNRESET ECONNRESET", "ok EPIPE EPIPE end"},
    {"B:shutdown B:abort A:read A:write A:write A:read", "ok ok end EPIPE EPIPE end"},
    {"A:shutdown B:shutdown B:abort A:read A:write", "ok ok ok end closed"},
    {"A:write A:abort B:read B:write B:read", "ok ok bytes+ECONNRESET ECONNRESET ECONNRESET",
     "ok ok bytes+end EPIPE end"},
    {"A:fills B:abort A:read", "ECONNRESET ok ECONNRESET", "EPIPE ok ECONNRESET"},
    {"A:reads B:write", "bytes ok"},
    {"A:reads B:close A:write A:write", "end ok ok ok"},
    {"A:reads B:abort", "ECONNRESET ok", "end ok"},
    {"A:reads A:abort", "aborted ok"},
    {"A:reads A:close B:read", "closed ok end"},
    {"A:reads A:shutdown B:write B:read", "bytes ok ok end"},
    {"A:write A:shutdown B:write B:close A:read A:write", "ok ok ok ok bytes+end closed"},
    {"B:write A:close B:write B:write B:read", "ok ok ok ok end"},
    {"B:write A:shutdown A:close B:write B:write B:read", "ok ok ok ok ok end"},
    {"A:close B:shutdown B:read", "ok ok end"},
    {"A:close B:close", "ok ok"},
    {"A:abort B:shutdown B:read B:write", "ok ok ECONNRESET closed", "ok ok end closed"},
    {"A:close B:abort", "ok ok"},
    {"A:abort B:close", "ok ok"},
    {"A:shutdown B:abort A:read A:write", "ok ok ECONNRESET closed", "ok ok end closed"},
    {"A:shutdown B:close A:read A:write", "ok ok end closed"},
    {"B:abort A:shutdown A:read A:shutdown", "ok ok ECONNRESET ok", "ok ok end ok"},
    {"A:shutdown B:shutdown A:shutdown A:write B:abort A:read A:write", "ok ok ok closed ok end closed"},
    {"A:write B:write A:shutdown B:shutdown B:close A:close", "ok ok ok ok ok ok"},
    {"A:reads A:fills B:abort", "ECONNRESET ECONNRESET ok"},
    {"A:shutdown A:reads B:abort", "ok ECONNRESET ok", "ok end ok"},
    {"A:shutdown A:reads B:close", "ok end ok"},
    {"A:shutdown B:read B:reads A:abort B:write", "ok end end ok EPIPE"},
    {"B:shutdown A:write B:abort A:write A:read", "ok ok ok EPIPE end", "ok ok ok EPIPE ECONNRESET"},
    {"B:shutdown A:read A:write B:abort A:write A:read", "ok end ok ok EPIPE end"},
    {"A:write A:close B:read B:write B:write", "ok ok bytes+end ok ok"},
    {"A:write A:shutdown A:abort B:read B:write", "ok ok ok bytes+end EPIPE"},
    {"A:write B:write A:shutdown B:abort A:read A:read", "ok ok ok ok bytes+ECONNRESET ECONNRESET"},
    {"B:write B:abort A:read A:write B:write A:read A:write",
     "ok ok bytes+ECONNRESET ECONNRESET aborted ECONNRESET ECONNRESET",
     "ok ok bytes+end EPIPE aborted end EPIPE"},
    {"A:abort A:write A:read A:shutdown A:close", "ok aborted aborted ok ok"},
    {"A:close A:write A:read A:shutdown A:abort", "ok closed closed ok ok"},
    {"A:fills A:abort A:abort B:read", "aborted ok ok bytes+ECONNRESET", "aborted ok ok bytes+end"},
    {"A:fills A:abort B:read B:write", "aborted ok bytes+ECONNRESET ECONNRESET",
     "aborted ok bytes+end EPIPE"},
    {"A:fills B:fills B:abort A:read", "ECONNRESET aborted ok bytes+ECONNRESET",
     "EPIPE aborted ok bytes+ECONNRESET"},
    {"A:fills B:takes B:abort", "ECONNRESET bytes ok", "EPIPE bytes ok"},
    {"A:gives_up B:shutdown A:read B:read", "pending ok end pending"},
    {"A:gives_up B:write A:read", "pending ok bytes+pending"},
    {"A:reads A:fills B:shutdown", "end aborted ok"},
    {"A:write B:takes B:close A:read A:write", "ok bytes ok end ok"},
    {"B:shutdown A:read A:write B:read B:close A:write A:write", "ok end ok bytes+pending ok ok ok"},
};

std::string said(std::error_code e) {
    if (!e) return "ok";
    if (e == errc::closed) return "closed";
    if (e == errc::aborted) return "aborted";
    if (e == errc::timed_out) return "timed_out";
    if (e == test::from_errno(EPIPE)) return "EPIPE";
    if (e == test::from_errno(ECONNRESET)) return "ECONNRESET";
    return e.message();
}

struct step {
    char who;
    std::string what;
};

std::vector<step> steps_of(const char* text) {
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

task<std::string> read_what_comes(const place_fixture& on, stream& from) {
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

task<> read_once(stream& from, std::string& gave) {
    auto data = co_await bight::as_result(from.read_some());
    gave = !data ? said(data.error()) : data->empty() ? "end" : "bytes";
}

task<> fill(const place_fixture& on, stream& to, std::string& gave) {
    const std::string much = pattern(0, on.more_than_buffers());
    const auto done = co_await test::error_of(to.write(much));
    gave = said(done);
}

task<std::string> take_step(const place_fixture& on, stream& peer, std::string what) {
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
        if (what == "write") error = co_await test::error_of(peer.write(few));
        if (what == "shutdown") error = co_await test::error_of(peer.shutdown_write(never));
        if (what == "close") error = co_await test::error_of(peer.close(never));
        gave = said(error);
    }
    co_return gave;
}

task<> play_part(const place_fixture& on, play& p, char who, stream& peer) {
    co_await bight::with_group([&](bight::group& begun) -> task<> {
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

task<> serve_part(place_fixture& on, play& p) {
    bight::listener l = bight::listen(on.new_endpoint());
    p.where = test::endpoint_to(l.local());
    stream peer = co_await l.accept();
    l.close();
    co_await play_part(on, p, 'B', peer);
}

task<> connect_part(place_fixture& on, play& p) {
    co_await on.until([&] { return !p.where.empty(); });
    stream peer = co_await bight::connect(p.where);
    co_await play_part(on, p, 'A', peer);
}

task<> all_parts(place_fixture& on, std::vector<play>& plays, task<> (*part)(place_fixture&, play&)) {
    co_await bight::with_group([&](bight::group& g) {
        for (play& p : plays) g.spawn(part, std::ref(on), std::ref(p));
    });
}

std::string joined(const std::vector<std::string>& words) {
    std::string text;
    for (const std::string& word : words) text += (text.empty() ? "" : " ") + word;
    return text;
}

}  // namespace

TEST_CASE("each step of a conversation gives what it gives on Linux") {
    place_fixture on(GENERATE(from_range(test::places())));
    std::vector<play> plays;
    for (const script& s : scripts) {
        const std::vector<step> steps = steps_of(s.steps);
        plays.push_back({steps, std::vector<std::string>(steps.size()), 0, 0, 0, {}});
    }
    on.run([&] { return all_parts(on, plays, serve_part); },
           [&] { return all_parts(on, plays, connect_part); });
    for (std::size_t i = 0; i < plays.size(); ++i) {
        CAPTURE(scripts[i].steps);
        const char* const over_unix = scripts[i].over_unix;
        CHECK(joined(plays[i].gave) == (on.is_tcp() || !over_unix ? scripts[i].over_tcp : over_unix));
    }
}
