// What a dropped stream leaves to the reactor, and what a run, a stop and the reactor's end do with it.
#include "support/catch.hpp"
#include "support/connections.hpp"
#include "support/death.hpp"
#include "support/reactors.hpp"

#include <bight/bight.hpp>
#include <bight/sim/memory_stream.hpp>

#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using bight::errc;
using bight::outbox;
using bight::stream;
using bight::task;
using test::connected_to_raw;
using test::error_of;
using test::pattern;

namespace {

constexpr std::size_t unsent_size = 3'000'000;

bight::outbox_options room_for_much() {
    bight::outbox_options options;
    options.capacity = unsent_size;
    return options;
}

// A peer that begins to read when it is told to, on a thread of its own.
class reader {
  public:
    explicit reader(test::raw_socket s) : socket_(std::move(s)) {}
    reader(const reader&) = delete;
    reader& operator=(const reader&) = delete;
    ~reader() {
        if (thread_.joinable()) thread_.join();
    }
    void begin() {
        thread_ = std::thread([this] { got_ = socket_.receive_all(&error_); });
    }
    const std::string& join() {
        thread_.join();
        return got_;
    }
    int error() const { return error_; }

  private:
    test::raw_socket socket_;
    std::string got_;
    int error_ = 0;
    std::thread thread_;
};

task<> leave_much(stream mine) {
    outbox out(mine, room_for_much());
    CHECK(out.send(pattern(0, unsent_size)));
    co_return;
}

}  // namespace

TEST_CASE("run returns when what its task has left is said, although nobody waits for it") {
    test::reactor_fixture on(GENERATE(from_range(test::demultiplexers())));
    const auto family = GENERATE(from_range(test::families()));
    std::optional<reader> peer;
    on.run([&]() -> task<> {
        auto pair = co_await connected_to_raw(family);
        peer.emplace(std::move(pair.raw));
        co_await leave_much(std::move(pair.stream));
        peer->begin();
    });
    CHECK((peer->join() == pattern(0, unsent_size)));
    CHECK(peer->error() == 0);
}

TEST_CASE("a farewell that a destructor sends while another error unwinds arrives in good order") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    std::optional<reader> peer;
    struct deregisters {
        bight::demultiplexer_kind kind;
        std::optional<reader>& peer;
        ~deregisters() {
            bight::reactor_options options;
            options.demultiplexer = kind;
            bight::reactor r(options);
            const auto say_goodbye = [this]() -> task<> {
                auto pair = co_await connected_to_raw(test::family::tcp);
                peer.emplace(std::move(pair.raw));
                peer->begin();
                co_await pair.stream.write("goodbye ", pattern(0, 200'000));
            };
            r.run(say_goodbye());
        }
    };
    try {
        const deregisters on_the_way_out{kind, peer};
        throw std::runtime_error("unrelated");
    } catch (const std::runtime_error&) {
    }
    CHECK((peer->join() == "goodbye " + pattern(0, 200'000)));
    CHECK(peer->error() == 0);
}

TEST_CASE("a stop bounds what connections still have to say, and a second one ends it") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    const bool now = GENERATE(false, true);
    CAPTURE(now);
    test::virtual_fixture on(kind);
    test::raw_socket silent;
    const auto before = on.elapsed();
    on.run([&]() -> task<> {
        auto pair = co_await connected_to_raw(test::family::tcp);
        silent = std::move(pair.raw);
        pair.stream.set_close_deadline(1h);
        outbox out(pair.stream, bight::outbox_options{32U << 20, bight::overflow_policy::disconnect});
        CHECK(out.send(pattern(0, 32U << 20)));
        auto dropped = std::move(pair.stream);
        if (now) {
            on.reactor().stop_now();
        } else {
            on.reactor().stop();
        }
    });
    const auto took = on.elapsed() - before;
    CHECK(took <= (now ? bight::duration::zero() : bight::duration(bight::reactor::stop_patience)));
    int error = 0;
    silent.receive_all(&error);
    CHECK(error == ECONNRESET);
}

TEST_CASE("a reactor that is destroyed lets connections say the rest") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    std::optional<reader> peer;
    {
        bight::reactor_options options;
        options.demultiplexer = kind;
        bight::reactor r(options);
        r.start([&]() -> task<> {
            auto pair = co_await connected_to_raw(test::family::tcp);
            peer.emplace(std::move(pair.raw));
            co_await leave_much(std::move(pair.stream));
        });
        while (!peer || r.statistics().live_tasks > 0) r.run_once(10ms);
        peer->begin();
    }
    CHECK((peer->join() == pattern(0, unsent_size)));
    CHECK(peer->error() == 0);
}

TEST_CASE("a write that is given up before its first byte, and followed by another, was never missing") {
    test::reactor_fixture on(GENERATE(from_range(test::reactors())));
    bight::sim::memory_direction ten;
    ten.capacity = 10;
    on.run([&]() -> task<> {
        auto [here, there] = bight::sim::memory_pair(bight::sim::memory_options(ten));
        co_await here.write("0123456789");
        const bool none = co_await bight::try_with_timeout(here.write("abc"), 1ms);
        CHECK_FALSE(none);
        std::string ten_bytes(10, '\0');
        co_await there.read_exactly(ten_bytes);
        co_await here.write("xyz");
        co_await here.close();
        const std::string all = co_await test::read_all(there);
        CHECK(all == "xyz");
    });
}

TEST_CASE("a write that is given up before its first byte, and is the last, makes a reset of the end") {
    test::reactor_fixture on(GENERATE(from_range(test::reactors())));
    bight::sim::memory_direction ten;
    ten.capacity = 10;
    on.run([&]() -> task<> {
        auto [here, there] = bight::sim::memory_pair(bight::sim::memory_options(ten));
        co_await here.write("0123456789");
        const bool none = co_await bight::try_with_timeout(here.write("abc"), 1ms);
        CHECK_FALSE(none);
        const auto closed = co_await error_of(here.close());
        CHECK(closed == errc::aborted);
        const auto read = co_await error_of(test::read_all(there));
        CHECK(read == std::errc::connection_reset);
    });
}

TEST_CASE("a stream that outlives its reactor can be dropped") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    stream late;
    test::raw_socket peer;
    {
        bight::reactor_options options;
        options.demultiplexer = kind;
        bight::reactor r(options);
        const auto make = [&]() -> task<> {
            auto pair = co_await connected_to_raw(test::family::tcp);
            late = std::move(pair.stream);
            peer = std::move(pair.raw);
        };
        r.run(make());
    }
    late = stream();
    CHECK(peer.receive_all().empty());
}

TEST_CASE("an outbox that outlives its reactor with a batch pending loses it, and says so") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    stream late;
    std::optional<outbox> out;
    test::raw_socket peer;
    {
        bight::reactor_options options;
        options.demultiplexer = kind;
        bight::reactor r(options);
        const auto make = [&]() -> task<> {
            auto pair = co_await connected_to_raw(test::family::tcp);
            late = std::move(pair.stream);
            peer = std::move(pair.raw);
            out.emplace(late, room_for_much());
            CHECK(out->send(pattern(0, unsent_size)));
        };
        r.run(make());
        CHECK(out->queued() == unsent_size);
    }
    CHECK(out->queued() == 0);
    CHECK(out->dropped() == 1);
    CHECK_FALSE(out->send("more"));
    out.reset();
    late = stream();
    CHECK(peer.receive_all().size() < unsent_size);
}

TEST_CASE("io_uring: more streams dropped on another thread than its queue can note end the program") {
    const auto kind = bight::demultiplexer_kind::io_uring;
    test::need(kind);
    const std::string said = test::dying_words([&] {
        bight::reactor_options options;
        options.demultiplexer = kind;
        options.submission_entries = 4;
        bight::reactor r(options);
        std::vector<test::half_pair> pairs;
        const auto make = [&]() -> task<> {
            for (int i = 0; i < 8; ++i) {
                auto& pair = pairs.emplace_back(co_await connected_to_raw(test::family::tcp));
                pair.raw.send("x");
                co_await pair.stream.read_some();  // the kernel goes on receiving for it
            }
        };
        r.run(make());
        std::thread([&] {
            for (auto& pair : pairs) pair.stream = stream();
        }).join();
    });
    CAPTURE(said);
    CHECK(said.find("drop them on its own thread") != std::string::npos);
}

TEST_CASE("a stream that is dropped between two runs is closed at once") {
    test::reactor_fixture on(GENERATE(from_range(test::demultiplexers())));
    std::optional<test::half_pair> pair;
    on.run([&]() -> task<> { pair.emplace(co_await connected_to_raw(test::family::tcp)); });
    pair->raw.send("unread");
    pair->stream = stream();
    int error = 0;
    CHECK(pair->raw.receive_all(&error).empty());
    CHECK(error == 0);
    CHECK(::send(pair->raw.get(), "x", 1, MSG_NOSIGNAL) == 1);  // there was no reset behind the end
    pair.reset();
}

TEST_CASE("a forked child that drops a stream leaves the connection to its parent") {
    test::reactor_fixture on(GENERATE(from_range(test::demultiplexers())));
    const auto how = GENERATE(0, 1);
    on.run([&]() -> task<> {
        auto pair = co_await connected_to_raw(test::family::tcp);
        const pid_t child = ::fork();
        if (child == 0) {
            if (how == 1) pair.stream.abort();
            pair.stream = stream();
            ::_exit(0);
        }
        ::waitpid(child, nullptr, 0);
        co_await pair.stream.write("still here");
        pair.raw.send("so am I");
        const auto got = co_await pair.stream.read_some();
        CHECK(got.view() == "so am I");
        co_await pair.stream.close();
        int error = 0;
        CHECK(pair.raw.receive_all(&error) == "still here");
        CHECK(error == 0);
    });
}

TEST_CASE("an abort reaches the peer although another descriptor of the connection is open") {
#ifdef _WIN32
    test::skip("Windows resets a connection when the last descriptor of it is closed");
#endif
    test::reactor_fixture on(GENERATE(from_range(test::demultiplexers())));
    on.run([&]() -> task<> {
        auto pair = co_await connected_to_raw(test::family::tcp);
        const test::raw_socket other(::dup(pair.stream.native_handle()));
        pair.stream.abort();
        int error = 0;
        pair.raw.receive_all(&error);
        CHECK(error == ECONNRESET);
    });
}

TEST_CASE("nobody waits for a Unix peer that has yet to read") {
    if (const auto& why = test::no_unix_sockets()) test::skip(*why);
    test::virtual_fixture on(GENERATE(from_range(test::demultiplexers())));
    std::optional<test::half_pair> pair;
    on.run([&]() -> task<> {
        pair.emplace(co_await connected_to_raw(test::family::unix_path));
        co_await pair->stream.write("log line");
        const stream dropped = std::move(pair->stream);
    });
    CHECK(on.elapsed() < 1s);
    int error = 0;
    CHECK(pair->raw.receive_all(&error) == "log line");
    CHECK(error == 0);
    pair.reset();
}

TEST_CASE(
    "the write that comes first after a reset is told of it, also where the kernel has told the reads") {
    test::reactor_fixture on(GENERATE(from_range(test::demultiplexers())));
    on.run([&]() -> task<> {
        auto pair = co_await connected_to_raw(test::family::tcp);
        pair.raw.send("hi");
        const auto hi = co_await pair.stream.read_some();
        pair.raw.reset();
        co_await bight::sleep_for(5ms);
        for (int i = 0; i < 2; ++i) {
            const auto write = co_await error_of(pair.stream.write("x"));
            CHECK(write == std::errc::connection_reset);
            const auto read = co_await error_of(pair.stream.read_some());
            CHECK(read == std::errc::connection_reset);
        }
    });
}

TEST_CASE("an end with a reset behind it is an end, also while a write is pending") {
    test::reactor_fixture on(GENERATE(from_range(test::demultiplexers())));
    on.run([&]() -> task<> {
        auto pair = co_await connected_to_raw(test::family::tcp);
        const std::string large = pattern(0, 16U << 20);
        auto write = [&]() -> task<> { (void)co_await error_of(pair.stream.write(large)); };
        auto read = [&]() -> task<> {
            co_await bight::sleep_for(5ms);
            pair.raw.send("answer");
            ::shutdown(pair.raw.get(), SHUT_WR);
            pair.raw.reset();
            const std::string all = co_await test::rest(pair.stream);
#ifdef _WIN32  // a reset throws away what came before it
            CHECK((all == "answer, end" || all.ends_with(", error " + std::to_string(ECONNRESET))));
#else
            CHECK(all == "answer, end");
#endif
        };
        co_await bight::when_all(write(), read());
    });
}

TEST_CASE("a read that waits for what a send says of the end is answered when that send is cancelled") {
    if (const auto& why = test::no_unix_sockets()) test::skip(*why);
    test::reactor_fixture on(GENERATE(from_range(test::demultiplexers())));
    on.run([&]() -> task<> {
        auto pair = co_await connected_to_raw(test::family::unix_path);
        const std::string large = pattern(0, 8U << 20);
        bight::manual_reset_event over;
        auto write = [&]() -> task<> { co_await bight::when_any(pair.stream.write(large), over.wait()); };
        auto read = [&]() -> task<> { (void)co_await error_of(test::read_all(pair.stream)); };
        auto control = [&]() -> task<> {
            co_await bight::sleep_for(5ms);
            std::string bytes(1U << 20, '\0');
            while (::recv(pair.raw.get(), bytes.data(), bytes.size(), MSG_DONTWAIT) > 0) {
            }
            pair.raw.close();
            auto cancel = [&]() -> task<> {
                over.set();
                co_return;
            };
            co_await bight::when_all(read(), cancel());
        };
        co_await bight::when_all(write(), control());
    });
}

TEST_CASE("close says that what an outbox held is lost") {
    test::reactor_fixture on(GENERATE(from_range(test::reactors())));
    on.run([&]() -> task<> {
        auto pair = co_await test::connected_pair(test::family::tcp);
        outbox out(pair.client, bight::outbox_options{32U << 20, bight::overflow_policy::disconnect});
        CHECK(out.send(pattern(0, 32U << 20)));
        pair.server.abort();
        const auto read = co_await error_of(pair.client.read_some());
        CHECK(read == std::errc::connection_reset);
        (void)co_await bight::as_result(out.flush());
        for (int i = 0; i < 2; ++i) {
            const auto closed = co_await error_of(pair.client.close());
            CHECK((closed == std::errc::connection_reset || closed == std::errc::broken_pipe));
        }
    });
}

TEST_CASE("an abort while close waits is what close says, and what comes after it") {
    test::reactor_fixture on(GENERATE(from_range(test::reactors())));
    on.run([&]() -> task<> {
        auto pair = co_await test::connected_pair(test::family::tcp);
        const std::string large = pattern(0, 32U << 20);
        auto write = [&]() -> task<> {
            const auto error = co_await error_of(pair.client.write(large));
            CHECK(error == std::errc::owner_dead);
        };
        auto close = [&]() -> task<> {
            const auto error = co_await error_of(pair.client.close());
            CHECK(error == std::errc::owner_dead);
        };
        auto abort = [&]() -> task<> {
            co_await bight::yield();
            pair.client.abort(std::make_error_code(std::errc::owner_dead));
            co_return;
        };
        co_await bight::when_all(write(), close(), abort());
        const auto read = co_await error_of(pair.client.read_some());
        CHECK(read == std::errc::owner_dead);
    });
}

TEST_CASE("what an outbox writes behind a write that was given up before its first byte is no part") {
    test::reactor_fixture on(GENERATE(from_range(test::reactors())));
    bight::sim::memory_direction ten;
    ten.capacity = 10;
    on.run([&]() -> task<> {
        auto [here, there] = bight::sim::memory_pair(bight::sim::memory_options(ten));
        co_await here.write("0123456789");
        const bool none = co_await bight::try_with_timeout(here.write("abc"), 1ms);
        CHECK_FALSE(none);
        std::string ten_bytes(10, '\0');
        co_await there.read_exactly(ten_bytes);
        outbox out(here);
        CHECK(out.send("xyz"));
        co_await out.flush();
        co_await here.close();
        const std::string all = co_await test::read_all(there);
        CHECK(all == "xyz");
    });
}

TEST_CASE("serve: clients that have their answer and stay keep no others out") {
    test::virtual_fixture on(GENERATE(from_range(test::demultiplexers())));
    std::vector<test::raw_socket> clients;
    int answered = 0;
    on.run([&]() -> task<> {
        bight::listener l = bight::listen("tcp:0:interface=127.0.0.1");
        const bight::address where = l.local();
        bight::serve_options options;
        options.max_connections = 2;
        auto answer = [&](stream peer) -> task<> {
            co_await peer.write("ok");
            ++answered;
        };
        auto server = bight::serve(std::move(l), options, answer);
        auto ask = [&]() -> task<> {
            for (int i = 0; i < 6; ++i) {
                clients.push_back(test::raw_connect(where));
                while (answered <= i) co_await bight::sleep_for(1ms);
            }
        };
        co_await bight::when_any(std::move(server), ask());
    });
    CHECK(answered == 6);
    CHECK(on.elapsed() < 3s);
    clients.clear();
}
