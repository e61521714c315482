// Values between reactors, and between reactors and plain threads.
#include <bight/core/error.hpp>
#include <bight/core/group.hpp>
#include <bight/core/sleep.hpp>
#include <bight/core/task.hpp>
#include <bight/core/timeout.hpp>
#include <bight/core/when_all.hpp>
#include <bight/thread/concurrent_channel.hpp>

#include "support/reactors.hpp"

#include <algorithm>
#include <atomic>
#include <memory>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

using bight::concurrent_channel;
using bight::task;
using namespace std::chrono_literals;

namespace {

task<> receive_into(concurrent_channel<int>& from, std::vector<int>& out) {
    const auto v = co_await from.receive();
    out.push_back(v ? *v : -1);
}

// What uses its channel whenever it is moved, and when it goes.
class meddler {
  public:
    meddler(concurrent_channel<meddler>& in, int n) : value(n), in_(&in) {}
    meddler(meddler&& other) noexcept : value(other.value), in_(other.in_) { meddle(); }
    meddler& operator=(meddler&&) = delete;
    ~meddler() { meddle(); }
    int value;
    inline static int calls = 0;
    inline static std::vector<int> taken;

  private:
    void meddle() noexcept {
        if (meddling || value < 0) return;
        meddling = true;
        ++calls;
        in_->size();
        if (in_->try_send(meddler(*in_, -1))) {
            if (const auto other = in_->try_receive()) taken.push_back(other->value);
        }
        meddling = false;
    }
    inline static bool meddling = false;
    concurrent_channel<meddler>* in_;
};

std::error_code code_of(const std::system_error& e) { return e.code(); }

}  // namespace

TEST_CASE("values travel from a plain thread to a task, and back, in order") {
    test::reactor_fixture on(GENERATE(from_range(test::demultiplexers())));
    concurrent_channel<int> there(4);
    concurrent_channel<int> back(4);
    std::thread other([there, back]() mutable {
        while (const auto v = there.receive_blocking()) back.send_blocking(*v + 1000);
        back.close();
    });
    std::vector<int> got;
    on.run([&]() -> task<> {
        auto sends = [&]() -> task<> {
            for (int i = 0; i < 500; ++i) co_await there.send(i);
            there.close();
        };
        auto receives = [&]() -> task<> {
            while (const auto v = co_await back.receive()) got.push_back(*v);
        };
        co_await bight::when_all(sends(), receives());
    });
    other.join();
    REQUIRE(got.size() == 500);
    for (int i = 0; i < 500; ++i) CHECK(got[static_cast<std::size_t>(i)] == i + 1000);
}

TEST_CASE("values travel between two reactors, both of which sleep in between") {
    test::reactor_fixture on(GENERATE(from_range(test::demultiplexers())));
    concurrent_channel<std::unique_ptr<int>> there(1);
    concurrent_channel<std::unique_ptr<int>> back(1);
    std::thread other([there, back]() mutable {
        bight::reactor r;
        auto echo = [&]() -> task<> {
            while (auto v = co_await there.receive()) co_await back.send(std::move(*v));
            back.close();
        };
        r.run(echo());
    });
    int sum = 0;
    on.run([&]() -> task<> {
        for (int i = 0; i < 200; ++i) {
            co_await there.send(std::make_unique<int>(i));
            const auto v = co_await back.receive();
            sum += **v;
        }
        there.close();
        const auto end = co_await back.receive();
        CHECK_FALSE(end);
    });
    other.join();
    CHECK(sum == 199 * 200 / 2);
}

TEST_CASE("a channel holds exactly its capacity") {
    const std::size_t capacity = GENERATE(1u, 2u, 3u, 7u);
    concurrent_channel<int> c(capacity);
    CHECK(c.capacity() == capacity);
    for (int round = 0; round < 3; ++round) {
        for (std::size_t i = 0; i < capacity; ++i) CHECK(c.try_send(static_cast<int>(i)));
        CHECK_FALSE(c.try_send(99));
        CHECK(c.size() == capacity);
        for (std::size_t i = 0; i < capacity; ++i) CHECK(c.try_receive() == static_cast<int>(i));
        CHECK_FALSE(c.try_receive());
    }
    CHECK(concurrent_channel<int>(0).capacity() == 1);
}

TEST_CASE("a refused try_send leaves the value alone") {
    concurrent_channel<std::unique_ptr<int>> c(1);
    auto first = std::make_unique<int>(1);
    auto second = std::make_unique<int>(2);
    CHECK(c.try_send(std::move(first)));
    CHECK_FALSE(c.try_send(std::move(second)));
    REQUIRE(second);
    CHECK(*second == 2);
    c.close();
    CHECK_FALSE(c.try_send(std::move(second)));
    CHECK(second);
}

TEST_CASE("tasks that wait are served first in, first out, and cancelling one leaves no hole") {
    test::virtual_fixture on;
    const int cancelled = GENERATE(-1, 0, 1, 2);
    concurrent_channel<int> c(2);
    std::vector<std::pair<int, int>> got;
    on.run([&]() -> task<> {
        co_await bight::with_group([&](bight::group& g) -> task<> {
            for (int who = 0; who < 3; ++who) {
                g.spawn([&, who]() -> task<> {
                    auto one = [&]() -> task<> {
                        const auto v = co_await c.receive();
                        got.emplace_back(who, *v);
                    };
                    if (who == cancelled) {
                        const bool done = co_await bight::try_with_timeout(one(), 1ms);
                        CHECK_FALSE(done);
                    } else {
                        co_await one();
                    }
                });
            }
            co_await bight::sleep_for(5ms);
            for (int v = 0; v < 3; ++v) {
                if (v != cancelled) CHECK(c.try_send(v));
            }
        });
    });
    std::vector<std::pair<int, int>> expected;
    for (int who = 0; who < 3; ++who) {
        if (who != cancelled) expected.emplace_back(who, who);
    }
    CHECK(got == expected);
    CHECK(c.size() == 0);
}

TEST_CASE("senders that wait are served first in, first out, and a cancelled one's value is dropped") {
    test::virtual_fixture on;
    const int cancelled = GENERATE(-1, 0, 1, 2);
    concurrent_channel<int> c(1);
    CHECK(c.try_send(-1));
    std::vector<int> got;
    on.run([&]() -> task<> {
        co_await bight::with_group([&](bight::group& g) -> task<> {
            for (int who = 0; who < 3; ++who) {
                g.spawn([&, who]() -> task<> {
                    if (who == cancelled) {
                        const bool done = co_await bight::try_with_timeout(c.send(who), 1ms);
                        CHECK_FALSE(done);
                    } else {
                        co_await c.send(who);
                    }
                });
            }
            co_await bight::sleep_for(5ms);
            CHECK_FALSE(c.try_send(7));  // not past those who wait
            for (int n = 0; n < (cancelled < 0 ? 4 : 3); ++n) co_await receive_into(c, got);
        });
    });
    std::vector<int> expected{-1};
    for (int who = 0; who < 3; ++who) {
        if (who != cancelled) expected.push_back(who);
    }
    CHECK(got == expected);
}

TEST_CASE("values that use the channel while they are moved or destroyed find it usable, and none is lost") {
    test::virtual_fixture on;
    const std::size_t capacity = GENERATE(1u, 3u);
    meddler::calls = 0;
    meddler::taken.clear();
    concurrent_channel<meddler> c(capacity);
    std::vector<int> got;
    on.run([&]() -> task<> {
        const auto receives = [&]() -> task<> {
            while (const auto v = co_await c.receive()) got.push_back(v->value);
        };
        const auto sends = [&]() -> task<> {
            for (int i = 0; i < 20; ++i) {
                co_await c.send(meddler(c, i));
                if (i % 3 == 0) co_await bight::yield();
            }
            co_await bight::yield();
            c.close();
        };
        co_await bight::when_all(receives(), receives(), sends());
    });
    CHECK(meddler::calls > 40);
    got.insert(got.end(), meddler::taken.begin(), meddler::taken.end());
    std::erase(got, -1);
    std::sort(got.begin(), got.end());
    REQUIRE(got.size() == 20);
    for (int i = 0; i < 20; ++i) CHECK(got[static_cast<std::size_t>(i)] == i);
}

TEST_CASE("a task that is granted a value and cancelled in the same turn gets the value") {
    test::virtual_fixture on;
    concurrent_channel<int> c(1);
    std::vector<int> got;
    on.run([&]() -> task<> {
        co_await bight::with_group([&](bight::group& g) -> task<> {
            g.spawn(receive_into, std::ref(c), std::ref(got));
            co_await bight::yield();
            co_await bight::yield();
            CHECK(c.try_send(5));
            g.cancel();  // its wake-up is under way
            CHECK(got.empty());
        });
    });
    CHECK(got == std::vector<int>{5});
}

TEST_CASE("closing lets those who wait go: senders fail, receivers get what is left, then the end") {
    test::virtual_fixture on;
    concurrent_channel<int> c(1);
    std::vector<int> got;
    int refused = 0;
    on.run([&]() -> task<> {
        auto sends = [&](int v) -> task<> {
            try {
                co_await c.send(v);
            } catch (const std::system_error& e) {
                if (code_of(e) == bight::errc::closed) ++refused;
            }
        };
        auto closes = [&]() -> task<> {
            co_await bight::yield();
            co_await bight::yield();
            c.close();
            c.close();
            CHECK(c.closed());
            for (int n = 0; n < 3; ++n) co_await receive_into(c, got);
            co_await sends(9);
        };
        co_await bight::when_all(sends(1), sends(2), sends(3), closes());
        CHECK(refused == 3);
        CHECK(got == std::vector<int>{1, -1, -1});

        concurrent_channel<int> empty(1);
        auto ends = [&]() -> task<> {
            co_await bight::yield();
            co_await bight::yield();
            empty.close();
        };
        got.clear();
        co_await bight::when_all(receive_into(empty, got), receive_into(empty, got), ends());
        CHECK(got == std::vector<int>{-1, -1});
    });
}

TEST_CASE("a channel closes when its last handle is gone, and frees what is in it") {
    const auto held = std::make_shared<int>(1);
    std::optional<std::shared_ptr<int>> got;
    std::optional<std::shared_ptr<int>> end;
    {
        concurrent_channel<std::shared_ptr<int>> c(4);
        std::thread other([mine = c, &got, &end]() mutable {
            got = mine.receive_blocking();
            mine.close();
            end = mine.receive_blocking();
        });
        CHECK(c.try_send(held));
        other.join();
        concurrent_channel<std::shared_ptr<int>> d(1);
        CHECK(d.try_send(held));
        d = c;
        CHECK(d.closed());
        CHECK(held.use_count() == 2);
    }
    CHECK(got);
    CHECK_FALSE(end);
    got.reset();
    {
        concurrent_channel<std::shared_ptr<int>> c(2);
        CHECK(c.try_send(held));
        CHECK(c.try_send(held));
        CHECK(held.use_count() == 3);
    }
    CHECK(held.use_count() == 1);
}

TEST_CASE("the blocking forms are refused on a reactor's thread, with the right call in the message") {
    test::virtual_fixture on;
    on.run([&]() -> task<> {
        concurrent_channel<int> c(1);
        std::string text;
        try {
            c.send_blocking(1);
        } catch (const std::system_error& e) {
            text = e.what();
            CHECK(code_of(e) == bight::errc::wrong_thread);
        }
        CHECK(text.find("co_await send()") != std::string::npos);
        CHECK_THROWS_AS(c.receive_blocking(), std::system_error);
        CHECK(c.size() == 0);
        co_return;
    });
}

TEST_CASE("with_timeout around send and receive") {
    test::virtual_fixture on;
    on.run([&]() -> task<> {
        concurrent_channel<int> c(1);
        const auto none = co_await bight::try_with_timeout(c.receive(), 1s);
        CHECK_FALSE(none);
        CHECK(on.elapsed() == 1s);
        co_await c.send(1);
        const bool sent = co_await bight::try_with_timeout(c.send(2), 1s);
        CHECK_FALSE(sent);
        const auto one = co_await bight::try_with_timeout(c.receive(), 1s);
        REQUIRE(one);
        CHECK(*one == 1);
        CHECK(c.size() == 0);
    });
}

TEST_CASE("a task that sends and receives without waiting lets others run") {
    test::virtual_fixture on;
    on.run([&]() -> task<> {
        concurrent_channel<int> c(1);
        int others = 0;
        co_await bight::with_group([&](bight::group& g) -> task<> {
            g.spawn([&]() -> task<> {
                for (;;) {
                    co_await bight::yield();
                    ++others;
                }
            });
            for (int i = 0; i < 1000; ++i) {
                co_await c.send(i);
                co_await c.receive();
            }
            g.cancel();
        });
        CHECK(others >= 2000 / static_cast<int>(bight::reactor::completion_budget + 1) - 1);
    });
}

TEST_CASE("every value of many senders on threads and reactors arrives once, each sender's in its order") {
    constexpr int senders = 4;
    constexpr int each = 5000;
    concurrent_channel<int> c(GENERATE(1u, 8u, 64u));
    std::vector<std::thread> threads;
    std::atomic<int> still_sending{senders};
    for (int s = 0; s < senders; ++s) {
        threads.emplace_back([c, s, &still_sending]() mutable {
            const auto value = [s](int i) { return s * each + i; };
            if (s % 2 == 0) {
                for (int i = 0; i < each; ++i) c.send_blocking(value(i));
            } else {
                bight::reactor r;
                auto sends = [&]() -> task<> {
                    for (int i = 0; i < each; ++i) co_await c.send(value(i));
                };
                r.run(sends());
            }
            if (--still_sending == 0) c.close();
        });
    }
    std::vector<std::vector<int>> got(3);
    std::vector<std::thread> receivers;
    for (int k = 0; k < 2; ++k) {
        receivers.emplace_back([c, k, &got]() mutable {
            auto& mine = got[static_cast<std::size_t>(k)];
            if (k == 0) {
                while (const auto v = c.receive_blocking()) mine.push_back(*v);
            } else {
                bight::reactor r;
                auto receives = [&]() -> task<> {
                    while (const auto v = co_await c.receive()) mine.push_back(*v);
                };
                r.run(receives());
            }
        });
    }
    for (auto& t : threads) t.join();
    for (auto& t : receivers) t.join();
    std::vector<int> seen(std::size_t{senders} * each, 0);
    bool in_order = true;
    for (const auto& mine : got) {
        std::vector<int> last(senders, -1);
        for (const int v : mine) {
            ++seen[static_cast<std::size_t>(v)];
            int& before = last[static_cast<std::size_t>(v / each)];
            if (v <= before) in_order = false;
            before = v;
        }
    }
    CHECK(in_order);
    CHECK(std::count(seen.begin(), seen.end(), 1) == std::ptrdiff_t{senders} * each);
}

TEST_CASE("receivers that are cancelled while other threads send lose no value") {
    constexpr int values = 3000;
    concurrent_channel<int> c(2);
    std::thread sender([c]() mutable {
        for (int i = 0; i < values; ++i) c.send_blocking(i);
        c.close();
    });
    std::vector<int> got;
    bool ended = false;
    bight::reactor r;
    auto receives = [&]() -> task<> {
        int round = 0;
        while (!ended) {
            co_await bight::with_group([&](bight::group& g) -> task<> {
                g.spawn([&]() -> task<> {
                    const auto v = co_await c.receive();
                    if (v) {
                        got.push_back(*v);
                    } else {
                        ended = true;
                    }
                });
                for (int n = 0; n < ++round % 5; ++n) co_await bight::yield();
                g.cancel();
            });
        }
    };
    r.run(receives());
    sender.join();
    REQUIRE(got.size() == values);
    for (int i = 0; i < values; ++i) CHECK(got[static_cast<std::size_t>(i)] == i);
}

TEST_CASE("senders that are cancelled while other threads receive send a value wholly or not at all") {
    concurrent_channel<int> c(1);
    std::vector<int> got;
    std::thread receiver([c, &got]() mutable {
        while (const auto v = c.receive_blocking()) got.push_back(*v);
    });
    std::vector<int> sent;
    bight::reactor r;
    auto sends = [&]() -> task<> {
        for (int i = 0; i < 3000; ++i) {
            co_await bight::with_group([&](bight::group& g) -> task<> {
                g.spawn([&]() -> task<> {
                    co_await c.send(i);
                    sent.push_back(i);
                });
                for (int n = 0; n < i % 4; ++n) co_await bight::yield();
                g.cancel();
            });
        }
        c.close();
    };
    r.run(sends());
    receiver.join();
    CHECK(got == sent);
}
