// Waking, sleeping and threads: posts from other threads, signals, the number of waits, and which thread may
// do what.
#include "probes.hpp"
#include "refused_reactor.hpp"

#include <bight/core/group.hpp>
#include <bight/core/sleep.hpp>
#include <bight/io/address.hpp>
#include <bight/io/stream.hpp>
#include <bight/net/connect.hpp>
#include <bight/net/listener.hpp>

#include <pthread.h>
#include <signal.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

using bight::demultiplexer_kind;
using test::asking_for;
using test::demultiplexer_fixture;
using test::operation_kind;
using test::pair_kind;
using test::receive_probe;

namespace {

/// SIGUSR1 does nothing but interrupt, until the end of the scope.
class harmless_signal {
  public:
    harmless_signal() {
        struct sigaction action{};
        action.sa_handler = [](int) {};
        ::sigaction(SIGUSR1, &action, &old_);
    }
    harmless_signal(const harmless_signal&) = delete;
    harmless_signal& operator=(const harmless_signal&) = delete;
    ~harmless_signal() { ::sigaction(SIGUSR1, &old_, nullptr); }

  private:
    struct sigaction old_{};
};

bight::task<> echo(bight::listener& on) {
    bight::stream peer = co_await on.accept();
    while (auto chunk = co_await peer.read_some()) co_await peer.write(chunk);
}

bight::task<> ask(std::string where, int rounds, std::string& heard) {
    bight::stream peer = co_await bight::connect(std::move(where));
    const std::string word = "word";
    for (int i = 0; i < rounds; ++i) {
        co_await peer.write(word);
        std::string answer(word.size(), '\0');
        co_await peer.read_exactly(answer);
        heard += answer;
        if (i % 100 == 0) co_await bight::sleep_for(std::chrono::microseconds(100));
    }
}

}  // namespace

TEST_CASE("a storm of signals loses nothing") {
    const harmless_signal handler;
    test::reactor_fixture on(GENERATE(from_range(test::demultiplexers())));
    constexpr int rounds = 2000;
    std::string heard;
    std::atomic<bool> done{false};
    const pthread_t here = ::pthread_self();
    std::thread storm([&] {
        sigset_t usr1;
        ::sigemptyset(&usr1);
        ::sigaddset(&usr1, SIGUSR1);
        ::pthread_sigmask(SIG_BLOCK, &usr1, nullptr);
        while (!done) {
            ::pthread_kill(here, SIGUSR1);
            std::this_thread::yield();
        }
    });
    on.run([&]() -> bight::task<> {
        bight::listener listening = bight::listen("tcp:0:interface=127.0.0.1");
        co_await bight::with_group([&](bight::group& g) -> bight::task<> {
            g.spawn(echo, std::ref(listening));
            std::string where = "tcp:host=127.0.0.1:port=" + std::to_string(listening.local().port());
            co_await ask(std::move(where), rounds, heard);
        });
    });
    done = true;
    storm.join();
    CHECK(heard.size() == std::size_t{4} * rounds);
}

TEST_CASE("every call posted by many threads is made, in the order of its thread") {
    test::reactor_fixture on(GENERATE(from_range(test::demultiplexers())));
    constexpr int threads = 4;
    constexpr int calls = 2000;
    int last[threads] = {};
    int made = 0;
    bool in_order = true;
    std::vector<std::thread> posting;
    for (int& before : last) {
        posting.emplace_back([&] {
            for (int i = 1; i <= calls; ++i) {
                on.reactor().post([&, i] {
                    in_order = in_order && before == i - 1;
                    before = i;
                    ++made;
                });
                if (i % 50 == 0) std::this_thread::yield();
            }
        });
    }
    const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (made < threads * calls && std::chrono::steady_clock::now() < give_up) {
        on.reactor().run_once(std::chrono::seconds(20));
    }
    for (auto& t : posting) t.join();
    CHECK(made == threads * calls);
    CHECK(in_order);
}

TEST_CASE("a post ends a sleep without a limit, each time") {
    test::reactor_fixture on(GENERATE(from_range(test::demultiplexers())));
    std::atomic<int> round{0};
    std::thread other([&] {
        for (int i = 0; i < 200; ++i) {
            while (round.load() < i) std::this_thread::yield();
            on.reactor().post([&] { ++round; });
        }
    });
    while (round < 200) on.reactor().run_once(bight::duration::max());
    other.join();
    CHECK(round == 200);
    CHECK(on.reactor().statistics().wakes <= 200);
}

TEST_CASE("with one idle connection and no timer, a wake is one wait") {
    demultiplexer_fixture on(GENERATE(from_range(test::demultiplexers())));
    INFO(on.name());
    auto& c = on.connect(pair_kind::tcp);
    receive_probe op(c.ours, operation_kind::receive);
    on.start(op);
    on.turns();
    for (int i = 1; i <= 50; ++i) {
        const auto before = on.reactor().statistics();
        c.say("x");
        on.reactor().run_once(std::chrono::seconds(20));
        REQUIRE(op.completions == i);
        CHECK(on.reactor().statistics().resumptions == before.resumptions + 1);
        op.data.reset();
        on.start(op);
        REQUIRE(op.completions == i);
    }
    on.end(op);
}

TEST_CASE("after wakes, one or many, the loop sleeps again") {
    demultiplexer_fixture on(GENERATE(from_range(test::demultiplexers())));
    INFO(on.name());
    CHECK(on.sleeps());
    for (const int wakes : {1, 2, 1000}) {
        CAPTURE(wakes);
        for (int i = 0; i < wakes; ++i) on.demux().wake();
        on.turns();
        CHECK(on.sleeps());
    }
    bool called = false;
    std::thread other([&] { on.reactor().post([&] { called = true; }); });
    other.join();
    on.turns();
    CHECK(called);
    CHECK(on.sleeps());
}

TEST_CASE("a reactor may be made on one thread and run on another") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    const int descriptors = test::open_descriptors();
    int result = 0;
    {
        bight::reactor r(asking_for(kind));
        std::thread other([&] {
            auto answer = []() -> bight::task<int> {
                co_await bight::sleep_for(std::chrono::milliseconds(1));
                co_return 7;
            };
            result = r.run(answer());
        });
        other.join();
    }
    CHECK(result == 7);
    CHECK(test::open_descriptors() == descriptors);
}

TEST_CASE("an io_uring reactor stays on the thread that ran it first; the others may move") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    bight::reactor r(asking_for(kind));
    r.run_once();
    std::error_code error;
    std::thread other([&] {
        try {
            r.run_once();
        } catch (const std::system_error& e) {
            error = e.code();
        }
    });
    other.join();
    if (kind == demultiplexer_kind::io_uring) {
        CHECK(error == bight::errc::wrong_thread);
    } else {
        CHECK_FALSE(error);
    }
    r.run_once();  // it is none the worse for it
    CHECK(bight::reactor::current() == nullptr);
}

TEST_CASE("two reactors on two threads do not know of each other") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    std::string heard[2];
    const auto talk = [kind](std::string& into) {
        bight::reactor r(asking_for(kind));
        auto root = [](std::string& text) -> bight::task<> {
            bight::listener listening = bight::listen("tcp:0:interface=127.0.0.1");
            co_await bight::with_group([&](bight::group& g) -> bight::task<> {
                g.spawn(echo, std::ref(listening));
                std::string where = "tcp:host=127.0.0.1:port=" + std::to_string(listening.local().port());
                co_await ask(std::move(where), 300, text);
            });
        };
        r.run(root(into));
    };
    std::thread other([&] { talk(heard[1]); });
    talk(heard[0]);
    other.join();
    CHECK(heard[0].size() == 1200);
    CHECK(heard[1].size() == 1200);
}
