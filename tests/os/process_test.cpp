// Starting a program, and how it ends.
#include "children.hpp"

#include "support/cancellable.hpp"
#include "support/connections.hpp"

#include "demux/tool_annotations.hpp"

#include <bight/core/group.hpp>
#include <bight/core/sleep.hpp>
#include <bight/core/timeout.hpp>
#include <bight/io/line_reader.hpp>
#include <bight/sim/world.hpp>

#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

using namespace test;
using namespace std::chrono_literals;
using bight::command;
using bight::process;
using bight::process_status;

TEST_CASE("a program runs with its arguments as they are, and its exit status is known") {
    with_children([]() -> bight::task<> {
        command c("/bin/sh", "-c", "printf '<%s>' \"$0\" \"$@\"; exit 7", "a b", "", "*", "'\"\\");
        c.pipe_from(1);
        process child = process::spawn(c);
        CHECK(child);
        CHECK(child.id() > 0);
        const std::string said = co_await all_of(child.standard_output());
        CHECK(said == "<a b><><*><'\"\\>");
        const process_status how = co_await child.wait();
        CHECK(how == process_status::exited(7));
        CHECK(how.code() == 7);
        CHECK_FALSE(how.signal());
        CHECK_FALSE(how.success());
        CHECK(how.to_string() == "exit status 7");
        CHECK(child.status() == how);
        const process_status again = co_await child.wait();
        CHECK(again == how);
    });
}

TEST_CASE("a child that a signal ends says which") {
    const int signal = GENERATE(SIGHUP, SIGINT, SIGKILL, SIGTERM);
    with_children([signal]() -> bight::task<> {
        process child = process::spawn(command("sleep", "60"));
        CHECK(child.kill(signal));
        const process_status how = co_await child.wait();
        CHECK(how.signal() == signal);
        CHECK_FALSE(how.code());
        CHECK_FALSE(how.success());
        CHECK_FALSE(child.kill(signal));
    });
    CHECK(process_status::killed(15).to_string() == "signal 15 (SIGTERM)");
    CHECK(process_status::killed(6, true).to_string() == "signal 6 (SIGABRT), core dumped");
    CHECK(process_status::killed(64).to_string() == "signal 64");
}

TEST_CASE("a signal that there is not is an error, and the child lives") {
    with_pidfd([]() -> bight::task<> {
        process child = process::spawn(command("sleep", "60"));
        CHECK_THROWS_AS(child.kill(12345), std::system_error);
        CHECK_FALSE(child.status());
        const process_status how = co_await child.end();
        CHECK(how.signal() == SIGTERM);
    });
}

TEST_CASE("the environment is inherited, changed, or empty, and a program is found all the same") {
    const environment_variable inherited("BIGHT_TEST_INHERITED", "yes");
    with_pidfd([]() -> bight::task<> {
        const std::string all = co_await output_of(command("env"));
        CHECK_THAT(all, Catch::Contains("BIGHT_TEST_INHERITED=yes\n"));
        command changed("env");
        changed.environment("BIGHT_TEST_INHERITED", "no").environment("BIGHT_TEST_NEW", "a=b");
        const std::string with_changes = co_await output_of(changed);
        CHECK_THAT(with_changes, Catch::Contains("BIGHT_TEST_INHERITED=no\n") &&
                                     Catch::Contains("BIGHT_TEST_NEW=a=b\n") && Catch::Contains("PATH="));
        changed.without_environment("BIGHT_TEST_INHERITED");
        const std::string without = co_await output_of(changed);
        CHECK_THAT(without, !Catch::Contains("BIGHT_TEST_INHERITED"));
        command empty("env");
        empty.environment("LOST", "1").empty_environment();
        const std::string nothing = co_await output_of(empty);
        CHECK(nothing.empty());
        empty.environment("ONLY", "1");
        const std::string one = co_await output_of(empty);
        CHECK(one == "ONLY=1\n");
    });
}

TEST_CASE("the directory, and the name that a child sees as its own") {
    const temporary_directory where;
    with_pidfd([&]() -> bight::task<> {
        command c = shell("pwd; echo $0");
        c.directory("/").name("another");
        const std::string said = co_await output_of(c);
        CHECK(said == "/\nanother\n");
        command cat("cat", "/proc/self/cmdline");
        cat.name("no-cat");
        const std::string line = co_await output_of(cat);
        CHECK(line == std::string("no-cat\0/proc/self/cmdline\0", 26));

        // A relative program begins at the child's directory.
        const std::string file = where.file("here");
        std::ofstream(file) << "#!/bin/sh\necho found\n";
        ::chmod(file.c_str(), 0755);
        command relative("./here");
        relative.directory(where.file(""));
        const std::string found = co_await output_of(relative);
        CHECK(found == "found\n");
    });
}

TEST_CASE("a program that cannot be run is an error of spawn, with its number and its path") {
    const temporary_directory where;
    const std::string text_file = where.file("text");
    std::ofstream(text_file) << "no program\n";
    const std::string no_format = where.file("no_format");
    std::ofstream(no_format) << "no program\n";
    ::chmod(no_format.c_str(), 0755);
    const std::string no_interpreter = where.file("no_interpreter");
    std::ofstream(no_interpreter) << "#!/no/such/interpreter\n";
    ::chmod(no_interpreter.c_str(), 0755);
    with_pidfd([&]() -> bight::task<> {
        const auto missing = error_of_spawn(command("/no/such/program", "x"));
        CHECK(missing.code == from_errno(ENOENT));
        CHECK_THAT(missing.text, Catch::Contains("/no/such/program x") && Catch::Contains("No such file"));
        const auto nowhere = error_of_spawn(command("no-such-program"));
        CHECK(nowhere.code == from_errno(ENOENT));
        CHECK_THAT(nowhere.text, Catch::Contains("no-such-program") && Catch::Contains("looked for in PATH, /"));
        CHECK(error_of_spawn(command(text_file)).code == from_errno(EACCES));
        CHECK(error_of_spawn(command("/")).code == from_errno(EACCES));
        CHECK(error_of_spawn(command(no_format)).code == from_errno(ENOEXEC));
        CHECK(error_of_spawn(command(no_interpreter)).code == from_errno(ENOENT));
        CHECK(error_of_spawn(command("")).code == from_errno(ENOENT));
        CHECK(error_of_spawn(command("true", std::string(std::size_t{1} << 23, 'a'))).code ==
              from_errno(E2BIG));
        command lost("true");
        lost.directory("/no/such/directory");
        const auto no_directory = error_of_spawn(lost);
        CHECK(no_directory.code == from_errno(ENOENT));
        CHECK_THAT(no_directory.text, Catch::Contains("directory of true, /no/such/directory"));
        co_return;
    });
}

TEST_CASE("texts that cannot be passed on are errors of spawn") {
    with_pidfd([]() -> bight::task<> {
        const std::string zero("a\0b", 3);
        CHECK(error_of_spawn(command(zero)).code == from_errno(EINVAL));
        CHECK(error_of_spawn(command("true", zero)).code == from_errno(EINVAL));
        command directory("pwd");
        directory.directory(std::string_view("/tmp\0/x", 7));
        CHECK(error_of_spawn(directory).code == from_errno(EINVAL));
        command name("true");
        name.environment("a=b", "c");
        CHECK(error_of_spawn(name).code == from_errno(EINVAL));
        command empty("true");
        empty.environment("", "c");
        CHECK(error_of_spawn(empty).code == from_errno(EINVAL));
        command value("true");
        value.environment("a", zero);
        CHECK(error_of_spawn(value).code == from_errno(EINVAL));
        command number("true");
        number.null(-2);
        CHECK(error_of_spawn(number).code == from_errno(EBADF));
        co_return;
    });
}

TEST_CASE("signals that this process ignores, handles or blocks are at their defaults in a child") {
    with_pidfd([]() -> bight::task<> {
        struct sigaction before{};
        struct sigaction ignored{};
        ignored.sa_handler = SIG_IGN;
        ::sigaction(SIGUSR2, &ignored, &before);
        sigset_t set;
        sigset_t mask_before;
        sigemptyset(&set);
        sigaddset(&set, SIGTERM);
        ::pthread_sigmask(SIG_BLOCK, &set, &mask_before);
        const std::string status = co_await output_of(command("cat", "/proc/self/status"));
        ::pthread_sigmask(SIG_SETMASK, &mask_before, nullptr);
        ::sigaction(SIGUSR2, &before, nullptr);
        CHECK_THAT(status, Catch::Contains("SigBlk:\t0000000000000000") &&
                               Catch::Contains("SigIgn:\t0000000000000000"));
        // The own mask is as it was.
        sigset_t now;
        ::pthread_sigmask(SIG_BLOCK, nullptr, &now);
        CHECK(sigismember(&now, SIGCHLD) == 0);
    });
}

TEST_CASE("user, group and groups of a child; without the privilege an error that says so") {
    with_pidfd([]() -> bight::task<> {
        command c("cat", "/proc/self/status");
        c.user(65534).group(65533).groups({65532});
        if (::geteuid() != 0) {
            const auto error = error_of_spawn(c);
            CHECK(error.code == from_errno(EPERM));
            CHECK_THAT(error.text, Catch::Contains("groups of cat"));
            co_return;
        }
        const std::string status = co_await output_of(c);
        CHECK_THAT(status, Catch::Contains("Uid:\t65534\t65534\t65534\t65534") &&
                               Catch::Contains("Gid:\t65533\t65533\t65533\t65533") &&
                               Catch::Contains("Groups:\t65532 \n"));
        command no_groups("cat", "/proc/self/status");
        no_groups.user(65534);
        const std::string fewer = co_await output_of(no_groups);
        CHECK_THAT(fewer, Catch::Contains("Groups:\t \n"));
        command then = shell("true");
        then.user(65534).directory("/root");
        const auto error = error_of_spawn(then);  // the directory is looked at as that user
        if (error.code) CHECK(error.code == from_errno(EACCES));
        // It shared no memory: this process may be traced and looked at as before.
        struct stat own{};
        CHECK(::stat("/proc/self/mem", &own) == 0);
        CHECK(own.st_uid == 0);
    });
}

TEST_CASE("a wait that is cancelled leaves the child to the next one, and several may wait") {
    with_children([]() -> bight::task<> {
        process child = process::spawn(shell("read x").pipe_to(0));
        const auto none = co_await bight::try_with_timeout(child.wait(), 1ms);
        CHECK_FALSE(none);
        cancellable one;
        std::optional<process_status> first;
        std::optional<process_status> second;
        auto wait_into = [&](std::optional<process_status>& to) -> bight::task<> {
            to = co_await child.wait();
        };
        auto body = [&](bight::group& g) -> bight::task<> {
            g.spawn(one.run(wait_into(first)));
            g.spawn(wait_into, std::ref(second));
            co_await turns(3);
            one.cancel();
            co_await turns(3);
            CHECK_FALSE(one.running());
            co_await child.standard_input().close();
        };
        co_await bight::with_group(body);
        CHECK_FALSE(first);
        REQUIRE(second);
        CHECK(second->code() == 1);
    });
}

TEST_CASE("exited is not drained: a child of the child may hold its output") {
    with_children([]() -> bight::task<> {
        // The grandchild waits for the end of descriptor 3, and then says something.
        process child = process::spawn(shell("(read x <&3; echo late) & exit 3").pipe_from(1).pipe_to(3));
        const process_status how = co_await child.wait();
        CHECK(how.code() == 3);
        const auto drained = co_await bight::try_with_timeout(child.wait_drained(), 5ms);
        CHECK_FALSE(drained);
        co_await child.pipe(3).close();
        const std::string said = co_await all_of(child.standard_output());
        CHECK(said == "late\n");
        const process_status again = co_await child.wait_drained();
        CHECK(again == how);
    });
}

TEST_CASE("drained comes after the end of each pipe, however that comes, and exited not after drained") {
    with_children([]() -> bight::task<> {
        process child = process::spawn(shell("echo out; echo err >&2").pipe_from(1).pipe_from(2));
        co_await child.wait();
        std::string order;
        auto drained = [&]() -> bight::task<> {
            co_await child.wait_drained();
            order += "drained ";
        };
        auto body = [&](bight::group& g) -> bight::task<> {
            g.spawn(drained);
            co_await turns(3);
            const std::string out = co_await all_of(child.standard_output());
            order += out.substr(0, 3) + " ";
            co_await turns(3);
            child.standard_error().abort();  // not read, and closed on this side
            order += "closed ";
        };
        co_await bight::with_group(body);
        CHECK(order == "out closed drained ");
    });
}

TEST_CASE("a child that closes its pipes long before it ends is waited for") {
    with_children([]() -> bight::task<> {
        process child = process::spawn(shell("exec >&-; read x; exit 5").pipe_from(1).pipe_to(0));
        const std::string said = co_await all_of(child.standard_output());
        CHECK(said.empty());
        CHECK_FALSE(child.status());
        co_await child.standard_input().write("go on\n");
        const process_status how = co_await child.wait_drained();
        CHECK(how.code() == 5);
    });
}

TEST_CASE("what a child has used is known") {
    with_children([]() -> bight::task<> {
        process child = process::spawn(shell("i=0; while [ $i -lt 20000 ]; do i=$((i + 1)); done"));
        const process_status how = co_await child.wait();
        CHECK(how.success());
        CHECK(how.usage().user_time + how.usage().system_time > 0s);
        CHECK(how.usage().peak_memory > 100'000);
        CHECK(how.usage().minor_faults > 0);
    });
}

TEST_CASE("a child that somebody else has reaped is told as such") {
    with_children([]() -> bight::task<> {
        process child = process::spawn(shell("read x").pipe_to(0));
        co_await child.standard_input().close();
        while (::waitpid(child.id(), nullptr, 0) < 0 && errno == EINTR) {
        }
        std::string text;
        try {
            co_await child.wait();
        } catch (const std::system_error& e) {
            CHECK(e.code() == from_errno(ECHILD));
            text = e.what();
        }
        CHECK_THAT(text, Catch::Contains("somebody else has waited for it"));
        CHECK_FALSE(child.kill());
    });
}

TEST_CASE("children that are not bight's are not reaped") {
    with_children([]() -> bight::task<> {
        const pid_t foreign = ::fork();
        if (foreign == 0) ::_exit(9);
        process child = process::spawn(command("true"));
        const process_status how = co_await child.wait();
        CHECK(how.success());
        int status = 0;
        CHECK(::waitpid(foreign, &status, 0) == foreign);
        CHECK(WEXITSTATUS(status) == 9);
    });
}

TEST_CASE("without pidfds the handler of SIGCHLD that was there is called, and is there again afterwards") {
    static int calls = 0;
    calls = 0;
    struct sigaction mine{};
    mine.sa_handler = [](int) { ++calls; };
    struct sigaction before{};
    ::sigaction(SIGCHLD, &mine, &before);
    {
        children_fixture f(demultiplexers().front(), false);
        f.on.run([]() -> bight::task<> {
            process child = process::spawn(command("true"));
            const process_status how = co_await child.wait();
            CHECK(how.success());
        });
    }
    CHECK(calls >= 1);
    struct sigaction now{};
    ::sigaction(SIGCHLD, &before, &now);
    CHECK(now.sa_handler == mine.sa_handler);
}

TEST_CASE("without pidfds a program that ignores SIGCHLD is refused") {
    struct sigaction ignored{};
    ignored.sa_handler = SIG_IGN;
    struct sigaction before{};
    ::sigaction(SIGCHLD, &ignored, &before);
    {
        children_fixture f(demultiplexers().front(), false);
        f.on.run([]() -> bight::task<> {
            const auto error = error_of_spawn(command("true"));
            CHECK(error.code == bight::errc::unavailable);
            CHECK_THAT(error.text, Catch::Contains("SIGCHLD"));
            co_return;
        });
    }
    ::sigaction(SIGCHLD, &before, nullptr);
}

TEST_CASE("without pidfds a SIGCHLD that is not delivered, or that leaves nothing to wait for, is refused") {
    children_fixture f(demultiplexers().front(), false);
    f.on.run([]() -> bight::task<> {
        sigset_t only;
        sigset_t mask_before;
        sigemptyset(&only);
        sigaddset(&only, SIGCHLD);
        ::pthread_sigmask(SIG_BLOCK, &only, &mask_before);
        const auto blocked = error_of_spawn(command("true"));
        ::pthread_sigmask(SIG_SETMASK, &mask_before, nullptr);
        CHECK(blocked.code == bight::errc::unavailable);
        CHECK_THAT(blocked.text, Catch::Contains("block SIGCHLD"));

        struct sigaction no_wait{};
        no_wait.sa_handler = [](int) {};
        no_wait.sa_flags = SA_NOCLDWAIT;
        struct sigaction before{};
        ::sigaction(SIGCHLD, &no_wait, &before);
        const auto refused = error_of_spawn(command("true"));
        ::sigaction(SIGCHLD, &before, nullptr);
        CHECK(refused.code == bight::errc::unavailable);
        co_return;
    });
}

TEST_CASE("with pidfds a program that ignores SIGCHLD may start children, and learns no status") {
    struct sigaction ignored{};
    ignored.sa_handler = SIG_IGN;
    struct sigaction before{};
    ::sigaction(SIGCHLD, &ignored, &before);
    {
        children_fixture f(demultiplexers().front(), true);
        f.on.run([]() -> bight::task<> {
            for (int i = 0; i < 50; ++i) {
                process child = process::spawn(command("true"));  // which may be over by now
                const auto code = co_await error_of(child.wait());
                CHECK(code == from_errno(ECHILD));
            }
        });
    }
    ::sigaction(SIGCHLD, &before, nullptr);
}

TEST_CASE("without pidfds the handler that is there keeps what it has said of stops and restarts") {
    struct sigaction mine{};
    mine.sa_handler = [](int) {};
    sigemptyset(&mine.sa_mask);
    sigaddset(&mine.sa_mask, SIGUSR1);
    struct sigaction before{};
    ::sigaction(SIGCHLD, &mine, &before);
    {
        children_fixture f(demultiplexers().front(), false);
        f.on.run([]() -> bight::task<> {
            process child = process::spawn(shell("read x").pipe_to(0));
            struct sigaction now{};
            ::sigaction(SIGCHLD, nullptr, &now);
            CHECK((now.sa_flags & (SA_NOCLDSTOP | SA_RESTART)) == 0);
            CHECK(sigismember(&now.sa_mask, SIGUSR1) == 1);
            co_return;
        });
    }
    ::sigaction(SIGCHLD, &before, nullptr);
}

namespace {
struct sigaction chained{};
int chained_calls = 0;
void chaining(int signal, siginfo_t* info, void* context) {
    ++chained_calls;
    if ((chained.sa_flags & SA_SIGINFO) != 0) chained.sa_sigaction(signal, info, context);
}
}  // namespace

TEST_CASE("without pidfds a handler above bight's may come, call it, stay or go again") {
    const bool stays = GENERATE(true, false);
    static int below = 0;
    below = 0;
    chained_calls = 0;
    struct sigaction first{};
    first.sa_handler = [](int) { ++below; };
    struct sigaction before{};
    ::sigaction(SIGCHLD, &first, &before);
    {
        children_fixture f(demultiplexers().front(), false);
        f.on.run([stays]() -> bight::task<> {
            {
                process child = process::spawn(shell("read x").pipe_to(0));
                struct sigaction above{};
                above.sa_sigaction = chaining;
                above.sa_flags = SA_SIGINFO;
                ::sigaction(SIGCHLD, &above, &chained);
                co_await child.standard_input().close();
                co_await child.wait();
            }
            CHECK(chained_calls == 1);
            CHECK(below == 1);
            if (!stays) ::signal(SIGCHLD, SIG_DFL);
            for (int i = 0; i < 2; ++i) {
                process child = process::spawn(shell("read x").pipe_to(0));
                co_await child.standard_input().close();
                const process_status how = co_await child.wait();
                CHECK(how.code() == 1);
            }
            CHECK(chained_calls == (stays ? 3 : 1));
            CHECK(below == (stays ? 3 : 1));
        });
    }
    struct sigaction now{};
    ::sigaction(SIGCHLD, &before, &now);
    if (stays) {
        CHECK(now.sa_sigaction == chaining);
    } else {
        CHECK(now.sa_handler == SIG_DFL);
    }
}

TEST_CASE("the errors of a long command with control bytes are short texts without them") {
    with_pidfd([]() -> bight::task<> {
        const auto error =
            error_of_spawn(command("/no/such/program", "\x1b[31m\n", std::string(1 << 16, 'x'), "secret"));
        CHECK(error.code == from_errno(ENOENT));
        CHECK(error.text.size() < 500);
        CHECK(error.text.find_first_of("\x1b\n") == std::string::npos);
        CHECK_THAT(error.text, Catch::Contains("\\x1b") && Catch::Contains("xxx ..."));
        co_return;
    });
}

TEST_CASE("what another thread forks meanwhile does not hold up the start of a child of another user") {
    with_pidfd([]() -> bight::task<> {
        // They know no such fork.
        if (BIGHT_UNDER_TSAN || bight::detail::on_valgrind()) co_return;
        // They live until all is over, with copies of whatever was open at their forks.
        std::vector<pid_t> others;
        std::atomic<bool> enough{false};
        std::thread forks([&] {
            while (!enough && others.size() < 200) {
                const pid_t pid = ::fork();
                if (pid == 0) {
                    for (;;) ::pause();
                }
                others.push_back(pid);
            }
        });
        for (int i = 0; i < 40; ++i) {
            command c("true");
            c.user(::geteuid());
            process child = process::spawn(c);
            const process_status how = co_await child.wait();
            CHECK(how.success());
        }
        enough = true;
        forks.join();
        for (const pid_t pid : others) ::kill(pid, SIGKILL);
        for (const pid_t pid : others) ::waitpid(pid, nullptr, 0);
    });
}

TEST_CASE("an empty handle gives EBADF, and so does a pipe that there is not") {
    with_pidfd([]() -> bight::task<> {
        process child;
        CHECK_FALSE(child);
        CHECK_THROWS_AS(child.id(), std::system_error);
        CHECK_THROWS_AS(child.kill(), std::system_error);
        CHECK_THROWS_AS(child.pipe(0), std::system_error);
        CHECK_THROWS_AS(child.wait(), std::system_error);
        child = process::spawn(shell("exit 0").pipe_from(1));
        std::string text;
        try {
            child.standard_input();
        } catch (const std::system_error& e) {
            CHECK(e.code() == from_errno(EBADF));
            text = e.what();
        }
        CHECK_THAT(text, Catch::Contains("descriptor 0 of /bin/sh"));
        CHECK_THROWS_AS(child.terminal(), std::system_error);
        process moved = std::move(child);
        CHECK_FALSE(child);
        const process_status how = co_await moved.wait();
        CHECK(how.success());
    });
}

TEST_CASE("spawn needs a reactor here, and a program of BIGHT_REACTOR=sim has no programs") {
    std::error_code code = error_of_spawn(command("true")).code;
    CHECK(code == bight::errc::wrong_thread);
    reactor_fixture simulated(reactor_choice::simulated(1));
    simulated.run([&]() -> bight::task<> {
        code = error_of_spawn(command("true")).code;
        co_return;
    });
    CHECK(code == bight::errc::unavailable);
}

TEST_CASE("a command is a value, and reads as a shell would take it") {
    command c("grep", "-n", "a b", "it's", "");
    CHECK(c.to_string() == "grep -n 'a b' 'it'\\''s' ''");
    CHECK(c.program() == "grep");
    c.arguments({"x", "y"}).argument("z");
    command copy = c;
    copy.pipe_from(1).null(1);
    CHECK(copy.to_string() == c.to_string());
    CHECK_FALSE(c.descriptor(1));
    CHECK(copy.descriptor(1)->kind == bight::child_descriptor::null);
    copy.inherit(1, 5);
    CHECK(copy.descriptor(1)->kind == bight::child_descriptor::given);
    CHECK(copy.descriptor(1)->from == 5);
    copy.close(1);
    CHECK(copy.descriptor(1)->kind == bight::child_descriptor::closed);
}
