// Reads from several servers of this machine, by sockets of its own that bight watches.   low_level PORT...
// high_level is the same program with connections of bight's.
#include <bight/bight.hpp>
#include <bight/net/fd_watch.hpp>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <concepts>
#include <cstdint>
#include <cstdio>
#include <list>
#include <string>
#include <system_error>
#include <utility>

enum class progress { going_on, done, lost };

// What can be watched: `descriptor` is its number, or -1 when it has none any more; `do_read` takes what is
// there, without waiting; `connection_lost` is called once, after the last read; `log_prefix` names it.
template <class R>
concept read_descriptor = requires(R r, bool clean) {
    { r.descriptor() } -> std::same_as<int>;
    { r.do_read() } -> std::same_as<progress>;
    r.connection_lost(clean);
    { r.log_prefix() } -> std::convertible_to<std::string>;
};

template <read_descriptor R>
void add_reader(bight::fd_watch& watch, R& reader) {
    watch.add(reader.descriptor(), {.readable = true}, [&](bight::fd_readiness) {
        const progress now = reader.do_read();
        if (now == progress::going_on) return;
        watch.remove(reader.descriptor());
        reader.connection_lost(now == progress::done);
    });
}

class download {
  public:
    // Connects first, and is non-blocking from then on.
    download(int number, std::uint16_t port) : number_(number), fd_(::socket(AF_INET, SOCK_STREAM, 0)) {
        sockaddr_in to{};
        to.sin_family = AF_INET;
        to.sin_port = htons(port);
        to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        if (fd_ < 0 || ::fcntl(fd_, F_SETFD, FD_CLOEXEC) < 0 ||
            ::connect(fd_, reinterpret_cast<const sockaddr*>(&to), sizeof to) < 0 ||
            ::fcntl(fd_, F_SETFL, O_NONBLOCK) < 0) {
            const std::system_error why(errno, std::system_category(), log_prefix());
            ::close(fd_);
            throw why;
        }
    }
    download(const download&) = delete;
    ~download() { ::close(fd_); }

    int descriptor() const { return fd_; }
    std::string log_prefix() const { return "Task " + std::to_string(number_); }
    progress do_read() {
        const std::size_t before = text_.size();
        for (;;) {
            char bytes[1024];
            const ssize_t now = ::recv(fd_, bytes, sizeof bytes, 0);
            const int error = now < 0 ? errno : 0;
            if (now > 0) text_.append(bytes, static_cast<std::size_t>(now));
            if (now > 0 || error == EINTR) continue;
            if (const std::size_t got = text_.size() - before; got > 0)
                std::printf("%s: got %zu bytes\n", log_prefix().c_str(), got);
            return now == 0 ? progress::done : error == EWOULDBLOCK ? progress::going_on : progress::lost;
        }
    }
    void connection_lost(bool clean) {
        ::close(std::exchange(fd_, -1));
        std::printf("%s: %s after %zu bytes\n", log_prefix().c_str(), clean ? "done" : "lost", text_.size());
    }

  private:
    int number_;
    int fd_;
    std::string text_;
};

bight::task<> download_all(int count, char** ports) {
    bight::fd_watch watch;
    std::list<download> all;
    for (int i = 0; i < count; ++i)
        add_reader(watch,
                   all.emplace_back(i + 1, bight::endpoint::parse("tcp:" + std::string(ports[i])).port));
    co_await watch.run_until_empty();
}

int main(int argc, char** argv) {
    std::setvbuf(stdout, nullptr, _IONBF, 0);  // at once, into a pipe too
    if (argc < 2) {
        std::fputs("usage: low_level PORT...\n", stderr);
        return 2;
    }
    return bight::run(download_all(argc - 1, argv + 1));
}
