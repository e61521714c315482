#include "storms.hpp"

#include <chrono>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string>

using namespace std::chrono_literals;
using bight::task;
namespace sim = bight::sim;

namespace storms {

namespace {

struct journal_scene {
    std::set<std::string> confirmed{};
    int last_id = 0;
};

task<> add(std::string id) {
    bight::stream peer = co_await bight::connect("tcp:journal:8400");
    bight::line_reader lines(peer);
    co_await peer.write("ADD " + id + "\r\n");
    auto answer = co_await lines.next();
    if (!answer) throw std::runtime_error("the journal closed");
}

// Without an answer the line may be there or not.
task<bool> try_to_add(journal_scene& s, std::string id, bight::duration patience) {
    try {
        const bool answered = co_await bight::try_with_timeout(add(id), patience);
        if (answered) s.confirmed.insert(id);
        co_return answered;
    } catch (const std::exception&) {
        co_return false;
    }
}

task<> client(journal_scene& s, int lines) {
    for (int i = 0; i < lines; ++i) {
        co_await try_to_add(s, "line" + std::to_string(++s.last_id), 1s);
        const bight::duration rest = std::chrono::milliseconds(bight::random_below(50));
        co_await bight::sleep_for(rest);
    }
}

void check_that_all_is_there(const journal_scene& s, sim::host& server) {
    std::istringstream journal(server.disk().read("journal").value_or(""));
    std::set<std::string> there;
    for (std::string id; journal >> id;) there.insert(id);
    for (const std::string& id : s.confirmed) {
        if (!there.contains(id)) throw broken(id + " was confirmed, and is lost");
    }
}

}  // namespace

void journal(sim::world& w, planted::journal_bug bug) {
    journal_scene& s = w.own<journal_scene>();
    sim::host& server = w.add("journal");
    server.on_boot([bug] { return planted::journal_server(bug); });
    for (int i = 0; i < 4; ++i) w.add("client" + std::to_string(i)).run([&s] { return client(s, 20); });
    w.run_for(std::chrono::milliseconds(w.random().between(100, 3000)));
    server.restart();
    check_that_all_is_there(s, server);
    w.run_for(5s);
    w.heal(half_open(w));
    w.run();
    w.add("last").run([&s]() -> task<> {
        const bool confirmed = co_await try_to_add(s, "last", 5s);
        if (!confirmed) throw broken("in good weather a line is not confirmed within five seconds");
    });
    w.run();
    server.restart();
    check_that_all_is_there(s, server);
}

}  // namespace storms
