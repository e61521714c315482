// Which descriptors a child has: those that it was given, and no other.
#include "children.hpp"

#include "support/few_descriptors.hpp"
#include "support/open_descriptors.hpp"

#include <bight/core/sleep.hpp>
#include <bight/net/owned_descriptor.hpp>

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <climits>
#include <cstdlib>
#include <optional>
#include <set>
#include <sstream>
#include <string>
#include <vector>

using namespace test;
using bight::command;
using bight::owned_descriptor;
using bight::process;

namespace {

/// The numbers that a child has open: those that ls sees of itself, but for the one with which it looks.
bight::task<std::set<int>> numbers_in(command c) {
    std::istringstream list(co_await output_of(std::move(c)));
    std::set<int> found;
    for (int number = 0; list >> number;) found.insert(number);
    co_return found;
}
command listing() { return command("ls", "/proc/self/fd"); }

/// A file without a name, with this text, to which is appended.
owned_descriptor file_with(const std::string& text) {
    char name[] = "/tmp/bight-test-XXXXXX";
    owned_descriptor made(::mkostemp(name, O_CLOEXEC | O_APPEND));
    REQUIRE(made);
    ::unlink(name);
    REQUIRE(::write(made.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size()));
    ::lseek(made.get(), 0, SEEK_SET);
    return made;
}
std::string text_in(const owned_descriptor& file) {
    char bytes[256];
    const ssize_t got = ::pread(file.get(), bytes, sizeof bytes, 0);
    return got > 0 ? std::string(bytes, static_cast<std::size_t>(got)) : std::string();
}

}  // namespace

TEST_CASE("a child has 0, 1 and 2, and nothing else that is open here, whatever its flags") {
    const bool range = GENERATE(true, false);
    const bool list = GENERATE(true, false);
    const switched with_range(bight::detail::uses_close_range, range);
    const switched with_list(bight::detail::uses_descriptor_list, list);
    CAPTURE(range, list);
    const owned_descriptor leak(::open("/dev/null", O_RDONLY));  // not close-on-exec
    const owned_descriptor far(::fcntl(leak.get(), F_DUPFD, 900));
    REQUIRE(far);
    with_pidfd([]() -> bight::task<> {
        command c = listing();
        const auto found = co_await numbers_in(c);
        CHECK(found == std::set<int>{0, 1, 2, 3});
        c.null(7).pipe_to(5).pipe_from(12).close(0);
        const auto more = co_await numbers_in(c);
        CHECK(more == std::set<int>{0, 1, 2, 5, 7, 12});  // 0 is what ls has opened
    });
}

TEST_CASE("what a child has does not depend on what others hold open") {
    with_pidfd([]() -> bight::task<> {
        std::vector<process> others;
        for (int i = 0; i < 5; ++i) {
            command c = shell("read x");
            c.pipe_to(0).pipe_from(1).pipe_from(9);
            others.push_back(process::spawn(c));
        }
        const auto found = co_await numbers_in(listing());
        CHECK(found == std::set<int>{0, 1, 2, 3});
        // So each sees the end of its input as soon as it is closed here.
        for (process& other : others) {
            co_await other.standard_input().close();
            const auto how = co_await other.wait();
            CHECK(how.code() == 1);
        }
    });
}

TEST_CASE("pipes in both directions under any numbers") {
    with_pidfd([]() -> bight::task<> {
        process child = process::spawn(shell("read a <&3; read b; echo \"$a\" >&4; echo \"$b\"; echo err >&2")
                                           .pipe_to(0)
                                           .pipe_from(1)
                                           .pipe_from(2)
                                           .pipe_to(3)
                                           .pipe_from(4));
        co_await child.pipe(3).write("three\n");
        co_await child.pipe(0).write("zero\n");
        const std::string four = co_await all_of(child.pipe(4));
        const std::string one = co_await all_of(child.pipe(1));
        const std::string two = co_await all_of(child.pipe(2));
        CHECK(four == "three\n");
        CHECK(one == "zero\n");
        CHECK(two == "err\n");
        const auto how = co_await child.wait_drained();
        CHECK(how.success());
    });
}

TEST_CASE("descriptors that are given: swaps, chains, duplicates, those that stay where they are") {
    with_pidfd([]() -> bight::task<> {
        owned_descriptor a = file_with("");
        owned_descriptor b = file_with("");
        // Each is the other's number in the child.
        command swap = shell("echo to_a >>/dev/fd/" + std::to_string(b.get()) + "; echo to_b >>/dev/fd/" +
                             std::to_string(a.get()));
        swap.inherit(a.get(), b.get()).inherit(b.get(), a.get());
        process first = process::spawn(swap);
        co_await first.wait();
        CHECK(text_in(a) == "to_a\n");
        CHECK(text_in(b) == "to_b\n");

        // {1 is 2, 2 is a, 3 is 1}: all sources are targets.
        const owned_descriptor err = file_with("");
        const owned_descriptor saved_out(::fcntl(1, F_DUPFD_CLOEXEC, 10));
        const owned_descriptor saved_err(::fcntl(2, F_DUPFD_CLOEXEC, 10));
        const owned_descriptor out = file_with("");
        ::dup2(out.get(), 1);
        ::dup2(err.get(), 2);
        command chain = shell("echo one; echo two >&2; echo three >&3");
        chain.inherit(1, 2).inherit(2, a.get()).inherit(3, 1);
        process second = process::spawn(chain);
        ::dup2(saved_out.get(), 1);
        ::dup2(saved_err.get(), 2);
        co_await second.wait();
        CHECK(text_in(err) == "one\n");
        CHECK(text_in(out) == "three\n");
        CHECK(text_in(a) == "to_a\ntwo\n");

        // One under two numbers, and in its own place, although it is close-on-exec here.
        command both = shell("echo x; echo y >&2; echo z >>/dev/fd/" + std::to_string(b.get()));
        both.inherit(1, b.get()).inherit(2, b.get()).inherit(b.get());
        process third = process::spawn(both);
        co_await third.wait();
        CHECK(text_in(b) == "to_b\nx\ny\nz\n");
        CHECK((::fcntl(b.get(), F_GETFD) & FD_CLOEXEC) != 0);
        for (int fd = 0; fd < 3; ++fd) CHECK(::fcntl(fd, F_GETFD) >= 0);
    });
}

TEST_CASE("pipes whose numbers here are those of others in the child") {
    with_pidfd([]() -> bight::task<> {
        // The pipes get the lowest free numbers: the child's targets are just these, in reverse.
        const int lowest = ::fcntl(0, F_DUPFD_CLOEXEC, 3);
        ::close(lowest);
        for (int shift = 0; shift < 8; ++shift) {
            CAPTURE(shift);
            const int to = lowest + shift;
            const int from = lowest + 8 - shift == to ? to + 1 : lowest + 8 - shift;
            command c = shell("cat </dev/fd/" + std::to_string(to) + " >/dev/fd/" + std::to_string(from));
            c.pipe_to(to).pipe_from(from);
            process child = process::spawn(c);
            co_await child.pipe(to).write("through");
            co_await child.pipe(to).close();
            const std::string said = co_await all_of(child.pipe(from));
            CHECK(said == "through");
            co_await child.wait_drained();
        }
    });
}

TEST_CASE("a descriptor that is not open cannot be given, and the error says which") {
    with_pidfd([]() -> bight::task<> {
        command c("true");
        c.inherit(6, 3999);
        const auto error = error_of_spawn(c);
        CHECK(error.code == from_errno(EBADF));
        CHECK_THAT(error.text, Catch::Contains("descriptor 6 of true, which is to be 3999"));
        command high("true");
        high.null(100'000'000);
        const auto too_high = error_of_spawn(high);
        CHECK(too_high.code == from_errno(EBADF));
        CHECK_THAT(too_high.text, Catch::Contains("descriptor 100000000"));
        co_return;
    });
}

TEST_CASE("the descriptors of this process are as before, also their modes") {
    with_pidfd([]() -> bight::task<> {
        const owned_descriptor file = file_with("");
        int ends[2];
        REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
        const owned_descriptor reads(ends[0]);
        const owned_descriptor writes(ends[1]);
        const auto before = descriptor_numbers();
        {
            command c = shell("echo x");
            c.inherit(1, writes.get()).pipe_to(0).null(2);
            process child = process::spawn(c);
            co_await child.wait();
        }
        CHECK(descriptor_numbers() == before);
        CHECK((::fcntl(writes.get(), F_GETFL) & O_NONBLOCK) == 0);
        char byte = 0;
        CHECK(::read(reads.get(), &byte, 1) == 1);
    });
}

TEST_CASE("the child's end of a pipe blocks") {
    with_pidfd([]() -> bight::task<> {
        command c("cat", "/proc/self/fdinfo/0", "/proc/self/fdinfo/1");
        c.pipe_to(0);
        const std::string said = co_await output_of(c);
        CHECK_THAT(said, Catch::Contains("flags:\t00\n") && Catch::Contains("flags:\t01\n"));
    });
}

TEST_CASE("out of descriptors at any place, spawn fails with EMFILE and leaves nothing") {
    with_pidfd([]() -> bight::task<> {
        command c = shell("exit 0");
        c.pipe_to(0).pipe_from(1).pipe_from(2).null(3).pipe_to(4);
        const auto before = descriptor_numbers();
        int failures = 0;
        for (int more = 0;; ++more) {
            CAPTURE(more);
            REQUIRE(more < 40);
            std::error_code code;
            {
                const few_descriptors few(more);
                code = error_of_spawn(c).code;
            }
            if (!code) break;
            CHECK(descriptor_numbers() == before);
            CHECK(code == from_errno(EMFILE));
            ++failures;
        }
        CHECK(failures >= 9);
        co_return;
    });
}

TEST_CASE("a failed exec leaves no descriptor and no child") {
    with_children([]() -> bight::task<> {
        command c("/no/such/program");
        c.pipe_to(0).pipe_from(1).null(2);
        const auto before = descriptor_numbers();
        CHECK(error_of_spawn(c).code == from_errno(ENOENT));
        CHECK(descriptor_numbers() == before);
        CHECK((::waitpid(-1, nullptr, WNOHANG) < 0 && errno == ECHILD));
        co_return;
    });
}

namespace {

/// This process has no 0, 1 and 2 while it lives.
class without_standard {
  public:
    without_standard() {
        for (int fd = 0; fd < 3; ++fd) {
            saved_[fd] = owned_descriptor(::fcntl(fd, F_DUPFD_CLOEXEC, 10));
            ::close(fd);
        }
    }
    without_standard(const without_standard&) = delete;
    without_standard& operator=(const without_standard&) = delete;
    ~without_standard() {
        for (int fd = 0; fd < 3; ++fd) ::dup2(saved_[fd].get(), fd);
    }

  private:
    owned_descriptor saved_[3];
};

// A program that begins opens its libraries at the lowest numbers that are free, and closes them again.
bight::task<> until_missing(std::string path) {
    while (::access(path.c_str(), F_OK) == 0) co_await bight::sleep_for(std::chrono::milliseconds(1));
}

}  // namespace

TEST_CASE("what this process has not got at 0, 1 and 2 its child has not got either") {
    with_pidfd([]() -> bight::task<> {
        for (const bool as_user : {false, true}) {
            command c("sleep", "60");
            c.pipe_to(3).null(1);
            if (as_user) c.user(::geteuid());
            std::optional<process> child;
            bool taken = false;
            {
                const without_standard none;
                child = process::spawn(c);
                for (int fd = 0; fd < 3; ++fd) taken = taken || ::fcntl(fd, F_GETFD) >= 0;
            }
            CHECK_FALSE(taken);
            const std::string list = "/proc/" + std::to_string(child->id()) + "/fd/";
            co_await until_missing(list + "0");
            co_await until_missing(list + "2");
            CHECK(::access((list + "1").c_str(), F_OK) == 0);
        }
        co_return;
    });
}

TEST_CASE("of 0, 1 and 2 those are not handed on that are close-on-exec here") {
    with_pidfd([]() -> bight::task<> {
        REQUIRE(::fcntl(0, F_SETFD, FD_CLOEXEC) == 0);
        process child = process::spawn(command("sleep", "60"));
        const int flags = ::fcntl(0, F_GETFD);
        ::fcntl(0, F_SETFD, 0);
        CHECK(flags == FD_CLOEXEC);
        const std::string list = "/proc/" + std::to_string(child.id()) + "/fd/";
        co_await until_missing(list + "0");
        CHECK(::access((list + "1").c_str(), F_OK) == 0);
        co_return;
    });
}

TEST_CASE("a given descriptor that is not open is not taken for a pipe that got its number") {
    with_pidfd([]() -> bight::task<> {
        const int stale = ::fcntl(0, F_DUPFD_CLOEXEC, 3);
        ::close(stale);
        for (int number = stale; number < stale + 4; ++number) {
            command c("true");
            c.pipe_from(1).null(0).inherit(5, number);
            if (::fcntl(number, F_GETFD) < 0) CHECK(error_of_spawn(c).code == from_errno(EBADF));
        }
        co_return;
    });
}

TEST_CASE("a swap with the highest number that is allowed; higher ones are refused, or not there anyway") {
    with_pidfd([]() -> bight::task<> {
        const owned_descriptor high(::fcntl(1, F_DUPFD_CLOEXEC, 200));
        REQUIRE(high.get() == 200);
        rlimit before{};
        REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
        rlimit few = before;
        few.rlim_cur = 201;
        REQUIRE(::setrlimit(RLIMIT_NOFILE, &few) == 0);
        command swap("true");
        swap.inherit(200, 1).inherit(1, 200);
        const auto swapped = error_of_spawn(swap);
        command next("true");
        next.null(201);
        const auto too_high = error_of_spawn(next);
        ::setrlimit(RLIMIT_NOFILE, &before);
        CHECK(swapped.text == "");
        CHECK(too_high.code == from_errno(EBADF));
        command highest("true");
        highest.null(INT_MAX);
        CHECK(error_of_spawn(highest).code == from_errno(EBADF));
        highest.close(INT_MAX);
        CHECK(error_of_spawn(highest).text == "");
        co_return;
    });
}
