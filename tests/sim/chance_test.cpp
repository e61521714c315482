// Chance is drawn by what it is for: leaving one fault out changes what follows from it, and nothing else.
#include "faulty.hpp"

#include "support/catch.hpp"
#include "support/echo.hpp"

#include <bight/bight.hpp>
#include <bight/sim/world.hpp>

#include <algorithm>
#include <chrono>
#include <compare>
#include <cstdint>
#include <numeric>
#include <set>
#include <string>
#include <vector>

using namespace std::chrono_literals;
using bight::task;
using test::echo;
namespace sim = bight::sim;

namespace {

// Talks with a server for a while, over several connections, whatever happens to them.
task<> talk(sim::world& w, std::string me, std::string server) {
    for (int i = 0; i < 3; ++i) {
        try {
            co_await bight::with_timeout(
                [](sim::world& at, std::string name, std::string to) -> task<> {
                    bight::stream peer = co_await bight::connect("tcp:" + to + ":7000");
                    for (int line = 0; line < 10; ++line) {
                        at.note(name + " draws " + std::to_string(bight::random_below(1000)));
                        co_await peer.write(std::string(100, 'x'));
                        std::string got(100, ' ');
                        co_await peer.read_exactly(got);
                        co_await bight::offload([] {});
                    }
                }(w, me, server),
                1min);
        } catch (const std::exception& e) {
            w.note(me + " fails: " + e.what());
        }
    }
}

bool concerns(const sim::trace_event& e, const std::string& one, const std::string& other) {
    return e.from == one || e.to == one || e.from == other || e.to == other || e.text.starts_with(one);
}

// All that happens to two pairs of hosts that know nothing of each other.
struct run_of_pairs {
    std::vector<sim::happened_fault> faults;
    std::string of_first;
    std::string of_second;

    explicit run_of_pairs(const sim::fault_plan& plan) {
        sim::world_options options;
        options.faults = plan;
        sim::world w(4, options);
        for (const char* const name : {"server", "other server"}) {
            w.add(name).on_boot([] { return bight::serve("tcp:7000", echo); });
        }
        w.add("client").run([&w] { return talk(w, "client", "server"); });
        w.add("other client").run([&w] { return talk(w, "other client", "other server"); });
        w.run();
        faults = w.happened_faults();
        for (const sim::trace_event& e : w.trace().events()) {
            const std::string line = std::to_string(e.at.count()) + " " + std::string(e.what) + " " +
                                     std::string(e.from) + " " + std::string(e.to) + " " +
                                     std::to_string(e.bytes) + " " + std::string(e.text) + "\n";
            if (concerns(e, "server", "client")) of_first += line;
            if (concerns(e, "other server", "other client")) of_second += line;
        }
    }
};

std::set<std::uint64_t> ids_of(const std::vector<sim::happened_fault>& faults) {
    std::set<std::uint64_t> ids;
    for (const sim::happened_fault& f : faults) ids.insert(f.id);
    return ids;
}

std::string first_difference(const std::string& a, const std::string& b) {
    const auto at = std::mismatch(a.begin(), a.end(), b.begin(), b.end()).first - a.begin();
    const auto line = a.rfind('\n', static_cast<std::size_t>(at) - 1) + 1;
    return a.substr(line, 200) + " became\n" + b.substr(line, 200);
}

struct fault_of_message {
    std::uint64_t id;
    std::int64_t message;
    std::string what;  ///< its name, and the host
    auto operator<=>(const fault_of_message&) const noexcept = default;
};

// A message each second, one way; and what befalls each.
std::set<fault_of_message> faults_of_messages(const sim::fault_plan& plan) {
    sim::world_options options;
    options.faults = plan;
    test::pair_of_hosts pair(
        options, [](bight::stream& peer) -> task<> { auto all = co_await test::read_all(peer); },
        [](bight::stream& peer) -> task<> {
            for (int i = 0; i < 50; ++i) {
                co_await peer.write(std::string(200, 'x'));
                co_await bight::sleep_for(1s);
            }
            co_await peer.close();
        });
    pair.world.run();
    std::set<fault_of_message> all;
    auto fault = pair.world.happened_faults().begin();
    for (const sim::trace_event& e : pair.world.trace().events()) {
        if (e.what == "fault")
            all.insert({(fault++)->id, e.at / 1s, std::string(e.text) + " at " + std::string(e.from)});
    }
    return all;
}

// For messages of the test.
std::string to_text(const std::set<fault_of_message>& faults) {
    std::vector<std::string> lines;
    for (const fault_of_message& f : faults) {
        lines.push_back(std::to_string(100 + f.message) + " " + f.what + " " + std::to_string(f.id) + "\n");
    }
    std::sort(lines.begin(), lines.end());
    return std::accumulate(lines.begin(), lines.end(), std::string());
}

}  // namespace

TEST_CASE("leaving a fault out changes nothing for hosts that have nothing to do with it") {
    const sim::fault_plan storm = sim::fault_plan::storm();
    const run_of_pairs whole(storm);
    REQUIRE(whole.faults.size() > 50);
    int of_first = 0;
    int of_second = 0;
    for (std::size_t i = 0; i < whole.faults.size(); i += 3) {
        const run_of_pairs without(sim::fault_plan(storm).suppress(whole.faults[i].id));
        INFO(i << ": " << name_of(whole.faults[i].kind) << "\n"
               << first_difference(whole.of_first, without.of_first) << "\n"
               << first_difference(whole.of_second, without.of_second));
        CHECK_FALSE(ids_of(without.faults).contains(whole.faults[i].id));
        const bool first_is_same = without.of_first == whole.of_first;
        const bool second_is_same = without.of_second == whole.of_second;
        CHECK((first_is_same || second_is_same));
        of_first += second_is_same ? 1 : 0;
        of_second += first_is_same ? 1 : 0;
    }
    CHECK(of_first > 5);
    CHECK(of_second > 5);
}

TEST_CASE("a kind of fault that is turned on changes nothing about when others happen") {
    sim::fault_plan plan;
    plan.set(sim::fault::small_segment, 0.3).set(sim::fault::slow_packet, 0.2);
    const auto before = faults_of_messages(plan);
    REQUIRE(before.size() > 10);
    plan.set(sim::fault::slow_name, 1).set(sim::fault::slow_turn, 0.5).set(sim::fault::interrupted_wait, 0.1);
    // No short writes, whose parts are other segments.
    plan.set(sim::fault::short_read, 0.5).set(sim::fault::late_timers, 0.5);
    std::set<std::uint64_t> after;
    for (const fault_of_message& f : faults_of_messages(plan)) after.insert(f.id);
    CHECK(after.size() > before.size() + 20);
    for (const fault_of_message& f : before) CHECK(after.contains(f.id));
}

TEST_CASE("leaving a fault of one message out leaves those of all others as they are, whatever its kind") {
    sim::fault_plan plan;
    plan.set(sim::fault::short_read, 0.3)
        .set(sim::fault::small_segment, 0.1)
        .set(sim::fault::slow_packet, 0.2);
    plan.set(sim::fault::slow_turn, 0.2).set(sim::fault::slow_completion, 0.1);
    plan.set(sim::fault::interrupted_wait, 0.1).set(sim::fault::false_readiness, 0.1);
    const auto whole = faults_of_messages(plan);
    REQUIRE(whole.size() > 50);
    const auto of_others = [](std::set<fault_of_message> all, std::int64_t message) {
        std::erase_if(all, [message](const fault_of_message& f) { return f.message == message; });
        return all;
    };
    for (const fault_of_message& f : whole) {
        const auto left = faults_of_messages(sim::fault_plan(plan).suppress(f.id));
        CHECK_FALSE(left.contains(f));
        INFO(f.what << " of message " << f.message);
        CHECK(to_text(of_others(left, f.message)) == to_text(of_others(whole, f.message)));
    }
}

TEST_CASE("only the faults that are allowed happen, each as in the whole run") {
    const sim::fault_plan storm = sim::fault_plan::storm();
    const run_of_pairs whole(storm);
    const run_of_pairs again(sim::fault_plan(storm).allow_only(ids_of(whole.faults)));
    CHECK(again.faults == whole.faults);
    CHECK(again.of_first == whole.of_first);
    CHECK(again.of_second == whole.of_second);
    CHECK(run_of_pairs(sim::fault_plan(storm).allow_only({})).faults.empty());
    const sim::happened_fault first = whole.faults.front();
    const run_of_pairs one(sim::fault_plan(storm).allow_only({first.id}));
    CHECK(one.faults == std::vector{first});
}
