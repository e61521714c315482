// A stream that is used from another thread than its reactor's is noticed, and the message names the ways
// across.
#include "support/catch.hpp"
#include "support/connections.hpp"
#include "support/death.hpp"
#include "support/reactors.hpp"

#include <bight/io/outbox.hpp>
#include <bight/thread/block_on.hpp>

#include <string>
#include <system_error>
#include <thread>
#include <utility>

using bight::stream;
using bight::task;

namespace {

template <class A>
task<std::string> error_text(A operation) {
    try {
        co_await std::move(operation);
    } catch (const std::system_error& e) {
        co_return e.code() == bight::errc::wrong_thread ? e.what()
                                                        : std::string("another error: ") + e.what();
    }
    co_return "no error";
}

bool names_the_ways(const std::string& text) {
    return text.find("bight::on(reactor, f)") != std::string::npos &&
           text.find("reactor::post") != std::string::npos && text.find("block_on") != std::string::npos &&
           text.find("concurrent_channel") != std::string::npos;
}

// Runs `f(stream)` on a thread without a reactor while the stream's reactor runs: the last words of a process
// that ends by an abort then.
template <class F>
std::string last_words(bight::demultiplexer_kind kind, F f) {
    return test::dying_words([&] {
        bight::reactor_options options;
        options.demultiplexer = kind;
        bight::reactor r(options);
        auto main = [&]() -> task<> {
            auto pair = co_await test::connected_pair(test::family::tcp);
            std::thread other([&] { f(pair.server); });
            other.join();
        };
        r.run(main());
    });
}

}  // namespace

TEST_CASE("an await of a stream in a task of another reactor throws wrong_thread and touches nothing") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    test::reactor_fixture on(kind);
    std::string read;
    std::string read_into;
    std::string write;
    std::string close;
    std::string shut;
    on.run([&]() -> task<> {
        auto pair = co_await test::connected_pair(test::family::tcp);
        char memory[8];
        std::thread other([&] {
            bight::reactor elsewhere;
            auto use = [&]() -> task<> {
                read = co_await error_text(pair.server.read_some());
                read_into =
                    co_await error_text(pair.server.read_some(bight::mutable_buffer(memory, sizeof memory)));
                write = co_await error_text(pair.server.write("lost"));
                shut = co_await error_text(pair.server.shutdown_write());
                close = co_await error_text(pair.server.close());
            };
            elsewhere.run(use());
        });
        other.join();
        CHECK(pair.server.is_open());
        co_await pair.client.write("hello");
        const auto got = co_await pair.server.read_some();
        CHECK(std::string(got.begin(), got.end()) == "hello");
    });
    for (const auto& text : {read, read_into, write, shut, close}) {
        CAPTURE(text);
        CHECK(names_the_ways(text));
    }
    CHECK(read.starts_with("read from"));
    CHECK(write.starts_with("write to"));
}

TEST_CASE("the non-throwing form gives wrong_thread") {
    test::reactor_fixture on(GENERATE(from_range(test::demultiplexers())));
    std::error_code code;
    on.run([&]() -> task<> {
        auto pair = co_await test::connected_pair(test::local_family());
        std::thread other([&] {
            bight::reactor elsewhere;
            auto use = [&]() -> task<> {
                const auto got = co_await bight::as_result(pair.server.read_some());
                code = got.error();
            };
            elsewhere.run(use());
        });
        other.join();
    });
    CHECK(code == bight::errc::wrong_thread);
}

TEST_CASE("setting an option on another thread while the reactor runs throws wrong_thread") {
    test::reactor_fixture on(GENERATE(from_range(test::demultiplexers())));
    std::error_code code;
    on.run([&]() -> task<> {
        auto pair = co_await test::connected_pair(test::family::tcp);
        std::thread other([&] {
            try {
                pair.server.set_no_delay(false);
            } catch (const std::system_error& e) {
                code = e.code();
            }
        });
        other.join();
        pair.server.set_no_delay(false);
    });
    CHECK(code == bight::errc::wrong_thread);
}

TEST_CASE("block_on and post are the ways across") {
    test::reactor_fixture on(GENERATE(from_range(test::demultiplexers())));
    std::string got;
    std::thread other;
    on.run([&]() -> task<> {
        auto pair = co_await test::connected_pair(test::family::tcp);
        other = std::thread([&] {
            bight::block_on(on.reactor(), [&]() -> task<> { co_await pair.server.write("from afar"); });
            on.reactor().post([&] { pair.server.abort(); });
        });
        const auto chunk = co_await pair.client.read_some();
        got.assign(chunk.begin(), chunk.end());
        const auto end = co_await bight::as_result(pair.client.read_some());
        CHECK_FALSE(end);
    });
    other.join();
    CHECK(got == "from afar");
}

TEST_CASE("a stream whose reactor does not run may be closed by the thread that has it") {
    test::reactor_fixture on(GENERATE(from_range(test::demultiplexers())));
    stream kept;
    on.run([&]() -> task<> {
        auto pair = co_await test::connected_pair(test::family::tcp);
        kept = std::move(pair.server);
    });
    kept.set_no_delay(true);
    kept.abort();
    kept = stream();
}

// What ends the process is a data race, which ThreadSanitizer reports first.
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define BIGHT_TEST_TSAN 1
#endif
#endif
#ifndef BIGHT_TEST_TSAN
TEST_CASE("abort on another thread ends the process with a message, on every demultiplexer") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    const std::string said = last_words(kind, [](stream& s) { s.abort(); });
    CHECK_THAT(said, Catch::Contains("aborted on another thread"));
    CHECK(names_the_ways(said));
}

TEST_CASE("a stream that is destroyed on another thread ends the process with a message") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    const std::string said = last_words(kind, [](stream& s) { const stream gone = std::move(s); });
    CHECK_THAT(said, Catch::Contains("destroyed on another thread"));
    CHECK(names_the_ways(said));
}

TEST_CASE("an outbox that would write on another thread ends the process with a message") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    const std::string said = last_words(kind, [](stream& s) {
        bight::outbox box(s);
        box.send("lost");
    });
    CHECK_THAT(said, Catch::Contains("outbox on another thread"));
}
#endif
