// Connections one end of which is gone, and the other does not know: who is told, by what, and what heal
// does.
#include "faulty.hpp"
#include "tcp_patience.hpp"

#include "support/catch.hpp"

#include <bight/bight.hpp>
#include <bight/sim/invariant.hpp>
#include <bight/sim/latency_after_heal.hpp>
#include <bight/sim/world.hpp>

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

using namespace std::chrono_literals;
using bight::stream;
using bight::task;
using test::patience_of_reader;
using test::patience_of_sender;
using test::unread_text;
using test::until_probe;
namespace sim = bight::sim;

namespace {

// How a call ended, and when.
struct ending {
    bool ended = false;
    std::error_code error;
    bight::duration at{};
};

task<> read_to_the_end(sim::world& w, stream& peer, ending& into) {
    std::string got;
    into.error = co_await test::read_until_error(peer, got);
    into.ended = true;
    into.at = w.elapsed();
}

// A server that writes until it gives up, and a client that had asked it to; the client is at `begin_again`
// when the server is gone and the link is whole.
class given_up {
  public:
    explicit given_up(test::conversation begin_again) : then_(std::move(begin_again)) {
        server_.on_boot([this] {
            return bight::serve("tcp:7000", [this](stream peer) -> task<> {
                auto asked = co_await peer.read_some();
                for (;;) {
                    auto written = co_await bight::as_result(peer.write(unread_text));
                    if (!written) server_error = written.error();
                    if (!written) co_return;
                }
            });
        });
        client_.run([this]() -> task<> {
            stream peer = co_await bight::connect("tcp:server:7000");
            co_await peer.write("go");
            co_await bight::sleep_for(2000s);
            co_await then_(peer);
        });
        world.run_for(1s);
        world.cut(server_, client_);
        world.run_for(1500s);
        REQUIRE(server_error == std::errc::timed_out);
    }
    void mend() { world.mend(server_, client_); }

  private:
    test::conversation then_;

  public:
    std::error_code server_error;
    sim::world world{1};

  private:
    sim::host& server_ = world.add("server");
    sim::host& client_ = world.add("client");
};

}  // namespace

TEST_CASE("an end that reaches a peer which has given up is answered with a reset") {
    ending seen;
    std::optional<given_up> between;
    between.emplace([&](stream& peer) -> task<> {
        co_await peer.shutdown_write();
        co_await read_to_the_end(between->world, peer, seen);
    });
    between->mend();
    CHECK(between->world.run_for(1h));
    CHECK(seen.ended);
    CHECK(seen.error == std::errc::connection_reset);
    CHECK(seen.at < 2001s);
}

TEST_CASE("a keep-alive probe that reaches a peer which has given up is answered with a reset") {
    ending seen;
    std::optional<given_up> between;
    between.emplace([&](stream& peer) -> task<> {
        peer.set_keep_alive(true);
        co_await read_to_the_end(between->world, peer, seen);
    });
    between->mend();
    CHECK(between->world.run_for(5h));
    CHECK(seen.ended);
    CHECK(seen.error == std::errc::connection_reset);
    CHECK(seen.at <= 2000s + until_probe + 1s);
}

TEST_CASE("who only reads from a peer that has given up is told when the world is healed") {
    ending seen;
    std::optional<given_up> between;
    between.emplace([&](stream& peer) -> task<> { co_await read_to_the_end(between->world, peer, seen); });
    between->world.heal();
    CHECK(between->world.run_for(1h));
    CHECK(seen.error == std::errc::connection_reset);
}

TEST_CASE("who waits for room at a peer that has given up is told that it is gone") {
    ending seen;
    sim::world w(1);
    sim::host& server = w.add("server");
    sim::host& client = w.add("client");
    std::error_code server_error;
    server.on_boot([&] {
        return bight::serve("tcp:7000", [&](stream peer) -> task<> {
            co_await bight::sleep_for(10s);
            co_await peer.write("x");
            co_await bight::sleep_for(1000s);  // and reads nothing
            auto written = co_await bight::as_result(peer.write("x"));
            server_error = written.error();
            co_await bight::sleep_for(10h);
        });
    });
    client.run([&]() -> task<> {
        stream peer = co_await bight::connect("tcp:server:7000");
        auto written = co_await bight::as_result(peer.write(unread_text));
        seen = {true, written.error(), w.elapsed()};
    });
    w.run_for(1s);
    client.pause(1500s);
    w.run_for(1400s);
    CHECK(server_error == std::errc::timed_out);
    CHECK_FALSE(seen.ended);
    CHECK(w.run_for(1h));
    CHECK(seen.error == std::errc::connection_reset);
    CHECK(seen.at < 1600s);
}

namespace {

struct half_open_world {
    // A connection of which nothing arrives any more, on both hosts of which somebody is at it.
    half_open_world(test::conversation server, test::conversation client) {
        between.emplace(
            sim::world_options{},
            [server](stream& peer) -> task<> {
                auto hello = co_await peer.read_some();
                co_await server(peer);
            },
            [client, this](stream& peer) -> task<> {
                co_await peer.write("hello");
                co_await bight::sleep_for(1s);
                between->world.set_faults(sim::fault_plan().set(sim::fault::silence, 1));
                co_await peer.write("lost");
                between->world.set_faults({});
                co_await client(peer);
            });
        between->world.run_for(2s);
        REQUIRE(between->world.count(sim::fault::silence) == 1);
    }
    std::optional<test::pair_of_hosts> between;
};

}  // namespace

TEST_CASE("heal resets half-open connections, or leaves them to TCP") {
    ending reader;
    ending watchful;
    ending writer;
    std::optional<half_open_world> of_reader;
    std::optional<half_open_world> of_watchful;
    of_reader.emplace(
        [&](stream& peer) -> task<> { co_await read_to_the_end(of_reader->between->world, peer, reader); },
        [&](stream& peer) -> task<> { co_await read_to_the_end(of_reader->between->world, peer, writer); });
    of_watchful.emplace(
        [&](stream& peer) -> task<> {
            peer.set_keep_alive(true);
            co_await read_to_the_end(of_watchful->between->world, peer, watchful);
        },
        [&](stream&) -> task<> { co_return; });
    SECTION("resets them") {
        for (auto* const which : {&of_reader, &of_watchful}) {
            (*which)->between->world.heal();
            (*which)->between->world.run_for(1s);
        }
        for (const ending* const seen : {&reader, &watchful, &writer}) {
            CHECK(seen->error == std::errc::connection_reset);
        }
    }
    SECTION("leaves them") {
        for (auto* const which : {&of_reader, &of_watchful}) {
            sim::world& w = (*which)->between->world;
            w.heal(sim::half_open_peers::stay);
            CHECK(w.healed_at() == w.elapsed());
            w.run_for(100h);
        }
        CHECK_FALSE(reader.ended);  // nobody tells it
        CHECK(writer.error == std::errc::timed_out);
        CHECK(writer.at <= 2s + patience_of_sender);
        CHECK(watchful.error == std::errc::timed_out);
        CHECK(watchful.at > until_probe);
        CHECK(watchful.at <= 2s + patience_of_reader);
    }
}

TEST_CASE("of a host that has crashed heal resets the connections, or its peers find out") {
    for (const bool stay : {false, true}) {
        CAPTURE(stay);
        ending reader;
        ending writer;
        sim::world w(1);
        sim::host& server = w.add("server");
        server.on_boot([] {
            return bight::serve("tcp:7000", [](stream peer) -> task<> {
                while (auto data = co_await peer.read_some()) co_await peer.write(data);
            });
        });
        w.add("reader").on_boot([&]() -> task<> {
            stream peer = co_await bight::connect("tcp:server:7000");
            co_await read_to_the_end(w, peer, reader);
        });
        w.add("writer").on_boot([&]() -> task<> {
            stream peer = co_await bight::connect("tcp:server:7000");
            co_await bight::sleep_for(10s);
            const auto written = co_await bight::as_result(peer.write("x"));
            if (written) co_await read_to_the_end(w, peer, writer);
            if (!written) writer.error = written.error();
        });
        w.run_for(1s);
        server.crash();
        w.heal(stay ? sim::half_open_peers::stay : sim::half_open_peers::reset);
        w.run_for(5s);
        CHECK(reader.ended == !stay);
        CHECK(writer.ended == false);
        w.run_for(10h);
        CHECK(reader.ended == !stay);
        CHECK(writer.error == std::errc::connection_reset);
    }
}

namespace {

// Its lock is held until the peer has said that it has its answer.
struct desk {
    bight::mutex lock{};
    bool has_time_out = false;
};

task<> serve_at(desk& all, stream peer) {
    bight::line_reader lines(peer);
    while (auto question = co_await lines.next()) {
        auto held = co_await all.lock.lock();
        co_await peer.write("answer\r\n");
        if (all.has_time_out) {
            const bool thanked = static_cast<bool>(co_await bight::try_with_timeout(lines.next(), 20s));
            if (!thanked) co_return;
        } else {
            auto thanks = co_await lines.next();
        }
    }
}

task<> ask_at_desk(sim::world& w, bool in_silence) {
    stream peer = co_await bight::connect("tcp:server:7000");
    bight::line_reader lines(peer);
    co_await peer.write("question\r\n");
    auto answer = co_await lines.next();
    if (in_silence) w.set_faults(sim::fault_plan().set(sim::fault::silence, 1));
    co_await peer.write("thanks\r\n");
    if (in_silence) w.set_faults({});
    if (in_silence) co_await bight::sleep_for(100h);
}

// Whether somebody else is served within 30 s of the healing.
bool answers_after(bool has_time_out, sim::half_open_peers then) {
    desk all;
    all.has_time_out = has_time_out;
    sim::world w(1);
    sim::latency_after_heal quick(w, 30s);
    w.add("server").on_boot([&] { return bight::serve("tcp:7000", serve_at, std::ref(all)); });
    w.add("silent").on_boot([&w] { return ask_at_desk(w, true); });
    w.run_for(1s);
    REQUIRE(w.count(sim::fault::silence) == 1);
    auto wait = quick.begin("the answer");
    w.heal(then);
    w.add("other").on_boot([&]() -> task<> {
        co_await ask_at_desk(w, false);
        wait.ended();
    });
    w.run_for(60s);
    try {
        quick.check();
        w.run_for(1s);
    } catch (const sim::invariant_broken&) {
        return false;
    }
    return true;
}

}  // namespace

TEST_CASE("a time-out that was forgotten under a lock is found where half-open peers stay, and only there") {
    CHECK(answers_after(true, sim::half_open_peers::reset));
    CHECK(answers_after(true, sim::half_open_peers::stay));
    CHECK(answers_after(false, sim::half_open_peers::reset));
    CHECK_FALSE(answers_after(false, sim::half_open_peers::stay));
}
