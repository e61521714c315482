// The pipes of a child of Windows as streams, and programs that are run to their end, alone and in a row.
#include "windows_children.hpp"

#include "support/cancellable.hpp"
#include "support/connections.hpp"

#include <bight/core/group.hpp>
#include <bight/core/timeout.hpp>
#include <bight/core/when_all.hpp>
#include <bight/io/line_reader.hpp>
#include <bight/io/outbox.hpp>
#include <bight/io/until_peer_gone.hpp>
#include <bight/net/relay.hpp>
#include <bight/os/run_process.hpp>

#include <cerrno>
#include <chrono>
#include <cstddef>
#include <string>
#include <utility>

using namespace test;
using namespace std::chrono_literals;
using bight::command;
using bight::process;
using bight::run_pipeline;
using bight::run_process;

namespace {

process start_cat() { return process::spawn(child_program("cat").pipe_to(0).pipe_from(1)); }

bight::task<> write_and_close(bight::stream& to, const std::string& text) {
    co_await to.write(text);
    co_await to.close();
}

bight::task<> read_into(bight::stream& from, std::string& to) { to = co_await all_of(from); }

}  // namespace

TEST_CASE("much goes through a child of Windows in both directions, whole and in order") {
    with_children([]() -> bight::task<> {
        const std::string text = pattern(0, std::size_t{4} << 20);
        process child = start_cat();
        std::string back;
        co_await bight::when_all(write_and_close(child.standard_input(), text),
                                 read_into(child.standard_output(), back));
        CHECK(back == text);
        const auto how = co_await child.wait_drained();
        CHECK(how.success());
    });
}

TEST_CASE("what a child of Windows says is read into memory, by parts, and given back") {
    with_children([]() -> bight::task<> {
        process child = process::spawn(child_program("say", "one\ntwo\nthree and more").pipe_from(1));
        bight::stream& from = child.standard_output();
        char bytes[4];
        co_await from.read_exactly(bytes);
        CHECK(std::string_view(bytes, 4) == "one\n");
        const std::string line = co_await from.read_until("\n");
        CHECK(line == "two\n");
        auto part = co_await from.read_some();
        CHECK(part.view() == "three and more");
        part.remove_prefix(6);
        from.unread(std::move(part));
        const std::string rest = co_await all_of(from);
        CHECK(rest == "and more");
        const auto end = co_await from.read_some();  // stays so
        CHECK_FALSE(end);
        char none[1];
        const std::size_t no_bytes = co_await from.read_some(bight::mutable_buffer(none, 1));
        CHECK(no_bytes == 0);
    });
}

TEST_CASE("a write of no bytes by a child of Windows is no end") {
    with_children([]() -> bight::task<> {
        const std::string said = co_await output_of(child_program("nothing-first"));
        CHECK(said == "ab");
    });
}

TEST_CASE("a read of a pipe of Windows that is cancelled takes nothing, and another may begin") {
    with_children([]() -> bight::task<> {
        process child = start_cat();
        for (int i = 0; i < 3; ++i) {
            const auto none = co_await bight::try_with_timeout(child.standard_output().read_some(), 1ms);
            CHECK_FALSE(none);
            co_await child.standard_input().write("abc");
            const auto part = co_await child.standard_output().read_some();
            CHECK(part.view() == "abc");
        }
    });
}

TEST_CASE("bytes of a pipe of Windows that come in the turn of a cancellation are not lost") {
    with_children([]() -> bight::task<> {
        process child = start_cat();
        std::string got;
        constexpr std::size_t rounds = 50;
        for (std::size_t i = 0; i < rounds; ++i) {
            cancellable reader;
            auto read = [&]() -> bight::task<> {
                const auto part = co_await child.standard_output().read_some();
                got += part.view();
            };
            auto body = [&](bight::group& g) -> bight::task<> {
                g.spawn(reader.run(read()));
                co_await turns(1);
                co_await child.standard_input().write("x");
                co_await turns(static_cast<int>(i % 7));
                reader.cancel();
            };
            co_await bight::with_group(body);
        }
        co_await child.standard_input().close();
        got += co_await all_of(child.standard_output());
        CHECK(got == std::string(rounds, 'x'));
    });
}

TEST_CASE("a write to a child of Windows that does not read waits; cancelled, it is a gap") {
    with_children([]() -> bight::task<> {
        process child = process::spawn(child_program("sleep").pipe_to(0).pipe_from(1));
        co_await until_ready(child);
        const std::string text(std::size_t{1} << 20, 'x');
        const bool done = co_await bight::try_with_timeout(child.standard_input().write(text), 1ms);
        CHECK_FALSE(done);
        const auto code = co_await error_of(child.standard_input().close());
        CHECK(code == bight::errc::aborted);
        CHECK_FALSE(child.standard_input().is_open());
    });
}

TEST_CASE("a write to a child of Windows that reads no more is EPIPE, for good, also one that waits") {
    with_children([]() -> bight::task<> {
        process child = process::spawn(child_program("exit", "0").pipe_to(0));
        co_await child.wait();
        co_await bight::until_peer_gone(child.standard_input());  // Wine's console may hold it for a while
        for (int i = 0; i < 2; ++i) {
            const auto code = co_await error_of(child.standard_input().write("x"));
            CHECK(code == from_errno(EPIPE));
        }
        process second = process::spawn(child_program("sleep").pipe_to(0).pipe_from(1));
        co_await until_ready(second);
        const std::string text(std::size_t{1} << 20, 'x');
        std::error_code waited;
        auto write = [&]() -> bight::task<> {
            waited = co_await error_of(second.standard_input().write(text));
        };
        auto body = [&](bight::group& g) -> bight::task<> {
            g.spawn(write);
            co_await turns(5);
            CHECK(second.kill());
        };
        co_await bight::with_group(body);
        CHECK(waited == from_errno(EPIPE));
    });
}

TEST_CASE("a pipe of Windows goes one way, and its end comes behind what was written") {
    with_children([]() -> bight::task<> {
        process child = start_cat();
        const auto reading = co_await error_of(child.standard_input().read_some());
        CHECK(reading == from_errno(EBADF));
        const auto writing = co_await error_of(child.standard_output().write("x"));
        CHECK(writing == from_errno(EBADF));
        co_await child.standard_input().write("still good");
        co_await child.standard_input().shutdown_write();
        const auto after = co_await error_of(child.standard_input().write("x"));
        CHECK(after == bight::errc::closed);
        const std::string said = co_await all_of(child.standard_output());
        CHECK(said == "still good");
    });
}

TEST_CASE("close and abort of this side of a pipe of Windows end what is pending") {
    with_children([]() -> bight::task<> {
        for (const bool aborts : {false, true}) {
            CAPTURE(aborts);
            process child = start_cat();
            std::error_code read;
            auto reading = [&]() -> bight::task<> {
                read = co_await error_of(child.standard_output().read_some());
            };
            auto body = [&](bight::group& g) -> bight::task<> {
                g.spawn(reading);
                co_await turns(3);
                if (aborts) {
                    child.standard_output().abort();
                } else {
                    co_await child.standard_output().close();
                }
            };
            co_await bight::with_group(body);
            CHECK(read == (aborts ? bight::errc::aborted : bight::errc::closed));
        }
    });
}

TEST_CASE(
    "the end of a child of Windows that reads is told without writing; that of one that writes is not") {
    with_children([]() -> bight::task<> {
        process child = process::spawn(child_program("sleep").pipe_to(0).pipe_from(1));
        co_await until_ready(child);
        const auto none =
            co_await bight::try_with_timeout(bight::until_peer_gone(child.standard_input()), 2ms);
        CHECK_FALSE(none);
        bight::peer_ending of_input{};
        auto watch = [&]() -> bight::task<> {
            of_input = co_await bight::until_peer_gone(child.standard_input());
        };
        auto body = [&](bight::group& g) -> bight::task<> {
            g.spawn(watch);
            co_await turns(3);
            CHECK(child.kill());
        };
        co_await bight::with_group(body);
        CHECK(of_input == bight::peer_ending::failed);
        const auto refused = co_await error_of(bight::until_peer_gone(child.standard_output()));
        CHECK(refused == std::errc::not_supported);
    });
}

TEST_CASE("from one child of Windows to another through this process, and an outbox into one") {
    with_children([]() -> bight::task<> {
        const std::string text = pattern(0, 300'000);
        process first = start_cat();
        process second = start_cat();
        std::string back;
        auto pass = [&]() -> bight::task<> {
            co_await bight::copy(first.standard_output(), second.standard_input());
            co_await second.standard_input().close();
        };
        co_await bight::when_all(write_and_close(first.standard_input(), text), pass(),
                                 read_into(second.standard_output(), back));
        CHECK(back == text);

        process child = start_cat();
        {
            bight::outbox box(child.standard_input());
            for (int i = 0; i < 100; ++i) box.send(std::to_string(i) + "\n");
            bight::stream gone = std::move(child.standard_input());
        }
        bight::line_reader lines(child.standard_output(), "\n");
        int next = 0;
        while (auto line = co_await lines.next()) CHECK(*line == std::to_string(next++));
        CHECK(next == 100);
    });
}

TEST_CASE("a child of Windows that has ended is not drained while a child of its own holds its output") {
    with_children([]() -> bight::task<> {
        process child = process::spawn(child_program("late").pipe_to(0).pipe_from(1));
        const auto how = co_await child.wait();
        CHECK(how.code() == 3);
        const auto drained = co_await bight::try_with_timeout(child.wait_drained(), 5ms);
        CHECK_FALSE(drained);
        co_await child.standard_input().close();
        const std::string said = co_await all_of(child.standard_output());
        CHECK(said == "late");
        const auto again = co_await child.wait_drained();
        CHECK(again == how);
    });
}

TEST_CASE("a child of Windows that closes its output long before it ends is waited for") {
    with_children([]() -> bight::task<> {
        process child = process::spawn(child_program("close-and-wait").pipe_to(0).pipe_from(1));
        const auto said = co_await bight::try_with_timeout(all_of(child.standard_output()), 10s);
        CHECK(said == std::string());
        if (!said) co_return;
        CHECK_FALSE(child.status());
        co_await child.standard_input().close();
        const auto how = co_await child.wait_drained();
        CHECK(how.code() == 4);
    });
}

TEST_CASE("run_process on Windows gives output, errors and status, and takes input") {
    with_children([]() -> bight::task<> {
        const auto ran = co_await run_process(child_program("complain"));
        CHECK(ran.output == "out");
        CHECK(ran.errors == "err");
        CHECK(ran.status.code() == 3);
        const std::string text = pattern(0, std::size_t{3} << 20);
        bight::run_process_options options;
        options.input = text;
        options.limit = std::size_t{4} << 20;
        const auto back = co_await run_process(child_program("cat"), options);
        CHECK(back.output == text);
        // A program that does not want it is no error.
        const auto unread = co_await run_process(child_program("exit", "0"), options);
        CHECK(unread.status.success());
        const auto no_input = co_await run_process(child_program("count"));
        CHECK(no_input.output == "0");
        const auto too_much = co_await error_of(run_process(child_program("yes"), {.limit = 100'000}));
        CHECK(too_much == bight::errc::too_long);
        const auto none = co_await bight::try_with_timeout(run_process(child_program("sleep")), 5ms);
        CHECK_FALSE(none);
        const auto missing = co_await error_of(run_process(command("bight_no_such")));
        CHECK(missing == from_errno(ENOENT));
        const auto joined = co_await run_process(child_program("complain").null(1));
        CHECK(joined.output.empty());
        CHECK(joined.errors == "err");
    });
}

TEST_CASE("a pipeline of Windows connects its programs, and gives each status") {
    with_children([]() -> bight::task<> {
        auto row = child_program("cat") | child_program("sort") | child_program("first", "4");
        bight::run_process_options options;
        options.input = "gfedcba";
        const auto ran = co_await run_pipeline(row, options);
        CHECK(ran.output == "abcd");
        REQUIRE(ran.statuses.size() == 3);
        CHECK(ran.success());
        // The end of the last reaches the first, which writes for ever otherwise.
        const auto cut = co_await run_pipeline(child_program("yes") | child_program("first", "2"));
        CHECK(cut.output == "y\n");
        CHECK(cut.statuses[0].code() == 32);
        CHECK(cut.statuses[1].success());
        const auto missing = co_await error_of(
            run_pipeline(child_program("cat") | command("bight_no_such") | child_program("cat")));
        CHECK(missing == from_errno(ENOENT));
    });
}
