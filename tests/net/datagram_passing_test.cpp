// Descriptors that go along with Unix datagrams, and who has sent these.
#include "datagrams.hpp"
#include "passed_descriptors.hpp"

#include "support/cancellable.hpp"
#include "support/catch.hpp"
#include "support/connections.hpp"
#include "support/error_of.hpp"
#include "support/few_descriptors.hpp"
#include "support/open_descriptors.hpp"
#include "support/reactors.hpp"
#include "support/skip.hpp"

#include <bight/bight.hpp>
#include <bight/net/datagram_socket.hpp>
#include <bight/net/descriptor_passing.hpp>
#include <bight/sim/world.hpp>

#if defined(__linux__)
#include <linux/filter.h>
#endif
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

using bight::address;
using bight::datagram_socket;
using bight::errc;
using bight::owned_descriptor;
using bight::task;
using test::error_of;
using test::from_errno;
using test::marked;
using test::marks_of;
using test::message;
using test::turns_until_told;
using namespace std::chrono_literals;

namespace {

/// Two sockets of this process, one of which is the other's peer, or sends by address.
struct sockets {
    datagram_socket server;
    datagram_socket client;
    address to;  ///< for the sends; empty: the peer

    sockets(datagram_socket s, datagram_socket c, bool has_peer)
        : server(std::move(s)), client(std::move(c)), to(has_peer ? address() : server.local()) {}
};

task<sockets> made_in(const test::temporary_directory& directory, bool has_peer,
                      bight::datagram_options options = {}) {
    const std::string where = test::unix_endpoint(directory.file("server"));
    datagram_socket server = datagram_socket::bind(where, options);
    if (!has_peer) {
        datagram_socket free = datagram_socket::bind(test::unix_endpoint(directory.file("free")));
        co_return sockets(std::move(server), std::move(free), false);
    }
    datagram_socket bound = co_await datagram_socket::connect(where);
    co_return sockets(std::move(server), std::move(bound), true);
}

template <class F>
void on_each(F body) {
    if (!test::has_unix_datagrams()) test::skip("there are no Unix sockets of datagrams");
    ON_EACH_WITH_UNIX_SOCKETS;
    const bool has_peer = GENERATE(true, false);
    CAPTURE(has_peer);
    const test::temporary_directory directory;
    on.run([&]() -> task<> {
        sockets s = co_await made_in(directory, has_peer);
        co_await body(s);
    });
}

task<std::string> said_by(task<> of) {
    try {
        co_await std::move(of);
    } catch (const std::system_error& e) {
        co_return e.what();
    }
    co_return "nothing";
}

/// A filter that takes nearly all memory that the socket's options and control data may have. False where
/// there is no such thing.
bool take_control_memory([[maybe_unused]] int socket) {
#if defined(SO_ATTACH_FILTER) && defined(__linux__)
    const sock_filter all = BPF_STMT(BPF_RET | BPF_K, 0xffffffff);
    const sock_filter load = BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0);  // becomes several instructions
    // All are taken by the first instruction.
    const auto attach = [&](std::size_t loads) {
        std::vector<sock_filter> code(loads + 2, load);
        code.front() = code.back() = all;
        const sock_fprog program{static_cast<unsigned short>(code.size()), code.data()};
        const int ignored = 0;
        (void)::setsockopt(socket, SOL_SOCKET, SO_DETACH_FILTER, &ignored, sizeof ignored);
        return ::setsockopt(socket, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) == 0;
    };
    std::size_t fits = 0;
    std::size_t too_many = BPF_MAXINSNS - 1;
    if (!attach(fits) || attach(too_many - 1)) return false;
    while (too_many - fits > 1) {
        const std::size_t middle = (fits + too_many) / 2;
        (attach(middle) ? fits : too_many) = middle;
    }
    return attach(fits);
#else
    return false;
#endif
}

/// A datagram by a plain call of another process: its number.
pid_t sent_by_a_child(const address& to) {
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        const int s = ::socket(AF_UNIX, SOCK_DGRAM, 0);
        const auto* const there = static_cast<const sockaddr*>(to.native());
        const auto sent = ::sendto(s, "child", 5, 0, there, static_cast<socklen_t>(to.native_size()));
        ::_exit(sent == 5 ? 0 : 1);
    }
    int status = -1;
    REQUIRE(::waitpid(child, &status, 0) == child);
    REQUIRE(status == 0);
    return child;
}

}  // namespace

TEST_CASE("datagrams: as many descriptors as one takes come with it, in their order, and with no other") {
    on_each([](sockets& s) -> task<> {
        std::vector<owned_descriptor> all;
        std::vector<int> numbers;
        std::vector<int> marks;
        for (int i = 0; i < 253; ++i) {
            all.push_back(marked(i));
            numbers.push_back(all.back().get());
            marks.push_back(i);
        }
        co_await bight::send_descriptors(s.client, numbers, "many", s.to);
        co_await bight::send_descriptor(s.client, numbers[7], "", s.to);
        if (s.to) {
            co_await s.client.send_to(s.to, "none");
        } else {
            co_await s.client.send("none");
        }
        all.clear();
        char memory[10];
        const bight::mutable_buffer into(memory, sizeof memory);
        {
            const auto got = co_await bight::receive_descriptors(s.server, into, 1000);
            CHECK(std::string(memory, got.datagram.size) == "many");
            CHECK(got.datagram.from.path() == s.client.local().path());
            CHECK_FALSE(got.missing);
            CHECK(marks_of(got.descriptors) == marks);
            CHECK(std::all_of(got.descriptors.begin(), got.descriptors.end(), test::is_close_on_exec));
        }
        {
            const auto empty = co_await bight::receive_descriptors(s.server, into);
            CHECK(empty.datagram.size == 0);
            CHECK(marks_of(empty.descriptors).size() == 1);
        }
        const auto none = co_await bight::receive_descriptors(s.server, into);
        CHECK(std::string(memory, none.datagram.size) == "none");
        CHECK(none.descriptors.empty());
        CHECK_FALSE(none.missing);
        CHECK_FALSE(none.datagram.sender);
    });
}

TEST_CASE("datagrams: descriptors that nobody asks for are closed") {
    on_each([](sockets& s) -> task<> {
        const int before = test::open_descriptors();
        int ends[2];
        REQUIRE(::pipe(ends) == 0);
        const owned_descriptor read_end(ends[0]);
        owned_descriptor write_end(ends[1]);
        for (int i = 0; i < 4; ++i) co_await bight::send_descriptor(s.client, write_end.get(), "x", s.to);
        write_end.reset();
        const message one = co_await test::receive(s.server);
        CHECK(one.text == "x");
        char memory[8];
        std::array<bight::datagram_slot, 2> slots;
        for (std::size_t i = 0; i < 2; ++i) slots[i].memory = bight::mutable_buffer(memory + 4 * i, 4);
        const std::size_t two = co_await s.server.receive_many(slots);
        CHECK(two == 2);
        CHECK(test::open_descriptors() == before + 1);
        s.server.close();  // one is still there
        char byte = 0;
        CHECK(::read(read_end.get(), &byte, 1) == 0);  // the end: nobody has the other one
    });
}

TEST_CASE("datagrams: what is beyond the limit, or beyond this process's table, is closed and told") {
    on_each([](sockets& s) -> task<> {
        const owned_descriptor one = marked(1);
        const std::vector<int> four(4, one.get());
        char memory[4];
        const bight::mutable_buffer into(memory, sizeof memory);
        const int before = test::open_descriptors();
        for (const std::size_t limit : {1U, 3U, 4U}) {
            co_await bight::send_descriptors(s.client, four, "four", s.to);
            const auto got = co_await bight::receive_descriptors(s.server, into, limit);
            CHECK(got.datagram.size == 4);
            CHECK(got.descriptors.size() == limit);
            CHECK(got.missing == (limit < 4 ? make_error_code(errc::too_long) : std::error_code()));
            CHECK(test::open_descriptors() == before + static_cast<int>(limit));
        }
        co_await bight::send_descriptors(s.client, four, "four", s.to);
        {
            const test::few_descriptors few(2);
            const auto got = co_await bight::receive_descriptors(s.server, into);
            CHECK(got.datagram.size == 4);
            CHECK(got.descriptors.size() == 2);
            CHECK(got.missing == std::errc::too_many_files_open);
        }
        CHECK(test::open_descriptors() == before);
    });
}

TEST_CASE("datagrams: a socket that asks is told who has sent each, with descriptors and without") {
    test::need_abstract_names();  // elsewhere no sender is told
    ON_EACH_WITH_UNIX_SOCKETS;
    on.run([]() -> task<> {
        const test::temporary_directory directory;
        bight::datagram_options asks;
        asks.tell_sender = true;
        sockets s = co_await made_in(directory, false, asks);
        bight::datagram_sender self;
        self.process = ::getpid();
        self.user = ::getuid();
        self.group = ::getgid();
        const int before = test::open_descriptors();
        const owned_descriptor one = marked(5);

        co_await s.client.send_to(s.to, "plain");
        message m = co_await test::receive(s.server);
        CHECK(m.about.sender == self);

        const std::vector<int> many(253, one.get());
        for (const std::size_t limit : {253U, 2U}) {
            co_await bight::send_descriptors(s.client, many, "all", s.to);
            const auto got =
                co_await bight::receive_descriptors(s.server, bight::mutable_buffer(m.text.data(), 3), limit);
            CHECK(got.datagram.sender == self);
            CHECK(got.descriptors.size() == limit);
            CHECK(got.missing == (limit < 253 ? make_error_code(errc::too_long) : std::error_code()));
        }
        // There is room for the sender, and for no descriptor.
        co_await bight::send_descriptors(s.client, many, "unwanted", s.to);
        const pid_t child = sent_by_a_child(s.to);
        std::string memory(20, '\0');
        std::array<bight::datagram_slot, 2> slots;
        for (std::size_t i = 0; i < 2; ++i)
            slots[i].memory = bight::mutable_buffer(memory.data() + 10 * i, 10);
        const std::size_t two = co_await s.server.receive_many(slots);
        REQUIRE(two == 2);
        CHECK(slots[0].got.sender == self);
        REQUIRE(slots[1].got.sender);
        CHECK(slots[1].got.sender->process == child);
        CHECK(test::open_descriptors() == before + 1);
    });
}

#if defined(__linux__)
TEST_CASE("datagrams: what else an adopted socket is told takes no room of descriptors") {
    test::need_abstract_names();
    ON_EACH_WITH_UNIX_SOCKETS;
    const bool tells_sender = GENERATE(false, true);
    // The last two are SO_TIMESTAMP_NEW and SO_TIMESTAMPNS_NEW.
    const int time = GENERATE(SO_TIMESTAMP, SO_TIMESTAMPNS, 63, 64);
    on.run([tells_sender, time]() -> task<> {
        int ends[2];
        REQUIRE(::socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, ends) == 0);
        const owned_descriptor first(ends[0]);
        const owned_descriptor second(ends[1]);
        const int yes = 1;
        for (const int which : {SO_PASSCRED, SO_PASSSEC, 76 /* SO_PASSPIDFD */, time}) {
            (void)::setsockopt(first.get(), SOL_SOCKET, which, &yes, sizeof yes);
        }
        bight::datagram_options options;
        options.tell_sender = tells_sender;
        datagram_socket s = datagram_socket::bind(first.as_endpoint(), options);
        const owned_descriptor one = marked(3);
        char byte = 0;
        test::send_raw(second.get(), "x", one.get(), 1);
        const message plain = co_await test::receive(s);
        CHECK(plain.about.sender.has_value() == tells_sender);
        for (int i = 0; i < 2; ++i) {
            const int before = test::open_descriptors();
            auto receive = [&]() -> task<> {
                const auto got = co_await bight::receive_descriptors(s, bight::mutable_buffer(&byte, 1), 1);
                CHECK(got.descriptors.size() == 1);
                CHECK_FALSE(got.missing);
                CHECK(got.datagram.sender.has_value() == tells_sender);
            };
            auto send = [&]() -> task<> {
                co_await test::turns(2);
                test::send_raw(second.get(), "x", one.get(), 1);
            };
            co_await bight::when_all(receive(), send());
            CHECK(test::open_descriptors() == before);
        }
    });
}
#endif

TEST_CASE("datagrams: a receive that is cancelled, whenever that is, loses no descriptor") {
    on_each([](sockets& s) -> task<> {
        const owned_descriptor sent = marked(7);
        const int before = test::open_descriptors();
        std::size_t came = 0;
        std::size_t held = 0;
        char byte = 0;
        auto receive = [&]() -> task<> {
            const auto got = co_await bight::receive_descriptors(s.server, bight::mutable_buffer(&byte, 1));
            held += got.descriptors.size();
            ++came;
        };
        for (const int wait : turns_until_told) {
            for (const bool sends_first : {true, false}) {
                test::cancellable one;
                auto interrupt = [&]() -> task<> {
                    co_await test::turns(3);
                    if (sends_first) co_await bight::send_descriptor(s.client, sent.get(), "x", s.to);
                    co_await test::turns(wait);
                    one.cancel();
                    if (!sends_first) co_await bight::send_descriptor(s.client, sent.get(), "x", s.to);
                };
                co_await bight::when_all(one.run(receive()), interrupt());
            }
        }
        while (came < 2 * turns_until_told.size()) co_await receive();
        CHECK(held == came);
        CHECK(test::open_descriptors() == before);
    });
}

TEST_CASE("datagrams: a send with descriptors waits for room; cancelled there, nothing was sent") {
    on_each([](sockets& s) -> task<> {
        int ends[2];
        REQUIRE(::pipe(ends) == 0);
        const owned_descriptor read_end(ends[0]);
        owned_descriptor write_end(ends[1]);
        std::size_t filled = 0;
        const owned_descriptor filling = marked(1);
        for (;; ++filled) {
            const bool sent = co_await bight::try_with_timeout(
                bight::send_descriptor(s.client, filling.get(), "fill", s.to), 20ms);
            if (!sent) break;
        }
        REQUIRE(filled > 0);
        const bool in_vain = co_await bight::try_with_timeout(
            bight::send_descriptor(s.client, write_end.get(), "lost", s.to), 5ms);
        CHECK_FALSE(in_vain);
        write_end.reset();
        char byte = 0;
        CHECK(::read(read_end.get(), &byte, 1) == 0);
        std::vector<int> marks;
        auto send = [&]() -> task<> {
            const owned_descriptor last = marked(2);
            co_await bight::send_descriptor(s.client, last.get(), "last", s.to);
        };
        auto receive = [&]() -> task<> {
            char memory[4];
            for (std::size_t i = 0; i <= filled; ++i) {
                const auto got =
                    co_await bight::receive_descriptors(s.server, bight::mutable_buffer(memory, 4));
                CHECK(std::string(memory, 4) == (i < filled ? "fill" : "last"));
                REQUIRE(got.descriptors.size() == 1);
                if (i == filled) marks = marks_of(got.descriptors);
            }
        };
        co_await bight::when_all(send(), receive());
        CHECK(marks == std::vector<int>{2});
    });
}

TEST_CASE("datagrams: a kernel that takes no more control data is an error, and not a full receiver") {
    on_each([](sockets& s) -> task<> {
        if (!take_control_memory(s.client.native_handle())) {
            test::leave_out("a filter takes no memory of control data here");
            co_return;
        }
        const owned_descriptor one = marked(1);
        const std::vector<int> many(253, one.get());
        const std::string said = co_await said_by(bight::send_descriptors(s.client, many, "x", s.to));
        CHECK_THAT(said, Catch::Contains("net.core.optmem_max"));
        const std::vector<int> few(2, one.get());
        co_await bight::send_descriptors(s.client, few, "few", s.to);
        char memory[4];
        const auto got = co_await bight::receive_descriptors(s.server, bight::mutable_buffer(memory, 4));
        CHECK(std::string(memory, got.datagram.size) == "few");
        CHECK(got.descriptors.size() == 2);
    });
}

TEST_CASE("datagrams: a socket that is closed under a receive of descriptors ends it with closed") {
    on_each([](sockets& s) -> task<> {
        std::error_code code;
        auto receive = [&]() -> task<> {
            char byte = 0;
            code = co_await error_of(bight::receive_descriptors(s.server, bight::mutable_buffer(&byte, 1)));
        };
        auto close = [&]() -> task<> {
            co_await test::turns(3);
            s.server.close();
        };
        co_await bight::when_all(receive(), close());
        CHECK(code == errc::closed);
        char byte = 0;
        const auto empty =
            co_await error_of(bight::receive_descriptors(s.server, bight::mutable_buffer(&byte, 1)));
        CHECK(empty == std::errc::bad_file_descriptor);
        s.client.close();
        const auto nothing = co_await error_of(bight::send_descriptor(s.client, 0, "x"));
        CHECK(nothing == std::errc::bad_file_descriptor);
    });
}

TEST_CASE("datagrams: descriptors that cannot be passed are refused with words, and harm nothing") {
    on_each([](sockets& s) -> task<> {
        char byte = 0;
        const bight::mutable_buffer into(&byte, 1);
        const owned_descriptor one = marked(1);
        const int unknown = owned_descriptor(::dup(one.get())).get();
        const std::vector<int> mixed{one.get(), unknown};
        const auto not_open = co_await error_of(bight::send_descriptors(s.client, mixed, "x", s.to));
        CHECK(not_open == std::errc::bad_file_descriptor);
        const auto none = co_await error_of(bight::send_descriptors(s.client, {}, "x", s.to));
        CHECK(none == from_errno(EINVAL));
        const std::vector<int> many(254, one.get());
        const auto too_many = co_await error_of(bight::send_descriptors(s.client, many, "x", s.to));
        CHECK(too_many == from_errno(EINVAL));
        const auto no_limit = co_await error_of(bight::receive_descriptors(s.server, into, 0));
        CHECK(no_limit == from_errno(EINVAL));
        if (s.to) {
            const auto nowhere = co_await error_of(bight::send_descriptor(s.client, one.get(), "x"));
            CHECK(nowhere == from_errno(EDESTADDRREQ));
        }

        datagram_socket udp = test::udp_at_loopback();
        std::string said;
        try {
            co_await bight::receive_descriptors(udp, into);
        } catch (const std::system_error& e) {
            CHECK(e.code() == std::errc::operation_not_supported);
            said = e.what();
        }
        CHECK_THAT(said, Catch::StartsWith("receive descriptors at 127.0.0.1:") &&
                             Catch::Contains("over Unix sockets alone"));
        const auto over_udp = co_await error_of(bight::send_descriptor(udp, one.get(), "x", udp.local()));
        CHECK(over_udp == std::errc::operation_not_supported);

        co_await bight::send_descriptor(s.client, one.get(), "x", s.to);
        const auto got = co_await bight::receive_descriptors(s.server, into);
        CHECK(byte == 'x');
        CHECK(got.descriptors.size() == 1);
    });
}

TEST_CASE("datagrams: a listener goes with one from task to task of a simulated host, and nothing is left") {
    for (std::uint64_t seed = 0; seed < 40; ++seed) {
        CAPTURE(seed);
        bight::sim::world_options options;
        options.personality = bight::sim::personalities[seed % bight::sim::personalities.size()];
        options.faults = bight::sim::fault_plan::storm().without_harm();
        bight::sim::world w(seed, options);
        auto& server = w.add("server");
        std::string echoed;
        server.run([]() -> task<> {
            bight::datagram_options asks;
            asks.tell_sender = true;
            datagram_socket front = datagram_socket::bind("unix:@work", asks);
            char byte = 0;
            const auto got = co_await bight::receive_descriptors(front, bight::mutable_buffer(&byte, 1));
            REQUIRE(got.descriptors.size() == 1);
            CHECK(got.datagram.sender == bight::datagram_sender{.process = 1});
            bight::listener passed = bight::listen(got.descriptors[0].as_endpoint());
            bight::stream peer = co_await passed.accept();
            co_await peer.write("from the worker");
            co_await peer.close();
        });
        server.run([]() -> task<> {
            co_await bight::sleep_for(1s);
            datagram_socket worker = co_await datagram_socket::connect("unix:@work");
            bight::listener front = bight::listen("tcp:7000");
            const bight::released_listener released = bight::release_listener(std::move(front));
            co_await bight::send_descriptor(worker, released.socket.get(), "l");
        });
        w.add("client").run([&]() -> task<> {
            co_await bight::sleep_for(5s);
            bight::stream s = co_await bight::connect("tcp:server:7000");
            echoed = co_await test::read_all(s);
        });
        w.run();
        CHECK(echoed == "from the worker");
        w.run_for(1min);
        CHECK(server.sockets() == 0);
    }
}

TEST_CASE("datagrams: a simulated host closes descriptors that nobody takes, and refuses too many") {
    bight::sim::world_options options;
    options.sockets_per_host = 20;
    bight::sim::world w(7, options);
    auto& server = w.add("server");
    server.run([&]() -> task<> {
        datagram_socket to = datagram_socket::bind("unix:@to");
        datagram_socket by = co_await datagram_socket::connect("unix:@to");
        bight::listener l = bight::listen("tcp:7000");
        const std::size_t before = server.sockets();
        co_await bight::send_descriptor(by, l.native_handle(), "a");
        CHECK(server.sockets() == before + 1);
        const std::string unwanted = co_await test::text_at(to);
        CHECK(unwanted == "a");
        CHECK(server.sockets() == before);

        const std::vector<int> four(4, l.native_handle());
        co_await bight::send_descriptors(by, four, "b");
        char byte = 0;
        {
            const auto got = co_await bight::receive_descriptors(to, bight::mutable_buffer(&byte, 1), 2);
            CHECK(got.descriptors.size() == 2);
            CHECK(got.missing == errc::too_long);
            CHECK(server.sockets() == before + 2);
        }
        const std::vector<int> many(30, l.native_handle());
        const auto error = co_await error_of(bight::send_descriptors(by, many, "c"));
        CHECK(error == from_errno(ETOOMANYREFS));
        const auto unknown = co_await error_of(bight::send_descriptor(by, 0, "c"));
        CHECK(unknown == std::errc::bad_file_descriptor);
        const std::string why = co_await said_by(bight::send_descriptor(by, 0, "c"));
        CHECK_THAT(why, Catch::Contains("a datagram_socket without an address"));
        CHECK(server.sockets() == before);
        co_await bight::send_descriptors(by, four, "d");
        to.close();
        by.close();
        CHECK(server.sockets() == before - 2);
    });
    w.run();
}
