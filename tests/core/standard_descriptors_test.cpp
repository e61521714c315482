// A program that is started with descriptors 0 to 2 closed.
#include <bight/core/reactor.hpp>

#include "support/child.hpp"
#include "support/reactors.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>

namespace {

bool is_null_device(int fd) {
    struct stat its{};
    struct stat null{};
    return ::fstat(fd, &its) == 0 && ::stat("/dev/null", &null) == 0 && S_ISCHR(its.st_mode) &&
           its.st_rdev == null.st_rdev;
}

}  // namespace

TEST_CASE(
    "a reactor takes the standard descriptors that are closed, and no other, and children do not inherit "
    "them") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    const int closed = GENERATE(0, 1, 2, 4, 5, 6, 7);  // one bit for each
    CAPTURE(kind, closed);
    test::child c([&](const test::witness_pipe&) {
        const int mine = ::open("/", O_RDONLY | O_DIRECTORY);
        for (int fd = 0; fd <= 2; ++fd) {
            ::dup2(mine, fd);
            if ((closed >> fd & 1) != 0) ::close(fd);
        }
        bight::reactor_options options;
        options.demultiplexer = kind;
        const bight::reactor r(options);
        for (int fd = 0; fd <= 2; ++fd) {
            const bool was_closed = (closed >> fd & 1) != 0;
            if (is_null_device(fd) != was_closed) return 10 + fd;
            if (((::fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0) != was_closed) return 20 + fd;
        }
        return 0;
    });
    CHECK(c.exit_status() == 0);
}
