// An fd_watch on Windows: it leaves the sockets of others as they are, and refuses other handles.
#include "support/cancellable.hpp"
#include "support/error_of.hpp"
#include "watched.hpp"

#include <bight/bight.hpp>
#include <bight/net/fd_watch.hpp>

#include <winsock2.h>

#include <windows.h>

#include <cstdint>
#include <list>
#include <string>
#include <system_error>

using bight::fd_readiness;
using bight::fd_watch;
using bight::task;
using test::beside_a_watch;
using test::socket_pair;
using test::tcp_pair;
using test::to_read;
using test::to_write;
using test::until;

namespace {

HANDLE handle_of(int fd) { return reinterpret_cast<HANDLE>(static_cast<std::intptr_t>(fd)); }

class own_handle {
  public:
    explicit own_handle(HANDLE made) : handle_(made) { REQUIRE(made); }
    own_handle(const own_handle&) = delete;
    own_handle& operator=(const own_handle&) = delete;
    ~own_handle() { ::CloseHandle(handle_); }
    HANDLE get() const { return handle_; }

  private:
    HANDLE handle_;
};

}  // namespace

TEST_CASE("fd_watch: a socket of another completion port is watched, and no packet of that comes there") {
    beside_a_watch([](fd_watch& watch, bight::reactor&) -> task<> {
        const socket_pair pair;
        const own_handle port(::CreateIoCompletionPort(INVALID_HANDLE_VALUE, nullptr, 0, 1));
        REQUIRE(::CreateIoCompletionPort(handle_of(pair.fd()), port.get(), 7, 0) == port.get());
        int told = 0;
        watch.add(pair.fd(), to_read, [&](fd_readiness) {
            pair.drain();
            ++told;
        });
        for (int i = 1; i <= 3; ++i) {
            pair.theirs.send("a byte");
            co_await until([&] { return told == i; });
        }
        DWORD size = 0;
        ULONG_PTR key = 0;
        OVERLAPPED* packet = nullptr;
        CHECK_FALSE(::GetQueuedCompletionStatus(port.get(), &size, &key, &packet, 0));
        CHECK(watch.remove(pair.fd()));
        // One that has no port may still get one.
        const socket_pair another;
        watch.add(another.fd(), to_read, [](fd_readiness) {});
        CHECK(::CreateIoCompletionPort(handle_of(another.fd()), port.get(), 8, 0) == port.get());
    });
}

TEST_CASE("fd_watch: what WSAEventSelect has selected of a watched socket stays") {
    beside_a_watch([](fd_watch& watch, bight::reactor&) -> task<> {
        const socket_pair pair;
        const auto s = static_cast<SOCKET>(pair.fd());
        const own_handle event(::CreateEventW(nullptr, TRUE, FALSE, nullptr));
        REQUIRE(::WSAEventSelect(s, event.get(), FD_READ) == 0);
        int told = 0;
        watch.add(pair.fd(), to_read, [&](fd_readiness) {
            ++told;
            CHECK(watch.remove(pair.fd()));
        });
        pair.theirs.send("a byte");
        co_await until([&] { return told == 1; });
        CHECK(::WaitForSingleObject(event.get(), 5000) == WAIT_OBJECT_0);
        WSANETWORKEVENTS events{};
        REQUIRE(::WSAEnumNetworkEvents(s, event.get(), &events) == 0);
        CHECK(events.lNetworkEvents == FD_READ);
    });
}

TEST_CASE("fd_watch: a connection that is refused is told as failed") {
    beside_a_watch([](fd_watch& watch, bight::reactor&) -> task<> {
        int port = 0;
        {
            const test::raw_socket nobody(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
            sockaddr_in where{};
            where.sin_family = AF_INET;
            where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
            socklen_t size = sizeof where;
            REQUIRE(::bind(nobody.get(), reinterpret_cast<sockaddr*>(&where), size) == 0);
            REQUIRE(::getsockname(nobody.get(), reinterpret_cast<sockaddr*>(&where), &size) == 0);
            port = where.sin_port;
        }
        const test::raw_socket client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
        sockaddr_in to{};
        to.sin_family = AF_INET;
        to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        to.sin_port = static_cast<in_port_t>(port);
        CHECK(::connect(client.get(), reinterpret_cast<sockaddr*>(&to), sizeof to) == -1);
        fd_readiness last;
        watch.add(client.get(), to_write, [&](fd_readiness now) {
            last = now;
            watch.remove(client.get());
        });
        co_await until([&] { return last.failed; });
        CHECK(last.writable);
        int error = 0;
        socklen_t size = sizeof error;
        REQUIRE(::getsockopt(client.get(), SOL_SOCKET, SO_ERROR, &error, &size) == 0);
        CHECK(error == ECONNREFUSED);
    });
}

TEST_CASE("fd_watch: a handle that is no socket is refused, and the error says so") {
    fd_watch watch;
    const own_handle event(::CreateEventW(nullptr, TRUE, FALSE, nullptr));
    const auto number = static_cast<int>(reinterpret_cast<std::intptr_t>(event.get()));
    const auto add = [&] { watch.add(number, to_read, [](fd_readiness) {}); };
    CHECK(test::code_of(add) == std::errc::not_a_socket);
    CHECK_THROWS_WITH(add(), Catch::Contains("only sockets are watched on Windows"));
    CHECK(watch.list().empty());
}

TEST_CASE("fd_watch: as many watches run at once as a reactor waits for handles") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    CAPTURE(kind);
    test::reactor_fixture on(kind);
    on.run([&]() -> task<> {
        const socket_pair pair;
        std::list<fd_watch> watches(40);
        std::size_t refused = 0;
        const auto run = [&](fd_watch* watch) -> task<> {
            const auto code = co_await test::error_of(watch->run_until_empty());
            if (code == std::errc::too_many_files_open) ++refused;
        };
        co_await bight::with_group([&](bight::group& g) -> task<> {
            for (fd_watch& watch : watches) {
                watch.add(pair.fd(), to_read, [&](fd_readiness) { watch.remove(pair.fd()); });
                g.spawn(run, &watch);
            }
            co_await test::turns(3);
            pair.theirs.send("a byte");
        });
        CHECK(refused == (kind == bight::demultiplexer_kind::wfmo ? 40 - 31 : 0));
    });
}
