// A child on a pseudo-terminal.
#include "children.hpp"

#include <bight/core/timeout.hpp>

#include <signal.h>

#include <chrono>
#include <string>
#include <utility>

using namespace test;
using namespace std::chrono_literals;
using bight::command;
using bight::process;

TEST_CASE("a child on a terminal has it as its controlling one, with the size that was asked for") {
    with_children([]() -> bight::task<> {
        command c = shell("tty -s && stty size && echo x >/dev/tty");
        c.terminal({33, 111});
        process child = process::spawn(c);
        const std::string said = co_await all_of(child.terminal());
        CHECK(said == "33 111\r\nx\r\n");
        const auto how = co_await child.wait_drained();
        CHECK(how.success());
    });
}

TEST_CASE("what is written to a terminal is typed: echoed, edited, and ^C is a signal") {
    with_pidfd([]() -> bight::task<> {
        process child = process::spawn(shell("read line; echo \"got <$line>\"; exec cat").terminal());
        co_await child.terminal().write("helol\x7f\x7flo\n");
        std::string shown;
        while (shown.find("got <hello>\r\n") == std::string::npos) {
            const auto part = co_await child.terminal().read_some();
            REQUIRE(part);
            shown += part.view();
        }
        co_await child.terminal().write("\x03");
        const auto how = co_await child.wait();
        CHECK(how.signal() == SIGINT);
    });
}

TEST_CASE("a terminal that is resized tells its child") {
    with_pidfd([]() -> bight::task<> {
        command c = shell("trap 'stty size; exit 0' WINCH; echo ready; while :; do sleep 0.01; done");
        c.terminal();
        process child = process::spawn(c);
        const std::string ready = co_await child.terminal().read_until("\n");
        CHECK(ready == "ready\r\n");
        child.resize_terminal({10, 20});
        const std::string rest = co_await all_of(child.terminal());
        CHECK(rest == "10 20\r\n");
    });
}

TEST_CASE("a terminal has no half-close; its end is that of the line discipline, or SIGHUP") {
    with_pidfd([]() -> bight::task<> {
        process child = process::spawn(command("cat").terminal());
        const auto code = co_await error_of(child.terminal().shutdown_write());
        CHECK(code == std::errc::operation_not_supported);
        process second = process::spawn(command("cat").terminal());
        co_await second.terminal().write("\x04");
        const auto how = co_await second.wait();
        CHECK(how.success());
        process third = process::spawn(command("cat").terminal());
        co_await third.terminal().close();
        const auto hung_up = co_await third.wait();
        CHECK(hung_up.signal() == SIGHUP);
    });
}

TEST_CASE("output beside a terminal: a pipe for errors") {
    with_pidfd([]() -> bight::task<> {
        command c = shell("echo out; echo err >&2");
        c.terminal().pipe_from(2);
        process child = process::spawn(c);
        const std::string err = co_await all_of(child.standard_error());
        const std::string out = co_await all_of(child.terminal());
        CHECK(err == "err\n");
        CHECK(out == "out\r\n");
    });
}

TEST_CASE("a terminal does not end before its child, which may open it late") {
    with_children([]() -> bight::task<> {
        command c = shell("read x <&3; echo late >/dev/tty");
        c.terminal().null(0).null(1).null(2).pipe_to(3);
        process child = process::spawn(c);
        const auto ended = co_await bight::try_with_timeout(child.terminal().read_some(), 5ms);
        CHECK_FALSE(ended);
        co_await child.pipe(3).write("x\n");
        const std::string said = co_await all_of(child.terminal());
        CHECK(said == "late\r\n");
        const auto how = co_await child.wait();
        CHECK(how.success());
    });
}

TEST_CASE("a terminal is resized also when its stream was moved out") {
    with_pidfd([]() -> bight::task<> {
        process child = process::spawn(shell("read x; stty size").terminal());
        bight::stream terminal = std::move(child.terminal());
        child.resize_terminal({50, 100});
        co_await terminal.write("x\n");
        const std::string said = co_await all_of(terminal);
        CHECK_THAT(said, Catch::Contains("50 100\r\n"));
    });
}
