// fd_watch and fd_ready on files whose poll takes what it tells: perf events, and the list of mounts.
#include "support/open_descriptors.hpp"
#include "support/reactors.hpp"
#include "support/skip.hpp"
#include "watched.hpp"

#include <bight/bight.hpp>
#include <bight/net/fd_watch.hpp>

#include <fcntl.h>
#include <linux/perf_event.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

using bight::fd_readiness;
using bight::fd_watch;
using bight::task;
using test::beside_a_watch;
using test::for_priority;
using test::sleeps;
using test::to_read;
using test::until;
using namespace std::chrono_literals;

namespace {

/// A perf event that tells of each page fault of this thread.
class page_faults {
  public:
    page_faults() {
        perf_event_attr asked{};
        asked.size = sizeof asked;
        asked.type = PERF_TYPE_SOFTWARE;
        asked.config = PERF_COUNT_SW_PAGE_FAULTS;
        asked.sample_period = 1;
        asked.sample_type = PERF_SAMPLE_TID;
        asked.wakeup_events = 1;
        asked.disabled = 1;
        fd_ = test::raw_socket(
            static_cast<int>(::syscall(SYS_perf_event_open, &asked, 0, -1, -1, PERF_FLAG_FD_CLOEXEC)));
        if (fd_.get() < 0) return;
        ring_ = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd_.get(), 0);
        if (ring_ == MAP_FAILED) fd_ = test::raw_socket();
    }
    page_faults(const page_faults&) = delete;
    page_faults& operator=(const page_faults&) = delete;
    ~page_faults() {
        if (ring_ != MAP_FAILED) ::munmap(ring_, size);
    }
    explicit operator bool() const { return fd_.get() >= 0; }
    int fd() const { return fd_.get(); }
    /// One fault, of which is told.
    void fault() const {
        void* const page = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        ::ioctl(fd_.get(), PERF_EVENT_IOC_ENABLE, 0);
        *static_cast<volatile char*>(page) = 1;
        ::ioctl(fd_.get(), PERF_EVENT_IOC_DISABLE, 0);
        ::munmap(page, 4096);
    }
    void drain() const {
        auto* const head = static_cast<perf_event_mmap_page*>(ring_);
        head->data_tail = head->data_head;
    }
    void close() { fd_ = test::raw_socket(); }

  private:
    static constexpr std::size_t size = 4096 * 9;
    test::raw_socket fd_;
    void* ring_ = MAP_FAILED;
};

void need_perf_events() {
    if (!page_faults()) test::skip(std::string("perf_event_open is refused here: ") + std::strerror(errno));
}

/// A thread with mounts of its own.
template <class F>
void with_own_mounts(F body) {
    std::string why;
    std::thread([&] {
        if (::unshare(CLONE_NEWNS) != 0 || ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
            why = std::strerror(errno);
            return;
        }
        body();
    }).join();
    if (!why.empty()) test::skip("no mounts of one's own: " + why);
}

}  // namespace

TEST_CASE("fd_watch: tells of each perf event, whoever waits for the watch") {
    need_perf_events();
    beside_a_watch([](fd_watch& watch, bight::reactor& r) -> task<> {
        page_faults faults;
        int told = 0;
        fd_readiness last;
        const auto count = [&](fd_readiness now) {
            last = now;
            ++told;
            faults.drain();
        };
        watch.add(faults.fd(), to_read, count);
        for (int i = 1; i <= 20; ++i) {
            const bool asleep = co_await sleeps(r);
            CHECK(asleep);
            faults.fault();
            co_await until([&] { return told == i; });
        }
        CHECK(last == fd_readiness{.readable = true});
        // What came before is told, too: to one that is added again, and to one whose interest has changed.
        faults.fault();
        watch.add(faults.fd(), to_read, count);
        co_await until([&] { return told == 21; });
        watch.change(faults.fd(), {});
        faults.fault();
        const bool paused = co_await sleeps(r);
        CHECK(paused);
        CHECK(told == 21);
        watch.change(faults.fd(), to_read);
        co_await until([&] { return told == 22; });
        // Of a number that is another file's by now nothing is told, and what is added under it is.
        const int number = faults.fd();
        const test::raw_socket still_open(::dup(number));
        faults.fault();
        faults.close();
        page_faults others;
        CHECK(others.fd() == number);
        const bool silent = co_await sleeps(r);
        CHECK(silent);
        CHECK(told == 22);
        int of_others = 0;
        watch.add(others.fd(), to_read, [&](fd_readiness) {
            ++of_others;
            others.drain();
        });
        others.fault();
        co_await until([&] { return of_others == 1; });
        CHECK(told == 22);
        CHECK(watch.remove(number));
    });
}

TEST_CASE("fd_watch: a perf event that a handler's error leaves is told by the next run") {
    need_perf_events();
    test::reactor_fixture on(GENERATE(from_range(test::demultiplexers())));
    on.run([]() -> task<> {
        std::vector<page_faults> several(3);
        fd_watch watch;
        int told = 0;
        for (const page_faults& each : several) {
            watch.add(each.fd(), to_read, [&](fd_readiness) {
                each.drain();
                watch.remove(each.fd());
                if (++told == 1) throw std::runtime_error("of a handler");
            });
            each.fault();
        }
        std::string error;
        try {
            co_await watch.run_until_empty();
        } catch (const std::runtime_error& e) {
            error = e.what();
        }
        CHECK(error == "of a handler");
        co_await watch.run_until_empty();
        CHECK(told == 3);
    });
}

TEST_CASE("fd_ready: waits for a perf event, and leaves nothing open") {
    need_perf_events();
    test::reactor_fixture on(GENERATE(from_range(test::demultiplexers())));
    on.run([]() -> task<> {
        const page_faults faults;
        const int before = test::open_descriptors();
        for (int i = 0; i < 5; ++i) {
            auto fault = [&]() -> task<> {
                co_await bight::sleep_for(1ms);
                faults.fault();
            };
            const auto [now, nothing] =
                co_await bight::when_all(bight::fd_ready(faults.fd(), to_read), fault());
            (void)nothing;
            CHECK(now.readable);
            faults.drain();
        }
        const auto never = co_await bight::try_with_timeout(bight::fd_ready(faults.fd(), to_read), 1ms);
        CHECK_FALSE(never);
        CHECK(test::open_descriptors() == before);
    });
}

TEST_CASE("fd_watch: tells of each mount, as priority") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    CAPTURE(kind);
    int told = 0;
    with_own_mounts([&] {
        const test::temporary_directory directory;
        bight::reactor_options options;
        options.demultiplexer = kind;
        bight::reactor r(options);
        const test::raw_socket mounts(::open("/proc/thread-self/mountinfo", O_RDONLY | O_CLOEXEC));
        fd_watch watch;
        watch.add(mounts.get(), for_priority, [&](fd_readiness now) { told += now.priority ? 1 : 0; });
        auto mount_often = [&]() -> task<> {
            for (int wanted = 1; wanted <= 5; ++wanted) {
                co_await bight::sleep_for(2ms);
                ::mount("none", directory.file("").c_str(), "tmpfs", 0, nullptr);
                co_await until([&] { return told >= wanted; });
            }
            for (int i = 0; i < 5; ++i) ::umount(directory.file("").c_str());
        };
        r.run([&]() -> task<> { (void)co_await bight::when_any(watch.run(), mount_often()); }());
    });
    CHECK(told >= 5);
}
