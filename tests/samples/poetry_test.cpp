// The poetry sample, which reads from several servers of the test at once.
#include "server.hpp"

#include <string>

using namespace test;

namespace {

std::string server_at(std::uint16_t port) { return "tcp:127.0.0.1:" + std::to_string(port); }

std::string progress_of(int task, std::size_t bytes, std::uint16_t from) {
    return "Task " + std::to_string(task) + ": got " + std::to_string(bytes) +
           " bytes of poetry from 127.0.0.1:" + std::to_string(from) + "\n";
}

}  // namespace

TEST_CASE("poetry: reads from all servers at once, and reports in the order of the tasks") {
    const auto kind = GENERATE(from_range(demultiplexers()));
    CAPTURE(kind);
    const plain_listener listeners[3];
    const std::uint16_t ports[] = {listeners[0].port(), listeners[1].port(), listeners[2].port()};
    process reader({sample("poetry"), server_at(ports[0]), server_at(ports[1]), server_at(ports[2])},
                   {use_reactor(kind)});
    client first = accept_from(listeners[0]);
    client second = accept_from(listeners[1]);
    client third = accept_from(listeners[2]);
    // Whoever has something to say is heard, and the last is the first to end.
    std::string expected = progress_of(3, 5, ports[2]);
    CHECK(third.send("12345"));
    CHECK(reader.wait_for_output(expected));
    third.close();
    CHECK(first.send("123"));
    expected += progress_of(1, 3, ports[0]);
    CHECK(reader.wait_for_output(expected));
    CHECK(second.send("1234567"));
    expected += progress_of(2, 7, ports[1]);
    CHECK(reader.wait_for_output(expected));
    CHECK(second.send("89"));
    expected += progress_of(2, 2, ports[1]);
    CHECK(reader.wait_for_output(expected));
    second.close();
    first.close();
    CHECK(reader.wait() == exit_state{0, 0});
    CHECK(reader.output() ==
          expected + "Task 1: 3 bytes of poetry\nTask 2: 9 bytes of poetry\nTask 3: 5 bytes of poetry\n");
    CHECK(reader.errors().empty());
}

TEST_CASE("poetry: a server that is not there, and one that is lost, are told, and the others are read") {
    const auto kind = GENERATE(from_range(demultiplexers()));
    CAPTURE(kind);
    const plain_listener listeners[2];
    const std::uint16_t nobody = free_port();
    process reader({sample("poetry"), server_at(listeners[0].port()), server_at(nobody),
                    server_at(listeners[1].port()), "tcp:99999"},
                   {use_reactor(kind)});
    client lost = accept_from(listeners[0]);
    client whole = accept_from(listeners[1]);
    CHECK(lost.send("1234"));
    CHECK(reader.wait_for_output(progress_of(1, 4, listeners[0].port())));
    lost.reset();
    CHECK(whole.send("12"));
    whole.close();
    CHECK(reader.wait() == exit_state{1, 0});
    CHECK_THAT(reader.output(), Catch::Contains("Task 1: 4 bytes of poetry\nTask 2: 0 bytes of poetry\n"
                                                "Task 3: 2 bytes of poetry\nTask 4: 0 bytes of poetry\n"));
    // Where it could not connect to.
    CHECK_THAT(reader.errors(), Catch::Contains("Task 1: ") && Catch::Contains("Connection reset by peer") &&
                                    Catch::Contains("Task 2: ") &&
                                    Catch::Contains("127.0.0.1:" + std::to_string(nobody)) &&
                                    Catch::Contains("Connection refused") &&
                                    Catch::Contains("Task 4: endpoint \"tcp:99999\": at position 4"));
    CHECK(reader.errors().find("Task 3") == std::string::npos);
}

TEST_CASE("poetry: a poem without an end is not read for ever") {
    const auto kind = GENERATE(from_range(demultiplexers()));
    CAPTURE(kind);
    const plain_listener listener;
    process reader({sample("poetry"), server_at(listener.port())}, {use_reactor(kind)});
    client endless = accept_from(listener);
    const std::string verses(65536, 'x');
    int sent = 0;
    while (endless.send(verses)) {
        ++sent;
        REQUIRE(sent < 1000);
    }
    CHECK(reader.wait() == exit_state{1, 0});
    CHECK_THAT(reader.errors(), Catch::Contains("Task 1: more than 1048576 bytes"));
}

TEST_CASE("poetry without a server explains itself") {
    process nobody({sample("poetry")});
    CHECK(nobody.wait() == exit_state{2, 0});
    CHECK(nobody.errors() == "usage: poetry ENDPOINT...\n");
}
