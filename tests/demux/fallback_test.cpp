// What a reactor gets when the kernel refuses a demultiplexer.
#include "refused_reactor.hpp"
#include "support/reactors.hpp"
#include "support/system_calls.hpp"

#include <sched.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <optional>
#include <string>
#include <system_error>
#include <vector>

using bight::demultiplexer_kind;
using Catch::Contains;
using test::asking_for;
using test::in_child;
using test::refusal;
using test::refuse_system_calls;

namespace {

constexpr const char* reactor_variable = "BIGHT_REACTOR";

// io_uring_setup, io_uring_enter, io_uring_register
void refuse_io_uring(int error) { refuse_system_calls({425, 426, 427}, error); }

std::vector<std::string>& logged() {
    static std::vector<std::string> messages;
    return messages;
}

void collect_log() {
    bight::set_log_handler(
        [](bight::log_level, std::string_view message, void*) { logged().emplace_back(message); });
}

/// The library says once in a process what it cannot have. Runs the test case of which this is called in a
/// process of its own, which has not heard it yet; gives whether it passed, or nothing in that process.
std::optional<bool> passes_alone() {
    constexpr const char* mark = "BIGHT_TEST_ALONE";
    if (std::getenv(mark)) return std::nullopt;
    std::string name;
    for (const char c : Catch::getResultCapture().getCurrentTestName()) {
        if (c == ',') name += '\\';  // else it is where the next pattern begins
        name += c;
    }
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        ::setenv(mark, "yes", 1);
        ::dup2(STDERR_FILENO, STDOUT_FILENO);  // its summary is not this program's
        ::execl("/proc/self/exe", "tests", name.c_str(), nullptr);
        ::_exit(127);
    }
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

bool has(demultiplexer_kind kind) {
    for (const auto available : test::demultiplexers()) {
        if (available == kind) return true;
    }
    return false;
}

}  // namespace

TEST_CASE("a filter that refuses io_uring leads to epoll, and the reason is on record and logged once") {
    if (const auto passed = passes_alone()) {
        CHECK(*passed);
        return;
    }
    const int error = GENERATE(EPERM, ENOSYS);
    const std::string said = in_child([error] {
        ::unsetenv(reactor_variable);
        refuse_io_uring(error);
        collect_log();
        const bight::reactor first;
        const bight::reactor second;
        const bight::reactor third;
        const bool works = !bight::reactor(asking_for(demultiplexer_kind::epoll)).run_once();
        return std::string(first.demultiplexer_name()) + "|" + std::string(third.demultiplexer_name()) + "|" +
               (works ? "works" : "does not work") + "|" +
               (first.fallback_reason() == third.fallback_reason() ? "=" : "/") + "|" +
               std::to_string(logged().size()) + "|" + logged().at(0) + "|" + first.fallback_reason();
    });
    CHECK_THAT(said, Catch::Matchers::StartsWith("epoll|epoll|works|=|1|"));
    CHECK_THAT(said, Contains("; using epoll|"));
    const std::string reason = said.substr(said.rfind('|') + 1);
    CHECK_THAT(reason, Contains("io_uring is not available: "));
    if (has(demultiplexer_kind::io_uring)) {
        CHECK_THAT(reason, Contains("seccomp"));
        CHECK_THAT(reason, Contains(std::system_category().message(error)));
    }
}

TEST_CASE("io_uring that was asked for is refused with the reason, not replaced") {
    const int error = GENERATE(EPERM, ENOSYS);
    const bool by_environment = GENERATE(false, true);
    const std::string said = in_child([=] {
        ::unsetenv(reactor_variable);
        if (by_environment) ::setenv(reactor_variable, "io_uring", 1);
        refuse_io_uring(error);
        return refusal(by_environment ? bight::reactor_options{} : asking_for(demultiplexer_kind::io_uring));
    });
    CHECK_THAT(said, Contains("unavailable: "));
    CHECK_THAT(said, Contains(by_environment ? reactor_variable : "reactor_options"));
    if (has(demultiplexer_kind::io_uring)) CHECK_THAT(said, Contains(std::system_category().message(error)));
    CHECK_THAT(said, Contains("available here: epoll, poll, select"));
}

TEST_CASE("where epoll is refused too, poll is used, and both reasons are given") {
    if (const auto passed = passes_alone()) {
        CHECK(*passed);
        return;
    }
    const std::string said = in_child([] {
        ::unsetenv(reactor_variable);
        refuse_system_calls({425, 426, 427, SYS_epoll_create1}, EPERM);
        collect_log();
        const bight::reactor r;
        return std::string(r.demultiplexer_name()) + "|" + std::to_string(logged().size()) + "|" +
               r.fallback_reason() + "|" + refusal(asking_for(demultiplexer_kind::epoll));
    });
    CHECK_THAT(said, Catch::Matchers::StartsWith("poll|1|"));
    CHECK_THAT(said, Contains("io_uring is not available: "));
    CHECK_THAT(said, Contains("epoll is not available: epoll_create1: "));
    CHECK_THAT(said, Contains("available here: poll, select"));
}

TEST_CASE("where nothing can be had, the error names every reason") {
    const std::string said = in_child([] {
        ::unsetenv(reactor_variable);
        refuse_system_calls({425, 426, 427, SYS_epoll_create1, SYS_eventfd2, SYS_pipe2}, EPERM);
        return refusal();
    });
    CHECK_THAT(said, Contains("unavailable: "));
    for (const char* name : {"io_uring", "epoll", "poll", "select"}) {
        CHECK_THAT(said, Contains(std::string(name) + " is not available: "));
    }
}

TEST_CASE("a refusal by kernel.io_uring_disabled is told from one by a filter") {
    test::need(demultiplexer_kind::io_uring);
    const std::string said = in_child([]() -> std::string {
        // The kernel's setting is seen through a file of ours; the system call is refused by a filter.
        char path[] = "/tmp/bight-disabled-XXXXXX";
        const int file = ::mkstemp(path);
        const bool written = file >= 0 && ::write(file, "2\n", 2) == 2;
        ::close(file);
        const int spaces = ::geteuid() == 0 ? CLONE_NEWNS : CLONE_NEWNS | CLONE_NEWUSER;
        const bool mounted =
            written && ::unshare(spaces) == 0 &&
            ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
            ::mount(path, "/proc/sys/kernel/io_uring_disabled", nullptr, MS_BIND, nullptr) == 0;
        ::unlink(path);
        if (!mounted) return "not simulated";
        refuse_io_uring(EPERM);
        return refusal(asking_for(demultiplexer_kind::io_uring));
    });
    if (said == "not simulated")
        test::skip("mounting over /proc/sys/kernel/io_uring_disabled is not allowed");
    CHECK_THAT(said, Contains("kernel.io_uring_disabled is 2"));
    CHECK_THAT(said, !Contains("seccomp"));
}

TEST_CASE("a ring that the kernel cannot make is refused, and leaves nothing open") {
    test::need(demultiplexer_kind::io_uring);
    const std::string said = in_child([] {
        const int before = test::open_descriptors();
        refuse_system_calls({427}, ENOMEM);  // io_uring_register
        const std::string refused = refusal(asking_for(demultiplexer_kind::io_uring));
        return std::to_string(test::open_descriptors() - before) + " left; " + refused;
    });
    CHECK_THAT(said, Catch::Matchers::StartsWith("0 left; "));
    CHECK_THAT(said, Contains("provided buffers"));
}
