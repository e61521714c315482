// Constructors and destructors of a value are anybody's code: they may use what holds the value.
#include <bight/core/deferred.hpp>
#include <bight/core/group.hpp>
#include <bight/generator/generator.hpp>
#include <bight/generator/map_concurrent.hpp>
#include <bight/sync/barrier.hpp>
#include <bight/sync/broadcast_channel.hpp>
#include <bight/sync/channel.hpp>
#include <bight/sync/priority_queue.hpp>
#include <bight/sync/watch.hpp>

#include "support/cancellable.hpp"
#include "support/reactors.hpp"

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <stdexcept>
#include <utility>
#include <vector>

using bight::task;

namespace {

/// Calls `on_move` when it is next copied or moved, and `on_end` when one is next destroyed, moved from or
/// not.
class loud {
  public:
    explicit loud(int v) : value(v) {}
    loud(loud&& other) : value(std::exchange(other.value, 0)) { call(on_move); }
    loud(const loud& other) : value(other.value) { call(on_move); }
    loud& operator=(const loud&) = delete;
    ~loud() { call(on_end); }

    int value;
    static inline std::function<void()> on_move;
    static inline std::function<void()> on_end;
    static void call(std::function<void()>& f) {
        if (const auto now = std::exchange(f, nullptr)) now();
    }
    static void forget() { on_move = on_end = nullptr; }
};
bool operator<(const loud& a, const loud& b) { return a.value < b.value; }

/// What a queue should hold, and what it holds.
struct checked_channel {
    bight::channel<loud> queue{bight::unbounded};
    std::deque<int> expected;
    bool push(loud&& v) { return queue.try_send(std::move(v)); }
    std::optional<loud> pop() { return queue.try_receive(); }
    void expect(int v) { expected.push_back(v); }
    int next() {
        const int v = expected.front();
        expected.pop_front();
        return v;
    }
};
struct checked_priority_queue {
    bight::priority_queue<loud> queue;
    std::multiset<int> expected;
    bool push(loud&& v) { return queue.try_push(std::move(v)); }
    std::optional<loud> pop() { return queue.try_pop(); }
    void expect(int v) { expected.insert(v); }
    int next() {
        const auto last = std::prev(expected.end());
        const int v = *last;
        expected.erase(last);
        return v;
    }
};

template <class Checked>
void use_from_constructors_and_destructors(unsigned seed) {
    Checked c;
    std::minstd_rand random(seed);
    int last = 0;
    const auto push = [&] {
        const int v = ++last;
        loud fresh(v);  // what its end calls finds it in the queue
        CHECK(c.push(std::move(fresh)));
        c.expect(v);
    };
    const auto pop = [&] {
        if (c.expected.empty()) return;
        const int wanted = c.next();
        const auto got = c.pop();
        REQUIRE(got);
        CHECK(got->value == wanted);
    };
    const auto either = [&] { random() % 2 ? push() : pop(); };
    for (int i = 0; i < 2000; ++i) {
        // Now and then it fills, or runs empty: so blocks are added, and begun again.
        const bool pushes = random() % 8 < (i / 100 % 2 ? 3u : 5u);
        if (pushes) {
            loud::on_move = [&] {  // before the value is in
                if (c.expected.size() > 1) pop();
                CHECK_THROWS_AS(c.push(loud(-1)), std::system_error);
            };
            push();
        } else {
            if (random() % 2) loud::on_move = either;  // when it is out
            if (random() % 2) {
                loud::on_end = [&] {
                    either();
                    either();
                };
            }
            pop();
        }
        loud::forget();
        REQUIRE(c.queue.size() == c.expected.size());
    }
    while (!c.expected.empty()) pop();
    CHECK(c.queue.empty());
}

// Numbers values, and sees that each receiver gets every one, or is told how many it has missed.
class checked_broadcast {
  public:
    explicit checked_broadcast(std::size_t capacity) : channel_(capacity) {}
    void send() { channel_.send(loud(++sent_)); }
    void subscribe(std::size_t i) {
        auto fresh = channel_.subscribe();
        const int from = sent_;
        receivers_[i].emplace(std::move(fresh));
        last_[i] = from;
    }
    void leave(std::size_t i) { auto gone = std::exchange(receivers_[i], std::nullopt); }
    void receive(std::size_t i) {
        if (!receivers_[i] || busy_[i]) return;
        busy_[i] = true;
        const auto got = receivers_[i]->try_receive();
        busy_[i] = false;
        if (!got) return;
        CHECK(got->value == last_[i] + 1 + static_cast<int>(got.missed()));
        last_[i] = got->value;
    }
    void anything(std::minstd_rand& random) {
        const std::size_t i = random() % receivers_.size();
        switch (random() % 6) {
            case 0:
                if (!busy_[i]) receivers_[i] ? leave(i) : subscribe(i);
                break;
            case 1:
            case 2: send(); break;
            default: receive(i); break;
        }
    }
    void drain() {
        for (std::size_t i = 0; i < receivers_.size(); ++i) {
            while (receivers_[i] && receivers_[i]->pending() > 0) receive(i);
            if (receivers_[i]) CHECK(last_[i] == sent_);
        }
    }

  private:
    bight::broadcast_channel<loud> channel_;
    std::vector<std::optional<bight::broadcast_receiver<loud>>> receivers_ =
        std::vector<std::optional<bight::broadcast_receiver<loud>>>(3);
    int last_[3] = {};
    bool busy_[3] = {};
    int sent_ = 0;
};

}  // namespace

TEST_CASE("constructors and destructors of values may use the channel that holds them") {
    use_from_constructors_and_destructors<checked_channel>(GENERATE(1u, 2u, 3u, 4u));
}

TEST_CASE("constructors and destructors of values may use the priority queue that holds them") {
    use_from_constructors_and_destructors<checked_priority_queue>(GENERATE(1u, 2u, 3u, 4u));
}

TEST_CASE("destructors of values may use the broadcast channel that held them") {
    const std::size_t capacity = GENERATE(as<std::size_t>(), 1, 2, 3, 8);
    std::minstd_rand random(GENERATE(1u, 2u, 3u));
    checked_broadcast all(capacity);
    for (int i = 0; i < 3000; ++i) {
        loud::on_end = [&] {
            all.anything(random);
            loud::on_end = [&] { all.anything(random); };
            all.anything(random);
        };
        all.anything(random);
        loud::forget();
    }
    all.drain();
}

TEST_CASE("a receiver that leaves a broadcast channel does not count itself out of what is sent meanwhile") {
    bight::broadcast_channel<std::shared_ptr<loud>> ch(4);
    auto leaves = std::make_optional(ch.subscribe());
    auto stays = ch.subscribe();
    auto first = std::make_shared<loud>(1);
    ch.send(std::move(first));
    CHECK((*stays.try_receive())->value == 1);
    std::weak_ptr<loud> second;
    loud::on_end = [&] {
        auto sent = std::make_shared<loud>(2);
        second = sent;
        CHECK(ch.send(std::move(sent)) == 1);
    };
    leaves.reset();
    REQUIRE_FALSE(second.expired());
    const auto got = stays.try_receive();
    REQUIRE(got);
    REQUIRE(*got);
    CHECK((*got)->value == 2);
}

TEST_CASE("the last value of a broadcast channel may take channel and receiver with it") {
    auto ch = std::make_unique<bight::broadcast_channel<loud>>(1);
    auto from = std::make_optional(ch->subscribe());
    ch->send(loud(1));
    loud::on_end = [&] {
        from.reset();
        ch.reset();
    };
    loud second(2);
    CHECK(ch->send(std::move(second)) == 1);  // drops the first, whose destructor lets all go
    loud::forget();
    CHECK_FALSE(ch);
}

TEST_CASE("the value that a watch had goes when the new one has its place whole") {
    struct pair {
        std::shared_ptr<loud> first;
        int second;
    };
    const auto both = [](int v) { return pair{std::make_shared<loud>(v), v}; };
    bight::watch<pair> watched(both(1));
    loud::on_end = [&] { watched.set(both(3)); };  // by the destructor of 1
    watched.set(both(2));
    CHECK(watched.borrow().first->value == 3);
    CHECK(watched.borrow().second == 3);
}

TEST_CASE("a watch that is set from within a change of its value refuses") {
    bight::watch<int> watched(1);
    watched.update([&](int& v) {
        v = 2;
        CHECK_THROWS_AS(watched.set(3), std::system_error);
        CHECK_THROWS_AS(watched.update([](int&) {}), std::system_error);
    });
    CHECK(watched.borrow() == 2);
    watched.set(4);
    CHECK(watched.borrow() == 4);
}

TEST_CASE("a deferred whose value's constructor fires it has one value") {
    test::virtual_fixture on;
    on.run([&]() -> task<> {
        const bight::deferred<loud> d;
        bool again = true;
        loud::on_move = [&] {
            again = d.try_set_value(loud(2)) ||
                    d.try_set_error(std::make_exception_ptr(std::runtime_error("no")));
        };
        CHECK(d.try_set_value(loud(1)));
        CHECK_FALSE(again);
        const loud& got = co_await d;
        CHECK(got.value == 1);
    });
}

TEST_CASE("a value whose move cancels the task that it is handed to reaches it") {
    test::virtual_fixture on;
    int got = 0;
    bool went_on = false;
    on.run([&]() -> task<> {
        bight::channel<loud> ch;
        test::cancellable one;
        auto receiver = [&]() -> task<> {
            const auto value = co_await ch.receive();
            got = value->value;
            co_await bight::yield();
            went_on = true;
        };
        co_await bight::with_group([&](bight::group& g) -> task<> {
            g.spawn([&] { return one.run(receiver()); });
            co_await test::turns(3);
            loud::on_move = [&] { one.cancel(); };
            CHECK(ch.try_send(loud(5)));
        });
    });
    CHECK(got == 5);
    CHECK_FALSE(went_on);
}

TEST_CASE("a move that cancels the task that it is for, and throws, leaves the task cancelled") {
    test::virtual_fixture on;
    bool received = false;
    on.run([&]() -> task<> {
        bight::channel<loud> ch;
        test::cancellable one;
        auto receiver = [&]() -> task<> {
            (void)co_await ch.receive();
            received = true;
        };
        co_await bight::with_group([&](bight::group& g) -> task<> {
            g.spawn([&] { return one.run(receiver()); });
            co_await test::turns(3);
            loud::on_move = [&] {
                one.cancel();
                throw std::runtime_error("not moved");
            };
            CHECK_THROWS_AS(ch.try_send(loud(5)), std::runtime_error);
            CHECK_FALSE(ch.try_send(loud(6)));  // nobody waits any more
        });
    });
    CHECK_FALSE(received);
}

TEST_CASE("a move that cancels the sender whose value it moves finds it served") {
    test::virtual_fixture on;
    const std::size_t capacity = GENERATE(as<std::size_t>(), 0, 1);
    bool sent = false;
    on.run([&]() -> task<> {
        bight::channel<loud> ch(capacity);
        if (capacity > 0) CHECK(ch.try_send(loud(1)));
        test::cancellable one;
        auto sender = [&]() -> task<> {
            co_await ch.send(loud(2));
            sent = true;
        };
        co_await bight::with_group([&](bight::group& g) -> task<> {
            g.spawn([&] { return one.run(sender()); });
            co_await test::turns(3);
            loud::on_move = [&] {
                if (capacity > 0) loud::on_move = [&] { one.cancel(); };  // the second: into the buffer
                if (capacity == 0) one.cancel();
            };
            CHECK(ch.try_receive()->value == (capacity > 0 ? 1 : 2));
            loud::forget();
        });
        if (capacity > 0) CHECK(ch.try_receive()->value == 2);
    });
    CHECK(sent);
}

TEST_CASE("a completion that cancels the task that arrived last finds that it has arrived") {
    test::virtual_fixture on;
    int went_on = 0;
    on.run([&]() -> task<> {
        test::cancellable last;
        auto completion = [&] { last.cancel(); };
        bight::barrier b(2, completion);
        auto arrive = [&]() -> task<> {
            (void)co_await b.arrive_and_wait();
            ++went_on;
        };
        co_await bight::with_group([&](bight::group& g) -> task<> {
            g.spawn(arrive);
            co_await test::turns(3);
            g.spawn([&] { return last.run(arrive()); });
        });
        CHECK(b.waiting() == 0);
    });
    CHECK(went_on == 2);
}

TEST_CASE("a move that cancels a task of map_concurrent, at whatever moment, loses no item that was taken") {
    test::virtual_fixture on;
    // Gives how many moves there were; the one numbered `which` cancels the consumer.
    const auto run = [&](int which, bool asks_first) {
        int moves = 0;
        int got = 0;
        bool ended = false;
        on.run([&]() -> task<> {
            auto numbers = []() -> bight::generator<int> {
                co_yield 1;
                co_yield 2;
            };
            test::cancellable one;
            std::function<void()> count = [&] {
                if (++moves == which) one.cancel();
                loud::on_move = count;
            };
            auto make = [&](int n) -> task<loud> {
                if (asks_first) co_await test::turns(5);
                co_return loud(n);
            };
            auto consume = [&](bight::group& g) -> task<> {
                auto all = bight::map_concurrent(g, numbers(), 2, make);
                while (auto item = co_await all.next()) {
                    got += item->value;
                    if (!asks_first) co_await test::turns(5);
                }
            };
            co_await bight::with_group([&](bight::group& g) -> task<> {
                loud::on_move = count;
                co_await one.run(consume(g));
                ended = one.ended();
            });
            loud::forget();
        });
        CHECK((got == 3) >= ended);
        CHECK((got == 0 || got == 1 || got == 3));
        return moves;
    };
    for (const bool asks_first : {true, false}) {
        const int moves = run(0, asks_first);
        REQUIRE(moves > 0);
        for (int which = 1; which <= moves; ++which) run(which, asks_first);
    }
}
