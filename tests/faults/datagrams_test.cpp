// Sockets of datagrams without memory, and without descriptors.
#include "support/allocation_faults.hpp"
#include "support/catch.hpp"
#include "support/connections.hpp"
#include "support/error_of.hpp"
#include "support/few_descriptors.hpp"
#include "support/reactors.hpp"

#include <bight/bight.hpp>
#include <bight/net/datagram_socket.hpp>

#include <array>
#include <filesystem>
#include <new>
#include <string>
#include <system_error>

using bight::datagram_socket;
using bight::task;
using test::allocation_fault;
using test::fail_each_allocation_on;
using test::failing;
using test::reactor_fixture;

TEST_CASE("making a socket of datagrams fails as a whole when memory or descriptors are out") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    CAPTURE(kind);
    const test::temporary_directory directory;
    const std::string path = directory.file("here");
    const std::string unix_place = "unix:" + test::escaped(path);
    SECTION("memory") {
        const bool connects = !test::has_unix_datagrams() || GENERATE(false, true);
        fail_each_allocation_on(kind, [&](reactor_fixture&, allocation_fault& fault) -> task<> {
            datagram_socket server = datagram_socket::bind("udp:0:interface=127.0.0.1");
            const std::string where = "udp:127.0.0.1:" + std::to_string(server.local().port());
            datagram_socket made;
            {
                const failing here(fault);
                if (connects) {
                    made = co_await datagram_socket::connect(where);
                } else {
                    made = datagram_socket::bind(unix_place);
                }
            }
            CHECK(made);
        });
        CHECK_FALSE(std::filesystem::exists(path));
    }
    SECTION("descriptors") {
        reactor_fixture on(kind);
        on.run([&]() -> task<> {
            std::error_code bound;
            std::error_code connected;
            {
                const test::few_descriptors none(0);
                try {
                    const datagram_socket s = datagram_socket::bind(unix_place);
                } catch (const std::system_error& e) {
                    bound = e.code();
                }
                connected = co_await test::error_of(datagram_socket::connect("udp:127.0.0.1:9"));
            }
            CHECK(bound == std::errc::too_many_files_open);
            CHECK(connected == std::errc::too_many_files_open);
            CHECK_FALSE(std::filesystem::exists(path));
            const datagram_socket s = datagram_socket::bind(unix_place);
            CHECK(s);
        });
    }
}

TEST_CASE("a datagram is sent and received without memory") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    CAPTURE(kind);
    const auto tally = fail_each_allocation_on(kind, [](reactor_fixture&, allocation_fault& fault) -> task<> {
        datagram_socket s = datagram_socket::bind("udp:0:interface=127.0.0.1");
        const bight::address self = s.local();
        std::array<char, 8> memory{};
        std::size_t got = 0;
        bool waits = false;
        auto receives = [&]() -> task<> {
            waits = true;
            const auto d = co_await s.receive_from(memory);
            got = d.size;
        };
        auto both = [&](bight::group& g) -> task<> {
            g.spawn(receives);
            while (!waits) co_await bight::yield();
            co_await bight::yield();
            const failing here(fault);
            co_await s.send_to(self, "four");
            while (got == 0) co_await bight::yield();
        };
        co_await bight::with_group(both);
        CHECK(got == 4);
        {
            const failing here(fault);
            co_await s.send_to(self, "four");
            (void)co_await s.receive_from(memory);
        }
    });
    CHECK(tally.allocations == 0);
}
