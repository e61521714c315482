// UDP sockets: what arrives, and what is told of it, the same on every demultiplexer and in the simulation.
#include "support/cancellable.hpp"
#include "support/catch.hpp"
#include "support/connections.hpp"
#include "support/reactors.hpp"

#include "datagrams.hpp"

#include <bight/bight.hpp>
#include <bight/net/datagram_socket.hpp>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

using bight::address;
using bight::datagram_socket;
using bight::errc;
using bight::received_datagram;
using bight::task;
using test::error_of;
using test::message;
using test::on_each_reactor_and_personality;
using test::receive;
using test::receive_text;
using test::text_at;
using test::udp_at_loopback;
using namespace std::chrono_literals;

namespace {

struct place {
    test::reactor_choice kind;
    bool ipv6;
};

/// Each reactor with IPv4, and with IPv6 where there is one: in the simulation always.
std::vector<place> places() {
    const bool none_here = test::no_ipv6().has_value();
    std::vector<place> all;
    for (const test::reactor_choice& kind : test::reactors_and_personalities()) {
        all.push_back({kind, false});
        if (kind.seed || !none_here) all.push_back({kind, true});
    }
    return all;
}

template <class F>
void on_each_reactor_and_family(F body) {
    const auto [kind, ipv6] = GENERATE(from_range(places()));
    CAPTURE(kind, ipv6);
    test::reactor_fixture on(kind);
    on.run([&] { return body(ipv6 ? "udp6:0" : "udp:0", ipv6 ? "::1" : "127.0.0.1"); });
}

// So that none overtakes another, as it may in the simulation.
task<> send_apart(datagram_socket& from, address to, std::vector<std::string> texts) {
    for (const std::string& text : texts) {
        co_await from.send_to(to, text);
        co_await bight::sleep_for(2ms);
    }
}

}  // namespace

TEST_CASE("a datagram comes whole, with its sender, and where it was sent to") {
    on_each_reactor_and_family([](const char* anywhere, const char* ip) -> task<> {
        datagram_socket server = datagram_socket::bind(anywhere);
        datagram_socket client = datagram_socket::bind(anywhere);
        const address to = address::from_ip(ip, server.local().port());
        CHECK(to.port() != 0);
        co_await client.send_to(to, "two ", std::string("pieces"));
        const message m = co_await receive(server);
        CHECK(m.text == "two pieces");
        CHECK_FALSE(m.about.truncated);
        CHECK(m.about.from == address::from_ip(ip, client.local().port()));
        CHECK(m.about.to == to);
        CHECK(m.about.interface_index != 0);
        co_await server.send_to(m.about.from, "the answer");
        const message answer = co_await receive(client);
        CHECK(answer.text == "the answer");
        CHECK(answer.about.from == to);
    });
}

TEST_CASE("a socket that is not to tell where datagrams came to costs less, and knows its own address") {
    on_each_reactor_and_personality([]() -> task<> {
        const bight::datagram_options quiet{.tell_arrival = false};
        datagram_socket one = datagram_socket::bind("udp:0:interface=127.0.0.1", quiet);
        datagram_socket any = datagram_socket::bind("udp:0", quiet);
        datagram_socket client = udp_at_loopback();
        co_await client.send_to(one.local(), "x");
        co_await client.send_to(address::from_ip("127.0.0.1", any.local().port()), "x");
        const message at_one = co_await receive(one);
        const message at_any = co_await receive(any);
        CHECK(at_one.about.to == one.local());
        CHECK_FALSE(at_any.about.to);
        CHECK(at_one.about.interface_index == 0);
        CHECK(at_any.about.from == client.local());
    });
}

TEST_CASE("a datagram of no bytes is a datagram") {
    on_each_reactor_and_personality([]() -> task<> {
        datagram_socket server = udp_at_loopback();
        datagram_socket client = udp_at_loopback();
        co_await client.send_to(server.local(), "");
        const message first = co_await receive(server);
        CHECK(first.text.empty());
        CHECK(first.about.from == client.local());
        CHECK_FALSE(first.about.truncated);
        auto later = [&](bight::group& g) -> task<> {
            g.spawn([&]() -> task<> {
                const message second = co_await receive(server);
                CHECK(second.text.empty());
                CHECK(second.about.from == client.local());
            });
            co_await bight::yield();
            co_await client.send_to(server.local(), "");
        };
        co_await bight::with_group(later);
    });
}

TEST_CASE("a datagram that is longer than the memory is cut off, which is told, and the next one is whole") {
    on_each_reactor_and_personality([]() -> task<> {
        datagram_socket server = udp_at_loopback();
        datagram_socket client = udp_at_loopback();
        const std::vector<std::string> texts{"longer than that", "that", "all"};
        co_await send_apart(client, server.local(), texts);
        const message cut = co_await receive(server, 6);
        CHECK(cut.text == "longer");
        CHECK(cut.about.truncated);
        CHECK(cut.about.from == client.local());
        const message fits = co_await receive(server, 4);
        CHECK(fits.text == "that");
        CHECK_FALSE(fits.about.truncated);
        // Nobody means to lose it whole.
        std::string empty;
        const auto none = co_await error_of(server.receive_from(empty));
        CHECK(none == std::errc::invalid_argument);
        std::array<char, 8> memory{};
        std::vector<bight::datagram_slot> slots(2);
        slots[0].memory = memory;
        const auto no_slot = co_await error_of(server.receive_many(slots));
        CHECK(no_slot == std::errc::invalid_argument);
        const message all = co_await receive(server);
        CHECK(all.text == "all");
    });
}

TEST_CASE("datagrams of the greatest length arrive, and one byte more is an error of its send alone") {
    on_each_reactor_and_personality([]() -> task<> {
        datagram_socket server = udp_at_loopback();
        datagram_socket client = udp_at_loopback();
        const std::string longest(65507, 'x');
        co_await client.send_to(server.local(), longest);
        const message m = co_await receive(server, 70000);
        CHECK((m.text == longest));
        const auto code = co_await error_of(client.send_to(server.local(), longest, "y"));
        CHECK(code == std::errc::message_size);
        co_await client.send_to(server.local(), "goes on");
        const std::string next = co_await text_at(server);
        CHECK(next == "goes on");
    });
}

TEST_CASE("a socket with a peer sends there, and receives from nobody else") {
    on_each_reactor_and_personality([]() -> task<> {
        datagram_socket server = udp_at_loopback();
        datagram_socket stranger = udp_at_loopback();
        datagram_socket client =
            co_await datagram_socket::connect("udp:127.0.0.1:" + std::to_string(server.local().port()));
        CHECK(client.peer() == server.local());
        CHECK_FALSE(server.peer());
        CHECK(client.local().host() == "127.0.0.1");
        co_await stranger.send_to(client.local(), "not for you");
        co_await client.send("question");
        const message m = co_await receive(server);
        CHECK(m.text == "question");
        CHECK(m.about.from == client.local());
        co_await server.send_to(m.about.from, "answer");
        const message answer = co_await receive(client);
        CHECK(answer.text == "answer");
        CHECK(answer.about.from == server.local());
        CHECK(answer.about.to == client.local());
    });
}

TEST_CASE("a connect goes from where it is told, and takes the first address that has a way") {
    on_each_reactor_and_personality([]() -> task<> {
        datagram_socket server = udp_at_loopback();
        const std::string port = std::to_string(server.local().port());
        datagram_socket named = co_await datagram_socket::connect("udp:localhost:" + port);
        CHECK(named.peer() == server.local());
        datagram_socket unused = udp_at_loopback();
        const std::uint16_t mine = unused.local().port();
        unused.close();
        datagram_socket from = co_await datagram_socket::connect("udp:127.0.0.1:" + port +
                                                                 ":local_port=" + std::to_string(mine));
        CHECK(from.local().port() == mine);
        bight::datagram_options from_here;
        from_here.local = address::from_ip("127.0.0.1", 0);
        datagram_socket also = co_await datagram_socket::connect("udp:127.0.0.1:" + port, from_here);
        CHECK(also.local().host() == "127.0.0.1");
        bight::datagram_options from_ipv6;
        from_ipv6.local = address::from_ip("::1", 0);
        const auto family = co_await error_of(datagram_socket::connect("udp:127.0.0.1:" + port, from_ipv6));
        CHECK(family == std::errc::address_family_not_supported);
    });
}

TEST_CASE("what can be told without the network is an error of that send, the same everywhere") {
    on_each_reactor_and_personality([]() -> task<> {
        datagram_socket server = udp_at_loopback();
        datagram_socket client =
            co_await datagram_socket::connect("udp:127.0.0.1:" + std::to_string(server.local().port()));
        datagram_socket empty;
        const auto without_peer = co_await error_of(server.send("x"));
        CHECK(without_peer == std::errc::destination_address_required);
        const auto with_another = co_await error_of(client.send_to(server.local(), "x"));
        CHECK(with_another == std::errc::already_connected);
        const auto family = co_await error_of(server.send_to(address::from_ip("::1", 9), "x"));
        CHECK(family == std::errc::address_family_not_supported);
        const auto nowhere = co_await error_of(server.send_to(address(), "x"));
        CHECK(nowhere == std::errc::address_family_not_supported);
        std::array<char, 8> memory{};
        const auto none = co_await error_of(empty.receive_from(memory));
        CHECK(none == std::errc::bad_file_descriptor);
        const auto none_either = co_await error_of(empty.send("x"));
        CHECK(none_either == std::errc::bad_file_descriptor);
        CHECK(empty.native_handle() == -1);
        CHECK_FALSE(empty.local());
        co_await client.send("goes on");
        const std::string text = co_await text_at(server);
        CHECK(text == "goes on");
        const auto as_value = co_await bight::as_result(empty.receive_from(memory));
        CHECK(as_value.error() == std::errc::bad_file_descriptor);
    });
}

TEST_CASE("errors name what was done, and where") {
    on_each_reactor_and_personality([]() -> task<> {
        datagram_socket s = udp_at_loopback();
        std::string text;
        try {
            co_await s.send_to(address::from_ip("::1", 9), "x");
        } catch (const std::system_error& e) {
            text = e.what();
        }
        const std::string own = s.local().to_string();
        CHECK(text.starts_with("send to [::1]:9 from " + own + ": "));
        const auto said = [](auto operation) -> task<std::string> {
            try {
                co_await std::move(operation);
            } catch (const std::system_error& e) {
                co_return e.what();
            }
            co_return "done";
        };
        text = co_await said(s.send("x"));
        CHECK_THAT(text, Catch::StartsWith("send from " + own + ": it has no peer; send_to says to whom"));
        const address nobody = address::from_ip("127.0.0.1", 0);
        text = co_await said(s.send_to(nobody, "x"));
        CHECK_THAT(text, Catch::StartsWith("send to 127.0.0.1:0 from " + own + ": port 0 is nobody's: "));
        text = co_await said(datagram_socket::connect("udp:127.0.0.1:0"));
        CHECK_THAT(text, Catch::StartsWith("cannot connect to udp:127.0.0.1:0: port 0 is nobody's: "));
        std::string no_memory;
        text = co_await said(s.receive_from(no_memory));
        CHECK_THAT(text,
                   Catch::StartsWith("receive at " + own + ": memory of 0 bytes would lose a datagram: "));
        text = co_await said(datagram_socket::connect("tcp:127.0.0.1:1"));
        CHECK_THAT(text, Catch::StartsWith("cannot send datagrams to tcp:127.0.0.1:1: it is for streams"));
        try {
            text = "bound";
            (void)datagram_socket::bind("tcp:0");
        } catch (const std::system_error& e) {
            text = e.what();
        }
        CHECK_THAT(text, Catch::StartsWith("cannot receive datagrams at tcp:0: it is for streams"));
        bight::multicast_group none;
        none.group = address::from_ip("10.1.2.3", 0);
        try {
            text = "joined";
            s.join(none);
        } catch (const std::system_error& e) {
            text = e.what();
        }
        CHECK_THAT(text, Catch::StartsWith("join 10.1.2.3 by " + own + ": it is no address of a group: "));
    });
}

TEST_CASE("each of several tasks that receive gets one datagram, in the order in which they asked") {
    on_each_reactor_and_personality([]() -> task<> {
        datagram_socket server = udp_at_loopback();
        datagram_socket client = udp_at_loopback();
        std::vector<std::string> got(3);
        auto all = [&](bight::group& g) -> task<> {
            for (std::string& one : got) {
                g.spawn([&server, &one]() -> task<> { one = co_await text_at(server); });
                co_await bight::yield();
            }
            const std::vector<std::string> texts{"first", "second", "third"};
            co_await send_apart(client, server.local(), texts);
        };
        co_await bight::with_group(all);
        CHECK(got == std::vector<std::string>{"first", "second", "third"});
    });
}

TEST_CASE("a cancelled receive loses no datagram, whether it is the first that waits or not") {
    on_each_reactor_and_personality([]() -> task<> {
        datagram_socket server = udp_at_loopback();
        datagram_socket client = udp_at_loopback();
        for (const bool cancels_first : {true, false}) {
            std::string kept;
            std::string lost;
            test::cancellable given_up;
            auto all = [&](bight::group& g) -> task<> {
                if (cancels_first) g.spawn(given_up.run(receive_text(server, lost)));
                co_await test::turns(2);
                g.spawn(receive_text(server, kept));
                co_await test::turns(2);
                if (!cancels_first) g.spawn(given_up.run(receive_text(server, lost)));
                co_await test::turns(2);
                REQUIRE(given_up.running());
                given_up.cancel();
                while (given_up.running()) co_await bight::sleep_for(1ms);
                co_await client.send_to(server.local(), "for who stays");
            };
            co_await bight::with_group(all);
            CHECK(kept == "for who stays");
            CHECK(lost.empty());
        }
    });
}

TEST_CASE("a receive that is cancelled as its datagram comes has it, or leaves it to the next") {
    on_each_reactor_and_personality([]() -> task<> {
        datagram_socket server = udp_at_loopback();
        datagram_socket client = udp_at_loopback();
        for (int round = 0; round < 20; ++round) {
            std::string got;
            test::cancellable one;
            auto all = [&](bight::group& g) -> task<> {
                g.spawn(one.run(receive_text(server, got)));
                co_await test::turns(3);
                co_await client.send_to(server.local(), std::to_string(round));
                co_await test::turns(round % 5);
                one.cancel();
            };
            co_await bight::with_group(all);
            if (got.empty()) got = co_await text_at(server);
            CHECK(got == std::to_string(round));
        }
    });
}

TEST_CASE("a socket that is closed ends what waits there with closed") {
    on_each_reactor_and_personality([]() -> task<> {
        datagram_socket server = udp_at_loopback();
        std::error_code first;
        std::error_code second;
        auto all = [&](bight::group& g) -> task<> {
            g.spawn([&]() -> task<> { first = co_await error_of(text_at(server)); });
            g.spawn([&]() -> task<> { second = co_await error_of(text_at(server)); });
            co_await test::turns(3);
            server.close();
            server.close();
        };
        co_await bight::with_group(all);
        CHECK(first == errc::closed);
        CHECK(second == errc::closed);
        CHECK_FALSE(server);
    });
}

TEST_CASE("a socket may go while another task receives there") {
    on_each_reactor_and_personality([]() -> task<> {
        std::error_code code;
        auto all = [&](bight::group& g) -> task<> {
            auto s = std::make_unique<datagram_socket>(udp_at_loopback());
            g.spawn([&code, &on = *s]() -> task<> {
                std::array<char, 8> memory{};
                code = co_await error_of(on.receive_from(memory));
            });
            co_await test::turns(3);
            datagram_socket moved = std::move(*s);
            s.reset();
            co_await test::turns(3);
            moved = datagram_socket();
        };
        co_await bight::with_group(all);
        CHECK(code == errc::closed);
    });
}

TEST_CASE("a port that is in use is refused, by the address and the errno; it is free again after close") {
    on_each_reactor_and_personality([]() -> task<> {
        datagram_socket first = udp_at_loopback();
        const std::string where = "udp:" + std::to_string(first.local().port()) + ":interface=127.0.0.1";
        std::string text;
        try {
            const datagram_socket second = datagram_socket::bind(where);
        } catch (const std::system_error& e) {
            text = e.what();
            CHECK(e.code() == std::errc::address_in_use);
        }
        CHECK(text.starts_with("cannot bind to " + where));
        first.close();
        const datagram_socket third = datagram_socket::bind(where);
        CHECK(third.local().port() != 0);
        co_return;
    });
}

TEST_CASE("sockets with reuse_port share a port") {
    on_each_reactor_and_personality([]() -> task<> {
        std::optional<datagram_socket> first;
        try {
            first.emplace(datagram_socket::bind("udp:0:interface=127.0.0.1:reuse_port=yes"));
        } catch (const std::system_error& e) {
            CHECK(e.code() == std::errc::no_protocol_option);  // Windows
            co_return;
        }
        datagram_socket second = datagram_socket::bind("udp:" + std::to_string(first->local().port()) +
                                                       ":interface=127.0.0.1:reuse_port=yes");
        CHECK(second.local() == first->local());
    });
}

TEST_CASE("endpoints of streams, and options of connections, are refused") {
    on_each_reactor_and_personality([]() -> task<> {
        const auto bind_error = [](const char* where, const bight::datagram_options& options = {}) {
            try {
                const datagram_socket s = datagram_socket::bind(where, options);
                return std::error_code();
            } catch (const std::system_error& e) {
                return e.code();
            }
        };
        CHECK(bind_error("tcp:0") == errc::bad_endpoint);
        CHECK(bind_error("udp:example.org:0") == errc::bad_endpoint);
        bight::datagram_options options;
        options.socket.no_delay = true;
        CHECK(bind_error("udp:0", options) == std::errc::operation_not_supported);
        CHECK(bind_error("udp:0", {.local = address::from_ip("127.0.0.1", 0)}) ==
              std::errc::invalid_argument);
        const auto stream = co_await error_of(datagram_socket::connect("tcp:127.0.0.1:1"));
        CHECK(stream == errc::bad_endpoint);
        const auto listened = [] {
            try {
                const bight::listener l = bight::listen("udp:0");
                return std::error_code();
            } catch (const std::system_error& e) {
                return e.code();
            }
        }();
        CHECK(listened == errc::bad_endpoint);
        const auto connected = co_await error_of(bight::connect("udp:127.0.0.1:1"));
        CHECK(connected == errc::bad_endpoint);
    });
}

TEST_CASE("the buffers and the code point of a socket of datagrams can be set and read back") {
    on_each_reactor_and_personality([]() -> task<> {
        datagram_socket s = datagram_socket::bind("udp:0:receive_buffer=50000:dscp=10");
        CHECK(s.options().receive_buffer >= 50000);
        CHECK(s.options().dscp == 10);
        CHECK_FALSE(s.options().keep_alive);
        bight::socket_options wanted;
        wanted.dscp = 12;
        s.set_options(wanted);
        CHECK(s.options().dscp == 12);
        std::error_code code;
        wanted.keep_alive = true;
        try {
            s.set_options(wanted);
        } catch (const std::system_error& e) {
            code = e.code();
        }
        CHECK(code == std::errc::operation_not_supported);
        co_return;
    });
}

TEST_CASE("a socket of both families has IPv4 peers at addresses of IPv6") {
    const auto kind = GENERATE(from_range(test::reactors_with_ipv6()));
    CAPTURE(kind);
    test::reactor_fixture on(kind);
    on.run([]() -> task<> {
        datagram_socket both = datagram_socket::bind("udp6:0:dual_stack=yes");
        datagram_socket only = datagram_socket::bind("udp6:0");
        datagram_socket client = udp_at_loopback();
        co_await client.send_to(address::from_ip("127.0.0.1", both.local().port()), "over IPv4");
        const message m = co_await receive(both);
        CHECK(m.text == "over IPv4");
        CHECK(m.about.from == address::from_ip("::ffff:127.0.0.1", client.local().port()));
        CHECK(m.about.to == address::from_ip("::ffff:127.0.0.1", both.local().port()));
        co_await both.send_to(m.about.from, "back");
        const std::string back = co_await text_at(client);
        CHECK(back == "back");
        const auto code = co_await error_of(only.send_to(m.about.from, "x"));
        CHECK(code == std::errc::network_unreachable);
    });
}

TEST_CASE("the tree of tasks says who waits for a datagram, and where") {
    const auto kind = GENERATE(from_range(test::reactors()));
    CAPTURE(kind);
    test::reactor_fixture on(kind);
    on.run([&]() -> task<> {
        datagram_socket s = udp_at_loopback();
        auto all = [&](bight::group& g) -> task<> {
            g.spawn([&]() -> task<> { (void)co_await text_at(s); });
            co_await test::turns(2);
            const std::string tree = on.reactor().dump_tasks();
            CHECK(tree.find("a datagram at " + s.local().to_string()) != tree.npos);
            g.cancel();
        };
        co_await bight::with_group(all);
    });
}

TEST_CASE("a task that always finds a datagram lets others run") {
    on_each_reactor_and_personality([]() -> task<> {
        datagram_socket s = udp_at_loopback();
        bool stop = false;
        int turns = 0;
        auto all = [&](bight::group& g) -> task<> {
            g.spawn([&]() -> task<> {
                while (!stop) {
                    co_await s.send_to(s.local(), "x");
                    (void)co_await text_at(s);
                }
            });
            while (++turns < 10) co_await bight::yield();
            stop = true;
        };
        co_await bight::with_group(all);
        CHECK(turns == 10);
    });
}

TEST_CASE("a socket of another reactor is left alone, and the error says so") {
    test::reactor_fixture on(GENERATE(from_range(test::demultiplexers())));
    on.run([]() -> task<> {
        datagram_socket s = udp_at_loopback();
        const address here = s.local();
        std::vector<std::string> told;
        auto tell = [&told](auto operation) -> task<> {
            try {
                co_await std::move(operation);
            } catch (const std::system_error& e) {
                CHECK(e.code() == errc::wrong_thread);
                told.emplace_back(e.what());
            }
        };
        std::thread other([&] {
            bight::reactor r;
            std::array<char, 8> memory{};
            r.run(tell(s.receive_from(memory)));
            r.run(tell(s.send_to(here, "x")));
        });
        other.join();
        REQUIRE(told.size() == 2);
        CHECK(told[0].find("bight::on(reactor, f)") != std::string::npos);
        co_await s.send_to(here, "goes on");
        const std::string text = co_await text_at(s);
        CHECK(text == "goes on");
    });
}
