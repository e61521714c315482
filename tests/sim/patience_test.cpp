// What TCP does about a peer that does not answer: who gives up, when, and who does not.
#include "faulty.hpp"
#include "tcp_patience.hpp"

#include "support/catch.hpp"

#include <bight/bight.hpp>
#include <bight/sim/world.hpp>

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <system_error>
#include <utility>

using namespace std::chrono_literals;
using bight::stream;
using bight::task;
using test::patience_of_reader;
using test::patience_of_sender;
using test::read_all;
using test::unread_text;
namespace sim = bight::sim;

namespace {

// A server that is out of reach, one way or another.
struct misfortune {
    const char* name;
    void (*begins)(sim::world&, sim::host& server, sim::host& client);
    void (*ends)(sim::world&, sim::host& server, sim::host& client);
};

void mend(sim::world& w, sim::host& server, sim::host& client) { w.mend(server, client); }
void heal(sim::world& w, sim::host&, sim::host&) { w.heal(); }

const misfortune misfortunes[] = {
    {"crashed", [](sim::world&, sim::host& server, sim::host&) { server.crash(); }, heal},
    {"cut", [](sim::world& w, sim::host& server, sim::host& client) { w.cut(server, client); }, mend},
    {"does not hear",
     [](sim::world& w, sim::host& server, sim::host& client) { w.cut_one_way(client, server); }, mend},
    {"is not heard",
     [](sim::world& w, sim::host& server, sim::host& client) { w.cut_one_way(server, client); }, mend},
    {"paused", [](sim::world&, sim::host& server, sim::host&) { server.pause(50h); }, heal},
};

using half = std::function<task<>(stream&)>;

// A server and a client that are connected, a second into their conversation.
class conversation {
  public:
    conversation(half server, half client, std::uint64_t seed = 1)
        : serves_(std::move(server)), asks_(std::move(client)), world_(seed, options()) {
        server_.on_boot([this] {
            return bight::serve("tcp:7000", [this](stream peer) -> task<> { co_await serves_(peer); });
        });
        client_.run([this]() -> task<> {
            stream peer = co_await bight::connect("tcp:server:7000");
            co_await asks_(peer);
        });
        world_.run_for(1s);
    }
    void begin(const misfortune& m) { m.begins(world_, server_, client_); }
    void end(const misfortune& m) { m.ends(world_, server_, client_); }
    sim::world& world() { return world_; }
    sim::host& server() { return server_; }

  private:
    static sim::world_options options() {
        sim::world_options chosen;
        chosen.limit = 100h;
        return chosen;
    }

    half serves_;
    half asks_;
    sim::world world_;
    sim::host& server_ = world_.add("server");
    sim::host& client_ = world_.add("client");
};

task<> read_it_all(stream& peer) { auto all = co_await read_all(peer); }
task<> never_read(stream&) { co_await bight::sleep_for(90h); }

}  // namespace

TEST_CASE("who writes to a peer that is out of reach is told after tcp_retries2, however little he wrote") {
    for (const misfortune& m : misfortunes) {
        for (const bool large : {false, true}) {
            CAPTURE(m.name, large);
            std::error_code error;
            bight::duration after{};
            conversation between(read_it_all, [&](stream& peer) -> task<> {
                co_await bight::sleep_for(10s);
                const bight::time_point start = bight::reactor::current()->now();
                const std::string text = large ? unread_text : "x";
                auto written = co_await bight::as_result(peer.write(text));
                if (large) {
                    error = written.error();
                } else {
                    CHECK(written.has_value());
                    auto answer = co_await bight::as_result(peer.read_some());
                    error = answer.error();
                }
                after = bight::reactor::current()->now() - start;
            });
            between.begin(m);
            between.world().run();
            CHECK(error == std::errc::timed_out);
            CHECK(after == patience_of_sender);
        }
    }
}

TEST_CASE("who waits for room is told as well, if its peer cannot be reached, and only then") {
    for (const misfortune& m : misfortunes) {
        CAPTURE(m.name);
        std::error_code error;
        bight::duration at{};
        conversation between(never_read, [&](stream& peer) -> task<> {
            auto written = co_await bight::as_result(peer.write(unread_text));
            error = written.error();
            at = between.world().elapsed();
        });
        between.world().run_for(2h);  // it is only slow
        CHECK_FALSE(error);
        between.begin(m);
        between.world().run();
        CHECK(error == std::errc::timed_out);
        CHECK(at == 2h + 1s + patience_of_sender);
    }
}

TEST_CASE("a peer that is back in time gets everything, and nobody is told") {
    for (const misfortune& m : misfortunes) {
        CAPTURE(m.name);
        const bool gone = std::string(m.name) == "crashed";
        std::string got;
        std::error_code error;
        conversation between([&](stream& peer) -> task<> { got = co_await read_all(peer); },
                             [&](stream& peer) -> task<> {
                                 co_await bight::sleep_for(1s);
                                 auto written = co_await bight::as_result(peer.write(unread_text));
                                 error = written.error();
                                 if (!error) co_await peer.close();
                             });
        between.begin(m);
        between.world().run_for(900s);
        CHECK_FALSE(error);
        between.end(m);
        between.world().run();
        between.world().run_for(1min);
        if (gone) {
            CHECK(error == std::errc::connection_reset);
            CHECK(got.empty());
        } else {
            CHECK(!error);
            CHECK((got == unread_text));
        }
    }
}

TEST_CASE("what a sender gave up never arrives, and its peer is told when it writes") {
    std::string got;
    std::error_code told;
    bool written = false;
    conversation between(
        [&](stream& peer) -> task<> {
            const auto first = co_await bight::try_with_timeout(peer.read_some(), 1h);
            if (first) got += first->view();
            while (!told) {
                auto answer = co_await bight::as_result(peer.write("are you there?"));
                if (!answer) told = answer.error();
                co_await bight::sleep_for(1s);
            }
        },
        [&](stream& peer) -> task<> {
            co_await bight::sleep_for(10s);
            co_await peer.write("x");
            auto answer = co_await bight::as_result(peer.read_some());
            written = true;
            CHECK(answer.error() == std::errc::timed_out);
        });
    between.begin(misfortunes[1]);
    between.world().run();
    CHECK(written);
    between.end(misfortunes[1]);
    between.world().run_for(2h);
    CHECK(got.empty());
    CHECK(told == std::errc::connection_reset);
}

TEST_CASE("who only reads waits for ever; with keep-alive it is told after its probes") {
    for (const misfortune& m : misfortunes) {
        CAPTURE(m.name);
        std::error_code error;
        bight::duration at{};
        conversation between(never_read, [&](stream& peer) -> task<> {
            peer.set_keep_alive(true);
            auto read = co_await bight::as_result(peer.read_some());
            error = read.error();
            at = between.world().elapsed();
        });
        between.world().run_for(3h);  // probes are answered
        CHECK_FALSE(error);
        between.begin(m);
        between.world().run();
        CHECK(error == std::errc::timed_out);
        CHECK(at > 3h);
        CHECK(at <= 3h + 1s + patience_of_reader);
    }
    conversation without(
        never_read, [](stream& peer) -> task<> { auto read = co_await bight::as_result(peer.read_some()); });
    without.begin(misfortunes[0]);
    CHECK_THROWS_AS(without.world().run(), bight::deadlock);
}

TEST_CASE("with keep-alive, who only reads learns that its peer has started anew") {
    std::error_code error;
    bight::duration at{};
    conversation between(never_read, [&](stream& peer) -> task<> {
        peer.set_keep_alive(true);
        auto read = co_await bight::as_result(peer.read_some());
        error = read.error();
        at = between.world().elapsed();
    });
    between.server().restart();
    between.world().run();
    CHECK(error == std::errc::connection_reset);
    CHECK(at > 1h);
    CHECK(at <= 3h);
}

TEST_CASE("keep-alive keeps nothing going: that two wait for each other is a deadlock") {
    conversation between(
        [](stream& peer) -> task<> {
            peer.set_keep_alive(true);
            auto read = co_await peer.read_some();
        },
        [](stream& peer) -> task<> {
            peer.set_keep_alive(true);
            auto read = co_await peer.read_some();
        });
    CHECK_THROWS_AS(between.world().run(), bight::deadlock);
}

TEST_CASE("a host that stands still answers nothing until it goes on, and the longer pause counts") {
    sim::world w(1);
    sim::host& server = w.add("server");
    server.on_boot(
        [] { return bight::serve("tcp:7000", [](stream peer) -> task<> { co_await read_it_all(peer); }); });
    bight::duration connected{};
    w.add("client").run([&]() -> task<> {
        co_await bight::sleep_for(1s);
        bight::connect_options patient;
        patient.timeout = 1h;
        stream peer = co_await bight::connect("tcp:server:7000", patient);
        connected = w.elapsed();
    });
    w.run_for(500ms);
    server.pause(100s);
    server.pause(1ms);
    w.run();
    CHECK(connected >= 100500ms);
    CHECK(connected < 102s);
}

TEST_CASE("what arrives while a host stands still arrives in its order, and heal ends the pause") {
    std::string text;
    for (int i = 0; i < 300; ++i) text += std::to_string(i) + " ";
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        CAPTURE(seed);
        std::string got;
        sim::world_options options = test::with(sim::fault::pause, 0.05);
        options.faults.set(sim::fault::small_segment, 0.5);
        sim::world w(seed, options);
        sim::host& server = w.add("server");
        server.on_boot([&] {
            return bight::serve("tcp:7000", [&](stream peer) -> task<> { got = co_await read_all(peer); });
        });
        w.add("client").run([&]() -> task<> {
            co_await bight::sleep_for(1min);  // it listens by then, however often it is paused
            stream peer = co_await bight::connect("tcp:server:7000");
            for (std::size_t i = 0; i < text.size(); i += 50) {
                co_await peer.write(text.substr(i, 50));
                co_await bight::sleep_for(300ms);
            }
            co_await peer.close();
            co_await bight::sleep_for(1min);
        });
        w.run_for(63s);
        server.pause(20h);
        w.run_for(3s);
        w.heal();
        w.run();
        CHECK(got == text);
    }
}
