// Waiting for the process of a pidfd.
#include "probes.hpp"

#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <cerrno>

using test::demultiplexer_fixture;
using test::operation_kind;
using test::process_probe;

namespace {

#define ON_EACH_DEMULTIPLEXER demultiplexer_fixture on(GENERATE(from_range(test::demultiplexers())))

/// A child that ends when it is told to, with the status that it is told.
class child {
  public:
    child() {
        int ends[2];
        REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
        pid_ = ::fork();
        if (pid_ == 0) {
            char status = 0;
            const bool told = ::read(ends[0], &status, 1) == 1;
            ::_exit(told ? status : 99);
        }
        REQUIRE(pid_ > 0);
        ::close(ends[0]);
        tell_ = ends[1];
        pidfd = static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0));
        REQUIRE(pidfd >= 0);
    }
    child(const child&) = delete;
    child& operator=(const child&) = delete;
    ~child() { ::close(tell_); }
    void end(char status) const { REQUIRE(::write(tell_, &status, 1) == 1); }
    void kill() const { ::kill(pid_, SIGKILL); }
    bool reaped() const { return ::waitpid(pid_, nullptr, WNOHANG) < 0 && errno == ECHILD; }

    int pidfd = -1;

  private:
    pid_t pid_ = -1;
    int tell_ = -1;
};

}  // namespace

TEST_CASE("a process is waited for and reaped, however it ends, and no other") {
    ON_EACH_DEMULTIPLEXER;
    INFO(on.name());
    const child first;
    const child second;
    auto& d = on.add(first.pidfd);
    const int how = GENERATE(0, 1, 2);
    CAPTURE(how);
    process_probe op(d, operation_kind::wait_process);
    second.end(1);
    if (how == 0) first.end(7);
    on.start(op);
    if (how != 0) {
        on.turns();
        REQUIRE(op.completions == 0);
        if (how == 1) {
            first.end(7);
        } else {
            first.kill();
        }
    }
    REQUIRE(on.until_completed(op));
    CHECK(op.result == 0);
    CHECK(op.code == (how == 2 ? CLD_KILLED : CLD_EXITED));
    CHECK(op.status == (how == 2 ? SIGKILL : 7));
    CHECK(first.reaped());
    siginfo_t info{};
    CHECK(::waitid(static_cast<idtype_t>(3), static_cast<id_t>(second.pidfd), &info, WEXITED) == 0);
    CHECK(info.si_status == 1);
    on.start(op);
    REQUIRE(on.until_completed(op, 2));
    CHECK(op.result == -ECHILD);
    ::close(second.pidfd);
}

TEST_CASE("a wait that leaves the process does not reap it, and the next one does") {
    ON_EACH_DEMULTIPLEXER;
    INFO(on.name());
    const child c;
    auto& d = on.add(c.pidfd);
    process_probe op(d, operation_kind::wait_process);
    op.leaves_it = true;
    on.start(op);
    on.turns();
    REQUIRE(op.completions == 0);
    c.end(5);
    REQUIRE(on.until_completed(op));
    CHECK(op.result == 0);
    CHECK(op.code == CLD_EXITED);
    CHECK(op.status == 5);
    on.start(op);
    REQUIRE(on.until_completed(op, 2));
    CHECK(op.result == 0);
    op.leaves_it = false;
    on.start(op);
    REQUIRE(on.until_completed(op, 3));
    CHECK(op.status == 5);
    CHECK(c.reaped());
}

TEST_CASE("a wait for a process that is cancelled leaves the process to the next one") {
    ON_EACH_DEMULTIPLEXER;
    INFO(on.name());
    const child c;
    auto& d = on.add(c.pidfd);
    process_probe op(d, operation_kind::wait_process);
    on.start(op);
    on.turns();
    on.cancel(op);
    REQUIRE(on.until_completed(op));
    CHECK(op.result == -ECANCELED);
    c.end(3);
    on.start(op);
    REQUIRE(on.until_completed(op, 2));
    CHECK(op.result == 0);
    CHECK(op.status == 3);
}
