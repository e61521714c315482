// Operations of io_uring that a program prepares itself.
#include "support/catch.hpp"
#include "support/connections.hpp"
#include "support/reactors.hpp"

#include <bight/bight.hpp>
#include <bight/net/overlapped_operation.hpp>
#include <bight/net/uring_operation.hpp>

#include <fcntl.h>
#include <liburing.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <vector>

using bight::task;
using bight::uring_operation;
using namespace std::chrono_literals;

namespace {

bight::demultiplexer_kind on_uring() {
    test::need(bight::demultiplexer_kind::io_uring);
    return bight::demultiplexer_kind::io_uring;
}

}  // namespace

TEST_CASE("uring_operation: awaits an operation that bight has no function for") {
    test::reactor_fixture on(on_uring());
    const int fd = ::memfd_create("bight", MFD_CLOEXEC);
    REQUIRE(fd >= 0);
    on.run([&]() -> task<> {
        const auto done = co_await uring_operation(
            [&](io_uring_sqe& entry) { io_uring_prep_fallocate(&entry, fd, 0, 0, 5000); });
        CHECK(done.result == 0);
    });
    struct stat found{};
    REQUIRE(::fstat(fd, &found) == 0);
    CHECK(found.st_size == 5000);
    ::close(fd);
}

TEST_CASE("uring_operation: many at once complete each with their own result") {
    test::reactor_fixture on(on_uring());
    const int fd = ::memfd_create("bight", MFD_CLOEXEC);
    REQUIRE(fd >= 0);
    std::string text(1000, '\0');
    on.run([&]() -> task<> {
        co_await bight::with_group([&](bight::group& g) -> task<> {
            for (unsigned i = 0; i < 1000; ++i) {
                g.spawn([](int file, unsigned at) -> task<> {
                    const char byte = static_cast<char>('a' + at % 26);
                    const auto done = co_await uring_operation(
                        [&](io_uring_sqe& entry) { io_uring_prep_write(&entry, file, &byte, 1, at); });
                    CHECK(done.result == 1);
                }(fd, i));
            }
            co_return;
        });
    });
    REQUIRE(::pread(fd, text.data(), text.size(), 0) == 1000);
    for (unsigned i = 0; i < 1000; ++i) REQUIRE(text[i] == static_cast<char>('a' + i % 26));
    ::close(fd);
}

TEST_CASE("uring_operation: a result below zero is thrown as the errno that it is") {
    test::reactor_fixture on(on_uring());
    on.run([&]() -> task<> {
        char byte = 0;
        auto bad = co_await bight::as_result(
            uring_operation([&](io_uring_sqe& entry) { io_uring_prep_read(&entry, -1, &byte, 1, 0); }));
        CHECK(bad.error() == std::errc::bad_file_descriptor);
        auto unknown =
            co_await bight::as_result(uring_operation([](io_uring_sqe& entry) { entry.opcode = 250; }));
        CHECK(unknown.error() == std::errc::invalid_argument);
    });
}

TEST_CASE(
    "uring_operation: an entry that is about others, or cannot be prepared, is refused, and bight's go on") {
    test::reactor_fixture on(on_uring());
    on.run([&]() -> task<> {
        for (const unsigned flag :
             {IOSQE_IO_LINK, IOSQE_IO_HARDLINK, IOSQE_IO_DRAIN, IOSQE_CQE_SKIP_SUCCESS}) {
            std::string why;
            try {
                (void)co_await uring_operation([&](io_uring_sqe& entry) {
                    io_uring_prep_nop(&entry);
                    entry.flags = static_cast<std::uint8_t>(flag);
                });
            } catch (const std::invalid_argument& e) {
                why = e.what();
            }
            CHECK_THAT(why, Catch::Contains("other entries"));
        }
        bool thrown = false;
        try {
            (void)co_await uring_operation([](io_uring_sqe&) { throw std::runtime_error("no"); });
        } catch (const std::runtime_error&) {
            thrown = true;
        }
        CHECK(thrown);
        thrown = false;
        try {
            (void)co_await uring_operation({});
        } catch (const std::invalid_argument&) {
            thrown = true;
        }
        CHECK(thrown);
        const auto next = co_await uring_operation([](io_uring_sqe& entry) { io_uring_prep_nop(&entry); });
        CHECK(next.result == 0);
    });
}

TEST_CASE("uring_operation: cancelling waits until the kernel has given the memory back") {
    test::reactor_fixture on(on_uring());
    const int event = ::eventfd(0, EFD_CLOEXEC);
    REQUIRE(event >= 0);
    on.run([&]() -> task<> {
        bool went_on = false;
        auto waits = [&]() -> task<> {
            std::uint64_t count = 0;  // in the frame, which goes
            (void)co_await uring_operation(
                [&](io_uring_sqe& entry) { io_uring_prep_read(&entry, event, &count, sizeof count, 0); });
            went_on = true;
        };
        const bool in_time = co_await bight::try_with_timeout(waits(), 1ms);
        CHECK_FALSE(in_time);
        CHECK_FALSE(went_on);
        // Nothing was taken from it.
        const std::uint64_t five = 5;
        REQUIRE(::write(event, &five, sizeof five) == sizeof five);
        std::uint64_t count = 0;
        (void)co_await uring_operation(
            [&](io_uring_sqe& entry) { io_uring_prep_read(&entry, event, &count, sizeof count, 0); });
        CHECK(count == 5);
    });
    ::close(event);
}

TEST_CASE("uring_operation: what was read when the cancellation came is delivered") {
    test::reactor_fixture on(on_uring());
    const int event = ::eventfd(0, EFD_CLOEXEC | EFD_SEMAPHORE);
    REQUIRE(event >= 0);
    int read = 0;
    constexpr int rounds = 200;
    on.run([&]() -> task<> {
        int written = 0;
        for (int i = 0; i < rounds; ++i) {
            co_await bight::with_group([&](bight::group& g) -> task<> {
                auto reads = [&]() -> task<> {
                    std::uint64_t count = 0;
                    (void)co_await uring_operation([&](io_uring_sqe& entry) {
                        io_uring_prep_read(&entry, event, &count, sizeof count, 0);
                    });
                    ++read;
                };
                auto reader = g.spawn(reads);
                for (int turn = 0; turn < i % 4; ++turn) co_await bight::yield();
                const std::uint64_t one = 1;
                CHECK(::write(event, &one, sizeof one) == sizeof one);
                ++written;
                for (int turn = 0; turn < i % 3; ++turn) co_await bight::yield();
                reader.cancel();
            });
        }
        CHECK(written == rounds);
    });
    // What nobody was given is still there.
    int left = 0;
    pollfd there{event, POLLIN, 0};
    std::uint64_t count = 0;
    while (::poll(&there, 1, 0) == 1) {
        REQUIRE(::read(event, &count, sizeof count) == sizeof count);
        ++left;
    }
    CHECK(read + left == rounds);
    CHECK(read > 0);
    ::close(event);
}

TEST_CASE("uring_operation: a multishot ends with its first completion") {
    test::reactor_fixture on(on_uring());
    const int event = ::eventfd(1, EFD_CLOEXEC);
    REQUIRE(event >= 0);
    on.run([&]() -> task<> {
        const auto done = co_await uring_operation(
            [&](io_uring_sqe& entry) { io_uring_prep_poll_multishot(&entry, event, POLLIN); });
        CHECK((done.result & POLLIN) != 0);
        CHECK((done.flags & IORING_CQE_F_MORE) != 0);
    });
    ::close(event);
}

TEST_CASE("uring_operation: a multishot that repeats faster than its cancellation comes ends, too") {
    test::reactor_fixture on(on_uring());
    constexpr unsigned repeats = 1U << 6;  // IORING_TIMEOUT_MULTISHOT, Linux 6.4
    on.run([&]() -> task<> {
        for (int i = 0; i < 200; ++i) {
            __kernel_timespec every{};
            every.tv_nsec = 20'000;
            const auto done = co_await bight::as_result(uring_operation(
                [&](io_uring_sqe& entry) { io_uring_prep_timeout(&entry, &every, 0, repeats); }));
            CHECK((done || done.error() == std::errc::stream_timeout || done.error().value() == ETIME ||
                   done.error() == std::errc::invalid_argument));
        }
    });
}

TEST_CASE("uring_operation: a multishot that takes something each time is refused") {
    test::reactor_fixture on(on_uring());
    on.run([&]() -> task<> {
        int refused = 0;
        for (int i = 0; i < 3; ++i) {
            try {
                (void)co_await uring_operation([&](io_uring_sqe& entry) {
                    if (i == 0) io_uring_prep_multishot_accept(&entry, -1, nullptr, nullptr, 0);
                    if (i == 1) io_uring_prep_recv_multishot(&entry, -1, nullptr, 0, 0);
                    if (i == 2) entry.opcode = 49;  // IORING_OP_READ_MULTISHOT
                });
            } catch (const std::invalid_argument& e) {
                CHECK_THAT(e.what(), Catch::Contains("would be lost"));
                ++refused;
            }
        }
        CHECK(refused == 3);
    });
}

TEST_CASE(
    "uring_operation: what prepares an entry may close listeners, and cancel many tasks, its own among "
    "them") {
    test::reactor_fixture on(on_uring());
    on.run([&]() -> task<> {
        bool prepared = false;
        const int event = ::eventfd(0, EFD_CLOEXEC);
        co_await bight::with_group([&](bight::group& g) -> task<> {
            std::optional<bight::listener> door(bight::listen("tcp:0:interface=127.0.0.1"));
            auto accepts = [&]() -> task<> { (void)co_await bight::as_result(door->accept()); };
            g.spawn(accepts);
            auto waits = [&]() -> task<> {
                (void)co_await uring_operation(
                    [&](io_uring_sqe& entry) { io_uring_prep_poll_add(&entry, event, POLLIN); });
            };
            for (int i = 0; i < 2000; ++i) g.spawn(waits);
            co_await bight::yield();
            co_await bight::yield();
            const auto done = co_await uring_operation([&](io_uring_sqe& entry) {
                door.reset();
                io_uring_prep_nop(&entry);
            });
            CHECK(done.result == 0);
            auto cancels_all = [&]() -> task<> {
                (void)co_await uring_operation([&](io_uring_sqe& entry) {
                    prepared = true;
                    g.cancel();
                    io_uring_prep_poll_add(&entry, event, POLLIN);
                });
            };
            co_await cancels_all();
        });
        ::close(event);
        CHECK(prepared);
    });
}

TEST_CASE("uring_operation: a zero-copy send lasts until the kernel no longer uses the memory") {
    test::reactor_fixture on(on_uring());
    on.run([&]() -> task<> {
        auto door = bight::listen("tcp:0:interface=127.0.0.1");
        auto raw = test::raw_connect(door.local());
        auto accepted = co_await door.accept();
        std::vector<char> memory(100'000, 'z');
        std::size_t sent = 0;
        while (sent < memory.size()) {
            auto done = co_await bight::as_result(uring_operation([&](io_uring_sqe& entry) {
                io_uring_prep_send_zc(&entry, raw.get(), memory.data() + sent, memory.size() - sent, 0, 0);
            }));
            if (!done) {  // a kernel before 6.0, or without it for this socket
                CHECK((done.error() == std::errc::invalid_argument ||
                       done.error() == std::errc::operation_not_supported));
                co_return;
            }
            sent += static_cast<std::size_t>(done->result);
        }
        std::memset(memory.data(), 'a', memory.size());
        raw.close();
        std::string got;
        while (auto part = co_await accepted.read_some()) got += part.to_string();
        CHECK(got == std::string(100'000, 'z'));
    });
}

TEST_CASE("uring_operation: a stop of the reactor ends it") {
    test::reactor_fixture on(on_uring());
    const int event = ::eventfd(0, EFD_CLOEXEC);
    REQUIRE(event >= 0);
    auto waits = [&]() -> task<> {
        (void)co_await uring_operation(
            [&](io_uring_sqe& entry) { io_uring_prep_poll_add(&entry, event, POLLIN); });
    };
    on.reactor().start([&]() -> task<> {
        co_await bight::yield();
        on.reactor().stop();
    });
    CHECK_THROWS_AS(on.reactor().run(waits()), bight::run_cancelled);
    ::close(event);
}

TEST_CASE("uring_operation: other demultiplexers, and simulated hosts, say that they are no io_uring") {
    std::vector<test::reactor_choice> others{test::reactor_choice::simulated(1)};
    for (const auto kind : test::demultiplexers()) {
        if (kind != bight::demultiplexer_kind::io_uring) others.emplace_back(kind);
    }
    for (const auto& choice : others) {
        test::reactor_fixture on(choice);
        on.run([&]() -> task<> {
            auto refused =
                co_await bight::as_result(uring_operation([](io_uring_sqe& e) { io_uring_prep_nop(&e); }));
            CHECK(refused.error() == bight::errc::unavailable);
        });
    }
}

TEST_CASE("overlapped_operation: elsewhere than on Windows it is an error") {
    test::reactor_fixture on(test::any_demultiplexer);
    on.run([]() -> task<> {
        auto refused = co_await bight::as_result(
            bight::overlapped_operation(nullptr, [](_OVERLAPPED&) { return true; }));
        CHECK(refused.error() == bight::errc::unavailable);
    });
}
