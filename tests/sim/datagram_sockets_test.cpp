// Sockets of datagrams on simulated hosts: what the network does to them.
#include "support/catch.hpp"
#include "support/error_of.hpp"

#include <bight/bight.hpp>
#include <bight/net/datagram_socket.hpp>
#include <bight/sim/world.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <string>
#include <vector>

using namespace std::chrono_literals;
using bight::address;
using bight::datagram_socket;
using bight::task;
namespace sim = bight::sim;

namespace {

sim::world_options with(const sim::fault_plan& faults) {
    sim::world_options options;
    options.faults = faults;
    return options;
}

sim::fault_plan harsh() {
    return sim::fault_plan()
        .set(sim::fault::lost_datagram, 0.2)
        .set(sim::fault::repeated_datagram, 0.2)
        .set(sim::fault::late_datagram, 0.2)
        .set(sim::fault::slow_completion, 0.1)
        .set(sim::fault::late_cancel, 0.2)
        .set(sim::fault::false_readiness, 0.1);
}

task<> echo() {
    datagram_socket s = datagram_socket::bind("udp:7");
    std::array<char, 2000> memory{};
    for (;;) {
        const auto got = co_await s.receive_from(memory);
        co_await s.send_to(got.from, std::string_view(memory.data(), got.size));
    }
}

task<> collect(std::vector<std::string>& into) {
    datagram_socket s = datagram_socket::bind("udp:9");
    std::array<char, 2000> memory{};
    for (;;) {
        const auto got = co_await s.receive_from(memory);
        into.emplace_back(memory.data(), got.size);
    }
}

// Sends "0", "1", … to the port 9 of a host.
task<> send_numbers(std::string to, int count, bight::duration between) {
    datagram_socket s = co_await datagram_socket::connect("udp:" + to + ":9");
    for (int i = 0; i < count; ++i) {
        co_await s.send(std::to_string(i));
        co_await bight::sleep_for(between);
    }
}

std::vector<std::string> received_with(const sim::fault_plan& faults, int count, bight::duration between) {
    std::vector<std::string> got;
    sim::world w(1, with(faults));
    w.add("server").on_boot([&] { return collect(got); });
    w.add("client").run([&]() -> task<> { co_await send_numbers("server", count, between); });
    CHECK(w.run_for(1h));
    w.run_for(10s);
    return got;
}

// Asks until it is answered: over UDP there is no other way.
task<std::string> ask(std::string server, std::string question) {
    datagram_socket s = co_await datagram_socket::connect("udp:" + server + ":7");
    std::array<char, 2000> memory{};
    const auto answer_to = [&](std::string_view asked) -> task<std::string> {
        for (;;) {
            const auto got = co_await bight::as_result(s.receive_from(memory));
            if (!got) continue;  // nobody is there yet
            const std::string text(memory.data(), got->size);
            if (text == asked) co_return text;
        }
    };
    for (;;) {
        co_await s.send(question);
        const auto answer = co_await bight::try_with_timeout(answer_to(question), 300ms);
        if (answer) co_return *answer;
    }
}

}  // namespace

TEST_CASE("datagrams go from host to host by name, and say where they come from") {
    sim::world w(1);
    w.add("server", "10.0.0.1").on_boot([] { return echo(); });
    w.add("client", "10.0.0.2").run([&]() -> task<> {
        datagram_socket s = co_await datagram_socket::connect("udp:server:7");
        CHECK(s.peer() == address::from_ip("10.0.0.1", 7));
        CHECK(s.local().host() == "10.0.0.2");
        std::array<char, 100> memory{};
        co_await s.send("hello");
        const auto got = co_await s.receive_from(memory);
        CHECK(std::string(memory.data(), got.size) == "hello");
        CHECK(got.from == s.peer());
        CHECK(got.to == s.local());
        CHECK(got.interface_index == 2);
    });
    CHECK(w.run_for(1h));
}

TEST_CASE("without faults each datagram arrives once, in order when they are apart") {
    const auto got = received_with({}, 5, 10ms);
    CHECK(got == std::vector<std::string>{"0", "1", "2", "3", "4"});
}

TEST_CASE("lost datagrams do not come, repeated ones come twice, late ones after others") {
    CHECK(received_with(sim::fault_plan().set(sim::fault::lost_datagram, 1), 5, 10ms).empty());
    CHECK(received_with(sim::fault_plan().set(sim::fault::repeated_datagram, 1), 2, 10ms) ==
          std::vector<std::string>{"0", "0", "1", "1"});
    auto late = received_with(sim::fault_plan().set(sim::fault::late_datagram, 0.3), 30, 10ms);
    CHECK(late.size() == 30);
    CHECK_FALSE(std::ranges::is_sorted(late, {}, [](const std::string& s) { return std::stoi(s); }));
}

TEST_CASE("a question is asked until it is answered, whatever the network does, in every seed") {
    for (std::uint64_t seed = 1; seed <= 40; ++seed) {
        CAPTURE(seed);
        sim::world_options options;
        options.personality = sim::personality::by_seed;
        options.faults = harsh();
        sim::world w(seed, options);
        w.add("server").on_boot([] { return echo(); });
        int answered = 0;
        for (int i = 0; i < 3; ++i) {
            w.add("client" + std::to_string(i)).run([&answered, i]() -> task<> {
                for (int n = 0; n < 5; ++n) {
                    const std::string question = std::to_string(i) + "." + std::to_string(n);
                    const std::string answer = co_await ask("server", question);
                    CHECK(answer == question);
                    ++answered;
                }
            });
        }
        CHECK(w.run_for(1h));
        CHECK(answered == 15);
    }
}

TEST_CASE("a host that has no such port refuses; one that is down, cut off, or nowhere is silent") {
    sim::world w(1);
    sim::host& server = w.add("server", "10.0.0.1");
    sim::host& client = w.add("client", "10.0.0.2");
    std::vector<std::string> told;
    client.run([&]() -> task<> {
        std::array<char, 100> memory{};
        const auto outcome = [&](datagram_socket& s) -> task<std::string> {
            co_await s.send("x");
            const auto got = co_await bight::try_with_timeout(bight::as_result(s.receive_from(memory)), 1s);
            if (!got) co_return "silence";
            co_return got->error() == std::errc::connection_refused ? "refused" : "an answer";
        };
        datagram_socket there = co_await datagram_socket::connect("udp:10.0.0.1:7");
        datagram_socket nowhere = co_await datagram_socket::connect("udp:10.9.9.9:7");
        told.push_back(co_await outcome(there));
        told.push_back(co_await outcome(nowhere));
        w.cut(server, client);
        told.push_back(co_await outcome(there));
        w.mend(server, client);
        co_await bight::sleep_for(1s);
        server.crash();
        told.push_back(co_await outcome(there));
        server.restart();
        told.push_back(co_await outcome(there));
    });
    CHECK(w.run_for(1h));
    CHECK(told == std::vector<std::string>{"refused", "silence", "silence", "silence", "refused"});
}

TEST_CASE("what does not fit into a receive buffer is lost, and the rest arrives") {
    sim::world w(1);
    std::size_t came = 0;
    w.add("server").on_boot([&]() -> task<> {
        datagram_socket s = datagram_socket::bind("udp:9:receive_buffer=20000");
        co_await bight::sleep_for(1s);
        std::array<char, 2000> memory{};
        for (;;) {
            (void)co_await s.receive_from(memory);
            ++came;
        }
    });
    w.add("client").run([&]() -> task<> {
        datagram_socket s = co_await datagram_socket::connect("udp:server:9");
        for (int i = 0; i < 100; ++i) co_await s.send(std::string(1000, 'x'));
        co_await bight::sleep_for(2s);
        const std::size_t before = came;
        CHECK(before > 5);
        CHECK(before < 50);
        co_await s.send("later");
        co_await bight::sleep_for(1s);
        CHECK(came == before + 1);
    });
    CHECK(w.run_for(1h));
}

TEST_CASE("a socket is gone with its host, and its port is free when the host starts again") {
    sim::world w(1);
    sim::host& server = w.add("server");
    server.on_boot([] { return echo(); });
    int answered = 0;
    w.add("client").run([&]() -> task<> {
        for (int i = 0; i < 3; ++i) {
            const std::string answer = co_await ask("server", std::to_string(i));
            CHECK(answer == std::to_string(i));
            ++answered;
            server.restart();
        }
    });
    CHECK(w.run_for(1h));
    CHECK(answered == 3);
}

TEST_CASE("UDP has ports of its own, beside those of TCP") {
    sim::world w(1);
    w.add("host").run([]() -> task<> {
        const bight::listener tcp = bight::listen("tcp:7");
        datagram_socket udp = datagram_socket::bind("udp:7");
        CHECK(udp.local().port() == tcp.local().port());
        const auto taken = [] {
            try {
                const datagram_socket second = datagram_socket::bind("udp:7");
                return std::error_code();
            } catch (const std::system_error& e) {
                return e.code();
            }
        }();
        CHECK(taken == std::errc::address_in_use);
        co_return;
    });
    CHECK(w.run_for(1h));
}

TEST_CASE("the same seed has the same history of datagrams") {
    const auto history = [](std::uint64_t seed) {
        std::vector<std::string> got;
        sim::world w(seed, with(harsh()));
        w.add("server").on_boot([&] { return collect(got); });
        w.add("client").run([]() -> task<> { co_await send_numbers("server", 50, 1ms); });
        w.run_for(1h);
        return got;
    };
    CHECK(history(3) == history(3));
    CHECK(history(3) != history(4));
}

TEST_CASE(
    "a socket with a peer that is closed at any time has sent some of several, or is closed, in every seed") {
    int sent_some = 0;
    for (std::uint64_t seed = 1; seed <= 200; ++seed) {
        CAPTURE(seed);
        sim::world_options options;
        options.personality = sim::personality::by_seed;
        options.faults = harsh();
        sim::world w(seed, options);
        w.add("server").on_boot([] { return echo(); });
        w.add("client").run([&]() -> task<> {
            datagram_socket s = co_await datagram_socket::connect("udp:server:7");
            const std::array<bight::outgoing_datagram, 3> all{{{{}, "one"}, {{}, "two"}, {{}, "three"}}};
            auto both = [&](bight::group& g) -> task<> {
                g.spawn([&]() -> task<> {
                    const auto sent = co_await bight::as_result(s.send_many(all));
                    CHECK((sent ? *sent >= 1 : sent.error() == bight::errc::closed));
                    if (sent) ++sent_some;
                });
                for (std::uint64_t turn = 1 + seed % 6; turn > 0; --turn) co_await bight::yield();
                s.close();
            };
            co_await bight::with_group(both);
        });
        CHECK(w.run_for(1h));
    }
    CHECK(sent_some > 0);
}
