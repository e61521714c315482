// epoll where the kernel, or a seccomp filter, refuses the precise wait.
#include "support/catch.hpp"
#include "support/connections.hpp"
#include "support/reactors.hpp"

#include "demux/demultiplexer.hpp"

#include <bight/bight.hpp>

#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <ctime>
#include <string>
#include <vector>

using bight::task;
using namespace std::chrono_literals;

namespace {

bool refuses = false;
int refused = 0;
std::vector<int>* timeouts = nullptr;  // where epoll_wait writes what it is given, and then does not wait

class refusal {
  public:
    refusal() {
        refuses = true;
        refused = 0;
    }
    refusal(const refusal&) = delete;
    refusal& operator=(const refusal&) = delete;
    ~refusal() {
        refuses = false;
        timeouts = nullptr;
    }
};

}  // namespace

// These take the places of the C library's.
extern "C" int precise_wait(int fd, epoll_event* events, int size, const timespec* limit,
                            const sigset_t* mask) __asm__("epoll_pwait2");
extern "C" int precise_wait(int fd, epoll_event* events, int size, const timespec* limit,
                            const sigset_t* mask) {
    if (refuses) {
        ++refused;
        errno = ENOSYS;
        return -1;
    }
    return static_cast<int>(::syscall(SYS_epoll_pwait2, fd, events, size, limit, mask, sizeof(long)));
}

extern "C" int coarse_wait(int fd, epoll_event* events, int size, int limit) __asm__("epoll_wait");
extern "C" int coarse_wait(int fd, epoll_event* events, int size, int limit) {
    if (timeouts) timeouts->push_back(limit);
    return static_cast<int>(
        ::syscall(SYS_epoll_pwait, fd, events, size, timeouts ? 0 : limit, nullptr, sizeof(long)));
}

TEST_CASE("without epoll_pwait2, epoll waits for whole milliseconds, rounded up, and does not ask again") {
    const refusal none;
    test::reactor_fixture on(bight::demultiplexer_kind::epoll);
    auto& demux = bight::detail::demultiplexer_of(on.reactor());
    std::vector<int> given;
    timeouts = &given;
    for (const bight::duration limit :
         {bight::duration(300us), bight::duration(1ms), bight::duration(1ms + 1ns), bight::duration(2500us),
          bight::duration(0s), bight::duration::max(),
          bight::duration(bight::duration::max() - bight::duration(1))}) {
        demux.wait(limit);
    }
    CHECK(given == std::vector<int>{1, 1, 2, 3, 0, -1, 1'000'000'000});
    CHECK(refused == 1);
}

TEST_CASE("without epoll_pwait2, timers fire and bytes come on epoll as with it") {
    const refusal none;
    test::reactor_fixture on(bight::demultiplexer_kind::epoll);
    on.run([&]() -> task<> {
        auto pair = co_await test::connected_pair(test::family::tcp);
        auto echo = [&]() -> task<> {
            while (auto chunk = co_await pair.server.read_some()) co_await pair.server.write(chunk);
        };
        auto ask = [&]() -> task<> {
            for (int i = 0; i < 3; ++i) {
                co_await bight::sleep_for(1500us);
                co_await pair.client.write("ping");
                char answer[4] = {};
                co_await pair.client.read_exactly(bight::mutable_buffer(answer, sizeof answer));
                CHECK(std::string(answer, sizeof answer) == "ping");
            }
            co_await pair.client.shutdown_write();
        };
        co_await bight::when_all(echo(), ask());
    });
    CHECK(refused == 1);
}
