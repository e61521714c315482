// From the start of an echo server to its first echo, COUNT times: the server runs on processor CPU. Prints
// one line of name=value: the medians of the time that passed and of the CPU time that the server used until
// then, in µs. usage: first_echo CPU COUNT SERVER [ARGUMENT...]    the port comes after the arguments
#include "bench.hpp"

#include <sched.h>
#include <signal.h>
#include <sys/wait.h>

namespace {

pid_t start(unsigned cpu, std::vector<char*> command) {
    const pid_t pid = ::vfork();  // no copy of this process: what is measured is the server
    if (pid < 0) bench::fail("vfork");
    if (pid == 0) {
        cpu_set_t one;
        CPU_ZERO(&one);
        CPU_SET(cpu, &one);
        ::sched_setaffinity(0, sizeof one, &one);
        ::execv(command[0], command.data());
        ::_exit(127);
    }
    return pid;
}

// Does not rest in between: a refused connection costs little, and a pause would be measured.
int connect_at_once(unsigned port, pid_t server) {
    const sockaddr_in to = bench::loopback(port);
    for (;;) {
        const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0) bench::fail("socket");
        if (::connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0) return fd;
        ::close(fd);
        if (::waitpid(server, nullptr, WNOHANG) != 0) {
            std::fprintf(stderr, "first_echo: the server has ended before it listened\n");
            std::exit(1);
        }
    }
}

}  // namespace

int main(int count, char** arguments) {
    if (count < 4) {
        std::fprintf(stderr, "usage: first_echo CPU COUNT SERVER [ARGUMENT...]\n");
        return 2;
    }
    bench::live_at_most(120);
    std::vector<double> passed;
    std::vector<double> used;
    const unsigned cpu =
        arguments[1] == std::string("0") ? 0 : bench::number(count, arguments, 1, 0, CPU_SETSIZE - 1);
    const unsigned starts = bench::number(count, arguments, 2, 0, 10000);
    for (unsigned i = 0; i < starts; ++i) {
        const unsigned port = bench::free_port();
        std::string last = std::to_string(port);
        std::vector<char*> command(arguments + 3, arguments + count);
        command.push_back(last.data());
        command.push_back(nullptr);

        const auto from = bench::clock::now();
        const pid_t server = start(cpu, command);
        const int fd = connect_at_once(port, server);
        bench::round_trip(fd, 64);
        passed.push_back(std::chrono::duration<double, std::micro>(bench::clock::now() - from).count());
        used.push_back(bench::cpu_time_ns(static_cast<unsigned>(server)) / 1e3);
        ::close(fd);
        ::kill(server, SIGTERM);
        ::waitpid(server, nullptr, 0);
    }
    std::printf("passed=%.1f cpu=%.1f\n", bench::median(passed), bench::median(used));
}
