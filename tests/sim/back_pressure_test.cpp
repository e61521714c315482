// Windows and links that are too small for what is said.
#include "faulty.hpp"

#include "support/catch.hpp"

#include <bight/bight.hpp>
#include <bight/sim/world.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

using namespace std::chrono_literals;
using bight::task;
using test::pair_of_hosts;
using test::with;
namespace sim = bight::sim;

namespace {

struct arrival {
    bight::duration at{};
    std::uint64_t bytes = 0;
};

std::vector<arrival> all_of(const sim::world& w, const std::string& what, const std::string& by) {
    std::vector<arrival> found;
    for (const sim::trace_event& e : w.trace().events()) {
        if (e.what == what && e.from == by) found.push_back({e.at, e.bytes});
    }
    return found;
}

}  // namespace

TEST_CASE("small_window: a short write waits until it is read, for 50 ms at most, and nothing is lost") {
    const std::string text(1000, 'x');
    const auto takes = [&](sim::world_options options, std::uint64_t seed, std::vector<arrival>& steps,
                           std::uint64_t& windows) {
        options.link = test::always(1ms);
        bight::duration until{};
        std::string got;
        pair_of_hosts pair(
            std::move(options), [&](bight::stream& peer) -> task<> { got = co_await test::read_all(peer); },
            [&](bight::stream& peer) -> task<> {
                const bight::time_point begin = bight::reactor::current()->now();
                co_await peer.write(text);
                until = bight::reactor::current()->now() - begin;
                co_await peer.close();
                co_await bight::sleep_for(1s);
            },
            seed);
        pair.world.run();
        CHECK(got == text);
        steps = all_of(pair.world, "send", "client");
        windows = pair.world.count(sim::fault::small_window);
        return until;
    };
    std::vector<arrival> steps;
    std::uint64_t windows = 0;
    CHECK(takes({}, 1, steps, windows) == 0s);
    CHECK(steps.size() == 1);

    std::vector<std::uint64_t> sizes;
    std::vector<bight::duration> times;
    for (std::uint64_t seed = 1; seed <= 60; ++seed) {
        times.push_back(takes(with(sim::fault::small_window), seed, steps, windows));
        INFO("seed " << seed);
        CHECK(windows == 1);
        REQUIRE_FALSE(steps.empty());
        CHECK(times.back() > 0s);
        CHECK(times.back() <= 50ms);
        sizes.push_back(steps.front().bytes);
    }
    const auto [least, most] = std::minmax_element(sizes.begin(), sizes.end());
    CHECK(*least >= 1);
    CHECK(*least < 128);
    CHECK(*most > 384);
    CHECK(*most <= 512);
    CHECK(*std::max_element(times.begin(), times.end()) > 10ms);
}

TEST_CASE("small_window: who does not read holds up even the shortest writes") {
    std::vector<bight::duration> written;
    bight::manual_reset_event over;
    sim::world w(5, with(sim::fault::small_window));
    w.add("server").on_boot(
        [&] { return bight::serve("tcp:7000", [&](bight::stream) -> task<> { co_await over.wait(); }); });
    w.add("client").run([&]() -> task<> {
        bight::stream peer = co_await bight::connect("tcp:server:7000");
        for (int i = 0; i < 2000; ++i) {
            const bight::time_point begin = bight::reactor::current()->now();
            co_await peer.write("12345");
            written.push_back(bight::reactor::current()->now() - begin);
        }
    });
    w.run();
    const auto waited = std::count_if(written.begin(), written.end(), [](const auto& d) { return d > 0s; });
    CHECK(written.size() == 2000);
    CHECK(waited > 10);
}

TEST_CASE("small_window: a Unix socket's, too") {
    sim::world w(1, with(sim::fault::small_window));
    bight::duration took{};
    std::string got;
    sim::host& here = w.add("here");
    here.on_boot([&] {
        return bight::serve("unix:/run/here", [&](bight::stream peer) -> task<> {
            co_await bight::sleep_for(10ms);
            got = co_await test::read_all(peer);
        });
    });
    here.run([&]() -> task<> {
        bight::stream peer = co_await bight::connect("unix:/run/here");
        const bight::time_point begin = bight::reactor::current()->now();
        co_await peer.write(std::string(600, 'x'));
        took = bight::reactor::current()->now() - begin;
        co_await peer.close();
        co_await bight::sleep_for(1s);
    });
    w.run();
    CHECK(got.size() == 600);
    CHECK(took > 0s);
    CHECK(took <= 50ms);
}

namespace {

// Sends 40 packets of 100 bytes in one moment, on a link that has become narrow with the first.
struct narrow {
    explicit narrow(std::uint64_t seed) : world(seed, options()) {
        world.add("server").on_boot([this] {
            return bight::serve(
                "tcp:7000", [this](bight::stream peer) -> task<> { got = co_await test::read_all(peer); });
        });
        world.add("client").run([this]() -> task<> {
            bight::stream peer = co_await bight::connect("tcp:server:7000");
            world.set_faults(sim::fault_plan().set(sim::fault::narrow_link, 1));
            for (int i = 0; i < 40; ++i) {
                co_await peer.write(std::string(100, 'x'));
                world.set_faults({});
            }
            begun = world.elapsed();
            co_await peer.close();
            co_await bight::sleep_for(10s);
        });
    }
    static sim::world_options options() {
        sim::world_options o;
        o.link = test::always(1ms);
        return o;
    }

    std::string got;
    bight::duration begun{};
    sim::world world;
};

}  // namespace

TEST_CASE("narrow_link: a link carries 100 to 10,000 bytes a second, one way, for 5 s at most") {
    std::vector<double> rates;
    std::vector<bight::duration> lasts;
    for (std::uint64_t seed = 1; seed <= 30; ++seed) {
        narrow n(seed);
        n.world.run();
        INFO("seed " << seed);
        CHECK(n.world.count(sim::fault::narrow_link) == 1);
        CHECK(n.got.size() == 4000);
        const auto arrivals = all_of(n.world, "arrive", "client");
        REQUIRE(arrivals.size() == 40);
        CHECK(arrivals.front().at == n.begun + 1ms);
        lasts.push_back(arrivals.back().at - n.begun);
        CHECK(lasts.back() <= 5s + 1ms);
        const bight::duration gap = arrivals[1].at - arrivals[0].at;
        if (gap > 0s && arrivals[2].at - arrivals[1].at == gap) {
            rates.push_back(100 / std::chrono::duration<double>(gap).count());
        }
    }
    REQUIRE(rates.size() > 10);
    const auto [least, most] = std::minmax_element(rates.begin(), rates.end());
    CHECK(*least >= 99.9);
    CHECK(*least < 3000);
    CHECK(*most > 7000);
    CHECK(*most <= 10'000.1);
    CHECK(*std::max_element(lasts.begin(), lasts.end()) > 500ms);
}

TEST_CASE("narrow_link: what waits arrives when the world is healed, or the link mended") {
    for (const bool heals : {true, false}) {
        // One that takes its time.
        std::uint64_t seed = 1;
        for (;; ++seed) {
            narrow n(seed);
            n.world.run();
            if (all_of(n.world, "arrive", "client").back().at > n.begun + 400ms) break;
        }
        narrow n(seed);
        n.world.run_for(100ms);
        CHECK(n.got.empty());
        if (heals) n.world.heal();
        if (!heals) n.world.mend(n.world.at("client"), n.world.at("server"));
        n.world.run_for(2ms);
        CHECK(n.got.size() == 4000);
    }
}
