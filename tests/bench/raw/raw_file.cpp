// Bare system calls that send BYTES bytes of a file to one client after the other: sendfile(2), or pread and
// send. usage: raw_file sendfile|copy BYTES PORT
#include "sent_file.hpp"

#include <sys/sendfile.h>

#include <cstring>

namespace {

constexpr std::size_t piece = 262144;

ssize_t send_piece(int to, int file, off_t at, std::size_t size, std::vector<char>* memory) {
    if (!memory) return ::sendfile(to, file, &at, size);
    const ssize_t got = ::pread(file, memory->data(), size, at);
    if (got <= 0) bench::fail("pread");
    return bench::send_all(to, memory->data(), static_cast<std::size_t>(got)) ? got : -1;
}

}  // namespace

int main(int count, char** arguments) {
    bench::live_at_most(600);
    const bool copies = count == 4 && std::strcmp(arguments[1], "copy") == 0;
    if (!copies && (count != 4 || std::strcmp(arguments[1], "sendfile") != 0)) {
        std::fprintf(stderr, "usage: raw_file sendfile|copy BYTES PORT\n");
        return 2;
    }
    const std::size_t bytes = bench::number(count, arguments, 2, 0, 1U << 31);
    const int file = bench::sent_file();
    std::vector<char> memory(piece);
    const int listener = bench::listen_at(bench::number(count, arguments, 3, 0, 65535), 0);
    for (;;) {
        const int fd = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
        if (fd < 0) bench::fail("accept");
        for (std::size_t sent = 0; sent < bytes;) {
            const std::size_t at = sent % bench::sent_file_size;
            const std::size_t size = std::min({piece, bytes - sent, bench::sent_file_size - at});
            const ssize_t more = send_piece(fd, file, static_cast<off_t>(at), size, copies ? &memory : nullptr);
            if (more <= 0) break;
            sent += static_cast<std::size_t>(more);
        }
        ::close(fd);
    }
}
