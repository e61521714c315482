// Children that are let go, and what they need for it.
#include "children.hpp"
#include "report_pipe.hpp"

#include <bight/core/sleep.hpp>
#include <bight/os/run_process.hpp>

#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <string>
#include <system_error>

using namespace test;
using namespace std::chrono_literals;
using bight::command;
using bight::process;

namespace {

bight::task<> until_reaped(int pid) {
    while (is_alive(pid)) co_await bight::sleep_for(1ms);
}

}  // namespace

TEST_CASE("a child that is let go outlives its handle, its run and its reactor") {
    const auto kind = GENERATE(from_range(demultiplexers()));
    const bool pidfd = GENERATE(true, false);
    const switched with(bight::detail::uses_pidfd, pidfd);
    INFO("on " << name_of(kind) << (pidfd ? "" : ", SIGCHLD"));
    int pid = 0;
    {
        bight::reactor on(options_on(kind));
        auto body = [&]() -> bight::task<> {
            command c("sleep", "600");
            c.new_session().null(0).null(1).null(2);
            process child = process::spawn(c);
            pid = child.id();
            child.detach();
            CHECK_FALSE(child);
            CHECK_THROWS_AS(child.detach(), std::system_error);
            co_return;
        };
        on.run(body());
        REQUIRE(is_alive(pid));
    }
    REQUIRE(::waitpid(pid, nullptr, WNOHANG) == 0);
    ::kill(pid, SIGKILL);
    int status = 0;
    REQUIRE(::waitpid(pid, &status, 0) == pid);
    CHECK((WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL));
}

TEST_CASE("a child that is let go is reaped when it ends meanwhile, and its group lives on") {
    with_children([]() -> bight::task<> {
        report_pipe reports;
        command c = shell("sleep 600 & echo $! >&3");
        c.inherit(3, reports.child_end()).new_group();
        process leader = process::spawn(c);
        const int pid = leader.id();
        leader.detach();
        const int left = co_await reports.number();
        co_await until_reaped(pid);
        CHECK(is_alive(left));
        ::kill(left, SIGKILL);
        // One that has ended before.
        process over = process::spawn(command("true").new_group());
        const int other = over.id();
        co_await over.wait();
        over.detach();
        CHECK_FALSE(is_alive(other));
    });
}

TEST_CASE("a child in a session of its own leads it, and its group") {
    with_pidfd([]() -> bight::task<> {
        report_pipe reports;
        command c = shell("echo $$ >&3; cut -d ' ' -f 5,6 /proc/$$/stat");
        c.inherit(3, reports.child_end()).new_session();
        const auto ran = co_await bight::run_process(c);
        const std::string pid = std::to_string(co_await reports.number());
        CHECK(ran.output == pid + " " + pid + "\n");
    });
}

TEST_CASE("a child has the umask that was said, else that of this process") {
    with_pidfd([]() -> bight::task<> {
        const auto said = co_await bight::run_process(shell("umask").umask(027));
        CHECK(said.output == "0027\n");
        const ::mode_t before = ::umask(031);
        const auto inherited = co_await bight::run_process(shell("umask"));
        ::umask(before);
        CHECK(inherited.output == "0031\n");
    });
}
