// Programs that are run to their end, alone and in a row.
#include "children.hpp"

#include "support/connections.hpp"
#include "support/open_descriptors.hpp"

#include <bight/core/timeout.hpp>
#include <bight/os/run_process.hpp>

#include <signal.h>

#include <chrono>
#include <cstddef>
#include <string>

using namespace test;
using namespace std::chrono_literals;
using bight::command;
using bight::run_pipeline;
using bight::run_process;

TEST_CASE("run_process gives output, errors and status; without input there is none to read") {
    with_children([]() -> bight::task<> {
        const auto ran =
            co_await run_process(command("/bin/sh", "-c", "cat; echo out; echo err >&2; exit 3"));
        CHECK(ran.output == "out\n");
        CHECK(ran.errors == "err\n");
        CHECK(ran.status.code() == 3);
        const auto true_one = co_await run_process(command("true"));
        CHECK(true_one.status.success());
    });
}

TEST_CASE("run_process gives its input, and takes more than any pipe holds in both directions") {
    with_pidfd([]() -> bight::task<> {
        const std::string text = pattern(0, std::size_t{3} << 20);
        bight::run_process_options options;
        options.input = text;
        options.limit = std::size_t{4} << 20;
        const auto ran = co_await run_process(command("cat"), options);
        CHECK(ran.output == text);
        CHECK(ran.errors.empty());
        // A program that does not want it is no error.
        const auto unread = co_await run_process(command("true"), options);
        CHECK(unread.status.success());
    });
}

TEST_CASE("more output than the limit is an error, and the end of the child") {
    with_children([]() -> bight::task<> {
        const auto exact = co_await run_process(command("printf", "12345"), {.limit = 5});
        CHECK(exact.output == "12345");
        std::string text;
        try {
            co_await run_process(command("yes"), {.limit = 100'000});
        } catch (const std::system_error& e) {
            CHECK(e.code() == bight::errc::too_long);
            text = e.what();
        }
        CHECK_THAT(text, Catch::Contains("descriptor 1 of yes") && Catch::Contains("100000 bytes"));
        const auto of_errors = co_await error_of(run_process(shell("yes >&2"), {.limit = 10}));
        CHECK(of_errors == bight::errc::too_long);
    });
}

TEST_CASE("what a command says of its descriptors holds in run_process, too") {
    with_pidfd([]() -> bight::task<> {
        command c = shell("echo out; echo err >&2");
        c.null(2).inherit(1, 2).null(1);
        const auto ran = co_await run_process(c);
        CHECK(ran.output.empty());
        CHECK(ran.errors.empty());
        CHECK(ran.status.success());
    });
}

TEST_CASE("a run_process that is cancelled ends its child; one that cannot begin throws") {
    with_children([]() -> bight::task<> {
        const auto none = co_await bight::try_with_timeout(run_process(command("sleep", "60")), 5ms);
        CHECK_FALSE(none);
        const auto code = co_await error_of(run_process(command("/no/such/program")));
        CHECK(code == from_errno(ENOENT));
    });
}

TEST_CASE("a pipeline connects its programs, and gives each status") {
    with_children([]() -> bight::task<> {
        const std::string text = "pear\napple\nplum\napple\n";
        auto row = command("sort") | command("uniq") | command("/bin/sh", "-c", "head -n 2; exit 5");
        bight::run_process_options options;
        options.input = text;
        const auto ran = co_await run_pipeline(row, options);
        CHECK(ran.output == "apple\npear\n");
        REQUIRE(ran.statuses.size() == 3);
        CHECK(ran.statuses[0].success());
        CHECK(ran.statuses[2].code() == 5);
        CHECK_FALSE(ran.success());
        const auto one = co_await run_pipeline(bight::pipeline(command("echo", "alone")));
        CHECK(one.output == "alone\n");
        CHECK(one.success());
    });
}

TEST_CASE("the end of a program in a pipeline reaches both of its neighbours") {
    with_pidfd([]() -> bight::task<> {
        auto row = command("yes") | command("head", "-n", "1");
        const auto ran = co_await run_pipeline(row);
        CHECK(ran.output == "y\n");
        CHECK(ran.statuses[0].signal() == SIGPIPE);
        CHECK(ran.statuses[1].success());
    });
}

TEST_CASE("a pipeline of which one program cannot be run leaves no child and no descriptor") {
    with_children([]() -> bight::task<> {
        auto row = command("cat") | command("/no/such/program") | command("cat");
        const auto code = co_await error_of(run_pipeline(row));
        CHECK(code == from_errno(ENOENT));
    });
}

TEST_CASE("pipes that run_process and run_pipeline do not serve are refused: the child would wait for ever") {
    with_pidfd([]() -> bight::task<> {
        const auto extra = co_await error_of(run_process(command("true").pipe_from(3)));
        CHECK(extra == from_errno(EINVAL));
        const auto input = co_await error_of(run_process(command("true").pipe_to(3)));
        CHECK(input == from_errno(EINVAL));
        const auto wrong_way = co_await error_of(run_process(command("true").pipe_to(1)));
        CHECK(wrong_way == from_errno(EINVAL));
        const auto terminal = co_await error_of(run_process(command("true").terminal()));
        CHECK(terminal == from_errno(EINVAL));
        const auto first = co_await error_of(run_pipeline(command("true").pipe_from(2) | command("cat")));
        CHECK(first == from_errno(EINVAL));
        const auto last = co_await error_of(run_pipeline(command("true") | command("cat").pipe_from(2)));
        CHECK(last == from_errno(EINVAL));
        std::string text;
        try {
            co_await run_process(command("true", "x").pipe_from(3));
        } catch (const std::system_error& e) {
            text = e.what();
        }
        CHECK_THAT(text, Catch::Contains("run_process does not serve a pipe at descriptor 3 of true x"));
        // Those that are served, and inner ends of a row, which do not hold.
        const auto ran = co_await run_process(shell("cat; echo x").pipe_to(0).pipe_from(1).null(2));
        CHECK(ran.output == "x\n");
        const auto row = co_await run_pipeline(command("echo", "y").pipe_from(1) | command("cat").pipe_to(0));
        CHECK(row.output == "y\n");
    });
}
