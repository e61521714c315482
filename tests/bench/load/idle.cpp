// What an idle connection costs a server in resident memory. Starts the server as `SERVER PORT`, opens COUNT
// connections, and prints the growth in bytes per connection: before a connection has carried anything, and
// after it has echoed once. The kernel's own memory for a socket is not in it. usage: idle COUNT SERVER
#include "bench.hpp"

#include <signal.h>
#include <sys/wait.h>

namespace {

constexpr std::size_t message = 64;

unsigned start(const char* program, unsigned port) {
    const std::string argument = std::to_string(port);
    const pid_t pid = ::fork();
    if (pid < 0) bench::fail("fork");
    if (pid == 0) {
        ::execl(program, program, argument.c_str(), static_cast<char*>(nullptr));
        bench::fail(program);
    }
    return static_cast<unsigned>(pid);
}

// Connections are accepted in order: when the last one answers, the server has all of them.
std::vector<int> open_connections(unsigned port, unsigned number) {
    std::vector<int> open;
    open.reserve(number + 1);
    for (unsigned i = 0; i <= number; ++i) open.push_back(bench::connect_to(port));
    bench::round_trip(open.back(), message);
    return open;
}

// Touches what the server has once for all connections: its pools, and the receive buffers that it lends to
// the kernel.
void warm_up(unsigned port) {
    const std::vector<int> open = open_connections(port, 100);
    for (int round = 0; round < 50; ++round) {
        for (const int fd : open) bench::round_trip(fd, message);
    }
    for (const int fd : open) ::close(fd);
}

}  // namespace

int main(int count, char** arguments) {
    if (count != 3) {
        std::fprintf(stderr, "usage: idle COUNT SERVER\n");
        return 2;
    }
    bench::live_at_most(120);
    bench::raise_descriptor_limit();
    const unsigned connections = bench::number(count, arguments, 1, 0, 15000);
    const unsigned port = bench::free_port();
    const unsigned pid = start(arguments[2], port);

    warm_up(port);
    const double before = bench::resident_bytes(pid);
    const std::vector<int> open = open_connections(port, connections);
    const double fresh = bench::resident_bytes(pid) - before;
    for (const int fd : open) bench::round_trip(fd, message);
    const double used = bench::resident_bytes(pid) - before;
    std::printf("connections=%u fresh=%.0f used=%.0f\n", connections, fresh / connections,
                used / connections);

    ::kill(static_cast<pid_t>(pid), SIGTERM);
    for (const int fd : open) ::close(fd);
    ::waitpid(static_cast<pid_t>(pid), nullptr, 0);
}
