// The portforward sample, as a process between clients and a server of this test.
#include "server.hpp"

#include <cerrno>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>

using namespace test;

namespace {

// The sample, which forwards to `target`.
class forwarder {
  public:
    forwarder(bight::demultiplexer_kind kind, const plain_listener& target)
        : port_(free_port()),
          process_(
              {sample("portforward"), endpoint_at(port_), "tcp:127.0.0.1:" + std::to_string(target.port())},
              {use_reactor(kind)}) {}
    client connect() {
        const sockaddr_in at = loopback(port_);
        for (const auto until = deadline(); steady::now() < until;) {
            client made(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
            if (::connect(made.native_handle(), reinterpret_cast<const sockaddr*>(&at), sizeof at) == 0)
                return made;
            ::usleep(5'000);
        }
        throw std::runtime_error("portforward does not listen");
    }
    test::process& process() { return process_; }

  private:
    std::uint16_t port_;
    test::process process_;
};

}  // namespace

TEST_CASE("portforward forwards both ways, keeps half-closed connections, and says how much went through") {
    const auto kind = GENERATE(from_range(demultiplexers()));
    CAPTURE(kind);
    const plain_listener target;
    forwarder between(kind, target);
    client asks = between.connect();
    client answers = accept_from(target);
    REQUIRE(asks.send("what is the time?"));
    CHECK(answers.read(17) == "what is the time?");
    asks.end_writing();
    CHECK(answers.read(1).empty());
    CHECK(answers.error() == 0);
    REQUIRE(answers.send("late"));
    answers.close();
    CHECK(asks.read_to_end() == "late");
    CHECK(asks.error() == 0);
    asks.close();
    CHECK(between.process().wait_for_output(": 17 bytes there, 4 back\n"));
}

TEST_CASE("portforward resets a client whose server is not there, and serves the next one") {
    const auto kind = GENERATE(from_range(demultiplexers()));
    CAPTURE(kind);
    auto target = std::make_unique<plain_listener>();
    forwarder between(kind, *target);
    target.reset();
    client refused = between.connect();
    CHECK(refused.read(1).empty());
    CHECK(refused.error() == ECONNRESET);
    client next = between.connect();
    CHECK(next.read(1).empty());
}

TEST_CASE("portforward says what is wrong with its target before it serves anybody") {
    process wrong({sample("portforward"), "tcp:0:interface=127.0.0.1", "tcp:localhost"});
    CHECK(wrong.wait() == exit_state{2, 0});
    CHECK_THAT(wrong.errors(), Catch::Contains("\"tcp:localhost\"") && Catch::Contains("expected a port"));
}
