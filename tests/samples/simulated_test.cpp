// A sample in a simulated world of its own: BIGHT_REACTOR=sim:SEED.
#include "server.hpp"

#include <string>

using namespace test;

namespace {

constexpr const char* alone = "BIGHT_REACTOR=sim:1";

}  // namespace

TEST_CASE("simulated: a server alone in its world ends with what it waits for, the same each time") {
    std::string first;
    for (const char* seed :
         {"BIGHT_REACTOR=sim:1", "BIGHT_REACTOR=sim:1", "BIGHT_REACTOR=sim:18446744073709551615"}) {
        CAPTURE(seed);
        process echo({sample("echo")}, {seed});
        CHECK(echo.wait() == exit_state{1, 0});
        CHECK(echo.output().empty());
        CHECK_THAT(echo.errors(), Catch::Matchers::StartsWith(
                                      "bight: error in bight::run: deadlock: nothing can ever run again\n"));
        CHECK_THAT(echo.errors(), Catch::Contains("waits for a server at 0.0.0.0:7000 with 0 connections") &&
                                      Catch::Contains("\n  task: waits for a connection to 0.0.0.0:7000") &&
                                      Catch::Contains("serving::accept_all"));
        if (first.empty()) first = echo.errors();
        CHECK(echo.errors() == first);
    }
}

TEST_CASE("simulated: what is no seed is refused, with the name of the variable") {
    for (const std::string value :
         {"sim:", "sim:x", "sim:-1", "sim:1 ", "sim:0x10", "sim:18446744073709551616"}) {
        CAPTURE(value);
        process echo({sample("echo")}, {"BIGHT_REACTOR=" + value});
        CHECK(echo.wait() == exit_state{1, 0});
        CHECK_THAT(echo.errors(), Catch::Contains("BIGHT_REACTOR is \"" + value + "\"") &&
                                      Catch::Contains("after \"sim:\" comes a seed, a number below 2^64"));
    }
}

TEST_CASE("simulated: nothing leaves the world, and nothing of the machine is in it") {
    const plain_listener real;
    process greeter({sample("greeter"), endpoint_at(real.port())}, {alone});
    CHECK(greeter.wait() == exit_state{1, 0});
    CHECK(greeter.output() == "Started to connect.\n");
    CHECK_THAT(greeter.errors(),
               Catch::Contains("cannot connect to") && Catch::Contains("Connection refused"));
    // A port that is taken on the machine is free there.
    process echo({sample("echo"), endpoint_at(real.port())}, {alone});
    CHECK(echo.wait() == exit_state{1, 0});
    CHECK_THAT(echo.errors(), Catch::Contains("deadlock") && !Catch::Contains("in use"));
    // A descriptor of the machine is refused, and a name that only the machine knows is unknown.
    process adopting({sample("echo"), "fd:0"}, {alone});
    CHECK(adopting.wait() == exit_state{1, 0});
    CHECK_THAT(adopting.errors(), Catch::Contains("cannot listen at fd:0: Operation not supported"));
    process looking({sample("greeter"), "tcp:ip6-localhost:1"}, {alone});
    CHECK(looking.wait() == exit_state{1, 0});
    CHECK_THAT(looking.errors(), Catch::Contains("look-up of ip6-localhost"));
}

TEST_CASE("simulated: groups and unreachable servers are those of the world") {
    process discover({sample("discover"), "ann"}, {alone});
    CHECK(discover.wait_for_output("+ ann at 10.0.0.1:"));
    discover.signal(SIGKILL);  // it hears itself for all the time that there is, a day
    (void)discover.wait();
    CHECK(discover.output().find('\n') == discover.output().size() - 1);
    process poetry({sample("poetry"), "tcp:localhost:10001", "tcp:192.0.2.1:10001"}, {alone});
    CHECK(poetry.wait() == exit_state{1, 0});
    CHECK(poetry.output() == "Task 1: 0 bytes of poetry\nTask 2: 0 bytes of poetry\n");
    CHECK_THAT(poetry.errors(), Catch::Contains("Task 1: ") && Catch::Contains("Connection refused") &&
                                    Catch::Contains("Task 2: ") && Catch::Contains("192.0.2.1:10001"));
}
