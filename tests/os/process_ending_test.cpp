// The end of a child with its handle, its task, its reactor.
#include "children.hpp"

#include "support/cancellable.hpp"
#include "support/child.hpp"

#include <bight/core/group.hpp>
#include <bight/core/reactor.hpp>
#include <bight/core/sleep.hpp>
#include <bight/core/timeout.hpp>
#include <bight/core/virtual_clock.hpp>
#include <bight/core/when_all.hpp>
#include <bight/io/line_reader.hpp>

#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

using namespace test;
using namespace std::chrono_literals;
using bight::command;
using bight::process;

namespace {

bool exists(int pid) { return ::kill(pid, 0) == 0; }

/// Says "ready" when it heeds SIGTERM no more.
command stubborn() { return shell("trap '' TERM; echo ready; while :; do sleep 0.01; done"); }

bight::task<> until_ready(process& child) {
    const std::string line = co_await child.standard_output().read_until("\n");
    CHECK(line == "ready\n");
}

}  // namespace

TEST_CASE("a child whose handle goes gets SIGTERM, and the run waits for its end") {
    int pid = 0;
    with_children([&]() -> bight::task<> {
        process sleeps = process::spawn(command("sleep", "60"));
        pid = sleeps.id();
        CHECK(exists(pid));
        bight::stream out;
        {
            command c = shell("trap 'echo term; exit 0' TERM; echo ready; while :; do sleep 0.01; done");
            process child = process::spawn(c.pipe_from(1).end_patience(25s));
            co_await until_ready(child);
            out = std::move(child.standard_output());
        }
        const std::string said = co_await all_of(out);
        CHECK(said == "term\n");
    });
    CHECK_FALSE(exists(pid));
}

TEST_CASE("one that does not heed SIGTERM gets SIGKILL after its patience") {
    with_children([]() -> bight::task<> {
        const auto began = std::chrono::steady_clock::now();
        bight::stream out;
        {
            process child = process::spawn(stubborn().pipe_from(1).end_patience(50ms));
            co_await until_ready(child);
            out = std::move(child.standard_output());
        }
        const std::string said = co_await all_of(out);
        CHECK(said.empty());
        CHECK(std::chrono::steady_clock::now() - began >= 50ms);
    });
}

TEST_CASE("without patience it is killed at once") {
    with_children([]() -> bight::task<> {
        bight::stream out;
        {
            process child = process::spawn(stubborn().pipe_from(1).end_patience(0s));
            co_await until_ready(child);
            out = std::move(child.standard_output());
        }
        const std::string said = co_await all_of(out);
        CHECK(said.empty());
    });
}

TEST_CASE("end: a signal, a deadline, another signal, and the status") {
    with_children([]() -> bight::task<> {
        process heeds = process::spawn(command("sleep", "60"));
        const auto first = co_await heeds.end(20s);
        CHECK(first.signal() == SIGTERM);
        const auto again = co_await heeds.end(20s);
        CHECK(again == first);

        process does_not = process::spawn(stubborn().pipe_from(1));
        co_await until_ready(does_not);
        const auto second = co_await does_not.end(20ms);
        CHECK(second.signal() == SIGKILL);

        process stopped = process::spawn(command("sleep", "60"));
        CHECK(stopped.kill(SIGSTOP));
        const auto third = co_await stopped.end(20s);
        CHECK(third.signal() == SIGTERM);

        process at_once = process::spawn(stubborn().pipe_from(1));
        co_await until_ready(at_once);
        const auto fourth = co_await at_once.end(0s);
        CHECK(fourth.signal() == SIGKILL);
    });
}

TEST_CASE("an end that is cancelled may be awaited again") {
    with_children([]() -> bight::task<> {
        process child = process::spawn(stubborn().pipe_from(1));
        co_await until_ready(child);
        const auto none = co_await bight::try_with_timeout(child.end(20s), 1ms);
        CHECK_FALSE(none);
        CHECK_FALSE(child.status());
        const auto how = co_await child.end(1ms);
        CHECK(how.signal() == SIGKILL);
    });
}

TEST_CASE("an error or a cancellation that unwinds a task ends its children") {
    int pid = 0;
    with_children([&]() -> bight::task<> {
        auto fails = [&]() -> bight::task<> {
            process child = process::spawn(command("sleep", "60").pipe_from(1));
            pid = child.id();
            co_await bight::yield();
            throw std::runtime_error("it fails");
        };
        bool failed = false;
        try {
            co_await fails();
        } catch (const std::runtime_error&) {
            failed = true;
        }
        CHECK(failed);
        auto waits = [&]() -> bight::task<> {
            process child = process::spawn(command("sleep", "60").pipe_from(1));
            co_await child.wait();
        };
        const bool done = co_await bight::try_with_timeout(waits(), 1ms);
        CHECK_FALSE(done);
    });
    CHECK_FALSE(exists(pid));
}

TEST_CASE("the whole group ends with its leader's handle") {
    with_children([]() -> bight::task<> {
        bight::stream out;
        {
            // The grandchild holds the pipe, too, and heeds no SIGTERM; it ends with the group.
            command c = shell("(trap '' TERM; echo ready; exec sleep 60) & wait");
            c.pipe_from(1).new_group();
            process child = process::spawn(c);
            co_await until_ready(child);
            out = std::move(child.standard_output());
        }
        const std::string rest = co_await all_of(out);
        CHECK(rest.empty());
    });
}

TEST_CASE("what a leader leaves behind lives as long as its handle, and no longer") {
    with_children([]() -> bight::task<> {
        command c = shell("(read x <&3; echo \"$x\"; exec sleep 60) & exit 4");
        c.pipe_from(1).pipe_to(3).new_group();
        std::optional<process> child = process::spawn(c);
        const auto how = co_await child->wait();
        CHECK(how.code() == 4);
        CHECK(how.usage().minor_faults > 0);
        co_await child->pipe(3).write("alive\n");
        const std::string line = co_await child->standard_output().read_until("\n");
        CHECK(line == "alive\n");
        bight::stream out = std::move(child->standard_output());
        child.reset();
        const std::string rest = co_await all_of(out);
        CHECK(rest.empty());
    });
}

TEST_CASE("a signal to a group goes to all of it") {
    with_children([]() -> bight::task<> {
        command c = shell("sleep 60 & echo ready; wait");
        c.pipe_from(1).new_group();
        process child = process::spawn(c);
        co_await until_ready(child);
        CHECK(child.kill(SIGTERM));
        const std::string rest = co_await all_of(child.standard_output());
        CHECK(rest.empty());
        const auto how = co_await child.wait_drained();
        CHECK(how.signal() == SIGTERM);
    });
}

TEST_CASE("a handle that outlives its reactor is of a child that was killed with it") {
    const auto kind = GENERATE(from_range(demultiplexers()));
    const bool pidfd = GENERATE(true, false);
    const switched with(bight::detail::uses_pidfd, pidfd);
    const long frames_before = bight::detail::live_frames();
    const int descriptors_before = open_descriptors();
    std::optional<process> child;
    int pid = 0;
    {
        bight::reactor on(options_on(kind));
        auto start = [&]() -> bight::task<> {
            child = process::spawn(command("sleep", "60").pipe_to(0).pipe_from(1));
            pid = child->id();
            co_return;
        };
        on.run(start());
        CHECK(exists(pid));
        on.run(turns(2));
        CHECK(exists(pid));  // between two runs
    }
    CHECK_FALSE(exists(pid));
    CHECK(child->status()->signal() == SIGKILL);
    CHECK_FALSE(child->kill());
    child.reset();
    CHECK(bight::detail::live_frames() == frames_before);
    CHECK(open_descriptors() == descriptors_before);
}

TEST_CASE("a reactor that is stopped does not wait for the patience of its children") {
    const auto kind = GENERATE(from_range(demultiplexers()));
    const bool pidfd = GENERATE(true, false);
    children_fixture f(kind, pidfd);
    const auto began = std::chrono::steady_clock::now();
    auto body = [&]() -> bight::task<> {
        process child = process::spawn(stubborn().pipe_from(1).end_patience(60s));
        co_await until_ready(child);
        f.on.reactor().stop_now();
        co_await child.wait();
    };
    CHECK_THROWS_AS(f.on.run(body), bight::run_cancelled);
    CHECK(std::chrono::steady_clock::now() - began < 30s);
}

TEST_CASE("a forked child that drops the handle leaves the process to its parent") {
    with_children([]() -> bight::task<> {
        process child = process::spawn(shell("read x").pipe_to(0));
        const pid_t forked = ::fork();
        if (forked == 0) {
            {
                const process mine = std::move(child);
            }
            ::_exit(3);
        }
        int status = 0;
        REQUIRE(::waitpid(forked, &status, 0) == forked);
        CHECK(WEXITSTATUS(status) == 3);
        CHECK_FALSE(child.status());
        co_await child.standard_input().write("x\n");
        const auto how = co_await child.wait();
        CHECK(how.success());
    });
}

TEST_CASE("a leader that leaves its group gets its signals, and ends, all the same") {
    if (::access("/usr/bin/perl", X_OK) < 0) return;  // no shell can do that
    const auto leaver = [] {
        command c("/usr/bin/perl", "-e",
                  "$| = 1; setpgrp(0, getpgrp(getppid())); print \"ready\\n\"; sleep 60");
        c.new_group().pipe_from(1);
        return c;
    };
    with_children([&]() -> bight::task<> {
        process killed = process::spawn(leaver());
        co_await until_ready(killed);
        CHECK(killed.kill(SIGTERM));
        const auto first = co_await killed.wait();
        CHECK(first.signal() == SIGTERM);
        process ended = process::spawn(leaver());
        co_await until_ready(ended);
        const auto second = co_await ended.end(20s);
        CHECK(second.signal() == SIGTERM);
        process dropped = process::spawn(leaver());
        co_await until_ready(dropped);
    });
    std::optional<process> child;
    {
        bight::reactor on(options_on(demultiplexers().front()));
        auto start = [&]() -> bight::task<> {
            child = process::spawn(leaver());
            co_await until_ready(*child);
        };
        on.run(start());
    }
    CHECK(child->status()->signal() == SIGKILL);
}

TEST_CASE("what a leader has left behind gets the signals of its handle") {
    with_children([]() -> bight::task<> {
        command c =
            shell("(trap 'echo term; exit 0' TERM; echo ready; while :; do sleep 0.01; done) & exit 4");
        c.pipe_from(1).new_group();
        process child = process::spawn(c);
        co_await until_ready(child);
        const auto how = co_await child.wait();
        CHECK(how.code() == 4);
        CHECK(child.kill(SIGTERM));
        const std::string rest = co_await all_of(child.standard_output());
        CHECK(rest == "term\n");
    });
}

TEST_CASE("a forked child that destroys the reactor before the handle leaves the process to its parent") {
    const auto kind = GENERATE(from_range(demultiplexers()));
    const bool pidfd = GENERATE(true, false);
    const bool group = GENERATE(true, false);
    const switched with(bight::detail::uses_pidfd, pidfd);
    auto on = std::make_unique<bight::reactor>(options_on(kind));
    std::optional<process> lives;
    std::optional<process> over;
    auto start = [&]() -> bight::task<> {
        command c = shell("read x");
        c.pipe_to(0).pipe_from(1);
        if (group) c.new_group();
        lives = process::spawn(c);
        command leader = shell("(read x <&3; echo alive) & exit 0");
        leader.pipe_to(3).pipe_from(1).new_group();
        over = process::spawn(leader);
        co_await over->wait();
    };
    on->run(start());
    {
        child forked([&](const witness_pipe&) {
            if (lives->kill(SIGKILL)) return 4;
            on.reset();
            if (lives->kill(SIGKILL) || over->kill(SIGKILL)) return 5;
            lives.reset();
            over.reset();
            return 3;
        });
        CHECK(forked.exit_status() == 3);
    }
    auto go_on = [&]() -> bight::task<> {
        CHECK_FALSE(lives->status());
        co_await lives->standard_input().write("x\n");
        const auto how = co_await lives->wait();
        CHECK(how.success());
        co_await over->pipe(3).write("x\n");
        const std::string said = co_await all_of(over->standard_output());
        CHECK(said == "alive\n");
        lives.reset();
        over.reset();
    };
    on->run(go_on());
}

TEST_CASE("a child that must not be killed is an error of end, and nobody waits for it") {
    if (::geteuid() != 0) return;  // it takes a child of root's, and a parent that is root no longer
    const auto kind = GENERATE(from_range(demultiplexers()));
    const bool pidfd = GENERATE(true, false);
    const switched with(bight::detail::uses_pidfd, pidfd);
    int pid = 0;
    {
        child unprivileged([&](const witness_pipe& report) {
            bight::reactor on(options_on(kind));
            std::error_code code;
            auto body = [&]() -> bight::task<> {
                process root = process::spawn(command("sleep", "60").end_patience(0s));
                report.say(std::to_string(root.id()) + "\n");
                if (::setuid(65534) < 0) co_return;
                code = co_await error_of(root.end(1ms));
            };
            on.run(body());
            return code == from_errno(EPERM) ? 3 : 5;
        });
        CHECK(unprivileged.exit_status() == 3);
        pid = std::atoi(unprivileged.said().c_str());
    }
    REQUIRE(pid > 1);
    CHECK(::kill(pid, SIGKILL) == 0);
}

TEST_CASE("a child that does not heed SIGTERM is killed with a line in the log, others without") {
    children_fixture f(GENERATE(from_range(demultiplexers())), true);
    INFO("on " << f.name);
    f.on.run([]() -> bight::task<> {
        process deaf = process::spawn(stubborn().pipe_from(1).end_patience(10ms));
        co_await until_ready(deaf);
        const process heeds = process::spawn(command("sleep", "60"));
        const process at_once = process::spawn(command("sleep", "60").end_patience(0ms));
    });
    const std::vector<std::string> said = f.on.take_log();
    REQUIRE(said.size() == 1);
    CHECK_THAT(said.front(), Catch::Contains("process: /bin/sh -c") &&
                                 Catch::Contains("has not ended after SIGTERM, and is killed"));
}

TEST_CASE("the tree of tasks says for which child somebody waits, and that its pipes must be read") {
    with_pidfd([]() -> bight::task<> {
        process child = process::spawn(command("sleep", "60").pipe_from(1));
        const std::string which = "sleep 60 (process " + std::to_string(child.id()) + ")";
        auto look = [&](std::string expected) -> bight::task<> {
            co_await bight::yield();
            const std::string tree = bight::reactor::current()->dump_tasks();
            CHECK_THAT(tree, Catch::Contains(expected));
        };
        auto ends = [&]() -> bight::task<> {
            co_await look("waits for the end of " + which);
            child.kill();
        };
        auto ended = bight::when_all(child.wait(), ends());
        co_await std::move(ended);
        auto drained = child.wait_drained();
        auto reads = [&]() -> bight::task<> {
            co_await look("waits for the ends of 1 pipe from sleep 60, which somebody must read to the end");
            const std::string all = co_await all_of(child.standard_output());
            CHECK(all.empty());
        };
        auto both = bight::when_all(std::move(drained), reads());
        co_await std::move(both);
    });
}
