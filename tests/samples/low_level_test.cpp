// The sample that makes its own system calls: a client of slow servers.
#include "server.hpp"

#include <regex>
#include <string>

using namespace test;

namespace {

std::string place(const plain_listener& l) { return "127.0.0.1:" + std::to_string(l.port()); }

}  // namespace

TEST_CASE("low_level: the poems of several servers come in pieces, side by side, and are counted in order") {
    const auto kind = GENERATE(from_range(demultiplexers()));
    CAPTURE(kind);
    const plain_listener first;
    const plain_listener second;
    process reader({sample("low_level"), std::to_string(first.port()), place(second)}, {use_reactor(kind)});
    client one = accept_from(first);
    client two = accept_from(second);
    const std::string from_one = " bytes of poetry from " + place(first) + "\n";
    const std::string from_two = " bytes of poetry from " + place(second) + "\n";
    std::string expected;
    const auto hears = [&](client& from, const std::string& text, const std::string& line) {
        REQUIRE(from.send(text));
        expected += line;
        REQUIRE(reader.wait_for([&] { return reader.output() == expected; }));
    };
    hears(two, "hello", "Task 2: got 5" + from_two);
    hears(one, std::string(3000, 'x'), "Task 1: got 3000" + from_one);  // more than one call takes
    hears(two, ", world", "Task 2: got 7" + from_two);
    two.close();
    hears(one, "", "Task 2 finished\n");
    one.close();
    CHECK(reader.wait() == exit_state{0, 0});
    expected += "Task 1 finished\nTask 1: 3000 bytes of poetry\nTask 2: 12 bytes of poetry\nGot 2 poems in ";
    const std::string output = reader.output();
    REQUIRE(output.starts_with(expected));
    CHECK(std::regex_match(output.substr(expected.size()), std::regex(R"(0:00:\d\d\.\d{6}\n)")));
    CHECK(reader.errors().empty());
}

TEST_CASE("low_level: a connection that fails is lost alone, with its reason") {
    const auto kind = GENERATE(from_range(demultiplexers()));
    CAPTURE(kind);
    const plain_listener first;
    const plain_listener second;
    process reader({sample("low_level"), place(first), place(second)}, {use_reactor(kind)});
    client one = accept_from(first);
    client two = accept_from(second);
    one.reset();
    REQUIRE(reader.wait_for([&] { return !reader.errors().empty(); }));
    REQUIRE(two.send("poem"));
    two.close();
    CHECK(reader.wait() == exit_state{0, 0});
    CHECK(reader.errors() == "Task 1: recv: Connection reset by peer\n");
    CHECK(reader.output().find("Task 1 finished") == std::string::npos);
    CHECK(reader.output().find("Task 2: 4 bytes of poetry\nGot 2 poems in ") != std::string::npos);
}

TEST_CASE("low_level: a server that is not there is reported, and the exit status is 1") {
    const std::uint16_t port = free_port();
    process reader({sample("low_level"), std::to_string(port)});
    CHECK(reader.wait() == exit_state{1, 0});
    CHECK(reader.output().empty());
    CHECK_THAT(reader.errors(), Catch::Contains("connect: Connection refused"));
    process nameless({sample("low_level")});
    CHECK(nameless.wait() == exit_state{2, 0});
    CHECK(nameless.errors() == "usage: low_level [IP:]PORT...\n");
}
