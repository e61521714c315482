// The keepalive sample: its records, and the health of its clients, to the nanosecond.
#include "samples.hpp"

#include "support/catch.hpp"

#include <bight/sim/explore.hpp>
#include <bight/sim/memory_stream.hpp>
#include <bight/sim/random.hpp>
#include <bight/sim/world.hpp>

#include <chrono>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

using namespace std::chrono_literals;
using namespace std::string_literals;
using bight::task;
using keepalive_sample::record;
namespace sim = bight::sim;

namespace {

constexpr bight::duration keepalive_period = 10s;
const std::string keepalive_server = "tcp:server:7070";

task<> keepalive_servers() {
    return bight::serve("tcp:7070", keepalive_sample::look_after, bight::duration(keepalive_period));
}

task<> keepalive_client() { return keepalive_sample::keep(keepalive_server, keepalive_period); }

// What a server answers to these bytes, as the documented layout has it: another reading of it than the
// sample's.
std::string answers_to(std::string_view bytes) {
    const auto byte = [&](std::size_t at) { return static_cast<unsigned char>(bytes[at]); };
    std::string answers;
    while (bytes.size() >= 2) {
        const std::size_t size = byte(0) * 256U + byte(1);
        if (size < 14 || size > 1024 || bytes.size() < 2 + size) break;
        if (byte(2) == 0 && byte(3) == 1) answers += "\0\x0e"s + std::string(bytes.substr(2, 14));
        bytes.remove_prefix(2 + size);
    }
    return answers;
}

// Records as a peer may send them: mostly good ones, some longer, some of another kind, and sometimes
// rubbish.
std::string random_bytes_of_a_peer(sim::random_source& random) {
    std::string bytes;
    const auto any = [&](std::size_t count) {
        for (std::size_t i = 0; i < count; ++i) bytes += static_cast<char>(random.below(256));
    };
    for (std::uint64_t i = random.below(6); i > 0; --i) {
        if (random.below(8) == 0) {
            any(random.below(40));
            continue;
        }
        const std::size_t size = random.below(3) > 0 ? 14 : 14 + random.below(1100);
        bytes += static_cast<char>(size >> 8);
        bytes += static_cast<char>(size & 0xff);
        bytes += '\0';
        bytes += static_cast<char>(random.below(4) > 0 ? 1 : random.below(256));
        any(size - 2);
    }
    if (random.below(4) == 0) bytes.resize(bytes.size() - random.below(bytes.size() + 1));
    return bytes;
}

}  // namespace

TEST_CASE("keepalive: a record is the same bytes on every machine, and they are the same record again") {
    const record r{0x0102, 0x03040506, 0x0708090a0b0c0d0e};
    const bight::framing framed = keepalive_sample::records();
    const std::string bytes = framed.encode(keepalive_sample::encoded(r));
    CHECK(bytes == "\x00\x0e\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e"s);
    const record most{0xffff, 0xffffffff, 0xffffffffffffffff};
    CHECK(keepalive_sample::encoded(most) == std::string(14, '\xff'));
    bight::virtual_clock time;
    bight::reactor_options options;
    options.clock = &time;
    bight::reactor home(options);
    sim::random_source random(1);
    auto pair = sim::memory_pair(home, sim::memory_options(sim::memory_direction()));
    home.run([](bight::stream& to, bight::stream& from, sim::random_source& numbers) -> task<> {
        bight::frame_reader reader(from, keepalive_sample::records());
        bight::frame_writer writer(to, keepalive_sample::records());
        for (int i = 0; i < 1000; ++i) {
            const record sent{numbers.below(0x10000), numbers.below(0x100000000), numbers.next()};
            co_await writer.write(keepalive_sample::encoded(sent));
            const std::optional<record> got = co_await keepalive_sample::next(reader);
            CHECK(got == sent);
        }
    }(pair.first, pair.second, random));
}

TEST_CASE(
    "keepalive: whatever a peer sends, however it is cut, its good records are answered, and nothing else") {
    for (std::uint64_t seed = 1; seed <= 2000; ++seed) {
        CAPTURE(seed);
        sim::random_source random(seed);
        const std::string bytes = random_bytes_of_a_peer(random);
        bight::virtual_clock time;
        bight::reactor_options options;
        options.clock = &time;
        bight::reactor home(options);
        sim::memory_direction cut;
        cut.reads = sim::chunking::random(seed, 20);
        auto [peer, served] = sim::memory_pair(home, sim::memory_options(cut));
        std::string answers;
        auto talk = [&](bight::stream& to) -> task<> {
            co_await to.write(bytes);
            (void)co_await bight::as_result(to.shutdown_write());
            for (;;) {
                const auto some = co_await bight::as_result(to.read_some());
                if (!some || !*some) break;
                answers += some->view();
            }
        };
        auto both = [&](bight::stream one, bight::stream other) -> task<> {
            co_await bight::when_all(talk(one), keepalive_sample::look_after(1h, std::move(other)));
        };
        home.run(both(std::move(peer), std::move(served)));
        CHECK(answers == answers_to(bytes));
        CHECK(time.elapsed() < 1h);
    }
}

TEST_CASE("keepalive: a dead client is let go two periods after its last record, and the living stay") {
    sim::world_options options;
    options.link = {0ns, 0ns, 0ns, 0};
    sim::world w(1, options);
    sim::host& server = w.add("server");
    server.on_boot(keepalive_servers);
    std::vector<sim::host*> clients;
    for (int i = 0; i < 20; ++i) clients.push_back(&w.add("client" + std::to_string(i)));
    for (sim::host* c : clients) c->run(keepalive_client);
    CHECK_FALSE(w.run_for(2h + 1s));
    CHECK(server.sockets() == 1 + clients.size());
    // They have sent their last records a second ago.
    for (int i = 0; i < 5; ++i) clients[static_cast<std::size_t>(i)]->crash();
    CHECK_FALSE(w.run_for(2 * keepalive_period - 1s - 50ms));
    CHECK(server.sockets() == 1 + clients.size());
    CHECK_FALSE(w.run_for(100ms));  // each has looked the name up for a few ms
    CHECK(server.sockets() == 1 + clients.size() - 5);
}

TEST_CASE(
    "keepalive: a client notices that its server is dead, at the latest two periods after its next record") {
    sim::world_options options;
    options.link = {0ns, 0ns, 0ns, 0};
    sim::world w(1, options);
    sim::host& server = w.add("server");
    server.on_boot(keepalive_servers);
    std::optional<bight::duration> noticed;
    w.add("client").run([&]() -> task<> {
        const auto end = co_await bight::as_result(keepalive_client());
        CHECK(end.error() == bight::errc::timed_out);
        noticed = w.elapsed();
    });
    CHECK_FALSE(w.run_for(25s));
    server.crash();
    w.run();
    REQUIRE(noticed);
    CHECK(*noticed >= 30s + 2 * keepalive_period);
    CHECK(*noticed < 31s + 2 * keepalive_period);
}

TEST_CASE("keepalive: after a storm the server has a connection for each client, and none for the dead") {
    sim::explore_options options;
    options.seeds = 40;
    options.name = "keepalive";
    options.world.faults = sim::fault_plan::storm();
    const auto result = sim::explore(
        [](sim::world& w) {
            sim::host& server = w.add("server");
            server.on_boot(keepalive_servers);
            constexpr std::size_t clients = 4;
            for (std::size_t i = 0; i < clients; ++i) {
                w.add("client" + std::to_string(i)).on_boot([]() -> task<> {
                    for (;;) {
                        try {
                            co_await keepalive_client();
                        } catch (const std::exception&) {
                        }
                        co_await bight::sleep_for(1s);
                    }
                });
            }
            w.run_for(5min);
            w.heal(sim::half_open_peers::stay);
            w.run_for(5 * keepalive_period);
            if (server.sockets() != 1 + clients)
                throw std::runtime_error(std::to_string(server.sockets()) + " sockets at the server");
        },
        options);
    CHECK(result.ok());
}
