// What the samples say when they cannot start.
#include "server.hpp"

#include <string>

using namespace test;

TEST_CASE("a bad endpoint: the message names the position, and the exit status is 1") {
    const auto kind = GENERATE(from_range(demultiplexers()));
    CAPTURE(kind);
    for (const char* name : {"echo", "chat", "broadcast", "greeter"}) {
        CAPTURE(name);
        process started({sample(name), "tcp:99999"}, {use_reactor(kind)});
        CHECK(started.wait() == exit_state{1, 0});
        CHECK_THAT(started.errors(),
                   Catch::Contains("endpoint \"tcp:99999\": at position 4: expected a port"));
    }
}

TEST_CASE("an unknown demultiplexer: the message lists those that can be had, and the exit status is 1") {
    for (const char* name : {"echo", "greeter"}) {
        CAPTURE(name);
        process started({sample(name)}, {"BIGHT_REACTOR=kqueue2"});
        CHECK(started.wait() == exit_state{1, 0});
        CHECK_THAT(started.errors(), Catch::Contains("\"kqueue2\"") && Catch::Contains("BIGHT_REACTOR"));
        for (const auto kind : demultiplexers()) {
            CHECK_THAT(started.errors(), Catch::Contains(std::string(name_of(kind))));
        }
    }
}

TEST_CASE("a port in use: the message names the address and the error, and the exit status is 1") {
    const auto kind = GENERATE(from_range(demultiplexers()));
    CAPTURE(kind);
    const plain_listener taken;
    for (const char* name : {"echo", "chat", "broadcast"}) {
        CAPTURE(name);
        process started({sample(name), endpoint_at(taken.port())}, {use_reactor(kind)});
        CHECK(started.wait() == exit_state{1, 0});
        CHECK_THAT(started.errors(), Catch::Contains("127.0.0.1") &&
                                         Catch::Contains(std::to_string(taken.port())) &&
                                         Catch::Contains("Address already in use"));
    }
}
