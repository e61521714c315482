// What passing descriptors refuses, and whether the words say what to do.
#include "passed_descriptors.hpp"

#include "support/catch.hpp"
#include "support/connections.hpp"
#include "support/reactors.hpp"

#include <bight/bight.hpp>
#include <bight/net/datagram_socket.hpp>
#include <bight/net/descriptor_passing.hpp>
#include <bight/sim/world.hpp>

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
        const int closed = closed_number();
        std::vector<int> mixed{good.get(), closed};
        const std::string wanted = ": " + std::to_string(closed) + " is not open: Bad file descriptor";
        auto said = co_await words_of(bight::send_descriptors(pair.client, mixed, "x"));
        CHECK_THAT(said, Catch::StartsWith("send descriptors to unix:") && Contains(wanted));
        said = co_await words_of(bight::send_descriptor(pair.client, -1, "x"));
        CHECK_THAT(said, Contains(": -1 is not open: Bad file descriptor"));

        const test::temporary_directory directory;
        const std::string path = "unix:" + test::escaped(directory.file("inbox"));
        auto inbox = bight::datagram_socket::bind(path);
        auto sender = co_await bight::datagram_socket::connect(path);
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
