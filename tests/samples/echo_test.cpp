// The echo sample, as a process.
#include "server.hpp"

#include <algorithm>
#include <thread>
#include <vector>

using namespace test;

namespace {

std::string numbered_text(std::size_t size) {
    std::string text;
    text.reserve(size + 16);
    for (std::size_t i = 0; text.size() < size; ++i) text += std::to_string(i * 7919) + ' ';
    text.resize(size);
    return text;
}

}  // namespace

TEST_CASE("echo sends back what it receives, byte for byte") {
    const auto kind = GENERATE(from_range(demultiplexers()));
    CAPTURE(kind);
    server echo("echo", kind);
    client peer = echo.connect();
    const std::string bytes("every byte: \0 \r \n \xff \x80 \xe6\xac\xa2", 24);
    for (int i = 0; i < 3; ++i) {
        REQUIRE(peer.send(bytes));
        CHECK(peer.read(bytes.size()) == bytes);
    }
}

TEST_CASE("echo serves many clients at a time") {
    const auto kind = GENERATE(from_range(demultiplexers()));
    CAPTURE(kind);
    server echo("echo", kind);
    std::vector<client> clients;
    clients.reserve(100);
    for (int i = 0; i < 100; ++i) clients.push_back(echo.connect());
    for (std::size_t i = 0; i < clients.size(); ++i) REQUIRE(clients[i].send("I am " + std::to_string(i)));
    std::size_t answered = 0;
    for (std::size_t i = clients.size(); i-- > 0;) {
        const std::string expected = "I am " + std::to_string(i);
        if (clients[i].read(expected.size()) == expected) ++answered;
    }
    CHECK(answered == clients.size());
}

TEST_CASE("echo sends back 8 MiB") {
    const auto kind = GENERATE(from_range(demultiplexers()));
    CAPTURE(kind);
    server echo("echo", kind);
    client peer = echo.connect();
    const std::string bytes = numbered_text(std::size_t{8} << 20);
    bool sent = false;
    std::thread writer([&] {
        client same(::dup(peer.native_handle()));
        sent = same.send(bytes);
    });
    const std::string back = peer.read(bytes.size());
    writer.join();
    CHECK(sent);
    const auto differs = std::mismatch(bytes.begin(), bytes.end(), back.begin(), back.end());
    CHECK(differs.first - bytes.begin() == static_cast<std::ptrdiff_t>(bytes.size()));
}

TEST_CASE("echo answers a client that has ended its side, then ends its own") {
    const auto kind = GENERATE(from_range(demultiplexers()));
    CAPTURE(kind);
    server echo("echo", kind);
    client peer = echo.connect();
    const std::string bytes = numbered_text(65536);
    REQUIRE(peer.send(bytes));
    peer.end_writing();
    CHECK(peer.read_to_end() == bytes);
    CHECK(peer.error() == 0);
}
