// What a plain thread blocks in.
#include <bight/thread/detail/blocking.hpp>
#include <bight/thread/detail/parker.hpp>
#include <bight/thread/detail/thread_lock.hpp>

#include "support/catch.hpp"
#include "support/reactors.hpp"

#include <atomic>
#include <mutex>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

using bight::detail::parker;
using bight::detail::thread_lock;

TEST_CASE("an unpark that comes first is kept, for one park") {
    parker& here = parker::of_this_thread();
    here.unpark();
    here.park();
    std::atomic<bool> let_go{false};
    std::thread other([&] {
        let_go = true;
        here.unpark();
    });
    here.park();  // not by the first one
    CHECK(let_go);
    other.join();
}

TEST_CASE("what was written before unpark is seen after park, round after round") {
    constexpr int rounds = 10'000;
    parker& one = parker::of_this_thread();
    parker* two = nullptr;
    int turn = 0;  // no atomic: the parkers order the accesses
    std::thread other([&] {
        two = &parker::of_this_thread();
        one.unpark();
        for (int i = 0; i < rounds; ++i) {
            two->park();
            ++turn;
            one.unpark();
        }
    });
    one.park();
    CHECK(two != &one);
    int wrong = 0;
    for (int i = 0; i < rounds; ++i) {
        two->unpark();
        one.park();
        wrong += turn == i + 1 ? 0 : 1;
    }
    other.join();
    CHECK(wrong == 0);
}

TEST_CASE("what a thread parked in is let go before its memory is used for something else") {
    // On mingw-w64 the destructor of a thread_local variable finds its memory freed (GCC PR 80816).
    std::atomic<bool> done{false};
    std::atomic<int> woken{0};
    auto use_memory = [&] {
        while (!done) {
            for (std::size_t size = 16; size < 128; size += 16) const std::string taken(size, '\x7f');
        }
    };
    auto parks = [&] {
        parker& here = parker::of_this_thread();
        std::thread other([&here] { here.unpark(); });
        here.park();
        other.join();
        ++woken;
    };
    std::vector<std::thread> users;
    for (int i = 0; i < 4; ++i) users.emplace_back(use_memory);
    for (int round = 0; round < 50; ++round) {
        std::vector<std::thread> threads;
        for (int t = 0; t < 4; ++t) threads.emplace_back(parks);
        for (std::thread& t : threads) t.join();
    }
    done = true;
    for (std::thread& t : users) t.join();
    CHECK(woken == 200);
}

TEST_CASE("a thread_lock lets one thread in at a time") {
    thread_lock lock;
    long count = 0;
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
        threads.emplace_back([&] {
            for (int i = 0; i < 10'000; ++i) {
                const std::lock_guard hold(lock);
                ++count;
            }
        });
    }
    for (std::thread& t : threads) t.join();
    CHECK(count == 40'000);
}

TEST_CASE("what would block a reactor is refused on its thread, with what to write instead") {
    CHECK_NOTHROW(bight::detail::refuse_on_reactor("wait()", "co_await it"));
    test::reactor_fixture on(test::demultiplexers().front());
    on.run([]() -> bight::task<> {
        std::string said;
        try {
            bight::detail::refuse_on_reactor("wait()", "co_await it");
        } catch (const std::system_error& e) {
            CHECK(e.code() == bight::errc::wrong_thread);
            said = e.what();
        }
        CHECK_THAT(said, Catch::Contains("wait()") && Catch::Contains("co_await it"));
        co_return;
    });
}
