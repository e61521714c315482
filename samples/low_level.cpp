// A client of slow servers that makes its own system calls: bight watches its sockets.   low_level
// [IP:]PORT...
#include <bight/bight.hpp>
#include <bight/os/fd_watch.hpp>

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <list>
#include <string>
#include <system_error>
#include <vector>

using namespace std::chrono;

void check(long result, const char* call) {
    if (result < 0) throw std::system_error(errno, std::system_category(), call);
}

// Reads one poem: watched from its construction on, until the server ends the poem, or the connection fails.
class poetry_socket {
  public:
    poetry_socket(int task, bight::address server, bight::fd_watch& watch, bight::latch& poems)
        : task_(task), server_(server), fd_(::socket(server.native_family(), SOCK_STREAM, 0)) {
        check(fd_, "socket");
        const auto* const to = static_cast<const sockaddr*>(server.native());
        check(::connect(fd_, to, static_cast<socklen_t>(server.native_size())), "connect");
        check(::fcntl(fd_, F_SETFL, O_NONBLOCK), "fcntl");
        watch.add(
            fd_, bight::fd_event::readable, [this](bight::fd_event) { return read(); },
            [this, &poems](std::exception_ptr reason) { lost(reason), poems.count_down(); });
    }
    poetry_socket(const poetry_socket&) = delete;
    ~poetry_socket() { ::close(fd_); }

    std::size_t size() const { return poem_.size(); }

  private:
    bight::fd_handled read() {
        std::string bytes;
        char part[1024];
        ssize_t got = 0;
        while ((got = ::recv(fd_, part, sizeof part, 0)) > 0) bytes.append(part, part + got);
        if (got < 0 && errno != EAGAIN) check(got, "recv");
        if (got == 0 && bytes.empty()) {
            std::printf("Task %d finished\n", task_);
            return bight::fd_handled::done;
        }
        std::printf("Task %d: got %zu bytes of poetry from %s\n", task_, bytes.size(),
                    server_.to_string().c_str());
        poem_ += bytes;
        return bight::fd_handled::keep;  // an end that came with the last bytes is told again
    }

    void lost(std::exception_ptr reason) {
        try {
            if (reason) std::rethrow_exception(reason);
        } catch (const std::exception& e) {
            std::fprintf(stderr, "Task %d: %s\n", task_, e.what());
        }
    }

    int task_;
    bight::address server_;
    int fd_;
    std::string poem_;
};

bight::task<> get_poetry(std::vector<bight::address> servers) {
    const auto start = bight::now();
    std::list<poetry_socket> sockets;
    bight::fd_watch watch;
    bight::latch poems(servers.size());
    for (const auto& server : servers)
        sockets.emplace_back(static_cast<int>(sockets.size()) + 1, server, watch, poems);
    co_await poems.wait();
    int task = 0;
    for (const auto& s : sockets) std::printf("Task %d: %zu bytes of poetry\n", ++task, s.size());
    const hh_mm_ss took(duration_cast<microseconds>(bight::now() - start));
    std::printf("Got %d poems in %ld:%02ld:%02ld.%06ld\n", task, static_cast<long>(took.hours().count()),
                static_cast<long>(took.minutes().count()), static_cast<long>(took.seconds().count()),
                static_cast<long>(took.subseconds().count()));
}

int main(int argc, char** argv) {
    std::setvbuf(stdout, nullptr, _IONBF, 0);  // at once, into a pipe too
    std::vector<bight::address> servers;
    for (const std::string& argument : std::vector<std::string>(argv + 1, argv + argc)) {
        const auto colon = argument.rfind(':');
        const auto ip = colon == std::string::npos ? "127.0.0.1" : argument.substr(0, colon);
        servers.push_back(bight::address::from_ip(
            ip, static_cast<std::uint16_t>(std::atoi(argument.c_str() + (colon + 1)))));
    }
    if (!servers.empty()) return bight::run(get_poetry(servers));
    std::fputs("usage: low_level [IP:]PORT...\n", stderr);
    return 2;
}
