// What a datagram says beside its bytes: where it is sent from, its traffic class, broadcast.
#include "support/catch.hpp"
#include "support/connections.hpp"
#include "support/reactors.hpp"

#include "datagrams.hpp"

#include <bight/bight.hpp>
#include <bight/net/datagram_socket.hpp>

#include <chrono>
#include <string>

using bight::address;
using bight::datagram_socket;
using bight::ecn_codepoint;
using bight::outgoing_datagram;
using bight::task;
using test::error_of;
using test::message;
using test::on_each_reactor_and_personality;
using test::receive;
using test::text_at;
using test::udp_at_loopback;

namespace {

// Whether this system sends from a chosen address, and with a traffic class, at all.
bool says_so(std::error_code code) { return code == std::errc::operation_not_supported; }

}  // namespace

TEST_CASE("an answer comes from the address that was asked") {
    on_each_reactor_and_personality([]() -> task<> {
        datagram_socket server = datagram_socket::bind("udp:0");
        datagram_socket client = udp_at_loopback();
        for (const char* asked : {"127.0.0.1", "127.0.0.2"}) {
            const address to = address::from_ip(asked, server.local().port());
            co_await client.send_to(to, "question");
            const message m = co_await receive(server);
            CHECK(m.about.to == to);
            outgoing_datagram answer{m.about.from, "answer"};
            answer.from = m.about.to;
            answer.interface_index = m.about.interface_index;
            const auto code = co_await error_of(server.send(answer));
            if (says_so(code)) co_return;
            CHECK_FALSE(code);
            const message back = co_await receive(client);
            CHECK(back.about.from == to);
        }
    });
}

TEST_CASE("an answer comes from the address that was asked, over IPv6, and over IPv4 to a socket of both") {
    const auto kind = GENERATE(from_range(test::reactors_with_ipv6()));
    CAPTURE(kind);
    test::reactor_fixture on(kind);
    on.run([]() -> task<> {
        datagram_socket server = datagram_socket::bind("udp6:0:dual_stack=yes");
        datagram_socket six = datagram_socket::bind("udp6:0:interface=[::1]");
        datagram_socket four = udp_at_loopback();
        for (const char* asked : {"::1", "127.0.0.1", "127.0.0.2"}) {
            datagram_socket& client = asked[0] == ':' ? six : four;
            const address to = address::from_ip(asked, server.local().port());
            co_await client.send_to(to, "question");
            const message m = co_await receive(server);
            outgoing_datagram answer{m.about.from, "answer"};
            answer.from = m.about.to;
            co_await server.send(answer);
            const message back = co_await receive(client);
            CHECK(back.about.from == to);
        }
    });
}

TEST_CASE("a source that is not this machine's, or of another family, is an error of its own send") {
    on_each_reactor_and_personality([]() -> task<> {
        datagram_socket s = datagram_socket::bind("udp:0");
        const address self = address::from_ip("127.0.0.1", s.local().port());
        outgoing_datagram d{self, "x"};
        d.from = address::from_ip("192.0.2.1", 0);
        const auto foreign = co_await error_of(s.send(d));
        CHECK(foreign);
        d.from = address::from_ip("::1", 0);
        const auto family = co_await error_of(s.send(d));
        CHECK(family == std::errc::address_family_not_supported);
        co_await s.send_to(self, "goes on");
        const std::string text = co_await text_at(s);
        CHECK(text == "goes on");
    });
}

TEST_CASE("the traffic class of a datagram is told to who asked for it, its congestion bits included") {
    on_each_reactor_and_personality([]() -> task<> {
        bight::datagram_options options;
        options.tell_traffic_class = true;
        datagram_socket server = udp_at_loopback(options);
        datagram_socket deaf = udp_at_loopback();
        datagram_socket client = udp_at_loopback();
        outgoing_datagram d{server.local(), "marked"};
        d.traffic_class = static_cast<std::uint8_t>(10 << 2 | static_cast<int>(ecn_codepoint::ect_0));
        const auto code = co_await error_of(client.send(d));
        if (says_so(code)) co_return;
        CHECK_FALSE(code);
        const message m = co_await receive(server);
        CHECK(m.about.traffic_class == d.traffic_class);
        CHECK(m.about.ecn() == ecn_codepoint::ect_0);
        co_await client.send_to(server.local(), "plain");
        const message plain = co_await receive(server);
        CHECK(plain.about.traffic_class == 0);
        CHECK(plain.about.ecn() == ecn_codepoint::not_capable);
        co_await client.send_to(deaf.local(), "x");
        const message untold = co_await receive(deaf);
        CHECK_FALSE(untold.about.traffic_class);
    });
}

TEST_CASE("the traffic class is told over IPv6, and by a socket of both families over IPv4") {
    const auto kind = GENERATE(from_range(test::reactors_with_ipv6()));
    CAPTURE(kind);
    test::reactor_fixture on(kind);
    on.run([]() -> task<> {
        bight::datagram_options options;
        options.tell_traffic_class = true;
        datagram_socket both = datagram_socket::bind("udp6:0:dual_stack=yes", options);
        datagram_socket four = udp_at_loopback(options);
        for (const char* where : {"::1", "::ffff:127.0.0.1"}) {
            outgoing_datagram d{address::from_ip(where, both.local().port()), "to itself"};
            d.traffic_class = 0x2b;
            const auto code = co_await error_of(both.send(d));
            if (says_so(code)) co_return;
            CHECK_FALSE(code);
            const message m = co_await receive(both);
            CHECK(m.about.traffic_class == 0x2b);
            CHECK(m.about.ecn() == ecn_codepoint::congestion_experienced);
        }
        outgoing_datagram d{address::from_ip("::ffff:127.0.0.1", four.local().port()), "over IPv4"};
        d.traffic_class = 0x29;
        co_await both.send(d);
        const message m = co_await receive(four);
        CHECK(m.about.traffic_class == 0x29);
    });
}

TEST_CASE("a code point of the socket is that of its datagrams") {
    on_each_reactor_and_personality([]() -> task<> {
        bight::datagram_options options;
        options.tell_traffic_class = true;
        datagram_socket server = udp_at_loopback(options);
        datagram_socket client = datagram_socket::bind("udp:0:interface=127.0.0.1:dscp=12");
        co_await client.send_to(server.local(), "x");
        const message m = co_await receive(server);
        if (m.about.traffic_class) CHECK(*m.about.traffic_class == 12 << 2);  // not told everywhere
    });
}

TEST_CASE("a broadcast needs leave, and reaches each socket that is bound to all addresses") {
    on_each_reactor_and_personality([]() -> task<> {
        bight::datagram_options sharing;
        sharing.share_address = true;
        datagram_socket one = datagram_socket::bind("udp:0", sharing);
        const std::string port = std::to_string(one.local().port());
        datagram_socket two = datagram_socket::bind("udp:" + port, sharing);
        const address all = address::from_ip("127.255.255.255", one.local().port());
        datagram_socket forbidden = udp_at_loopback();
        const auto code = co_await error_of(forbidden.send_to(all, "x"));
        CHECK(code == std::errc::permission_denied);
        bight::datagram_options options;
        options.broadcast = true;
        datagram_socket client = udp_at_loopback(options);
        co_await client.send_to(all, "everybody");
        for (datagram_socket* s : {&one, &two}) {
            const message m = co_await receive(*s);
            CHECK(m.text == "everybody");
            CHECK(m.about.from == client.local());
            CHECK(m.about.to == all);
            CHECK(m.about.to_many);
        }
    });
}

TEST_CASE("a question to everybody is answered from an own address") {
    on_each_reactor_and_personality([]() -> task<> {
        datagram_socket server = datagram_socket::bind("udp:0");
        bight::datagram_options options;
        options.broadcast = true;
        datagram_socket client = udp_at_loopback(options);
        for (const char* asked : {"127.255.255.255", "127.0.0.1"}) {
            co_await client.send_to(address::from_ip(asked, server.local().port()), "question");
            const message m = co_await receive(server);
            CHECK(m.about.to.host() == asked);
            const bool to_many = asked != std::string("127.0.0.1");
            CHECK(m.about.to_many == to_many);
            outgoing_datagram answer{m.about.from, "answer"};
            if (!m.about.to_many) answer.from = m.about.to;
            const auto code = co_await error_of(server.send(answer));
            if (says_so(code)) co_return;
            CHECK_FALSE(code);
            const message back = co_await receive(client);
            CHECK(back.about.from == address::from_ip("127.0.0.1", server.local().port()));
            answer.from = address::from_ip("127.255.255.255", 0);
            const auto refused = co_await error_of(server.send(answer));
            CHECK(refused);
        }
    });
}

TEST_CASE("Unix datagrams have none of this") {
    if (!test::has_unix_datagrams()) test::skip("there are no Unix sockets of datagrams");
    const test::temporary_directory directory;
    on_each_reactor_and_personality([&]() -> task<> {
        bight::datagram_options options;
        options.tell_traffic_class = options.broadcast = options.coalesce_received = true;
        options.share_address = true;
        datagram_socket s = datagram_socket::bind("unix:" + test::escaped(directory.file("here")), options);
        outgoing_datagram d{s.local(), "x"};
        d.traffic_class = 1;
        const auto traffic_class = co_await error_of(s.send(d));
        CHECK(traffic_class == std::errc::operation_not_supported);
        d.traffic_class = {};
        d.segment_size = 1;
        const auto segments = co_await error_of(s.send(d));
        CHECK(segments == std::errc::operation_not_supported);
        d.segment_size = 0;
        co_await s.send(d);
        const std::string text = co_await text_at(s);
        CHECK(text == "x");
    });
}
