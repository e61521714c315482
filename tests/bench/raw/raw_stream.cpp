// Bare system calls for one long stream: reads what one client after the other sends, or writes BYTES bytes
// to each. usage: raw_stream sink PORT    or: raw_stream source BYTES PORT
#include "bench.hpp"

#include <cstring>

namespace {

constexpr std::size_t piece = 262144;

void sink(int fd, std::vector<char>& memory) {
    while (::recv(fd, memory.data(), memory.size(), 0) > 0) {
    }
}

void source(int fd, std::vector<char>& memory, std::size_t bytes) {
    while (bytes > 0) {
        const std::size_t next = std::min(bytes, memory.size());
        if (!bench::send_all(fd, memory.data(), next)) return;
        bytes -= next;
    }
}

}  // namespace

int main(int count, char** arguments) {
    bench::live_at_most(600);
    const bool writes = count == 4 && std::strcmp(arguments[1], "source") == 0;
    if (!writes && (count != 3 || std::strcmp(arguments[1], "sink") != 0)) {
        std::fprintf(stderr, "usage: raw_stream sink PORT\n       raw_stream source BYTES PORT\n");
        return 2;
    }
    const std::size_t bytes = writes ? bench::number(count, arguments, 2, 0, 1U << 31) : 0;
    const int listener = bench::listen_at(bench::number(count, arguments, count - 1, 0, 65535), 0);
    std::vector<char> memory(piece, 'x');
    for (;;) {
        const int fd = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
        if (fd < 0) bench::fail("accept");
        if (writes) {
            source(fd, memory, bytes);
        } else {
            sink(fd, memory);
        }
        ::close(fd);
    }
}
