#include "storm_steps.hpp"
#include "storms.hpp"

#include <array>
#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using bight::task;
namespace sim = bight::sim;

namespace storms {

namespace {

// A byte is a message: its upper half names the session (8 to 15, so that it is no text), its lower half
// counts.
constexpr int sessions = 8;

struct broadcast_scene {
    std::array<int, sessions> said{};
    int begun = 0;
    int came = 0;
    int here = 0;
    int done = 0;
    bool stormy = true;
};

unsigned char byte_of(int session, int number) {
    return static_cast<unsigned char>((8 + session) << 4 | (number & 15));
}

// What one client has heard of each session.
class hearing {
  public:
    hearing(const broadcast_scene& s, int own) : scene_(s), own_(own) { last_.fill(-1); }

    void heard(std::string_view bytes) {
        for (const char c : bytes) {
            const auto byte = static_cast<unsigned char>(c);
            if (!welcomed_) {
                welcomed_ = byte == '\n';
                continue;
            }
            // A "close" that arrives with other bytes is like any others, and is forwarded.
            if (std::string_view("close").find(c) != std::string_view::npos) continue;
            const int from = (byte >> 4) - 8;
            const int number = byte & 15;
            const std::string what = "session " + std::to_string(own_) + " heard byte " +
                                     std::to_string(number) + " of session " + std::to_string(from);
            if (from < 0 || from >= scene_.begun) throw broken(what + ", which nobody said");
            if (from == own_) throw broken("session " + std::to_string(own_) + " heard itself");
            int& last = last_[static_cast<std::size_t>(from)];
            if (last >= 0 && number != ((last + 1) & 15)) {
                throw broken(what + " after byte " + std::to_string(last));
            }
            last = number;
            ++count_[static_cast<std::size_t>(from)];
        }
    }
    int count(int session) const { return count_[static_cast<std::size_t>(session)]; }
    bool welcomed() const { return welcomed_; }

  private:
    const broadcast_scene& scene_;
    int own_;
    bool welcomed_ = false;
    std::array<int, sessions> last_{};
    std::array<int, sessions> count_{};
};

task<> say(broadcast_scene& s, bight::stream& peer, int session, int count, bight::duration pause) {
    for (int i = 0; i < count;) {
        std::string bytes;
        const std::uint64_t together = 1 + bight::random_below(6);
        for (std::uint64_t j = 0; j < together && i < count; ++j, ++i) {
            bytes += static_cast<char>(byte_of(session, s.said[static_cast<std::size_t>(session)]++));
        }
        co_await peer.write(bytes);
        const bight::duration rest = up_to(pause);
        co_await bight::sleep_for(rest);
    }
}

task<> hear(bight::stream& peer, hearing& ears) {
    while (auto bytes = co_await peer.read_some()) ears.heard(bytes.view());
}

task<> stay(broadcast_scene& s) {
    bight::stream peer = co_await bight::connect("tcp:server:8006");
    if (s.begun == sessions - 3) co_return;  // three are for the good weather
    const int mine = s.begun++;
    hearing ears(s, mine);
    const bight::duration limit = 1s + up_to(10s);
    auto both = [&]() -> task<> {
        co_await bight::when_all(say(s, peer, mine, 100, 200ms), hear(peer, ears));
    };
    co_await bight::try_with_timeout(both(), limit);
    switch (bight::random_below(3)) {
        case 0: co_await peer.write("close"); break;
        case 1: peer.abort(); break;
        default: break;
    }
    co_await peer.close();
}

task<> stormy_client(broadcast_scene& s) {
    while (s.stormy) {
        try {
            co_await stay(s);
        } catch (const broken&) {
            throw;
        } catch (const std::exception&) {
        }
        const bight::duration rest = up_to(3s);
        co_await bight::sleep_for(rest);
    }
}

// In good weather everybody hears every byte of the others.
task<> converse(broadcast_scene& s, int people) {
    constexpr int bytes = 60;
    bight::stream peer = co_await bight::connect("tcp:server:8006");
    const int first = sessions - people;
    const int mine = first + s.came++;
    s.begun = sessions;
    hearing ears(s, mine);
    while (!ears.welcomed()) {
        auto data = co_await peer.read_some();
        if (!data) throw broken("a client was disconnected in good weather");
        ears.heard(data.view());
    }
    ++s.here;
    co_await until(s.here, people, "everybody is here");
    const auto heard_all = [&] {
        for (int i = first; i < sessions; ++i) {
            if (i != mine && ears.count(i) < bytes) return false;
        }
        return true;
    };
    auto listen = [&]() -> task<> {
        while (!heard_all()) {
            auto data = co_await peer.read_some();
            if (!data) throw broken("a client was disconnected in good weather");
            ears.heard(data.view());
        }
    };
    auto both = [&]() -> task<> { co_await bight::when_all(say(s, peer, mine, bytes, 50ms), listen()); };
    const bool in_time = co_await bight::try_with_timeout(both(), 10min);
    if (!in_time)
        throw broken("session " + std::to_string(mine) + " did not hear every byte in good weather");
    ++s.done;
    co_await until(s.done, people, "everybody has heard everything");
    co_await peer.close();
}

}  // namespace

void broadcast(sim::world& w, const server_program& start) {
    auto s = std::make_shared<broadcast_scene>();
    sim::host& server = w.add("server");
    server.on_boot([start, s] { return start(); });
    std::vector<sim::host*> clients;
    for (int i = 0; i < 4; ++i) {
        clients.push_back(&w.add("client" + std::to_string(i)));
        clients.back()->run([&s = *s] { return stormy_client(s); });
    }
    for (int i = 0; i < 3; ++i) {
        w.run_for(std::chrono::seconds(w.random().between(1, 6)));
        sim::host& victim = *clients[w.random().below(clients.size())];
        switch (w.random().below(4)) {
            case 0: w.cut(server, victim); break;
            case 1: w.cut_one_way(victim, server); break;
            case 2: victim.pause(std::chrono::seconds(w.random().between(1, 10))); break;
            default: victim.restart(); break;
        }
    }
    s->stormy = false;
    w.heal();
    w.run();
    w.note("good weather");
    constexpr int people = 3;
    for (int i = 0; i < people; ++i) {
        clients[static_cast<std::size_t>(i)]->run([&s = *s] { return converse(s, people); });
    }
    w.run();
}

}  // namespace storms
