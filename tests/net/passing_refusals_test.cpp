// What passing descriptors refuses, and whether the words say what to do.
#include "passed_descriptors.hpp"

#include "support/catch.hpp"
#include "support/connections.hpp"
#include "support/open_descriptors.hpp"
#include "support/reactors.hpp"

#include <bight/bight.hpp>
#include <bight/net/datagram_socket.hpp>
#include <bight/net/descriptor_passing.hpp>
#include <bight/sim/world.hpp>

#include <sys/socket.h>

#include <chrono>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

using bight::owned_descriptor;
using bight::task;
using Catch::Contains;
using test::family;
using test::marked;

namespace {

/// The message of what an operation throws.
template <class A>
task<std::string> words_of(A operation) {
    std::string words = "no error";
    try {
        co_await std::move(operation);
    } catch (const std::exception& e) {
        words = e.what();
    }
    co_return words;
}

/// A number that no open file has.
int closed_number() {
    const owned_descriptor open = marked(1);
    return open.get();
}

}  // namespace

TEST_CASE("passing: a descriptor that is not open is named, and not the stream that is") {
    ON_EACH_WITH_UNIX_SOCKETS;
    on.run([]() -> task<> {
        auto pair = co_await test::connected_pair(family::unix_path);
        const owned_descriptor good = marked(1);
        const test::temporary_directory directory;
        const std::string path = "unix:" + test::escaped(directory.file("inbox"));
        auto inbox = bight::datagram_socket::bind(path);
        auto sender = co_await bight::datagram_socket::connect(path);
        std::vector<int> mixed{good.get(), closed_number()};
        const std::string wanted = ": " + std::to_string(mixed.back()) + " is not open: Bad file descriptor";
        auto said = co_await words_of(bight::send_descriptors(pair.client, mixed, "x"));
        CHECK_THAT(said, Catch::StartsWith("send descriptors to unix:") && Contains(wanted));
        said = co_await words_of(bight::send_descriptor(pair.client, -1, "x"));
        CHECK_THAT(said, Contains(": -1 is not open: Bad file descriptor"));
        said = co_await words_of(bight::send_descriptors(sender, mixed, "x"));
        CHECK_THAT(said, Catch::StartsWith("send descriptors from ") && Contains(wanted));
    });
}

TEST_CASE("passing: a simulated host names what is not open, too") {
    bight::sim::world w(1);
    w.add("host").run([]() -> task<> {
        auto pair = co_await test::connected_pair(family::unix_abstract);
        const bight::listener l = bight::listen("tcp:7000");
        std::vector<int> mixed{l.native_handle(), 77};
        const auto said = co_await words_of(bight::send_descriptors(pair.client, mixed, "x"));
        CHECK_THAT(said, Contains(": 77 is not open: Bad file descriptor"));
    });
    w.run();
}

TEST_CASE("passing: why a socket is not taken out of its stream is said") {
    ON_EACH_WITH_UNIX_SOCKETS;
    on.run([]() -> task<> {
        const auto refusal = [](bight::stream& s) {
            std::string words = "no error";
            try {
                (void)bight::release_descriptor(std::move(s));
            } catch (const std::system_error& e) {
                CHECK(e.code() == bight::errc::busy);
                words = e.what();
            }
            CHECK_THAT(words, Catch::EndsWith(": in use already"));
            return words;
        };
        char byte = 0;
        const bight::mutable_buffer memory(&byte, 1);
        auto reads = co_await test::connected_pair(family::unix_path);
        auto read = [&]() -> task<> { co_await reads.server.read_some(memory); };
        auto beside_read = [&]() -> task<> {
            CHECK_THAT(refusal(reads.server), Contains("a task reads from it"));
            co_await reads.client.write("x");
        };
        co_await bight::when_all(read(), beside_read());
        auto watch = [&]() -> task<> { co_await bight::until_peer_gone(reads.server); };
        auto beside_watch = [&]() -> task<> {
            CHECK_THAT(refusal(reads.server), Contains("until_peer_gone"));
            reads.client.abort();
            co_return;
        };
        co_await bight::when_all(watch(), beside_watch());

        auto writes = co_await test::connected_pair(family::unix_path);
        test::fill_unix(writes.client.native_handle());
        bight::outbox box(writes.client);
        box.send("hello");
        CHECK_THAT(refusal(writes.client), Contains("flush()"));
        writes.client.abort();

        // It has read ahead.
        for (const int way : {0, 1, 2, 3}) {
            CAPTURE(way);
            auto pair = co_await test::connected_pair(family::unix_path);
            co_await pair.client.write("GET /\n");
            if (way == 0) {
                const bight::chunk all = co_await pair.server.read_some();
                CHECK(all.size() == 6);
            } else if (way == 1) {
                const std::string line = co_await pair.server.read_until("\n");
                CHECK(line == "GET /\n");
            } else if (way == 2) {
                bight::line_reader lines(pair.server, "\n");
                const auto line = co_await lines.next();
                CHECK(line == "GET /");
            } else {
                bight::buffered_reader reader(pair.server);
                const auto line = co_await reader.exactly(6);
                CHECK(line == "GET /\n");
            }
            CHECK_THAT(refusal(pair.server),
                       Contains("may have read ahead") && Contains("memory of your own"));
        }
        auto given_back = co_await test::connected_pair(family::unix_path);
        co_await given_back.client.write("one\ntwo\n");
        co_await given_back.server.read_until("\n");
        CHECK_THAT(refusal(given_back.server), Contains("given back") && Contains("read_until"));
        auto holds = co_await test::connected_pair(family::unix_path);
        co_await holds.client.write("one\ntwo\n");
        bight::line_reader lines(holds.server, "\n");
        co_await lines.next();
        CHECK_THAT(refusal(holds.server), Contains("line_reader over it has bytes"));
        auto untaken = co_await test::connected_pair(family::unix_path);
        bight::accept_descriptors(untaken.server);
        co_await bight::send_descriptor(untaken.client, marked(1).get(), "x");
        co_await untaken.server.read_exactly(memory);
        CHECK_THAT(refusal(untaken.server), Contains("take_descriptors"));
    });
}

TEST_CASE("passing: what reads no more than it gives leaves the socket to be taken out") {
    ON_EACH_WITH_UNIX_SOCKETS;
    on.run([]() -> task<> {
        auto pair = co_await test::connected_pair(family::unix_path);
        co_await pair.client.write("GET /\n");
        char start[4];
        co_await pair.server.read_exactly(start);
        co_await pair.server.read_some(bight::mutable_buffer(start, 1));
        const auto still_there = co_await bight::try_with_timeout(bight::until_peer_gone(pair.server),
                                                                  std::chrono::milliseconds(1));
        CHECK_FALSE(still_there);
        bight::outbox box(pair.server);
        box.send("hello");
        co_await box.flush();
        const owned_descriptor taken = bight::release_descriptor(std::move(pair.server));
        CHECK(taken);
    });
}

TEST_CASE("passing: who takes descriptors, and has not asked for them, is told") {
    ON_EACH_WITH_UNIX_SOCKETS;
    on.run([]() -> task<> {
        auto pair = co_await test::connected_pair(family::unix_path);
        co_await bight::send_descriptor(pair.client, marked(1).get(), "x");
        char byte = 0;
        co_await pair.server.read_exactly(bight::mutable_buffer(&byte, 1));
        auto none = bight::take_descriptors(pair.server);
        CHECK(none.descriptors.empty());
        CHECK(none.missing == bight::errc::not_accepted);
        CHECK_THAT(none.missing.message(), Contains("accept_descriptors"));
        bight::accept_descriptors(pair.client);
        none = bight::take_descriptors(pair.client);
        CHECK_FALSE(none.missing);
        bight::stream empty;
        none = bight::take_descriptors(empty);
        CHECK(none.missing == std::errc::bad_file_descriptor);
        // Where none can come, none are missing.
        for (const auto f : {family::tcp, family::memory}) {
            auto other = co_await test::connected_pair(f);
            none = bight::take_descriptors(other.server);
            CHECK_FALSE(none.missing);
        }
        pair.server.abort();
        none = bight::take_descriptors(pair.server);
        CHECK_FALSE(none.missing);
    });
}

TEST_CASE("passing: the text of a message may go before its task begins") {
    ON_EACH_WITH_UNIX_SOCKETS;
    on.run([]() -> task<> {
        auto pair = co_await test::connected_pair(family::unix_path);
        const owned_descriptor one = marked(1);
        const std::string name(100, 'n');  // on the heap
        auto sending = bight::send_descriptor(pair.client, one.get(), "config " + name + "\n");
        const std::string over_it(108, 'x');
        co_await std::move(sending);
        char bytes[200];
        const auto got = co_await bight::receive_descriptors(pair.server, bytes);
        CHECK(std::string(bytes, got.size) == "config " + name + "\n");
        CHECK(got.descriptors.size() == 1);
        CHECK(over_it.size() == 108);
    });
}

TEST_CASE("passing: a message that is spawned owns its descriptor, and closes it") {
    ON_EACH_WITH_UNIX_SOCKETS;
    on.run([]() -> task<> {
        int ends[2];  // without a listener that is yet to be closed, and would disturb the counts
        REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
        bight::stream client = co_await bight::connect(owned_descriptor(ends[0]));
        bight::stream server = co_await bight::connect(owned_descriptor(ends[1]));
        const test::temporary_directory directory;
        const std::string path = "unix:" + test::escaped(directory.file("inbox"));
        auto inbox = bight::datagram_socket::bind(path);
        auto sender = co_await bight::datagram_socket::connect(path);
        const int before = test::open_descriptors();
        auto send_all = [&](bight::group& g) -> task<> {
            {
                owned_descriptor mine = marked(1);
                g.spawn(bight::send_descriptor(client, std::move(mine), "take\n"));
                owned_descriptor next = marked(2);
                g.spawn(bight::send_descriptor(sender, std::move(next), "take\n"));
            }
            const owned_descriptor other = marked(3);  // has no number of theirs
            char bytes[16];
            const auto got = co_await bight::receive_descriptors(server, bytes);
            CHECK(test::marks_of(got.descriptors) == std::vector{1});
            const auto datagram = co_await bight::receive_descriptors(inbox, bytes);
            CHECK(test::marks_of(datagram.descriptors) == std::vector{2});
        };
        co_await bight::with_group(send_all);
        CHECK(test::open_descriptors() == before);
        // However it ends.
        const auto nothing_sent = co_await words_of(bight::send_descriptor(client, marked(1), ""));
        CHECK_THAT(nothing_sent, Contains("no bytes"));
        CHECK(test::open_descriptors() == before);
        test::fill_unix(client.native_handle());
        const auto in_vain = co_await bight::try_with_timeout(
            bight::send_descriptor(client, marked(1), "lost"), std::chrono::milliseconds(1));
        CHECK_FALSE(in_vain);
        CHECK(test::open_descriptors() == before);
    });
}
