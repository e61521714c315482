// The samples that read from several servers: by watched sockets of their own, and by connections of bight's.
#include "server.hpp"

#include <string>

using namespace test;

TEST_CASE("low_level, high_level: read from several servers until one ends and another is lost") {
    const std::string name = GENERATE("low_level", "high_level");
    const auto kind = GENERATE(from_range(demultiplexers()));
    CAPTURE(name, kind);
    const plain_listener listeners[2];
    process reader({sample(name), std::to_string(listeners[0].port()), std::to_string(listeners[1].port())},
                   {use_reactor(kind)});
    client first = accept_from(listeners[0]);
    client second = accept_from(listeners[1]);
    // Partial reads add up.
    CHECK(second.send("12345"));
    CHECK(reader.wait_for_output("Task 2: got 5 bytes\n"));
    CHECK(first.send("123"));
    CHECK(reader.wait_for_output("Task 1: got 3 bytes\n"));
    CHECK(second.send("1234567"));
    CHECK(reader.wait_for_output("Task 2: got 7 bytes\n"));
    first.close();
    CHECK(reader.wait_for_output("Task 1: done after 3 bytes\n"));
    second.reset();
    CHECK(reader.wait() == exit_state{0, 0});
    CHECK(reader.output() ==
          "Task 2: got 5 bytes\nTask 1: got 3 bytes\nTask 2: got 7 bytes\n"
          "Task 1: done after 3 bytes\nTask 2: lost after 12 bytes\n");
}

TEST_CASE("low_level: what came before a connection was lost is told, and counts") {
    const auto kind = GENERATE(from_range(demultiplexers()));
    CAPTURE(kind);
    const plain_listener listeners[2];
    process reader(
        {sample("low_level"), std::to_string(listeners[0].port()), std::to_string(listeners[1].port())},
        {use_reactor(kind)});
    client lost = accept_from(listeners[0]);
    client other = accept_from(listeners[1]);
    reader.signal(SIGSTOP);  // it finds the bytes and the reset together
    CHECK(lost.send("1234567"));
    lost.reset();
    reader.signal(SIGCONT);
    CHECK(reader.wait_for_output("Task 1: lost after 7 bytes\n"));
    CHECK(reader.output() == "Task 1: got 7 bytes\nTask 1: lost after 7 bytes\n");
    other.close();
    CHECK(reader.wait() == exit_state{0, 0});
}

TEST_CASE("low_level: a server that is not there is an error, and the exit status is 1") {
    process reader({sample("low_level"), std::to_string(free_port())});
    CHECK(reader.wait() == exit_state{1, 0});
    CHECK_THAT(reader.errors(), Catch::Contains("Task 1: Connection refused"));
}

TEST_CASE("low_level, high_level: what is no port is an error, and without any they explain themselves") {
    const std::string name = GENERATE("low_level", "high_level");
    CAPTURE(name);
    for (const char* port : {"x", "65536", "-1", ""}) {
        CAPTURE(port);
        process reader({sample(name), port});
        CHECK(reader.wait() == exit_state{1, 0});
        CHECK_THAT(reader.errors(), Catch::Contains("endpoint \"tcp:") && Catch::Contains(": expected a"));
    }
    process reader({sample(name)});
    CHECK(reader.wait() == exit_state{2, 0});
    CHECK(reader.errors() == "usage: " + name + " PORT...\n");
}
