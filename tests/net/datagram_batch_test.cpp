// Several datagrams at a time, and segments.
#include "support/cancellable.hpp"
#include "support/catch.hpp"
#include "support/connections.hpp"
#include "support/reactors.hpp"

#include "datagrams.hpp"

#include <bight/bight.hpp>
#include <bight/net/datagram_socket.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <span>
#include <string>
#include <vector>

using bight::datagram_slot;
using bight::datagram_socket;
using bight::outgoing_datagram;
using bight::task;
using test::error_of;
using test::on_each_reactor_and_personality;
using test::text_at;
using test::udp_at_loopback;
using namespace std::chrono_literals;

namespace {

/// Slots with memory of their own.
class slots {
  public:
    explicit slots(std::size_t count, std::size_t bytes = 100) : memory_(count * bytes), all_(count) {
        for (std::size_t i = 0; i < count; ++i) all_[i].memory = {memory_.data() + i * bytes, bytes};
    }
    std::span<datagram_slot> all() { return all_; }
    const bight::received_datagram& about(std::size_t i) const { return all_[i].got; }
    std::string text(std::size_t i) const {
        return {static_cast<const char*>(all_[i].memory.data), all_[i].got.size};
    }
    std::vector<std::string> texts(std::size_t count) const {
        std::vector<std::string> found;
        for (std::size_t i = 0; i < count; ++i) found.push_back(text(i));
        return found;
    }

  private:
    std::vector<char> memory_;
    std::vector<datagram_slot> all_;
};

std::vector<std::string> numbers(int count) {
    std::vector<std::string> all;
    for (int i = 0; i < count; ++i) all.push_back(std::to_string(i));
    return all;
}

// `texts` must live as long.
std::vector<outgoing_datagram> to(const bight::address& where, const std::vector<std::string>& texts) {
    std::vector<outgoing_datagram> all;
    for (const std::string& text : texts) all.push_back({where, text});
    return all;
}

task<> send_all(datagram_socket& s, std::span<const outgoing_datagram> rest) {
    while (!rest.empty()) {
        const std::size_t sent = co_await s.send_many(rest);
        CHECK(sent > 0);
        CHECK(sent <= datagram_socket::most_at_once);
        rest = rest.subspan(sent);
    }
}

task<> receive_all(datagram_socket& s, std::size_t count, std::size_t at_once,
                   std::vector<std::string>& into) {
    slots room(at_once);
    while (into.size() < count) {
        const std::size_t got = co_await s.receive_many(room.all());
        CHECK(got > 0);
        CHECK(got <= std::min(at_once, datagram_socket::most_at_once));
        for (const std::string& text : room.texts(got)) into.push_back(text);
    }
}

}  // namespace

TEST_CASE("several datagrams are sent and received at a time, each whole, and with its sender") {
    on_each_reactor_and_personality([]() -> task<> {
        datagram_socket server = udp_at_loopback();
        datagram_socket client = udp_at_loopback();
        const std::vector<std::string> texts{"one", "", std::string(150, 'x'), "four"};
        const auto datagrams = to(server.local(), texts);
        const std::size_t sent = co_await client.send_many(datagrams);
        REQUIRE(sent == 4);
        co_await bight::sleep_for(10ms);  // in the simulation each takes a while
        slots room(8);
        const std::size_t got = co_await server.receive_many(room.all());
        REQUIRE(got == 4);
        auto came = room.texts(got);
        std::size_t cut = 0;
        for (std::size_t i = 0; i < got; ++i) {
            CHECK(room.about(i).from == client.local());
            CHECK(room.about(i).to == server.local());
            if (room.about(i).truncated) ++cut;
        }
        CHECK(cut == 1);
        auto expected = texts;
        expected[2].resize(100);
        std::ranges::sort(came);
        std::ranges::sort(expected);
        CHECK(came == expected);
    });
}

TEST_CASE("a receive of several waits for the first, and fills no more slots than came") {
    on_each_reactor_and_personality([]() -> task<> {
        datagram_socket server = udp_at_loopback();
        datagram_socket client = udp_at_loopback();
        slots room(8);
        std::size_t got = 0;
        auto both = [&](bight::group& g) -> task<> {
            g.spawn([&]() -> task<> { got = co_await server.receive_many(room.all()); });
            co_await test::turns(3);
            CHECK(got == 0);
            co_await client.send_to(server.local(), "x");
        };
        co_await bight::with_group(both);
        CHECK(got == 1);
        CHECK(room.text(0) == "x");
        CHECK_FALSE(room.about(1).from);
    });
}

TEST_CASE("no slots and no datagrams are done at once") {
    on_each_reactor_and_personality([]() -> task<> {
        datagram_socket s = udp_at_loopback();
        const std::size_t got = co_await s.receive_many({});
        CHECK(got == 0);
        const std::size_t sent = co_await s.send_many({});
        CHECK(sent == 0);
    });
}

TEST_CASE("more datagrams than a call takes follow in the next calls, with a peer and without") {
    on_each_reactor_and_personality([]() -> task<> {
        bight::datagram_options roomy;
        roomy.socket.receive_buffer = 200'000;
        datagram_socket server = udp_at_loopback(roomy);
        datagram_socket free = udp_at_loopback();
        datagram_socket bound = co_await datagram_socket::connect(test::udp_peer(server));
        const auto texts = numbers(150);
        for (const bool has_peer : {false, true}) {
            std::vector<std::string> came;
            const auto datagrams = to(has_peer ? bight::address() : server.local(), texts);
            auto both = [&](bight::group& g) -> task<> {
                g.spawn(receive_all(server, texts.size(), 100, came));
                co_await send_all(has_peer ? bound : free, datagrams);
            };
            co_await bight::with_group(both);
            auto expected = texts;
            std::ranges::sort(came);
            std::ranges::sort(expected);
            CHECK(came == expected);
        }
    });
}

TEST_CASE("a datagram that cannot be sent ends a send of several before it, and is the error of the next") {
    on_each_reactor_and_personality([]() -> task<> {
        datagram_socket server = udp_at_loopback();
        datagram_socket client = udp_at_loopback();
        const std::string too_long(70'000, 'x');
        const std::vector<outgoing_datagram> texts{
            {server.local(), "first"}, {server.local(), too_long}, {server.local(), "last"}};
        const std::size_t before = co_await client.send_many(texts);
        CHECK(before == 1);
        const auto code = co_await error_of(client.send_many(std::span(texts).subspan(1)));
        CHECK(code == std::errc::message_size);
        const std::vector<outgoing_datagram> families{{server.local(), "first"},
                                                      {bight::address::from_ip("::1", 9), "no"}};
        const std::size_t before_family = co_await client.send_many(families);
        CHECK(before_family == 1);
        const auto family = co_await error_of(client.send_many(std::span(families).subspan(1)));
        CHECK(family == std::errc::address_family_not_supported);
        const std::string one = co_await text_at(server);
        CHECK(one == "first");
    });
}

TEST_CASE("several datagrams to a peer that is not there are sent, and a receive is told") {
    on_each_reactor_and_personality([]() -> task<> {
        datagram_socket gone = udp_at_loopback();
        datagram_socket client = co_await datagram_socket::connect(test::udp_peer(gone));
        gone.close();
        const auto texts = numbers(20);
        const auto datagrams = to({}, texts);
        const std::size_t sent = co_await client.send_many(datagrams);
        CHECK(sent == 20);
        slots room(4);
        const auto told = co_await error_of(client.receive_many(room.all()));
        CHECK(told == std::errc::connection_refused);
    });
}

TEST_CASE("a cancelled receive of several loses no datagram") {
    on_each_reactor_and_personality([]() -> task<> {
        datagram_socket server = udp_at_loopback();
        datagram_socket client = udp_at_loopback();
        for (int round = 0; round < 20; ++round) {
            std::vector<std::string> came;
            test::cancellable one;
            auto all = [&](bight::group& g) -> task<> {
                g.spawn(one.run(receive_all(server, 1, 4, came)));
                co_await test::turns(3);
                const auto texts = numbers(2);
                const auto datagrams = to(server.local(), texts);
                (void)co_await client.send_many(datagrams);
                co_await test::turns(round % 5);
                one.cancel();
            };
            co_await bight::with_group(all);
            if (came.size() < 2) co_await receive_all(server, 2, 4, came);
            std::ranges::sort(came);
            CHECK(came == numbers(2));
        }
    });
}

TEST_CASE("segments arrive as datagrams of their own, the last one shorter, or as one that says their size") {
    on_each_reactor_and_personality([]() -> task<> {
        datagram_socket client = udp_at_loopback();
        if (!client.can_segment()) co_return;
        datagram_socket apart = udp_at_loopback();
        bight::datagram_options options;
        options.coalesce_received = true;
        datagram_socket together = udp_at_loopback(options);
        const std::string bytes = std::string(1000, 'a') + std::string(1000, 'b') + std::string(500, 'c');
        outgoing_datagram d{apart.local(), bytes};
        d.segment_size = 1000;
        co_await client.send(d);
        std::vector<std::size_t> sizes;
        std::string all;
        while (all.size() < bytes.size()) {
            const auto m = co_await test::receive(apart, 70'000);
            CHECK(m.about.segment_size == 0);
            CHECK(m.about.from == client.local());
            sizes.push_back(m.text.size());
            all += m.text;
        }
        std::ranges::sort(sizes);
        CHECK(sizes == std::vector<std::size_t>{500, 1000, 1000});

        d.to = together.local();
        co_await client.send(d);
        std::size_t size = 0;
        while (size < bytes.size()) {
            const auto m = co_await test::receive(together, 70'000);
            CHECK((m.text.size() <= 1000 || m.about.segment_size == 1000));
            size += m.text.size();
        }
        CHECK(size == bytes.size());
    });
}

TEST_CASE("segments are refused where the system has none, and where they are too many") {
    on_each_reactor_and_personality([]() -> task<> {
        datagram_socket s = udp_at_loopback();
        const std::string bytes(10'000, 'x');
        outgoing_datagram d{s.local(), bytes};
        d.segment_size = 10;
        const auto code = co_await error_of(s.send(d));
        CHECK(code == (s.can_segment() ? std::errc::invalid_argument : std::errc::operation_not_supported));
        co_await s.send_to(s.local(), "goes on");
        const std::string text = co_await text_at(s);
        CHECK(text == "goes on");
    });
}

TEST_CASE("a task that always sends and receives many lets others run after some hundred") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    CAPTURE(kind);
    test::reactor_fixture on(kind);
    on.run([]() -> task<> {
        bight::datagram_options roomy;
        roomy.socket.receive_buffer = 200'000;
        datagram_socket s = udp_at_loopback(roomy);
        const auto texts = numbers(64);
        const auto datagrams = to(s.local(), texts);
        slots room(64);
        std::size_t since = 0;  // datagrams since the other had its turn
        std::size_t most = 0;
        bool stop = false;
        auto all = [&](bight::group& g) -> task<> {
            g.spawn([&]() -> task<> {
                while (!stop) {
                    const std::size_t sent = co_await s.send_many(datagrams);
                    since += sent;
                    const std::size_t got = co_await s.receive_many(room.all());
                    since += got;
                }
            });
            for (int turns = 0; turns < 20; ++turns) {
                since = 0;
                co_await bight::yield();
                most = std::max(most, since);
            }
            stop = true;
        };
        co_await bight::with_group(all);
        CHECK(most > 0);
        CHECK(most <= 8 * bight::reactor::completion_budget + 2 * 64);
    });
}
