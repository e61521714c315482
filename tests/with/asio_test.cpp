// Asio's operations in tasks, and tasks as operations of Asio; its io_context has a thread of its own.
#include "support/catch.hpp"
#include "support/reactors.hpp"

#include <bight/bight.hpp>
#include <bight/with/asio.hpp>

#include <asio/awaitable.hpp>
#include <asio/bind_cancellation_slot.hpp>
#include <asio/bind_executor.hpp>
#include <asio/buffer.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/co_spawn.hpp>
#include <asio/executor_work_guard.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/local/connect_pair.hpp>
#include <asio/local/stream_protocol.hpp>
#include <asio/post.hpp>
#include <asio/read.hpp>
#include <asio/steady_timer.hpp>
#include <asio/strand.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/use_future.hpp>
#include <asio/write.hpp>

#include <sys/socket.h>

#include <array>
#include <atomic>
#include <chrono>
#include <exception>
#include <future>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

using bight::task;
using bight::use_task;
using namespace std::chrono_literals;

namespace {

// An io_context that runs on a thread of its own until the end of the test.
class asio_thread {
  public:
    asio_thread() : work_(asio::make_work_guard(io_)) {
        // Its descriptors are made now, before a fixture counts those that are open.
        const asio::steady_timer first(io_);
        runs_ = std::thread([this] { io_.run(); });
    }
    asio_thread(const asio_thread&) = delete;
    asio_thread& operator=(const asio_thread&) = delete;
    ~asio_thread() { end(); }
    void end() {
        work_.reset();
        if (runs_.joinable()) runs_.join();
    }
    asio::io_context& io() noexcept { return io_; }
    std::thread::id id() const noexcept { return runs_.get_id(); }

  private:
    asio::io_context io_;
    asio::executor_work_guard<asio::io_context::executor_type> work_;
    std::thread runs_;
};

// Two connected sockets of Asio.
struct asio_pair {
    explicit asio_pair(asio::io_context& io) : ours(io), theirs(io) {
        asio::local::connect_pair(ours, theirs);
    }
    asio::local::stream_protocol::socket ours;
    asio::local::stream_protocol::socket theirs;
};

// A reactor that runs on a thread of its own, until the end of the test or of a task.
class reactor_thread {
  public:
    explicit reactor_thread(bight::demultiplexer_kind kind)
        : reactor_(test::options_on(kind)), runs_([this] {
              try {
                  reactor_.run(forever());
              } catch (const bight::run_cancelled&) {
              }
          }) {}
    reactor_thread(const reactor_thread&) = delete;
    reactor_thread& operator=(const reactor_thread&) = delete;
    ~reactor_thread() { end(); }
    void end() {
        reactor_.stop();
        if (runs_.joinable()) runs_.join();
    }
    bight::reactor& reactor() noexcept { return reactor_; }
    std::thread::id id() const noexcept { return runs_.get_id(); }

  private:
    static task<> forever() { co_await bight::sleep_for(24h); }

    bight::reactor reactor_;
    std::thread runs_;
};

std::error_code code_of(std::exception_ptr error) {
    try {
        std::rethrow_exception(std::move(error));
    } catch (const std::system_error& e) {
        return e.code();
    }
}

struct throwing_initiation {
    asio::io_context& io;
    asio::io_context::executor_type get_executor() const noexcept { return io.get_executor(); }
    void operator()(auto) const { throw std::bad_alloc(); }
};

struct note_of_thread {
    explicit note_of_thread(std::thread::id& where) : to(&where) {}
    note_of_thread(note_of_thread&& other) noexcept : to(std::exchange(other.to, nullptr)) {}
    note_of_thread(const note_of_thread&) = delete;
    ~note_of_thread() {
        if (to) *to = std::this_thread::get_id();
    }
    std::thread::id* to;
};

}  // namespace

TEST_CASE("use_task: a task awaits reads, writes and timers of Asio, and goes on on its own thread") {
    asio_thread asio_side;
    test::reactor_fixture on(GENERATE(from_range(test::demultiplexers())));
    asio_pair pair(asio_side.io());
    asio::steady_timer timer(asio_side.io());
    const auto here = std::this_thread::get_id();
    on.run([&]() -> task<> {
        timer.expires_after(1ms);
        co_await timer.async_wait(use_task);
        CHECK(std::this_thread::get_id() == here);
        const std::string sent = "to Asio and back";
        const std::size_t written = co_await asio::async_write(pair.theirs, asio::buffer(sent), use_task);
        CHECK(written == sent.size());
        std::array<char, 64> block;
        const std::size_t n = co_await pair.ours.async_read_some(asio::buffer(block), use_task);
        CHECK(std::string(block.data(), n) == sent);
        CHECK(std::this_thread::get_id() == here);
    });
}

TEST_CASE("use_task: the error_code of an operation is thrown, or comes as a result") {
    asio_thread asio_side;
    test::reactor_fixture on(test::any_demultiplexer);
    asio_pair pair(asio_side.io());
    asio_pair other(asio_side.io());
    pair.theirs.close();
    other.theirs.close();
    on.run([&]() -> task<> {
        std::array<char, 8> block;
        std::error_code thrown;
        try {
            (void)co_await pair.ours.async_read_some(asio::buffer(block), use_task);
        } catch (const std::system_error& e) {
            thrown = e.code();
        }
        CHECK(thrown == asio::error::eof);
        auto got = co_await bight::as_result(other.ours.async_read_some(asio::buffer(block), use_task));
        CHECK(got.error() == asio::error::eof);
        asio::ip::tcp::socket nobody(asio_side.io());
        auto refused =
            co_await bight::as_result(nobody.async_connect({asio::ip::address_v4::loopback(), 1}, use_task));
        CHECK(refused.error() == asio::error::connection_refused);
    });
}

TEST_CASE("use_task: an awaitable of Asio gives its value or its exception to a task, and runs over there") {
    asio_thread asio_side;
    test::reactor_fixture on(GENERATE(from_range(test::demultiplexers())));
    std::thread::id ran_on;
    auto adds = [&](int a, int b) -> asio::awaitable<int> {
        asio::steady_timer pause(co_await asio::this_coro::executor, 1ms);
        co_await pause.async_wait(asio::use_awaitable);
        ran_on = std::this_thread::get_id();
        co_return a + b;
    };
    auto throws = []() -> asio::awaitable<void> {
        throw std::runtime_error("from Asio");
        co_return;
    };
    auto moves = []() -> asio::awaitable<std::unique_ptr<int>> { co_return std::make_unique<int>(7); };
    on.run([&]() -> task<> {
        const int sum = co_await asio::co_spawn(asio_side.io(), adds(19, 23), use_task);
        CHECK(sum == 42);
        CHECK(ran_on == asio_side.id());
        std::string what;
        try {
            co_await asio::co_spawn(asio_side.io(), throws(), use_task);
        } catch (const std::runtime_error& e) {
            what = e.what();
        }
        CHECK(what == "from Asio");
        auto moved = co_await asio::co_spawn(asio_side.io(), moves(), use_task);
        CHECK(*moved == 7);
    });
}

TEST_CASE("use_task: every kind of signature") {
    asio_thread asio_side;
    test::reactor_fixture on(test::any_demultiplexer);
    on.run([&]() -> task<> {
        auto three = asio::async_initiate<const bight::use_task_t, void(asio::error_code, int, std::string)>(
            [&](auto handler) {
                asio::post(asio_side.io(), [handler = std::move(handler)]() mutable {
                    std::move(handler)(asio::error_code(), 3, "three");
                });
            },
            use_task);
        const std::tuple<int, std::string> got = co_await std::move(three);
        CHECK(got == std::make_tuple(3, std::string("three")));
        // Without an error, without an executor, and completed at once.
        const int eleven = co_await asio::async_initiate<const bight::use_task_t, void(int)>(
            [](auto handler) { std::move(handler)(11); }, use_task);
        CHECK(eleven == 11);
        co_await asio::post(asio_side.io(), use_task);
        auto default_token = use_task.as_default_on(asio::steady_timer(asio_side.io(), 1ms));
        co_await default_token.async_wait();
    });
}

TEST_CASE("use_task: what an initiation throws is thrown to the task") {
    asio_thread asio_side;
    test::reactor_fixture on(test::any_demultiplexer);
    on.run([&]() -> task<> {
        bool thrown = false;
        try {
            co_await asio::async_initiate<const bight::use_task_t, void(asio::error_code)>(
                throwing_initiation{asio_side.io()}, use_task);
        } catch (const std::bad_alloc&) {
            thrown = true;
        }
        CHECK(thrown);
    });
}

TEST_CASE("use_task: a cancelled task waits until the operation has ended, and no byte is lost") {
    asio_thread asio_side;
    test::reactor_fixture on(GENERATE(from_range(test::demultiplexers())));
    asio_pair pair(asio_side.io());
    on.run([&]() -> task<> {
        char byte = 0;
        auto read = [&]() -> task<> {
            (void)co_await pair.ours.async_read_some(asio::buffer(&byte, 1), use_task);
        };
        const bool in_time = co_await bight::try_with_timeout(read(), 1ms);
        CHECK_FALSE(in_time);
        co_await asio::async_write(pair.theirs, asio::buffer("x", 1), use_task);
        co_await read();
        CHECK(byte == 'x');
    });
}

TEST_CASE("use_task: in a race of bytes and cancellations, each byte is delivered once, in order") {
    asio_thread asio_side;
    test::reactor_fixture on(GENERATE(from_range(test::demultiplexers())));
    asio_pair pair(asio_side.io());
    constexpr unsigned char all = 200;
    std::thread sender([&] {
        for (unsigned char i = 0; i < all; ++i) {
            (void)::send(pair.theirs.native_handle(), &i, 1, MSG_NOSIGNAL);
            if (i % 3 == 0) std::this_thread::yield();
        }
    });
    std::vector<unsigned char> got;
    unsigned cancelled = 0;
    on.run([&]() -> task<> {
        for (std::size_t round = 0; got.size() < all; ++round) {
            unsigned char byte = 0;
            bool read = false;
            auto one = [&]() -> task<> {
                (void)co_await pair.ours.async_read_some(asio::buffer(&byte, 1), use_task);
                read = true;
            };
            co_await bight::with_group([&](bight::group& g) -> task<> {
                auto reader = g.spawn(one);
                for (std::size_t i = 0; i < round % 16; ++i) co_await bight::yield();
                reader.cancel();
            });
            if (read) {
                got.push_back(byte);
            } else {
                ++cancelled;
            }
        }
    });
    sender.join();
    for (std::size_t i = 0; i < got.size(); ++i) REQUIRE(got[i] == i);
    CHECK(cancelled > 0);
}

TEST_CASE("use_task: an operation that refuses cancellation is waited for, and its result is delivered") {
    asio_thread asio_side;
    test::reactor_fixture on(test::any_demultiplexer);
    bool over = false;
    int got = 0;
    bool went_on = false;
    auto stubborn = [&]() -> asio::awaitable<int> {
        co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
        asio::steady_timer pause(co_await asio::this_coro::executor, 20ms);
        co_await pause.async_wait(asio::use_awaitable);
        over = true;
        co_return 5;
    };
    on.run([&]() -> task<> {
        auto waits = [&]() -> task<> {
            got = co_await asio::co_spawn(asio_side.io(), stubborn(), use_task);
            co_await bight::yield();
            went_on = true;
        };
        const bool in_time = co_await bight::try_with_timeout(waits(), 1ms);
        CHECK_FALSE(in_time);
        CHECK(over);
    });
    CHECK(got == 5);
    CHECK_FALSE(went_on);
}

TEST_CASE("use_task: an awaitable is cancelled with its task, and its destructors run before that goes on") {
    asio_thread asio_side;
    test::reactor_fixture on(test::any_demultiplexer);
    std::thread::id destroyed_on;
    auto sleeps = [&]() -> asio::awaitable<void> {
        const note_of_thread note(destroyed_on);
        asio::steady_timer pause(co_await asio::this_coro::executor, 24h);
        co_await pause.async_wait(asio::use_awaitable);
    };
    on.run([&]() -> task<> {
        auto waits = [&]() -> task<> { co_await asio::co_spawn(asio_side.io(), sleeps(), use_task); };
        const bool in_time = co_await bight::try_with_timeout(waits(), 1ms);
        CHECK_FALSE(in_time);
        CHECK(destroyed_on == asio_side.id());
    });
}

TEST_CASE("use_task: an io_context that is destroyed drops its operations, and their tasks are told") {
    test::reactor_fixture on(test::any_demultiplexer);
    const bool cancelled = GENERATE(false, true);
    const bool by_strand = GENERATE(false, true);
    CAPTURE(cancelled, by_strand);
    std::error_code told;
    bool ended = false;
    on.run([&]() -> task<> {
        auto io = std::make_unique<asio::io_context>();
        auto timer = by_strand ? std::make_shared<asio::steady_timer>(asio::make_strand(*io), 24h)
                               : std::make_shared<asio::steady_timer>(*io, 24h);
        co_await bight::with_group([&](bight::group& g) -> task<> {
            auto waits = [&]() -> task<> {
                auto got = co_await bight::as_result(timer->async_wait(use_task));
                told = got.error();
            };
            auto whole = [&]() -> task<> {
                auto note = [&]() -> task<> {
                    ended = true;
                    co_return;
                };
                try {
                    co_await bight::finally(waits(), note);
                } catch (const std::system_error& e) {
                    told = e.code();
                }
            };
            auto waiting = g.spawn(whole);
            co_await bight::yield();
            io->poll();
            if (cancelled) waiting.cancel();
            co_await bight::yield();
            // It goes with the handlers that the context still has.
            asio::post(*io, [timer = std::exchange(timer, nullptr)] {});
            io.reset();
        });
    });
    CHECK(ended);
    CHECK(told == (cancelled ? std::error_code() : make_error_code(bight::errc::closed)));
}

TEST_CASE("use_task: a stop of the reactor ends operations of Asio") {
    asio_thread asio_side;
    test::reactor_fixture on(GENERATE(from_range(test::demultiplexers())));
    asio::steady_timer timer(asio_side.io(), 24h);
    auto waits = [&]() -> task<> { co_await timer.async_wait(use_task); };
    on.reactor().start([&]() -> task<> {
        co_await bight::sleep_for(1ms);
        on.reactor().stop();
    });
    CHECK_THROWS_AS(on.reactor().run(waits()), bight::run_cancelled);
}

TEST_CASE("async_on: Asio gets the value or the error of a task, and of a function, that runs on a reactor") {
    asio_thread asio_side;
    reactor_thread r(GENERATE(from_range(test::demultiplexers())));
    std::thread::id ran_on;
    std::thread::id handled_on;
    auto adds = [&]() -> task<int> {
        co_await bight::sleep_for(1ms);
        ran_on = std::this_thread::get_id();
        co_return 42;
    };
    auto ask = [&]() -> asio::awaitable<int> {
        const int n = co_await bight::async_on(r.reactor(), adds, asio::use_awaitable);
        handled_on = std::this_thread::get_id();
        co_return n;
    };
    CHECK(asio::co_spawn(asio_side.io(), ask(), asio::use_future).get() == 42);
    CHECK(ran_on == r.id());
    CHECK(handled_on == asio_side.id());
    CHECK(
        bight::async_on(r.reactor(), [] { return std::string("plain"); }, asio::use_future).get() == "plain");
    auto done = bight::async_on(r.reactor(), []() -> task<> { co_await bight::yield(); }, asio::use_future);
    CHECK_NOTHROW(done.get());
    auto fails = []() -> task<int> {
        throw std::runtime_error("from bight");
        co_return 0;
    };
    auto hears = [&]() -> asio::awaitable<std::string> {
        try {
            (void)co_await bight::async_on(r.reactor(), fails, asio::use_awaitable);
        } catch (const std::runtime_error& e) {
            co_return e.what();
        }
        co_return "";
    };
    CHECK(asio::co_spawn(asio_side.io(), hears(), asio::use_future).get() == "from bight");
}

TEST_CASE("async_on: what the call is given is destroyed on the reactor's thread, before the result comes") {
    asio_thread asio_side;
    reactor_thread r(test::any_demultiplexer);
    std::thread::id callable_gone;
    std::thread::id frame_gone;
    auto call = bight::async_on(
        r.reactor(),
        [note = note_of_thread(callable_gone), &frame_gone]() -> task<> {
            auto inner = [](std::thread::id& to) -> task<> {
                const note_of_thread in_frame(to);
                co_await bight::yield();
            };
            return inner(frame_gone);
        },
        asio::use_future);
    call.get();
    CHECK(callable_gone == r.id());
    CHECK(frame_gone == r.id());
}

TEST_CASE("async_on: an io_context runs until the call has been answered") {
    asio::io_context io;
    reactor_thread r(test::any_demultiplexer);
    bool handled = false;
    bight::async_on(
        r.reactor(), []() -> task<> { co_await bight::sleep_for(5ms); },
        asio::bind_executor(io, [&](std::exception_ptr error) { handled = error == nullptr; }));
    CHECK_FALSE(handled);
    io.run();
    CHECK(handled);
}

TEST_CASE("async_on: a cancellation ends the task, and waits for that") {
    asio::io_context io;
    reactor_thread r(GENERATE(from_range(test::demultiplexers())));
    std::promise<void> began;
    std::atomic<bool> cleaned = false;
    auto sleeps = [&]() -> task<int> {
        auto clean = [&]() -> task<> {
            co_await bight::sleep_for(2ms);
            cleaned = true;
        };
        began.set_value();
        co_await bight::finally(bight::sleep_for(24h), clean);
        co_return 0;
    };
    asio::cancellation_signal cancel;
    std::exception_ptr error;
    bool clean_before = false;
    bight::async_on(
        r.reactor(), sleeps,
        asio::bind_cancellation_slot(cancel.slot(), asio::bind_executor(io, [&](std::exception_ptr why, int) {
                                         clean_before = cleaned;
                                         error = why;
                                     })));
    began.get_future().get();
    cancel.emit(asio::cancellation_type::partial);
    cancel.emit(asio::cancellation_type::terminal);
    io.run();
    CHECK(code_of(error) == asio::error::operation_aborted);
    CHECK(clean_before);
}

TEST_CASE("async_on: a call that has not begun is given up at once, and never begins") {
    asio::io_context io;
    bight::reactor idle;  // it does not run
    asio::cancellation_signal cancel;
    std::exception_ptr error;
    bool ran = false;
    bight::async_on(
        idle, [&] { ran = true; },
        asio::bind_cancellation_slot(cancel.slot(),
                                     asio::bind_executor(io, [&](std::exception_ptr why) { error = why; })));
    cancel.emit(asio::cancellation_type::total);
    io.run();
    CHECK(code_of(error) == asio::error::operation_aborted);
    idle.run([]() -> task<> { co_return; }());
    CHECK_FALSE(ran);
}

TEST_CASE("async_on: a call that was refused may be cancelled before its handler is called") {
    asio::io_context io;
    auto ended = std::make_unique<reactor_thread>(test::any_demultiplexer);
    ended->end();
    asio::cancellation_signal cancel;
    std::exception_ptr error;
    bight::async_on(
        ended->reactor(), [] {},
        asio::bind_cancellation_slot(cancel.slot(),
                                     asio::bind_executor(io, [&](std::exception_ptr why) { error = why; })));
    cancel.emit(asio::cancellation_type::terminal);
    io.run();
    REQUIRE(error);
    CHECK(code_of(error) == bight::errc::closed);
}

TEST_CASE("async_on: a reactor that stops cancels the call; one that has stopped refuses it") {
    std::optional<reactor_thread> r(std::in_place, GENERATE(from_range(test::demultiplexers())));
    std::promise<void> began;
    auto sleeps = [&]() -> task<> {
        began.set_value();
        co_await bight::sleep_for(24h);
    };
    asio::io_context io;
    std::exception_ptr error;
    const auto note = [&](std::exception_ptr why) { error = why; };
    bight::async_on(r->reactor(), sleeps, asio::bind_executor(io, note));
    began.get_future().get();
    r->end();
    io.run();
    REQUIRE(error);
    CHECK(code_of(std::exchange(error, nullptr)) == std::errc::operation_canceled);
    bight::async_on(r->reactor(), [] {}, asio::bind_executor(io, note));
    io.restart();
    io.run();
    REQUIRE(error);
    CHECK(code_of(error) == bight::errc::closed);
}

TEST_CASE("use_task and async_on: a cancellation goes through both, to the innermost wait") {
    asio_thread asio_side;
    reactor_thread r(test::any_demultiplexer);
    test::reactor_fixture on(test::any_demultiplexer);
    std::atomic<bool> innermost_ended = false;
    auto innermost = [&]() -> task<> {
        auto note = [&]() -> task<> {
            innermost_ended = true;
            co_return;
        };
        co_await bight::finally(bight::sleep_for(24h), note);
    };
    auto between = [&]() -> asio::awaitable<void> {
        co_await bight::async_on(r.reactor(), innermost, asio::use_awaitable);
    };
    on.run([&]() -> task<> {
        auto outer = [&]() -> task<> { co_await asio::co_spawn(asio_side.io(), between(), use_task); };
        const bool in_time = co_await bight::try_with_timeout(outer(), 5ms);
        CHECK_FALSE(in_time);
        CHECK(innermost_ended);
    });
}

TEST_CASE("async_on: calls that are cancelled at any time are answered once, with the value or the error") {
    asio_thread asio_side;
    reactor_thread r(test::any_demultiplexer);
    std::atomic<int> begun = 0;
    std::atomic<int> over = 0;
    struct counted {
        explicit counted(std::atomic<int>& of) : all(&of) {}
        counted(counted&& other) noexcept : all(std::exchange(other.all, nullptr)) {}
        ~counted() {
            if (all) ++*all;
        }
        std::atomic<int>* all;
    };
    constexpr int calls = 300;
    int values = 0;
    int aborted = 0;
    auto storm = [&]() -> asio::awaitable<void> {
        const auto ex = co_await asio::this_coro::executor;
        for (int i = 0; i < calls; ++i) {
            auto work = [&, i]() -> task<int> {
                const counted leaves(over);
                ++begun;
                for (int turn = 0; turn < i % 5; ++turn) co_await bight::yield();
                co_return i;
            };
            asio::cancellation_signal cancel;
            bool answered = false;
            bight::async_on(r.reactor(), work,
                            asio::bind_cancellation_slot(
                                cancel.slot(), asio::bind_executor(ex, [&](std::exception_ptr why, int got) {
                                    answered = true;
                                    if (why) {
                                        ++aborted;
                                        CHECK(code_of(why) == asio::error::operation_aborted);
                                    } else {
                                        ++values;
                                        CHECK(got == i);
                                    }
                                })));
            for (int turn = 0; turn < i % 7; ++turn) co_await asio::post(ex, asio::use_awaitable);
            cancel.emit(asio::cancellation_type::terminal);
            while (!answered) co_await asio::post(ex, asio::use_awaitable);
        }
    };
    asio::co_spawn(asio_side.io(), storm(), asio::use_future).get();
    CHECK(values + aborted == calls);
    CHECK(begun == over);
}
