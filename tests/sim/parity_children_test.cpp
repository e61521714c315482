// What a program sees of its children, the same with programs of this machine and those of a simulated host.
#include "played_programs.hpp"

#include "support/connections.hpp"
#include "support/error_of.hpp"

#include <bight/bight.hpp>
#include <bight/os/run_process.hpp>

#include <signal.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <string>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using bight::process;
using bight::process_status;
using bight::task;
using test::all_from;
using test::child_fixture;
using test::error_of;
using test::from_errno;
using test::pattern;

namespace {

struct refused_spawn {
    std::error_code code;
    std::string text;
};

refused_spawn refusal_of(const bight::command& c) {
    try {
        const process child = process::spawn(c);
    } catch (const std::system_error& e) {
        return {e.code(), e.what()};
    }
    return {};
}

task<std::string> line_of(bight::stream& from) {
    bight::line_reader lines(from, "\n");
    auto line = co_await lines.next();
    co_return line ? *line : "end";
}

}  // namespace

TEST_CASE("a child gets its arguments, says something, and exits with a code") {
    child_fixture on(GENERATE(from_range(test::child_places())));
    on.run([&]() -> task<> {
        bight::command c = on.command("shows", "a b", "", "*", "'\"\\");
        c.pipe_from(1);
        process child = process::spawn(c);
        CHECK(child.id() > 0);
        const std::string said = co_await all_from(child.standard_output());
        CHECK(said == "<a b><><*><'\"\\>");
        const process_status how = co_await child.wait();
        CHECK(how == process_status::exited(0));
        static constexpr std::array all_codes{0, 1, 7, 255};
        for (const int code : all_codes) {
            process other = process::spawn(on.command("exits", std::to_string(code)));
            const process_status ended = co_await other.wait_drained();
            CHECK(ended.code() == code);
            CHECK(other.status() == ended);
            CHECK_FALSE(other.kill());
        }
    });
}

TEST_CASE("the environment of a child is inherited, changed or empty, and so is its directory") {
    child_fixture on(GENERATE(from_range(test::child_places())));
    on.run([&]() -> task<> {
        bight::command c = on.command("variable", "BIGHT_TEST_CHILD");
        const auto none = co_await bight::run_process(c);
        CHECK(none.status.code() == 1);
        c.environment("BIGHT_TEST_CHILD", "a=b");
        const auto set = co_await bight::run_process(c);
        CHECK(set.output == "a=b\n");
        const auto path = co_await bight::run_process(on.command("variable", "PATH"));
        CHECK(path.status.success());
        bight::command empty = on.command("variable", "HOME");
        empty.empty_environment();
        const auto nothing = co_await bight::run_process(empty);
        CHECK(nothing.status.code() == 1);
        bight::command where = on.command("where");
        where.directory("/");
        const auto at = co_await bight::run_process(where);
        CHECK(at.output == "/\n");
    });
}

TEST_CASE("a signal ends a child, and its handle says which; there is no one to signal afterwards") {
    child_fixture on(GENERATE(from_range(test::child_places())));
    on.run([&]() -> task<> {
        static constexpr std::array all_signals{SIGHUP, SIGINT, SIGKILL, SIGTERM, SIGUSR1};
        for (const int signal : all_signals) {
            process child = process::spawn(on.command("waits"));
            CHECK(child.kill(0));
            CHECK(child.kill(SIGWINCH));
            CHECK(child.kill(signal));
            const process_status how = co_await child.wait();
            CHECK(how.signal() == signal);
            CHECK_FALSE(child.kill(signal));
        }
        process child = process::spawn(on.command("waits"));
        CHECK_THROWS_AS(child.kill(12345), std::system_error);
        CHECK_FALSE(child.status());
        const process_status how = co_await child.end();
        CHECK(how.signal() == SIGTERM);
    });
}

TEST_CASE("a child may end itself by a signal") {
    child_fixture on(GENERATE(from_range(test::child_places())));
    on.run([&]() -> task<> {
        static constexpr std::array all_signals{SIGKILL, SIGTERM, SIGUSR2};
        for (const int signal : all_signals) {
            process child = process::spawn(on.command("raises", std::to_string(signal)));
            const process_status how = co_await child.wait();
            CHECK(how == process_status::killed(signal));
        }
    });
}

TEST_CASE("a child that handles SIGTERM cleans up; one that ignores it gets SIGKILL at the deadline") {
    child_fixture on(GENERATE(from_range(test::child_places())));
    on.run([&]() -> task<> {
        process clean = process::spawn(on.command("cleans-up").pipe_from(1));
        bight::line_reader lines(clean.standard_output(), "\n");
        auto ready = co_await lines.next();
        CHECK(*ready == "ready");
        const process_status how = co_await clean.end(60s);
        CHECK(how.code() == 5);
        auto bye = co_await lines.next();
        CHECK(*bye == "bye");
        auto end = co_await lines.next();
        CHECK_FALSE(end);

        process stubborn = process::spawn(on.command("stubborn").pipe_from(1));
        const std::string said = co_await line_of(stubborn.standard_output());
        CHECK(said == "ready");
        const process_status killed = co_await stubborn.end(50ms);
        CHECK(killed.signal() == SIGKILL);
    });
}

TEST_CASE("a child that was stopped takes a signal when it goes on; SIGKILL at once") {
    child_fixture on(GENERATE(from_range(test::child_places())));
    on.run([&]() -> task<> {
        process child = process::spawn(on.command("waits"));
        CHECK(child.kill(SIGSTOP));
        co_await on.until_stopped(child);
        CHECK(child.kill(SIGTERM));
        co_await on.settle();
        CHECK_FALSE(child.status());
        CHECK(child.kill(SIGCONT));
        const process_status how = co_await child.wait();
        CHECK(how.signal() == SIGTERM);
        process other = process::spawn(on.command("waits"));
        CHECK(other.kill(SIGSTOP));
        co_await on.until_stopped(other);
        CHECK(other.kill(SIGKILL));
        const process_status killed = co_await other.wait();
        CHECK(killed.signal() == SIGKILL);
    });
}

TEST_CASE("much goes through a child in both directions, whole and in order") {
    child_fixture on(GENERATE(from_range(test::child_places())));
    on.run([&]() -> task<> {
        const std::string text = pattern(3, 300'000);
        process child = process::spawn(on.command("copies").pipe_to(0).pipe_from(1));
        std::string got;
        auto writes = [&]() -> task<> {
            co_await child.standard_input().write(text);
            co_await child.standard_input().close();
        };
        auto reads = [&]() -> task<> { got = co_await all_from(child.standard_output()); };
        co_await bight::when_all(writes(), reads());
        CHECK((got == text));
        const process_status how = co_await child.wait_drained();
        CHECK(how.success());
    });
}

TEST_CASE("pipes at any numbers, and no other descriptor") {
    child_fixture on(GENERATE(from_range(test::child_places())));
    on.run([&]() -> task<> {
        process child = process::spawn(on.command("crosses").pipe_to(3).pipe_from(4).null(0));
        co_await child.pipe(3).write("across");
        co_await child.pipe(3).close();
        const std::string got = co_await all_from(child.pipe(4));
        CHECK(got == "across");
        const process_status how = co_await child.wait_drained();
        CHECK(how.success());
        CHECK_THROWS_AS(child.pipe(5), std::system_error);

        bight::command lists = on.command("lists");
        lists.null(0).pipe_from(1).null(2).null(5).pipe_to(7);
        process listing = process::spawn(lists);
        const std::string numbers = co_await all_from(listing.standard_output());
        CHECK(numbers == "0 1 2 5 7 ");
        const process_status listed = co_await listing.wait();
        CHECK(listed.success());
        bight::command few = on.command("lists");
        few.close(0).pipe_from(1).close(2);
        process other = process::spawn(few);
        const std::string left = co_await all_from(other.standard_output());
        CHECK(left == "1 ");
        co_await other.wait();
    });
}

TEST_CASE("a write to a child that does not read waits; one to a child that has ended is EPIPE") {
    child_fixture on(GENERATE(from_range(test::child_places())));
    on.run([&]() -> task<> {
        const std::string much = pattern(1, std::size_t{1} << 20);
        process child = process::spawn(on.command("waits").pipe_to(0));
        const auto none = co_await bight::try_with_timeout(child.standard_input().write(much), 50ms);
        CHECK_FALSE(none);
        CHECK(child.kill());
        co_await child.wait();

        process gone = process::spawn(on.command("exits", "0").pipe_to(0));
        co_await gone.wait();
        const auto error = co_await error_of(gone.standard_input().write("x"));
        CHECK(error == from_errno(EPIPE));
        const auto again = co_await error_of(gone.standard_input().write("x"));
        CHECK(again == from_errno(EPIPE));
        // A pipe goes one way.
        const auto wrong = co_await error_of(gone.standard_input().read_some());
        CHECK(wrong == from_errno(EBADF));
    });
}

TEST_CASE("a child that writes to a pipe that nobody reads is ended by SIGPIPE") {
    child_fixture on(GENERATE(from_range(test::child_places())));
    on.run([&]() -> task<> {
        process child = process::spawn(on.command("repeats").pipe_from(1));
        const std::string first = co_await line_of(child.standard_output());
        CHECK(first == "y");
        co_await child.standard_output().close();
        const process_status how = co_await child.wait_drained();
        CHECK(how.signal() == SIGPIPE);
    });
}

TEST_CASE("run_process gives what a program says, up to a limit, and its status") {
    child_fixture on(GENERATE(from_range(test::child_places())));
    on.run([&]() -> task<> {
        const auto ran = co_await bight::run_process(on.command("says", "out", "err", "3"));
        CHECK(ran.output == "out");
        CHECK(ran.errors == "err");
        CHECK(ran.status.code() == 3);
        bight::run_process_options options;
        options.input = "to and fro";
        const auto copied = co_await bight::run_process(on.command("copies"), options);
        CHECK(copied.output == "to and fro");
        const auto nothing = co_await bight::run_process(on.command("copies"));
        CHECK(nothing.output.empty());
        const std::string much = pattern(2, 200'000);
        options.input = much;
        const auto unread = co_await bight::run_process(on.command("exits", "0"), options);
        CHECK(unread.status.success());
        options.input = {};
        options.limit = 1000;
        const auto error = co_await error_of(bight::run_process(on.command("repeats"), options));
        CHECK(error == bight::errc::too_long);
        const auto late = co_await bight::try_with_timeout(bight::run_process(on.command("waits")), 20ms);
        CHECK_FALSE(late);
    });
}

TEST_CASE("a pipeline connects its programs, and its ends reach both neighbours") {
    child_fixture on(GENERATE(from_range(test::child_places())));
    on.run([&]() -> task<> {
        const auto ran = co_await bight::run_pipeline(on.command("shows", "through") | on.command("copies") |
                                                      on.command("copies"));
        CHECK(ran.output == "<through>");
        CHECK(ran.success());
        CHECK(ran.statuses.size() == 3);
        const auto cut = co_await bight::run_pipeline(on.command("repeats") | on.command("first-line"));
        CHECK(cut.output == "y\n");
        CHECK(cut.statuses.at(0).signal() == SIGPIPE);
        CHECK(cut.statuses.at(1).success());
    });
}

TEST_CASE("a program that cannot be run is an error with its number and its path") {
    child_fixture on(GENERATE(from_range(test::child_places())));
    on.run([&]() -> task<> {
        const auto missing = refusal_of(bight::command("bight-no-such-program", "x"));
        CHECK(missing.code == from_errno(ENOENT));
        CHECK_THAT(missing.text, Catch::Contains("process: run bight-no-such-program x (looked for in PATH, /") &&
                                     Catch::Contains("/usr/bin:") &&
                                     Catch::Contains("No such file or directory"));
        const auto path = refusal_of(bight::command("/no/such/program"));
        CHECK(path.code == from_errno(ENOENT));
        CHECK(path.text == "process: run /no/such/program: No such file or directory");
        const auto nothing = refusal_of(bight::command(""));
        CHECK(nothing.code == from_errno(ENOENT));
        const auto directory = refusal_of(bight::command("/").pipe_from(1));
        CHECK(directory.code == from_errno(EACCES));
        bight::command elsewhere = on.command("waits");
        elsewhere.directory("/no/such/directory");
        const auto nowhere = refusal_of(elsewhere);
        CHECK(nowhere.code == from_errno(ENOENT));
        CHECK_THAT(nowhere.text,
                   Catch::Contains("the directory of") && Catch::Contains("/no/such/directory"));
        const auto given = refusal_of(on.command("waits").inherit(3, 999));
        CHECK(given.code == from_errno(EBADF));
        CHECK_THAT(given.text, Catch::Contains("descriptor 3 of") && Catch::Contains("which is to be 999"));
        bight::command zero = on.command("waits");
        zero.argument(std::string("a\0b", 3));
        CHECK(refusal_of(zero).code == from_errno(EINVAL));
        co_return;
    });
}

TEST_CASE("a handle that goes ends its child") {
    child_fixture on(GENERATE(from_range(test::child_places())));
    on.run([&]() -> task<> {
        bight::stream output;
        {
            process child = process::spawn(on.command("stubborn").pipe_from(1).end_patience(20ms));
            output = std::move(child.standard_output());
            const std::string said = co_await line_of(output);
            CHECK(said == "ready");
        }
        const std::string rest = co_await all_from(output);
        CHECK(rest.empty());
    });
}

TEST_CASE("exited is not drained: a child of the child may hold its output, until the group is killed") {
    child_fixture on(GENERATE(from_range(test::child_places())));
    on.run([&]() -> task<> {
        process child = process::spawn(on.command("leaves").pipe_from(1).new_group());
        const std::string said = co_await line_of(child.standard_output());
        CHECK(said == "left");
        const process_status how = co_await child.wait();
        CHECK(how.signal() == SIGKILL);
        auto rest = child.standard_output().read_some();
        const auto none = co_await bight::try_with_timeout(std::move(rest), 20ms);
        CHECK_FALSE(none);
        CHECK(child.kill(SIGKILL));
        const std::string end = co_await all_from(child.standard_output());
        CHECK(end.empty());
        const process_status drained = co_await child.wait_drained();
        CHECK(drained == how);
    });
}

TEST_CASE("a child that closes its output long before it ends is not taken to have ended") {
    child_fixture on(GENERATE(from_range(test::child_places())));
    on.run([&]() -> task<> {
        process child = process::spawn(on.command("closes").pipe_from(1));
        const std::string all = co_await all_from(child.standard_output());
        CHECK(all.empty());
        CHECK_FALSE(child.status());
        const auto none = co_await bight::try_with_timeout(child.wait(), 10ms);
        CHECK_FALSE(none);
        CHECK(child.kill(SIGTERM));
        const process_status how = co_await child.wait_drained();
        CHECK(how.signal() == SIGTERM);
    });
}

TEST_CASE("the end of the other side of a pipe is told without reading") {
    child_fixture on(GENERATE(from_range(test::child_places())));
    on.run([&]() -> task<> {
        process child = process::spawn(on.command("waits").pipe_to(0).pipe_from(1));
        bight::stream& to = child.standard_input();
        const auto none = co_await bight::try_with_timeout(bight::until_peer_gone(to), 10ms);
        CHECK_FALSE(none);
        CHECK(child.kill());
        co_await bight::until_peer_gone(to);
        co_await child.wait();
    });
}

TEST_CASE("many children at once, each with its own status") {
    child_fixture on(GENERATE(from_range(test::child_places())));
    on.run([&]() -> task<> {
        std::vector<process> all;
        for (int i = 0; i < 40; ++i) {
            all.push_back(process::spawn(on.command("exits", std::to_string(i))));
        }
        for (int i = 0; i < 40; ++i) {
            const process_status how = co_await all[static_cast<std::size_t>(i)].wait();
            CHECK(how.code() == i);
        }
    });
}
