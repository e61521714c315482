// Groups and broadcasts between simulated hosts, and what else datagram sockets have of the network there.
#include "support/catch.hpp"
#include "support/error_of.hpp"

#include <bight/bight.hpp>
#include <bight/net/datagram_socket.hpp>
#include <bight/sim/world.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <string>
#include <system_error>
#include <vector>

using namespace std::chrono_literals;
using bight::address;
using bight::datagram_socket;
using bight::multicast_group;
using bight::multicast_options;
using bight::task;
namespace sim = bight::sim;

namespace {

const address discovery = address::from_ip("239.9.9.9", 9999);

// "NAME: TEXT" for each datagram that comes to a port.
task<> note_all(datagram_socket& s, std::string name, std::vector<std::string>& heard) {
    std::array<char, 2000> memory{};
    for (;;) {
        const auto got = co_await s.receive_from(memory);
        heard.push_back(name + ": " + std::string(memory.data(), got.size));
    }
}

task<> member(std::string name, std::vector<std::string>& heard, multicast_group of) {
    datagram_socket s = datagram_socket::bind("udp:9999");
    s.join(of);
    co_await note_all(s, std::move(name), heard);
}

task<> anybody(std::string name, std::vector<std::string>& heard) {
    datagram_socket s = datagram_socket::bind("udp:9999");
    co_await note_all(s, std::move(name), heard);
}

multicast_group whole_group() {
    multicast_group g;
    g.group = discovery;
    return g;
}

// What is heard of "hello", sent with these options by a host that is a member, too.
std::vector<std::string> heard_with(const multicast_options& options) {
    std::vector<std::string> heard;
    sim::world w(1);
    w.add("near").on_boot([&] { return member("near", heard, whole_group()); });
    w.add("far").on_boot([&] { return member("far", heard, whole_group()); });
    w.add("stranger").on_boot([&] { return anybody("stranger", heard); });
    sim::host& sender = w.add("sender");
    sender.on_boot([&] { return member("sender", heard, whole_group()); });
    sender.run([&]() -> task<> {
        co_await bight::sleep_for(1s);
        datagram_socket s = datagram_socket::bind("udp:0");
        s.set_multicast(options);
        co_await s.send_to(discovery, "hello");
    });
    CHECK(w.run_for(1h));
    w.run_for(10s);
    std::ranges::sort(heard);
    return heard;
}

}  // namespace

TEST_CASE("a datagram to a group reaches its members on all hosts, and no others") {
    CHECK(heard_with({}) == std::vector<std::string>{"far: hello", "near: hello", "sender: hello"});
}

TEST_CASE("without loopback the own host hears nothing, and with no hops only that one does") {
    multicast_options options;
    options.loopback = false;
    CHECK(heard_with(options) == std::vector<std::string>{"far: hello", "near: hello"});
    options.hops = 0;
    CHECK(heard_with(options).empty());
    options.loopback = true;
    CHECK(heard_with(options) == std::vector<std::string>{"sender: hello"});
    options = {};
    options.interface_index = 1;  // members are on the network
    CHECK(heard_with(options).empty());
}

TEST_CASE("a member for one source hears that one") {
    std::vector<std::string> heard;
    sim::world w(1);
    multicast_group wanted = whole_group();
    wanted.source = address::from_ip("10.0.0.7", 0);
    w.add("listener").on_boot([&] { return member("listener", heard, wanted); });
    for (const char* ip : {"10.0.0.7", "10.0.0.8"}) {
        w.add(ip, ip).run([ip]() -> task<> {
            co_await bight::sleep_for(1s);
            datagram_socket s = datagram_socket::bind("udp:0");
            co_await s.send_to(discovery, std::string("from ") + ip);
        });
    }
    CHECK(w.run_for(1h));
    w.run_for(10s);
    CHECK(heard == std::vector<std::string>{"listener: from 10.0.0.7"});
}

TEST_CASE("a broadcast reaches every host, and needs leave") {
    std::vector<std::string> heard;
    sim::world w(1);
    w.add("one").on_boot([&] { return anybody("one", heard); });
    w.add("two").on_boot([&] { return anybody("two", heard); });
    w.add("sender").run([&]() -> task<> {
        co_await bight::sleep_for(1s);
        const address all = address::from_ip("255.255.255.255", 9999);
        datagram_socket plain = datagram_socket::bind("udp:0");
        const auto code = co_await test::error_of(plain.send_to(all, "x"));
        CHECK(code == std::errc::permission_denied);
        bight::datagram_options options;
        options.broadcast = true;
        datagram_socket s = datagram_socket::bind("udp:0", options);
        co_await s.send_to(all, "hello");
    });
    CHECK(w.run_for(1h));
    w.run_for(10s);
    std::ranges::sort(heard);
    CHECK(heard == std::vector<std::string>{"one: hello", "two: hello"});
}

TEST_CASE("each copy of a datagram to a group is lost, late or doubled by itself") {
    std::vector<std::string> heard;
    sim::world_options options;
    options.faults = sim::fault_plan().set(sim::fault::lost_datagram, 0.5);
    sim::world w(3, options);
    for (const char* name : {"one", "two", "three"}) {
        w.add(name).on_boot([&heard, name] { return member(name, heard, whole_group()); });
    }
    w.add("sender").run([&]() -> task<> {
        co_await bight::sleep_for(1s);
        datagram_socket s = datagram_socket::bind("udp:0");
        for (int i = 0; i < 40; ++i) {
            co_await s.send_to(discovery, std::to_string(i));
            co_await bight::sleep_for(10ms);
        }
    });
    CHECK(w.run_for(1h));
    w.run_for(10s);
    CHECK(heard.size() > 30);
    CHECK(heard.size() < 90);
    const auto times = [&](const char* name) {
        return std::ranges::count_if(heard, [&](const std::string& s) { return s.starts_with(name); });
    };
    CHECK((times("one") != times("two") || times("two") != times("three")));
}

TEST_CASE("segments of one send are lost one by one, and come as one to who asked for that") {
    sim::world w(1);
    std::size_t most_at_once = 0;
    std::string all;
    w.add("server").on_boot([&]() -> task<> {
        bight::datagram_options options;
        options.coalesce_received = true;
        datagram_socket s = datagram_socket::bind("udp:9", options);
        co_await bight::sleep_for(1s);
        std::string memory(65'535, '\0');
        for (;;) {
            const auto got = co_await s.receive_from(memory);
            CHECK((got.size <= 1000 || got.segment_size == 1000));
            most_at_once = std::max(most_at_once, got.size);
            all.append(memory, 0, got.size);
        }
    });
    w.add("client").run([]() -> task<> {
        datagram_socket s = co_await datagram_socket::connect("udp:server:9");
        CHECK(s.can_segment());
        const std::string bytes(9'500, 'x');
        bight::outgoing_datagram d;
        d.bytes = bytes;
        d.segment_size = 1000;
        co_await s.send(d);
    });
    CHECK(w.run_for(1h));
    w.run_for(10s);
    CHECK(all.size() == 9'500);
    CHECK(most_at_once > 1000);
}
