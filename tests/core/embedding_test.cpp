// A reactor inside another loop: its descriptor is watched, and it is run a turn at a time.
#include "support/catch.hpp"
#include "support/connections.hpp"
#include "support/reactors.hpp"

#include <bight/bight.hpp>

#include <poll.h>
#include <sys/socket.h>

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>

using bight::task;
using namespace std::chrono_literals;

namespace {

// What a host loop does: watches the descriptor and the next deadline, and gives the reactor its turns.
bool host_loop(bight::reactor& r, const bool& done) {
    for (int round = 0; round < 1000 && !done; ++round) {
        if (!r.has_ready()) {
            int wait = 5000;
            if (r.next_deadline() != bight::time_point::max()) {
                const auto left =
                    std::chrono::ceil<std::chrono::milliseconds>(r.next_deadline() - bight::clock::now());
                wait = left < 0ms ? 0 : static_cast<int>(left.count());
            }
            pollfd watched{r.descriptor(), POLLIN, 0};
            if (::poll(&watched, 1, wait) == 0 && wait == 5000) return false;  // it would never have woken
        }
        r.run_once();
    }
    return done;
}

}  // namespace

TEST_CASE("a host loop that watches the descriptor and the next deadline misses nothing") {
    for (const auto kind : test::with_descriptor()) {
        CAPTURE(kind);
        bight::reactor_options options;
        options.demultiplexer = kind;
        int ends[2] = {-1, -1};
        REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
        const test::raw_socket ours(ends[0]);
        const test::raw_socket theirs(ends[1]);
        test::reactor_fixture on(kind);
        bight::reactor& r = on.reactor();
        REQUIRE(r.descriptor() >= 0);

        bool started = false;
        bool done = false;
        std::string got;
        const std::string where = "fd:" + std::to_string(ends[0]);
        auto conversation = [&]() -> task<> {
            auto peer = co_await bight::connect(where);
            started = true;
            auto first = co_await peer.read_some();
            got = first.to_string();
            co_await bight::sleep_for(2ms);
            co_await peer.write("answer");
            done = true;
        };
        r.start(conversation);
        CHECK(host_loop(r, started));
        while (r.has_ready()) r.run_once();
        theirs.send("question");
        CHECK(host_loop(r, done));
        CHECK(got == "question");

        bool posted = false;
        r.post([&] { posted = true; });
        CHECK(host_loop(r, posted));
    }
}

TEST_CASE("a host loop that waits for the descriptor alone takes what other threads post, and a stop") {
    for (const auto kind : test::with_descriptor()) {
        CAPTURE(kind);
        test::reactor_fixture on(kind);
        bight::reactor& r = on.reactor();
        bool ended = false;
        auto wait = [&]() -> task<> {
            auto note = [&]() -> task<> {
                ended = true;
                co_return;
            };
            co_await bight::finally(bight::sleep_for(1h), note);
        };
        r.start(wait);
        while (r.run_once()) {
        }
        std::mutex lock;
        std::condition_variable changed;
        int taken = 0;
        constexpr int calls = 200;
        std::thread other([&] {
            for (int i = 0; i < calls; ++i) {
                r.post([&] {
                    const std::lock_guard hold(lock);
                    ++taken;
                    changed.notify_one();
                });
                std::unique_lock hold(lock);
                if (!changed.wait_for(hold, 10s, [&] { return taken > i; })) return;
            }
            r.stop();
        });
        const auto latest = std::chrono::steady_clock::now() + 20s;
        while (!ended && std::chrono::steady_clock::now() < latest) {
            pollfd watched{r.descriptor(), POLLIN, 0};
            ::poll(&watched, 1, r.has_ready() ? 0 : 10'000);
            r.run_once();
        }
        other.join();
        CHECK(taken == calls);
        CHECK(ended);
        while (r.run_once()) {
        }
    }
}

TEST_CASE("what was posted before the descriptor was asked for the first time makes it readable") {
    for (const auto kind : test::with_descriptor()) {
        const bool posted_first = GENERATE(true, false);
        CAPTURE(kind, posted_first);
        test::reactor_fixture on(kind);
        bight::reactor& r = on.reactor();
        while (r.run_once()) {
        }
        bool taken = false;
        const auto post = [&] { r.post([&] { taken = true; }); };
        if (posted_first) post();
        pollfd watched{r.descriptor(), POLLIN, 0};
        if (!posted_first) {
            while (::poll(&watched, 1, 0) == 1) r.run_once();
            post();
        }
        CHECK(::poll(&watched, 1, 5000) == 1);
        r.run_once();
        CHECK(taken);
    }
}

// The end of x has the kernel's completions taken while the turn still runs; y leaves something to submit.
TEST_CASE("a stop that is asked for in the middle of a long turn is told to a host loop") {
    for (const auto kind : test::with_descriptor()) {
        CAPTURE(kind);
        test::reactor_fixture on(kind);
        bight::reactor& r = on.reactor();
        bool done = false;
        auto work = [&]() -> task<> {
            struct at_end {
                explicit at_end(bool& d) : done(d) {}
                ~at_end() { done = true; }
                bool& done;
            };
            const at_end told(done);
            auto x = co_await test::connected_pair(test::family::tcp);
            auto y = co_await test::connected_pair(test::family::tcp);
            co_await x.client.write("hello");
            (void)co_await x.server.read_some();
            r.stop();
            std::this_thread::sleep_for(50ms);  // the turn's work
            x.server.abort();
            (void)co_await y.server.read_some();
        };
        r.start(work);
        CHECK(host_loop(r, done));
        while (r.has_ready()) r.run_once();
    }
}

TEST_CASE("poll and select have no descriptor: run_once takes a limit there") {
    for (const auto kind : test::demultiplexers()) {
        if (test::has_descriptor(kind) || kind == bight::demultiplexer_kind::kqueue) continue;
        CAPTURE(kind);
        test::reactor_fixture on(kind);
        CHECK(on.reactor().descriptor() == -1);
        bool done = false;
        auto nap = [&]() -> task<> {
            co_await bight::sleep_for(2ms);
            done = true;
        };
        on.reactor().start(nap);
        for (int i = 0; i < 1000 && !done; ++i) on.reactor().run_once(1s);
        CHECK(done);
    }
}
