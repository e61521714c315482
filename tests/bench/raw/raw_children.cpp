// The same as children.cpp with posix_spawn and waitpid: raw_children [COUNT]
#include "bench.hpp"

#include <spawn.h>
#include <sys/wait.h>

extern char** environ;  // NOLINT(readability-redundant-declaration): POSIX leaves it to the program

static void start_children(unsigned count) {
    char name[] = "/bin/true";
    char* const arguments[] = {name, nullptr};
    for (unsigned i = 0; i < count; ++i) {
        pid_t pid = -1;
        int status = 0;
        if (::posix_spawn(&pid, name, nullptr, nullptr, arguments, environ) != 0) bench::fail("posix_spawn");
        if (::waitpid(pid, &status, 0) != pid || status != 0) bench::fail("waitpid");
    }
}

int main(int argc, char** argv) {
    const unsigned count = bench::number(argc, argv, 1, 1000, 1'000'000);
    bench::live_at_most(600);
    start_children(count / 10 + 1);
    const bench::time_spent began;
    start_children(count);
    began.print(count);
}
