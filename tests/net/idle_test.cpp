// What must not keep a reactor awake: connections on which nobody waits, whatever their peers do.
#include "support/catch.hpp"
#include "support/connections.hpp"
#include "support/reactors.hpp"

#include <bight/bight.hpp>

#include <fcntl.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <thread>

using namespace std::chrono_literals;
using bight::stream;
using bight::task;
using test::connected_to_raw;

namespace {

// How often the kernel was asked while there was nothing to do. A reactor that is kept awake asks many
// thousand times.
task<std::uint64_t> polls_while_idle() {
    const bight::reactor& here = *bight::reactor::current();
    const auto before = here.statistics().polls;
    co_await bight::sleep_for(50ms);
    co_return here.statistics().polls - before;
}

constexpr std::uint64_t few = 16;

enum class peer_does { nothing, sends, ends, closes, resets };

void act(test::raw_socket& peer, peer_does what) {
    switch (what) {
        case peer_does::nothing: break;
        case peer_does::sends: peer.send("nobody asks for it"); break;
        case peer_does::ends: ::shutdown(peer.get(), SHUT_WR); break;
        case peer_does::closes: peer.close(); break;
        case peer_does::resets: peer.reset(); break;
    }
}

}  // namespace

TEST_CASE("a connection that nobody reads costs nothing, whatever its peer does") {
    test::reactor_fixture on(GENERATE(from_range(test::demultiplexers())));
    const auto family = GENERATE(from_range(test::those_here({test::family::tcp, test::family::unix_path})));
    const auto what =
        GENERATE(peer_does::nothing, peer_does::sends, peer_does::ends, peer_does::closes, peer_does::resets);
    const bool was_used = GENERATE(false, true);
    CAPTURE(family, what, was_used);
    on.run([&]() -> task<> {
        auto pair = co_await connected_to_raw(family);
        if (was_used) {
            pair.raw.send("a word");
            co_await pair.stream.read_some();
            co_await pair.stream.write("an answer");
        }
        act(pair.raw, what);
        const auto polls = co_await polls_while_idle();
        CHECK(polls <= few);
        pair.stream.abort();
    });
}

TEST_CASE("a write that had to wait leaves nothing behind that wakes") {
    test::reactor_fixture on(GENERATE(from_range(test::demultiplexers())));
    const auto family = GENERATE(from_range(test::those_here({test::family::tcp, test::family::unix_path})));
    constexpr std::size_t much = 8'000'000;
    on.run([&]() -> task<> {
        auto pair = co_await connected_to_raw(family);
        std::size_t got = 0;
        std::thread peer([&, fd = pair.raw.get()] {
            std::string buffer(65536, '\0');
            while (got < much) {
                const auto n = ::recv(fd, buffer.data(), buffer.size(), 0);
                if (n <= 0) return;
                got += static_cast<std::size_t>(n);
            }
        });
        const std::string text(much, 'x');
        co_await pair.stream.write(text);
        co_await bight::offload([&] { peer.join(); });
        CHECK(got == much);
        const auto polls = co_await polls_while_idle();
        CHECK(polls <= few);
    });
}

TEST_CASE("a closed stream wakes nobody any more, though a duplicate keeps its connection open") {
    test::reactor_fixture on(GENERATE(from_range(test::demultiplexers())));
    const auto family = GENERATE(from_range(test::those_here({test::family::tcp, test::family::unix_path})));
    on.run([&]() -> task<> {
        auto pair = co_await connected_to_raw(family);
        const int number = pair.stream.native_handle();
        const test::raw_socket duplicate(::fcntl(number, F_DUPFD_CLOEXEC, 100));
        pair.stream = stream();
        // Whatever comes for the old connection is none of the new one's business, though the number is the
        // same.
        auto next = co_await connected_to_raw(family);
        ::send(pair.raw.get(), "late", 4, MSG_NOSIGNAL);
        const auto polls = co_await polls_while_idle();
        CHECK(polls <= few);
        next.raw.send("for the new one");
        const bight::chunk got = co_await next.stream.read_some();
        CHECK(std::string(got.begin(), got.end()) == "for the new one");
    });
}

TEST_CASE("a timer in the far future neither fires nor keeps the reactor awake") {
    test::reactor_fixture on(GENERATE(from_range(test::demultiplexers())));
    const bight::duration far = GENERATE(values<bight::duration>({25 * 24h, 50 * 24h, 365 * 24h * 200}));
    CAPTURE(far.count());
    on.run([&]() -> task<> {
        bool fired = false;
        bight::manual_reset_event woken;
        // Nothing else limits the wait of the kernel meanwhile.
        std::thread other([&, home = bight::reactor::current()] {
            std::this_thread::sleep_for(50ms);
            home->post([&] { woken.set(); });
        });
        const auto before = bight::reactor::current()->statistics().polls;
        const auto sleeps = [&]() -> task<> {
            co_await bight::sleep_for(far);
            fired = true;
        };
        const auto waits = [&]() -> task<> { co_await woken.wait(); };
        co_await bight::race(sleeps(), waits());
        CHECK(bight::reactor::current()->statistics().polls - before <= few);
        CHECK_FALSE(fired);
        other.join();
    });
}

TEST_CASE("short sleeps wait in the kernel, and do not ask it again and again") {
    test::reactor_fixture on(GENERATE(from_range(test::demultiplexers())));
    on.run([]() -> task<> {
        constexpr std::uint64_t rounds = 20;
        const auto before = bight::reactor::current()->statistics().polls;
        for (std::uint64_t i = 0; i < rounds; ++i) co_await bight::sleep_for(300us);
        CHECK(bight::reactor::current()->statistics().polls - before <= 3 * rounds);
    });
}
