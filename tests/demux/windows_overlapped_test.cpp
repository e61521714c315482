// Overlapped calls that a program makes itself.
#include "support/catch.hpp"
#include "support/reactors.hpp"

#include <bight/bight.hpp>
#include <bight/net/overlapped_operation.hpp>

#include <windows.h>

#include <chrono>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>

using bight::overlapped_operation;
using bight::task;
using namespace std::chrono_literals;

namespace {

#define ON_EACH_REACTOR test::reactor_fixture on(GENERATE(from_range(test::demultiplexers())))

// A pipe whose other end is opened later.
class overlapped_pipe {
  public:
    overlapped_pipe() {
        static int count = 0;
        name_ = L"\\\\.\\pipe\\bight-own-" + std::to_wstring(::GetCurrentProcessId()) + L"-" +
                std::to_wstring(++count);
        ours = ::CreateNamedPipeW(name_.c_str(), PIPE_ACCESS_DUPLEX | FILE_FLAG_OVERLAPPED, PIPE_TYPE_BYTE, 1,
                                  4096, 4096, 0, nullptr);
        REQUIRE(ours != INVALID_HANDLE_VALUE);
    }
    overlapped_pipe(const overlapped_pipe&) = delete;
    overlapped_pipe& operator=(const overlapped_pipe&) = delete;
    ~overlapped_pipe() {
        ::CloseHandle(ours);
        if (theirs != INVALID_HANDLE_VALUE) ::CloseHandle(theirs);
    }
    void open_other_end() {
        theirs =
            ::CreateFileW(name_.c_str(), GENERIC_READ | GENERIC_WRITE, 0, nullptr, OPEN_EXISTING, 0, nullptr);
        REQUIRE(theirs != INVALID_HANDLE_VALUE);
    }
    task<std::size_t> read(char& byte) {
        co_return co_await overlapped_operation(
            ours, [&](OVERLAPPED& call) { return ::ReadFile(ours, &byte, 1, nullptr, &call) != FALSE; });
    }
    void send(char byte) const {
        DWORD sent = 0;
        REQUIRE(::WriteFile(theirs, &byte, 1, &sent, nullptr));
    }

    HANDLE ours = INVALID_HANDLE_VALUE;
    HANDLE theirs = INVALID_HANDLE_VALUE;

  private:
    std::wstring name_;
};

}  // namespace

TEST_CASE("overlapped_operation: awaits a call that bight has no function for") {
    ON_EACH_REACTOR;
    overlapped_pipe pipe;
    on.run([&]() -> task<> {
        co_await bight::with_group([&](bight::group& g) -> task<> {
            bool connected = false;
            auto connects = [&]() -> task<> {
                (void)co_await overlapped_operation(pipe.ours, [&](OVERLAPPED& call) {
                    return ::ConnectNamedPipe(pipe.ours, &call) != FALSE;
                });
                connected = true;
            };
            auto connecting = g.spawn(connects);
            co_await bight::yield();
            CHECK_FALSE(connected);
            pipe.open_other_end();
            co_await connecting.wait();
            CHECK(connected);
        });
        pipe.send('x');  // so that the read ends at once
        char byte = 0;
        const std::size_t read = co_await pipe.read(byte);
        CHECK(read == 1);
        CHECK(byte == 'x');
    });
}

TEST_CASE("overlapped_operation: cancelling waits until the kernel has given the memory back") {
    ON_EACH_REACTOR;
    overlapped_pipe pipe;
    pipe.open_other_end();
    on.run([&]() -> task<> {
        auto waits = [&]() -> task<> {
            char byte = 0;  // in the frame, which goes
            (void)co_await pipe.read(byte);
        };
        const bool in_time = co_await bight::try_with_timeout(waits(), 5ms);
        CHECK_FALSE(in_time);
        pipe.send('y');
        char byte = 0;
        const std::size_t read = co_await pipe.read(byte);
        CHECK(read == 1);
        CHECK(byte == 'y');
    });
}

TEST_CASE("overlapped_operation: errors of the call, of its end, and of who begins it") {
    ON_EACH_REACTOR;
    overlapped_pipe pipe;
    pipe.open_other_end();
    on.run([&]() -> task<> {
        char byte = 0;
        auto bad = co_await bight::as_result(overlapped_operation(nullptr, [&](OVERLAPPED& call) {
            return ::ReadFile(nullptr, &byte, 1, nullptr, &call) != FALSE;
        }));
        CHECK(bad.error());
        bool thrown = false;
        try {
            (void)co_await overlapped_operation(pipe.ours,
                                                [](OVERLAPPED&) -> bool { throw std::runtime_error("no"); });
        } catch (const std::runtime_error&) {
            thrown = true;
        }
        CHECK(thrown);
        thrown = false;
        try {
            (void)co_await overlapped_operation(pipe.ours, {});
        } catch (const std::invalid_argument&) {
            thrown = true;
        }
        CHECK(thrown);
        co_await bight::with_group([&](bight::group& g) -> task<> {
            std::error_code ended;
            auto reads = [&]() -> task<> {
                auto got = co_await bight::as_result(pipe.read(byte));
                ended = got.error();
            };
            auto reader = g.spawn(reads);
            co_await bight::yield();
            ::CloseHandle(std::exchange(pipe.theirs, INVALID_HANDLE_VALUE));
            co_await reader.wait();
            CHECK(ended == std::errc::broken_pipe);
        });
    });
}

TEST_CASE("overlapped_operation: of a handle that is in use with a completion port, which hears nothing") {
    ON_EACH_REACTOR;
    overlapped_pipe pipe;
    pipe.open_other_end();
    const HANDLE port = ::CreateIoCompletionPort(pipe.ours, nullptr, 7, 1);
    REQUIRE(port);
    on.run([&]() -> task<> {
        char byte = 0;
        co_await bight::with_group([&](bight::group& g) -> task<> {
            auto reads = [&]() -> task<> {
                const std::size_t count = co_await pipe.read(byte);
                CHECK(count == 1);
            };
            auto reader = g.spawn(reads);
            co_await bight::yield();
            pipe.send('p');
            co_await reader.wait();
        });
        CHECK(byte == 'p');
    });
    DWORD size = 0;
    ULONG_PTR key = 0;
    OVERLAPPED* packet = nullptr;
    CHECK_FALSE(::GetQueuedCompletionStatus(port, &size, &key, &packet, 0));
    CHECK(packet == nullptr);
    ::CloseHandle(port);
}
