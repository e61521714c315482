// Which failures count as the same: numbers, times and names that differ make no difference, lines of code
// do.
#include "support/catch.hpp"

#include "sim/explore_attempt.hpp"

#include <string>

using bight::sim::detail::places_in;

namespace {

const std::string tree =
    "host server:\n"
    "a task given to start() \"request 17\": waits for a task with a time-out (39.5 s left), 1.0 s so far "
    "(age 2 s)\n"
    "  in serve_one at server.cpp:20\n"
    "  through bight::line_reader::next at line_reader.cpp:10\n";

std::string with(std::string text, const std::string& part, const std::string& other) {
    text.replace(text.find(part), part.size(), other);
    return text;
}

}  // namespace

TEST_CASE("tasks at the same lines are the same, whatever they are called and however long they wait") {
    const std::string places = places_in(tree);
    CHECK(places == places_in(with(tree, "request 17", "hello")));
    CHECK(places == places_in(with(tree, " \"request 17\"", "")));
    CHECK(places == places_in(with(tree, "39.5 s left", "2 h 05 min left")));
    CHECK(places == places_in(with(tree, " (39.5 s left)", " (due)")));
    CHECK(places == places_in(with(tree, "1.0 s so far", "12 min 01 s so far")));
    CHECK(places == places_in(tree + "host server:\n" + tree));
}

TEST_CASE("tasks at other lines, or that wait for something else, are others") {
    const std::string places = places_in(tree);
    CHECK(places != places_in(with(tree, "server.cpp:20", "server.cpp:21")));
    CHECK(places != places_in(with(tree, "line_reader.cpp:10", "line_reader.cpp:11")));
    CHECK(places != places_in(with(tree, "a task with a time-out", "a timer")));
    CHECK(places != places_in(with(tree, "host server", "host client")));
}
