// A game at 20 ticks a second: who is first at the coin?   game [ENDPOINT]
// Then: nc 127.0.0.1 4000     A name; then n, e, s or w, a step, each on a line; or quit.
//
// The state is the server's. Each tick carries out at most one step of each player, and tells all of them
// what there is, as a line; who reads too slowly misses whole lines. Ticks are numbered by the clock: those
// that a busy machine has missed are made up for, four at a time at most, and the others left out.
#include <bight/bight.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

using namespace std::chrono_literals;

constexpr bight::duration tick_length = 50ms;
constexpr std::uint64_t most_made_up = 4;
constexpr std::uint64_t width = 20, height = 10;
constexpr std::size_t longest_name = 16, longest_line = 80;
constexpr std::size_t unread = 8192;  // bytes for a player that does not read, and twice that in the system

struct place {
    std::uint64_t x = bight::random_below(width), y = bight::random_below(height);
    bool operator==(const place&) const = default;
    void move(char step) {
        if (step == 'n' && y > 0) --y;
        if (step == 's' && y + 1 < height) ++y;
        if (step == 'w' && x > 0) --x;
        if (step == 'e' && x + 1 < width) ++x;
    }
    std::string text() const { return std::to_string(x) + "," + std::to_string(y); }
};

struct player {
    explicit player(bight::stream& peer) : out(peer, {unread, bight::overflow_policy::drop_oldest}) {}
    place at;
    int coins = 0;
    char step = 0;                   // for the next tick; 0: none
    bight::auto_reset_event ticked;  // it was carried out
    bight::outbox out;
};

struct game {
    std::map<std::string, player> players;
    place coin;
    std::uint64_t number = 0;  // of the last tick
    std::uint64_t missed = 0, left_out = 0;

    void tick() {
        if (++number % 20 == 0) coin.move("nesw"[bight::random_below(4)]);  // it rolls
        for (auto& [name, p] : players) {
            if (p.step) p.ticked.set();
            p.at.move(std::exchange(p.step, 0));
            if (p.at != coin) continue;
            ++p.coins;
            coin = place();
        }
    }
    void catch_up(std::uint64_t behind) {
        const std::uint64_t skipped = behind - std::min(behind, most_made_up);
        missed += behind;
        left_out += skipped;
        number += skipped;
        for (std::uint64_t i = skipped; i <= behind; ++i) tick();
    }
    void tell_all() {
        std::string line = "tick " + std::to_string(number) + ": coin " + coin.text();
        for (const auto& [name, p] : players)
            line += "; " + name + " " + p.at.text() + " has " + std::to_string(p.coins);
        const bight::payload state(line + "\n");  // copied once for all
        for (auto& [name, p] : players) p.out.send(state);
    }
};

// A player is in the game while this lives.
class seat {
  public:
    seat(game& in, const std::string& name, bight::stream& peer)
        : game_(in), at_(in.players.try_emplace(name, peer).first) {
        std::printf("%s has come\n", name.c_str());
    }
    seat(const seat&) = delete;
    ~seat() {
        const auto& [name, me] = *at_;
        std::printf("%s has gone: coins %d, lines missed %d\n", name.c_str(), me.coins,
                    static_cast<int>(me.out.dropped()));
        game_.players.erase(at_);
    }
    player& me() { return at_->second; }

  private:
    game& game_;
    std::map<std::string, player>::iterator at_;
};

bool is_name(std::string_view s) {
    constexpr std::string_view letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    return !s.empty() && s.size() <= longest_name && s.find_first_not_of(letters) == s.npos;
}

// Nothing when the player has gone, or the server is to end.
bight::task<std::optional<std::string>> next(bight::line_reader& lines) {
    auto line = co_await bight::until_draining(lines.next());
    if (!line || !*line) co_return std::nullopt;
    if ((*line)->ends_with('\r')) (*line)->pop_back();  // telnet's
    co_return std::move(**line);
}

bight::task<> play(game& g, bight::stream peer) {
    bight::line_reader lines(peer, "\n", longest_line);
    co_await peer.write("Your name?\n");
    auto name = co_await next(lines);
    while (name && (!is_name(*name) || g.players.contains(*name))) {
        co_await peer.write("Letters and digits, at most 16, that nobody else has: your name?\n");
        name = co_await next(lines);
    }
    if (!name) co_return;
    seat here(g, *name, peer);
    while (auto line = co_await next(lines)) {
        if (*line == "quit") break;
        const bool is_step = line->size() == 1 && std::string_view("nesw").find(line->front()) != line->npos;
        if (!is_step) here.me().out.send("n, e, s or w; or quit\n");
        here.me().step = is_step ? line->front() : '.';
        (void)co_await bight::until_draining(here.me().ticked.wait());  // one line a tick, however many come
    }
}

bight::task<> turn(game& g) {
    std::uint64_t told = 0;
    for (bight::interval each(tick_length, bight::missed_ticks::skip);;) {
        const auto due = co_await each.tick();
        g.catch_up(due.missed);
        g.tell_all();
        if (g.missed == told || g.number % 20 != 0) continue;
        std::printf("ticks missed: %d, of them left out: %d\n", static_cast<int>(g.missed),
                    static_cast<int>(g.left_out));
        told = g.missed;
    }
}

bight::task<> host(std::string where) {
    game g;
    bight::serve_options options;
    options.max_connections = 50;
    options.idle_timeout = 60s;                      // neither speaks nor reads
    options.listen.socket.send_buffer = 2 * unread;  // nobody is told what is long over
    co_await bight::when_all(bight::serve(where, options, play, std::ref(g)), turn(g));
}

int main(int argc, char** argv) {
    std::setvbuf(stdout, nullptr, _IONBF, 0);  // at once, into a pipe too
    return bight::run(host(argc > 1 ? argv[1] : "tcp:4000"));
}
