// The broadcast sample, as a process.
#include "server.hpp"
#include "welcome.hpp"

#include <cctype>
#include <string>
#include <vector>

using namespace test;

namespace {

/// A client that has been welcomed as number `number`.
client enter(server& hall, int number) {
    client c = hall.connect();
    REQUIRE(c.read_line() == welcome(number));
    return c;
}

std::size_t count(const std::string& text, const std::string& part) {
    std::size_t n = 0;
    for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + part.size()))
        ++n;
    return n;
}

/// The ids that the server has given, in order.
std::vector<std::string> ids_in(const std::string& output) {
    std::vector<std::string> ids;
    for (std::size_t at = output.find("\nclient "); at != std::string::npos;
         at = output.find("\nclient ", at + 1)) {
        ids.push_back(output.substr(at + 8, 8));
    }
    return ids;
}

}  // namespace

TEST_CASE("broadcast: each client is welcomed with its number, and the trace says so") {
    const auto kind = GENERATE(from_range(demultiplexers()));
    CAPTURE(kind);
    server hall("broadcast", kind);
    client first = enter(hall, 1);
    client second = enter(hall, 2);
    second.close();
    REQUIRE(hall.process().wait_for_output("lost connect"));
    client third = enter(hall, 3);  // a total, not the number of those present
    REQUIRE(hall.process().wait_for_output("new connect: 3\n"));

    REQUIRE(first.send("to the third"));
    CHECK(third.read(12) == "to the third");
    REQUIRE(hall.process().wait_for_output("spread message from "));
    const std::vector<std::string> ids = ids_in(hall.process().output());
    REQUIRE(ids.size() == 3);
    for (const std::string& id : ids) {
        for (const char c : id) CHECK((std::islower(c) || std::isdigit(c)));
    }
    CHECK(hall.process().output() ==
          "new connect: 1\nclient " + ids[0] + ", 1 here\n" +  //
              "new connect: 2\nclient " + ids[1] + ", 2 here\n" + "lost connect: " + ids[1] + ", 1 here\n" +
              "new connect: 3\nclient " + ids[2] + ", 2 here\n" + "spread message from " + ids[0] + "\n");
}

TEST_CASE("broadcast: bytes go to all the others as they are, and not to their sender") {
    const auto kind = GENERATE(from_range(demultiplexers()));
    CAPTURE(kind);
    server hall("broadcast", kind);
    client a = enter(hall, 1);
    client b = enter(hall, 2);
    client c = enter(hall, 3);
    std::string bytes;
    for (int i = 0; i < 4096; ++i) bytes += static_cast<char>(i);
    REQUIRE(a.send(bytes));
    CHECK(b.read(bytes.size()) == bytes);
    CHECK(c.read(bytes.size()) == bytes);
    REQUIRE(b.send("b"));
    CHECK(a.read(1) == "b");
    CHECK(c.read(1) == "b");
    for (client* each : {&a, &b, &c}) {
        each->end_writing();
        CHECK(each->read_to_end().empty());
    }
}

TEST_CASE("broadcast: a client that sends close is disconnected, alone") {
    const auto kind = GENERATE(from_range(demultiplexers()));
    CAPTURE(kind);
    server hall("broadcast", kind);
    client a = enter(hall, 1);
    client b = enter(hall, 2);
    for (const char* word : {"close", "close\n", "close\r\n"}) {
        client leaving = hall.connect();
        leaving.read_line();
        REQUIRE(leaving.send(word));
        CHECK(leaving.read_to_end().empty());
        CHECK(leaving.error() == 0);
    }
    // A message that only begins with the word is one like any other; the word was not passed on.
    REQUIRE(a.send("close the door"));
    CHECK(b.read(14) == "close the door");
    REQUIRE(b.send("done"));
    CHECK(a.read(4) == "done");
}

TEST_CASE("broadcast: 200 clients that come and go leave no descriptor behind") {
    const auto kind = GENERATE(from_range(demultiplexers()));
    CAPTURE(kind);
    server hall("broadcast", kind);
    client resident = enter(hall, 1);
    const int before = open_descriptors_of(hall.process().pid());
    REQUIRE(before > 0);
    for (int i = 0; i < 200; ++i) {
        client c = enter(hall, i + 2);
        if (i % 4 == 0) c.reset();
        if (i % 4 == 1) c.end_writing();
        if (i % 4 == 2) REQUIRE(c.send("close"));
    }
    REQUIRE(hall.process().wait_for([&] { return count(hall.process().output(), "lost connect: ") == 200; }));
    CHECK(count(hall.process().output(), "new connect: ") == 201);
    // The line is written before the descriptor is closed; the answer to the next client comes after.
    client last = enter(hall, 202);
    last.close();
    int now = 0;
    for (const auto until = deadline(); steady::now() < until;) {
        now = open_descriptors_of(hall.process().pid());
        if (now <= before) break;
    }
    CHECK(now == before);
}
