#include "storms.hpp"

#include <bight/sim/at_most_once.hpp>

#include <chrono>
#include <cstddef>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>

using namespace std::chrono_literals;
using bight::task;
namespace sim = bight::sim;

namespace storms {

namespace {

constexpr std::size_t all_jobs = 10;

struct queue_scene {
    explicit queue_scene(sim::world& w) : world(w) {
        disk.is_done = [this](const std::string& id) { jobs.done(id); };
    }
    sim::world& world;
    planted::queue_disk disk{};
    sim::at_most_once<std::string> jobs{world, "job"};
};

task<std::string> ask(bight::stream& peer, bight::line_reader& lines, std::string request) {
    co_await peer.write(request + "\r\n");
    auto answer = co_await lines.next();
    if (!answer) throw std::runtime_error("the queue closed");
    co_return *answer;
}

// Takes jobs and does them, some of them for longer than it has them.
task<> work(queue_scene& s) {
    bight::stream peer = co_await bight::connect("tcp:queue:8300");
    bight::line_reader lines(peer);
    while (s.jobs.count() < all_jobs) {
        auto given = co_await bight::try_with_timeout(ask(peer, lines, "TAKE"), 20s);
        if (!given) co_return;
        std::istringstream words(*given);
        std::string id;
        int lease = 0;
        words >> id >> lease;
        const bight::duration takes = std::chrono::milliseconds(bight::random_below(6000));
        co_await bight::sleep_for(takes);
        const auto done = co_await ask(peer, lines, "DONE " + *given);
        if (done == "OK") s.jobs.confirmed(id);
    }
}

task<> put_all() {
    bight::stream peer = co_await bight::connect("tcp:queue:8300");
    bight::line_reader lines(peer);
    for (std::size_t i = 0; i < all_jobs; ++i) co_await ask(peer, lines, "PUT " + std::to_string(i));
}

// Whatever fails is tried again.
template <class F>
task<bool> attempt(F what) {
    try {
        auto ended = co_await bight::try_with_timeout(what(), 1min);
        co_return static_cast<bool>(ended);
    } catch (const std::exception&) {
        co_return false;
    }
}

}  // namespace

void queue(sim::world& w, planted::queue_bug bug) {
    queue_scene& s = w.own<queue_scene>(w);
    sim::host& server = w.add("queue");
    server.on_boot([&s, bug] { return planted::queue_server(s.disk, bug); });
    w.add("producer").run([]() -> task<> {
        for (bool all = false; !all;) {
            all = co_await attempt(put_all);
            co_await bight::sleep_for(500ms);
        }
    });
    for (int i = 0; i < 3; ++i) {
        w.add("worker" + std::to_string(i)).run([&s]() -> task<> {
            while (s.jobs.count() < all_jobs) {
                co_await attempt([&s] { return work(s); });
                co_await bight::sleep_for(500ms);
            }
        });
    }
    w.run_for(std::chrono::milliseconds(w.random().between(1000, 10'000)));
    if (w.random().below(2) > 0) server.restart();
    w.run_for(5s);
    w.heal(half_open(w));
    if (w.run_for(10min)) return;
    throw broken("ten minutes of good weather, and " + std::to_string(s.jobs.count()) + " of " +
                 std::to_string(all_jobs) + " jobs are done");
}

}  // namespace storms
