// The ticker sample: dots go on while a thread sleeps, and the end does not wait for it.
#include "server.hpp"

#include <chrono>
#include <cstddef>
#include <list>
#include <string>

using namespace test;
using namespace std::chrono_literals;

namespace {

struct ticking {
    ticking(bight::demultiplexer_kind k, std::vector<std::string> arguments)
        : kind(k), begun(steady::now()), run(with_sample(std::move(arguments)), {use_reactor(k)}) {}
    static std::vector<std::string> with_sample(std::vector<std::string> arguments) {
        arguments.insert(arguments.begin(), sample("ticker"));
        return arguments;
    }
    bight::demultiplexer_kind kind;
    steady::time_point begun;
    process run;
};

const std::string first_words = "go go end\n";

}  // namespace

TEST_CASE("ticker: three seconds of dots, and no word of a thread that needs ten") {
    std::list<ticking> all;  // side by side, because each takes three seconds
    for (const auto kind : demultiplexers()) all.emplace_back(kind, std::vector<std::string>{});
    for (ticking& t : all) {
        CAPTURE(t.kind);
        CHECK(t.run.wait() == exit_state{0, 0});
        const auto took = steady::now() - t.begun;
        CHECK(took >= 3s);
        const std::string& said = t.run.output();
        REQUIRE(said.starts_with(first_words));
        const std::size_t dots = said.size() - first_words.size() - 1;
        CHECK(said == first_words + std::string(dots, '.') + "\n");
        CHECK(dots <= 31);  // the first at once, and that of the third second or not
        CHECK(dots >= 10);  // a machine that is busy skips none, but may be late with the last
        CHECK(t.run.errors().empty());
    }
}

TEST_CASE("ticker: the result of a thread that is quick enough comes amid the dots") {
    std::list<ticking> all;
    for (const auto kind : demultiplexers()) all.emplace_back(kind, std::vector<std::string>{"0.2", "1"});
    for (ticking& t : all) {
        CAPTURE(t.kind);
        CHECK(t.run.wait() == exit_state{0, 0});
        const std::string& said = t.run.output();
        const std::size_t result = said.find("ok\n");
        REQUIRE(result != std::string::npos);
        const std::string before = said.substr(0, result);
        const std::string after = said.substr(result + 3);
        CHECK(before == first_words + std::string(before.size() - first_words.size(), '.'));
        REQUIRE_FALSE(after.empty());
        CHECK(after == std::string(after.size() - 1, '.') + "\n");
    }
}

TEST_CASE("ticker: output that cannot be written is an error") {
    if (::access("/dev/full", W_OK) != 0) skip("there is no /dev/full");
    const auto kind = GENERATE(from_range(demultiplexers()));
    process into_nothing({"/bin/sh", "-c", sample("ticker") + " 1000 0.1 >/dev/full"}, {use_reactor(kind)});
    CHECK(into_nothing.wait() == exit_state{1, 0});
    CHECK_THAT(into_nothing.errors(), Catch::Contains("No space left on device"));
}

TEST_CASE("ticker: a signal ends it at once, while its thread sleeps on") {
    const auto kind = GENERATE(from_range(demultiplexers()));
    ticking t(kind, {"1000", "1000"});
    REQUIRE(t.run.wait_for_output("."));
    t.run.signal(SIGTERM);
    CHECK(t.run.wait() == exit_state{143, 0});
}
