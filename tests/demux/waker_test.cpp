// Waking, by an eventfd and by a pipe.
#include "demux/waker.hpp"

#include "probes.hpp"

#include "support/thread_sanitizer.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>

#include <cerrno>
#include <thread>

using bight::detail::waker;

namespace {

/// Wakers are pipes, or what is best here, until the end of the scope.
class means {
  public:
    explicit means(bool pipe) { waker::prefers_pipe = pipe; }
    means(const means&) = delete;
    means& operator=(const means&) = delete;
    ~means() { waker::prefers_pipe = false; }
};

bool readable(int fd) {
    pollfd p{fd, POLLIN, 0};
    return ::poll(&p, 1, 0) == 1;
}

}  // namespace

TEST_CASE("a waker is readable from the first wake to the drain, however many wakes there are") {
    const bool pipe = GENERATE(false, true);
    const means chosen(pipe);
    waker w;
    CHECK(w.fills_up() == pipe);
    CHECK((::fcntl(w.descriptor(), F_GETFD) & FD_CLOEXEC) != 0);
    for (const int wakes : {1, 7, 100'000}) {
        CHECK_FALSE(readable(w.descriptor()));
        for (int i = 0; i < wakes; ++i) w.wake();
        CHECK(readable(w.descriptor()));
        w.drain();
    }
    CHECK_FALSE(readable(w.descriptor()));
    w.drain();  // of nothing
}

TEST_CASE("a wake leaves errno alone, also when it finds its pipe full") {
    const means chosen(GENERATE(false, true));
    waker w;
    int changed = 0;
    for (int i = 0; i < 100'000; ++i) {
        errno = ERANGE;
        w.wake();
        if (errno != ERANGE) ++changed;
    }
    CHECK(changed == 0);
}

TEST_CASE("each demultiplexer is woken by either means, from threads and signal handlers, again and again") {
    const means chosen(GENERATE(false, true));
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    test::demultiplexer_fixture on(kind);
    INFO(on.name());
    const bool by_signals = test::signals_interrupt_every_call || kind != bight::demultiplexer_kind::io_uring;
    if (!by_signals) test::leave_out("ThreadSanitizer: io_uring is not woken from signal handlers");
    static bight::detail::demultiplexer* woken;
    woken = &on.demux();
    struct sigaction action{};
    struct sigaction before{};
    action.sa_handler = [](int) { woken->wake(); };
    ::sigaction(SIGUSR1, &action, &before);
    for (int round = 0; round < 20; ++round) {
        const pthread_t here = ::pthread_self();
        std::thread other([&] {
            if (round % 2 || !by_signals) {
                for (int i = 0; i < (round == 1 ? 100'000 : 1); ++i) on.demux().wake();
            } else {
                ::pthread_kill(here, SIGUSR1);
            }
        });
        on.demux().wait(bight::duration::max());  // returns, or the watchdog ends the test
        other.join();
        on.turns(2);
    }
    ::sigaction(SIGUSR1, &before, nullptr);
}
