// The keepalive sample: its server with clients of the test, its client with servers of the test, and both
// together.
#include "server.hpp"

#include <algorithm>
#include <cerrno>
#include <string>
#include <string_view>
#include <utility>

using namespace test;
using namespace std::string_literals;

namespace {

// A keep-alive, number 7, as its bytes are: no code that is shared with the sample.
const std::string keep_alive = "\x00\x0e\x00\x01\x00\x00\x00\x07\x00\x00\x00\x00\x00\x00\x01\x02"s;
const std::string other_kind = "\x00\x0e\x00\x09\x00\x00\x00\x07\x00\x00\x00\x00\x00\x00\x00\x00"s;

// The server. Unless a test is about silence, nobody is silent for two of these periods.
class keepalive_server {
  public:
    explicit keepalive_server(bight::demultiplexer_kind kind, int period = 60)
        : port_(free_port()),
          process_({sample("keepalive"), "server", endpoint_at(port_), std::to_string(period)},
                   {use_reactor(kind)}) {}
    client connect() {
        const sockaddr_in at = loopback(port_);
        for (const auto until = deadline(); steady::now() < until;) {
            client made(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
            if (::connect(made.native_handle(), reinterpret_cast<const sockaddr*>(&at), sizeof at) == 0)
                return made;
            ::usleep(5'000);
        }
        throw std::runtime_error("keepalive does not listen");
    }
    std::string where() const { return "tcp:127.0.0.1:" + std::to_string(port_); }
    test::process& process() { return process_; }

  private:
    std::uint16_t port_;
    test::process process_;
};

std::string place_of(const client& c) { return "127.0.0.1:" + std::to_string(port_of(c.native_handle())); }

// Whether the connection ends, or has something to say, within a fifth of a period.
bool stirs(const client& c) {
    pollfd waits{c.native_handle(), POLLIN, 0};
    return ::poll(&waits, 1, 200) > 0;
}

std::size_t lines_with(const std::string& text, std::string_view part) {
    std::size_t count = 0;
    for (std::size_t at = 0; (at = text.find(part, at)) != text.npos; at += part.size()) ++count;
    return count;
}

}  // namespace

TEST_CASE("keepalive: a record is answered with itself, however it comes; what is unknown is passed over") {
    const auto kind = GENERATE(from_range(demultiplexers()));
    CAPTURE(kind);
    keepalive_server server(kind);
    client c = server.connect();
    REQUIRE(c.send(keep_alive));
    CHECK(c.read(16) == keep_alive);
    for (const char byte : keep_alive) REQUIRE(c.send({&byte, 1}));
    CHECK(c.read(16) == keep_alive);
    const std::string longer = "\x00\x10"s + keep_alive.substr(2) + "??";
    REQUIRE(c.send(other_kind + longer + other_kind + keep_alive));
    CHECK(c.read(32) == keep_alive + keep_alive);
    c.end_writing();
    CHECK(c.read(1).empty());
    CHECK(c.error() == 0);
    CHECK(server.process().wait_for_output(place_of(c) + " has gone: it ended\n"));
    CHECK_THAT(server.process().output(), Catch::Matchers::StartsWith(place_of(c) + " has come\n"));
    CHECK(server.process().errors().empty());
}

TEST_CASE("keepalive: who sends no record in two periods is let go, though bytes come; the others stay") {
    const auto kind = GENERATE(from_range(demultiplexers()));
    CAPTURE(kind);
    keepalive_server server(kind, 2);
    client alive = server.connect();
    client silent = server.connect();
    client dribbles = server.connect();
    REQUIRE(dribbles.send("\x04\x00"s));  // a long record, of which there is a byte now and then
    const auto start = steady::now();
    bool silent_goes = false;
    bool dribbler_goes = false;
    int records = 0;
    while (!silent_goes || !dribbler_goes) {
        REQUIRE(steady::now() < start + patience);
        REQUIRE(alive.send(keep_alive));
        REQUIRE(alive.read(16) == keep_alive);
        ++records;
        if (!dribbler_goes) (void)dribbles.send("x");
        silent_goes = silent_goes || stirs(silent);
        dribbler_goes = dribbler_goes || stirs(dribbles);
    }
    CHECK(steady::now() - start >= std::chrono::seconds(2));
    CHECK(records > 1);
    CHECK(silent.read(1).empty());
    CHECK(silent.error() == ECONNRESET);
    CHECK(server.process().wait_for_output(place_of(dribbles) + " has gone: no sign of life\n"));
    CHECK(lines_with(server.process().output(), "has gone") == 2);
    REQUIRE(alive.send(keep_alive));
    CHECK(alive.read(16) == keep_alive);
}

TEST_CASE("keepalive: a record of a wrong size, or cut off, ends its client alone") {
    const auto kind = GENERATE(from_range(demultiplexers()));
    CAPTURE(kind);
    keepalive_server server(kind);
    client other = server.connect();
    const std::string shorter = "\x00\x0d"s + keep_alive.substr(2, 13);
    const std::string longer = "longer than its limit";
    const std::string bad = "Bad message";
    for (const auto& [sent, why] : {std::pair("\x00\x00"s, bad), std::pair(shorter, bad),
                                    std::pair("\x04\x01"s, longer), std::pair("\xff\xff"s, longer)}) {
        client wrong = server.connect();
        REQUIRE(wrong.send(sent));
        CHECK(wrong.read(1).empty());
        CHECK(wrong.error() == ECONNRESET);
        CHECK(server.process().wait_for_output(place_of(wrong) + " has gone: " + why + "\n"));
    }
    for (const std::size_t part : {1U, 2U, 15U}) {
        client ends = server.connect();
        REQUIRE(ends.send(keep_alive.substr(0, part)));
        ends.end_writing();
        CHECK(server.process().wait_for_output(
            place_of(ends) + " has gone: the stream ended before what was asked for had come\n"));
    }
    client resets = server.connect();
    const std::string name = place_of(resets);
    REQUIRE(resets.send(keep_alive));
    REQUIRE(resets.read(16) == keep_alive);
    resets.reset();
    CHECK(server.process().wait_for_output(name + " has gone: Connection reset by peer\n"));
    REQUIRE(other.send(keep_alive));
    CHECK(other.read(16) == keep_alive);
    CHECK(server.process().errors().empty());
}

TEST_CASE(
    "keepalive: its client and its server understand each other, and the client tells when it has gone") {
    const auto kind = GENERATE(from_range(demultiplexers()));
    CAPTURE(kind);
    keepalive_server server(kind);
    (void)server.connect();  // it listens
    process c({sample("keepalive"), "client", server.where(), "1"}, {use_reactor(kind)});
    CHECK(c.wait_for_output("1: answered\n2: answered\n"));
    server.process().signal(SIGTERM);
    CHECK(server.process().wait() == exit_state{143, 0});
    CHECK(c.wait() == exit_state{1, 0});
    CHECK_THAT(c.errors(), Catch::Contains("the server has ended"));
}

TEST_CASE("keepalive: the client does not stay with a server that is silent, or answers something else") {
    const auto kind = GENERATE(from_range(demultiplexers()));
    CAPTURE(kind);
    const plain_listener listener;
    process c({sample("keepalive"), "client", "tcp:127.0.0.1:" + std::to_string(listener.port()), "1"},
              {use_reactor(kind)});
    client server = accept_from(listener);
    const std::string asked = server.read(16);
    REQUIRE(asked.size() == 16);
    CHECK(asked.substr(0, 8) == "\x00\x0e\x00\x01\x00\x00\x00\x01"s);
    SECTION("silent") {
        CHECK(c.wait() == exit_state{1, 0});
        CHECK_THAT(c.errors(), Catch::Contains("the deadline passed"));
    }
    SECTION("another answer") {
        std::string answer = asked;
        answer.back() = static_cast<char>(answer.back() + 1);
        REQUIRE(server.send(answer));
        CHECK(c.wait() == exit_state{1, 0});
        CHECK_THAT(c.errors(), Catch::Contains("that is not the answer"));
    }
    CHECK(c.output().empty());
}

TEST_CASE("keepalive with arguments that it does not know explains itself") {
    for (const std::vector<std::string>& arguments : {std::vector<std::string>{},
                                                      {"serve"},
                                                      {"server", "tcp:7070", "0"},
                                                      {"client", "tcp:7070", "1.5"},
                                                      {"client", "tcp:7070", "-1"},
                                                      {"client", "tcp:7070", "99999999999999999999"},
                                                      {"server", "tcp:7070", "1", "1"}}) {
        std::vector<std::string> command{sample("keepalive")};
        command.insert(command.end(), arguments.begin(), arguments.end());
        process wrong(command);
        CHECK(wrong.wait() == exit_state{2, 0});
        CHECK(wrong.errors() == "usage: keepalive server|client [ENDPOINT [SECONDS]]\n");
    }
}
