#include "storms.hpp"

#include <bight/sim/at_most_once.hpp>
#include <bight/sim/linearizable.hpp>

#include <array>
#include <chrono>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

using namespace std::chrono_literals;
using bight::task;
namespace sim = bight::sim;

namespace storms {

namespace {

const std::array keys{"a", "b"};

struct store_scene {
    explicit store_scene(sim::world& w) : world(w) {
        disk.is_done = [this](const std::string& id) { requests.done(id, "the store"); };
    }
    sim::world& world;
    planted::store_disk disk{};
    sim::at_most_once<std::string> requests{world, "SET"};
    sim::map_history<std::string, std::string> calls{world};
    int last_id = 0;
};

// One request on a connection of its own; nothing when there is no answer in time.
task<std::optional<std::string>> ask(std::string request, bight::duration patience) {
    const auto ask_it = [](std::string text) -> task<std::string> {
        bight::stream peer = co_await bight::connect("tcp:store:8200");
        bight::line_reader lines(peer);
        co_await peer.write(text + "\r\n");
        auto answer = co_await lines.next();
        if (!answer) throw std::runtime_error("the store closed");
        co_return *answer;
    };
    try {
        auto answer = co_await bight::try_with_timeout(ask_it(std::move(request)), patience);
        co_return answer;
    } catch (const std::exception&) {
        co_return std::nullopt;
    }
}

task<> set(store_scene& s, std::string who, std::string key) {
    const std::string id = std::to_string(++s.last_id);
    const std::string value = "v" + id;
    auto call = s.calls[key].write(who, value);
    for (int attempt = 0; attempt < 3; ++attempt) {
        auto answer = co_await ask("SET " + id + " " + key + " " + value, 300ms);
        if (answer) {
            call.returned();
            s.requests.confirmed(id);
            co_return;
        }
    }
}

task<> get(store_scene& s, std::string who, std::string key) {
    auto call = s.calls[key].read(who);
    auto answer = co_await ask("GET " + key, 1s);
    if (answer) call.returned(*answer == "NONE" ? std::nullopt : answer);
}

task<> client(store_scene& s, std::string who, int requests) {
    for (int i = 0; i < requests; ++i) {
        const std::string key = keys[bight::random_below(keys.size())];
        const bool sets = bight::random_below(2) > 0;
        if (sets) {
            co_await set(s, who, key);
        } else {
            co_await get(s, who, key);
        }
        const bight::duration rest = std::chrono::milliseconds(bight::random_below(200));
        co_await bight::sleep_for(rest);
    }
}

// In good weather: waits for the next value of a key.
task<> watch(std::string who, std::string key, std::string known) {
    auto answer = co_await ask("WAIT " + key + " " + known, 10min);
    if (!answer || *answer == known) throw broken(who + " waited for " + key + ", and learned nothing");
}

}  // namespace

void store(sim::world& w, planted::store_bug bug) {
    store_scene& s = w.own<store_scene>(w);
    sim::host& server = w.add("store");
    server.on_boot([&s, bug] { return planted::store_server(s.disk, bug); });
    std::array<sim::host*, 3> clients{};
    for (std::size_t i = 0; i < clients.size(); ++i) {
        clients[i] = &w.add("client" + std::to_string(i));
        clients[i]->run([&s, who = clients[i]->name()] { return client(s, who, 12); });
    }
    w.run_for(2s);
    if (w.random().below(2) > 0) server.restart();
    w.run_for(3s);
    w.heal(half_open(w));
    w.run();
    w.note("good weather");

    // One waits for one key, two for the other; then both change.
    const auto known = [&s](const char* key) {
        const auto at = s.disk.values.find(key);
        return at == s.disk.values.end() ? std::string("NONE") : at->second;
    };
    const std::array<const char*, 3> watched{"a", "b", "b"};
    for (std::size_t i = 0; i < clients.size(); ++i) {
        clients[i]->run([who = clients[i]->name(), key = watched[i], last = known(watched[i])] {
            return watch(who, key, last);
        });
    }
    w.run_for(1s);
    sim::host& setter = w.add("setter");
    setter.run([&s]() -> task<> {
        for (const char* key : {"b", "a"}) co_await set(s, "setter", key);
    });
    if (!w.run_for(5s)) throw broken("the keys have changed for five seconds, and who waits does not know");
    s.calls.check();
}

}  // namespace storms
