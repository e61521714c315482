// What run_process does with programs that write too much, take too long, or leave something behind.
#include "children.hpp"
#include "report_pipe.hpp"

#include "support/connections.hpp"
#include "support/open_descriptors.hpp"

#include <bight/core/reactor.hpp>
#include <bight/core/timeout.hpp>
#include <bight/core/virtual_clock.hpp>
#include <bight/core/when_any.hpp>
#include <bight/os/file.hpp>
#include <bight/os/file_stream.hpp>
#include <bight/os/run_process.hpp>

#include <signal.h>

#include <chrono>
#include <cstddef>
#include <string>
#include <utility>

using namespace test;
using namespace std::chrono_literals;
using bight::command;
using bight::run_pipeline;
using bight::run_process;

TEST_CASE("a run_process that is cancelled has ended its child when it ends, one that is stubborn, too") {
    with_children([]() -> bight::task<> {
        for (const char* const script : {"trap 'exit 0' TERM; echo $$ >&3; while :; do sleep 0.01; done",
                                         "trap '' TERM; echo $$ >&3; while :; do sleep 0.01; done"}) {
            report_pipe reports;
            command c = shell(script);
            c.inherit(3, reports.child_end()).end_patience(50ms);
            const auto first = co_await bight::when_any(reports.number(), run_process(c));
            REQUIRE(first.index == 0);
            const int pid = *first.get<0>();
            CHECK_FALSE(is_alive(pid));
        }
    });
}

TEST_CASE("after too much output the child has ended") {
    with_children([]() -> bight::task<> {
        report_pipe reports;
        command c = shell("echo $$ >&3; exec yes");
        c.inherit(3, reports.child_end());
        const auto code = co_await error_of(run_process(c, {.limit = 1000}));
        CHECK(code == bight::errc::too_long);
        const int pid = co_await reports.number();
        CHECK_FALSE(is_alive(pid));
    });
}

TEST_CASE("what is over the limit is dropped, where that was asked for") {
    with_pidfd([]() -> bight::task<> {
        bight::run_process_options options;
        options.limit = 10;
        options.truncate = true;
        const auto ran =
            co_await run_process(shell("yes | head -n 100000; echo 0123456789 >&2; exit 3"), options);
        CHECK(ran.output == "y\ny\ny\ny\ny\n");
        CHECK(ran.errors == "0123456789");
        CHECK(ran.truncated);
        CHECK(ran.status.code() == 3);
        const auto exact = co_await run_process(command("printf", "0123456789"), options);
        CHECK(exact.output == "0123456789");
        CHECK_FALSE(exact.truncated);
        const auto row = co_await run_pipeline(command("yes") | command("head", "-n", "1000"), options);
        CHECK(row.output == "y\ny\ny\ny\ny\n");
        CHECK(row.truncated);
    });
}

TEST_CASE("a program that takes too long is ended, and what it has written is there") {
    with_pidfd([]() -> bight::task<> {
        bight::run_process_options options;
        options.time_limit = 500ms;
        // The shell's own child keeps the pipe.
        const auto ran =
            co_await run_process(shell("echo partial; sleep 60; echo never").new_group(), options);
        CHECK(ran.timed_out);
        CHECK(ran.output == "partial\n");
        CHECK(ran.status.signal() == SIGTERM);
        // It holds no pipe, and must be killed.
        command stubborn = shell("trap '' TERM; exec >&- 2>&-; while :; do sleep 0.01; done");
        stubborn.end_patience(20ms);
        const auto killed = co_await run_process(stubborn, options);
        CHECK(killed.timed_out);
        CHECK(killed.status.signal() == SIGKILL);
        options.time_limit = 1h;
        const auto quick = co_await run_process(command("echo", "quick"), options);
        CHECK_FALSE(quick.timed_out);
        CHECK(quick.output == "quick\n");
        options.time_limit = 100ms;
        const auto row = co_await run_pipeline(command("sleep", "60") | command("cat"), options);
        CHECK(row.timed_out);
        CHECK(row.statuses[0].signal() == SIGTERM);
    });
}

TEST_CASE("what a program leaves behind with its output holds run_process up as long as was said") {
    with_children([]() -> bight::task<> {
        report_pipe reports;
        command c = shell("sleep 60 & echo $! >&3; echo hello; exit 4");
        c.inherit(3, reports.child_end());
        const auto ran = co_await run_process(c, {.drain_patience = 20ms});
        CHECK(ran.output == "hello\n");
        CHECK(ran.status.code() == 4);
        CHECK_FALSE(ran.timed_out);
        const int left = co_await reports.number();
        CHECK(is_alive(left));
        ::kill(left, SIGKILL);
    });
}

TEST_CASE("errors go where the output goes: 2>&1") {
    with_children([]() -> bight::task<> {
        command c = shell("echo one; echo two >&2; echo three");
        c.same_as(2, 1);
        const auto ran = co_await run_process(c);
        CHECK(ran.output == "one\ntwo\nthree\n");
        CHECK(ran.errors.empty());
        const auto row = co_await run_pipeline(c | command("cat"));
        CHECK(row.output == "one\ntwo\nthree\n");
        // By way of another that is the same as a third; of null; of one that is this process's.
        command chain = shell("echo three >&3; echo two >&2; echo one");
        chain.same_as(3, 2).same_as(2, 1);
        const auto chained = co_await run_process(chain);
        CHECK(chained.output == "three\ntwo\none\n");
        command nothing = shell("echo one; echo two >&2");
        nothing.null(1).same_as(2, 1);
        const auto none = co_await run_process(nothing);
        CHECK(none.output.empty());
        report_pipe reports;
        command given = shell("echo 17 >&4");
        given.inherit(3, reports.child_end()).same_as(4, 3);
        co_await run_process(given);
        const int told = co_await reports.number();
        CHECK(told == 17);
    });
}

TEST_CASE("a descriptor cannot be the same as one that there is not, nor as itself") {
    with_pidfd([]() -> bight::task<> {
        const int open_before = open_descriptors();
        const auto missing = error_of_spawn(command("true").same_as(2, 7));
        CHECK(missing.code == from_errno(EBADF));
        CHECK_THAT(missing.text, Catch::Contains("descriptor 2 of true, which is to be the same as its 7"));
        CHECK(error_of_spawn(command("true").same_as(2, 2)).code == from_errno(EBADF));
        CHECK(error_of_spawn(command("true").same_as(1, 2).same_as(2, 1)).code == from_errno(EBADF));
        CHECK(error_of_spawn(command("true").close(1).same_as(2, 1)).code == from_errno(EBADF));
        CHECK(open_descriptors() == open_before);
        co_return;
    });
}

TEST_CASE("a virtual clock stands still while a program runs, and while a file is written and read") {
    const auto kind = GENERATE(from_range(demultiplexers()));
    const temporary_directory here;
    bight::virtual_clock clock;
    bight::reactor_options options = options_on(kind);
    options.clock = &clock;
    bight::reactor on(options);
    auto body = [&]() -> bight::task<> {
        const auto ran = co_await bight::with_timeout(run_process(shell("sleep 0.05; echo done")), 1s);
        CHECK(ran.output == "done\n");
        const std::string text = pattern(0, std::size_t{30} << 20);
        bight::open_options how;
        how.access = bight::file_access::read_and_write;
        how.creation = bight::file_creation::must_be_new;
        bight::file large = co_await bight::open_file(here.file("large"), how);
        co_await bight::with_timeout(large.write_at(0, text), 1s);
        std::string read(text.size(), '\0');
        co_await bight::with_timeout(large.read_exactly_at(0, read), 1s);
        CHECK(read == text);
        bight::stream again = bight::file_stream(std::move(large));
        co_await bight::with_timeout(again.write(text), 1s);
        co_await again.close();
    };
    on.run(body());
    CHECK(clock.elapsed() == 0s);
}
