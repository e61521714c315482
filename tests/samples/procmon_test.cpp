// The sample procmon, which keeps programs running.
#include "server.hpp"

#include "support/connections.hpp"

#include <sys/stat.h>

#include <fstream>
#include <string>
#include <vector>

using namespace test;

namespace {

// Programs and their list, in a directory of their own.
class programs {
  public:
    void script(const std::string& name, const std::string& text) {
        const std::string path = where_.file(name);
        std::ofstream(path) << "#!/bin/sh\n" << text;
        ::chmod(path.c_str(), 0700);
    }
    /// In its place in one step: procmon may read it at any moment.
    void list(const std::string& lines) {
        std::ofstream(where_.file("new")) << lines;
        ::rename(where_.file("new").c_str(), where_.file("list").c_str());
    }
    std::string line(const std::string& name, const std::string& script, const std::string& rest = "") {
        return name + " " + where_.file(script) + " " + rest + "\n";
    }
    std::vector<std::string> command(std::vector<std::string> options = {}) {
        options.insert(options.begin(), sample("procmon"));
        options.push_back(where_.file("list"));
        return options;
    }

  private:
    temporary_directory where_;
};

std::size_t count_of(const std::string& text, const std::string& part) {
    std::size_t count = 0;
    for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
    return count;
}

}  // namespace

TEST_CASE("procmon starts a program again, later each time, and logs what it prints, line by line") {
    const auto kind = GENERATE(from_range(demultiplexers()));
    CAPTURE(kind);
    programs here;
    here.script("fails", "echo out of $1; echo trouble >&2; printf unfinished; exit 3\n");
    here.list("# a comment\n\n" + here.line("job", "fails", "luck"));
    process procmon(here.command({"--threshold", "1000", "--min-delay", "0.01", "--max-delay", "0.04"}),
                    {use_reactor(kind)});
    REQUIRE(procmon.wait_for([&] { return count_of(procmon.output(), "again in 0.04 s") >= 2; }));
    procmon.signal(SIGTERM);
    CHECK(procmon.wait() == exit_state{143, 0});
    const std::string said = procmon.output();
    for (const char* const text :
         {"[job] has started\n", "[job] out of luck\n", "[job] trouble\n", "[job] unfinished\n",
          "[job] exit status 3; starts again in 0.01 s\n", "[job] exit status 3; starts again in 0.02 s\n",
          "[job] exit status 3; starts again in 0.04 s\n"}) {
        CHECK_THAT(said, Catch::Contains(text));
    }
    CHECK(count_of(said, "in 0.01 s") == 1);
    CHECK(count_of(said, "in 0.02 s") == 1);
}

TEST_CASE(
    "procmon starts a program that has lived long enough again at once, and one that there is not later") {
    programs here;
    here.script("short", "kill -KILL $$\n");
    here.list(here.line("alive", "short") + "ghost /no/such/program\n");
    process procmon(here.command({"--threshold", "0", "--min-delay", "1000"}));
    REQUIRE(procmon.wait_for([&] {
        return count_of(procmon.output(), "[alive] signal 9 (SIGKILL); starts again in 0 s\n") >= 3;
    }));
    procmon.signal(SIGTERM);
    CHECK(procmon.wait() == exit_state{143, 0});
    process strict(here.command({"--threshold", "100", "--min-delay", "1000"}));
    REQUIRE(strict.wait_for_output("[ghost] process: "));
    REQUIRE(strict.wait_for_output("; starts again in 1000 s\n"));
    CHECK_THAT(strict.output(), Catch::Contains("/no/such/program"));
    strict.signal(SIGTERM);
    CHECK(strict.wait() == exit_state{143, 0});
}

TEST_CASE("procmon ends its programs on SIGTERM: in good order, or by SIGKILL after the kill time") {
    const auto kind = GENERATE(from_range(demultiplexers()));
    CAPTURE(kind);
    programs here;
    here.script("polite", "trap 'echo goodbye; exit 0' TERM; echo ready; while :; do sleep 0.01; done\n");
    here.script("stubborn", "trap '' TERM; echo ready; while :; do sleep 0.01; done\n");
    here.list(here.line("first", "polite") + here.line("second", "stubborn"));
    process procmon(here.command({"--kill-time", "0.5"}), {use_reactor(kind)});
    REQUIRE(procmon.wait_for_output("[first] ready\n"));
    REQUIRE(procmon.wait_for_output("[second] ready\n"));
    procmon.signal(SIGTERM);
    CHECK(procmon.wait() == exit_state{143, 0});
    const std::string said = procmon.output();
    CHECK_THAT(said, Catch::Contains("[first] goodbye\n") &&
                         Catch::Contains("[first] was ended: exit status 0\n") &&
                         Catch::Contains("[second] was ended: signal 9 (SIGKILL)\n"));
    CHECK(procmon.errors().empty());
}

TEST_CASE(
    "procmon reads its list again on SIGHUP: what has gone ends, what is new begins, the rest lives on") {
    const auto kind = GENERATE(from_range(demultiplexers()));
    CAPTURE(kind);
    programs here;
    here.script("says", "echo $1 of $$; exec sleep 1000\n");
    here.list(here.line("stays", "says", "a") + here.line("goes", "says", "b") +
              here.line("changes", "says", "c"));
    process procmon(here.command(), {use_reactor(kind)});
    for (const char* const text : {"[stays] a of ", "[goes] b of ", "[changes] c of "}) {
        REQUIRE(procmon.wait_for_output(text));
    }
    here.list(here.line("stays", "says", "a") + here.line("changes", "says", "d") +
              here.line("comes", "says", "e"));
    procmon.signal(SIGHUP);
    for (const char* const text :
         {"[comes] e of ", "[changes] d of ", "[goes] was ended: signal 15 (SIGTERM)\n",
          "[changes] was ended: signal 15 (SIGTERM)\n"}) {
        REQUIRE(procmon.wait_for_output(text));
    }
    CHECK(count_of(procmon.output(), "[stays] ") == 2);
    here.list("stays\n");
    procmon.signal(SIGHUP);
    REQUIRE(procmon.wait_for_output("[procmon] stays has no program; all is left as it was\n"));
    procmon.signal(SIGTERM);
    CHECK(procmon.wait() == exit_state{143, 0});
    CHECK(count_of(procmon.output(), "was ended") == 5);
}

TEST_CASE("procmon without a list, or with arguments that are none, says so") {
    programs here;
    process without(here.command());
    CHECK(without.wait() == exit_state{1, 0});
    CHECK_THAT(without.errors(), Catch::Contains("list"));
    for (const std::vector<std::string>& wrong :
         {std::vector<std::string>{"--threshold", "long"}, std::vector<std::string>{"--patience", "1"},
          std::vector<std::string>{"--threshold"}}) {
        process usage(here.command(wrong));
        CHECK(usage.wait() == exit_state{2, 0});
        CHECK_THAT(usage.errors(), Catch::Contains("usage: procmon"));
    }
}
