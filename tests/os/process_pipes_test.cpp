// The pipes of a child as streams.
#include "children.hpp"

#include "support/cancellable.hpp"
#include "support/connections.hpp"

#include <bight/core/group.hpp>
#include <bight/core/timeout.hpp>
#include <bight/core/when_all.hpp>
#include <bight/io/line_reader.hpp>
#include <bight/io/outbox.hpp>
#include <bight/io/until_peer_gone.hpp>
#include <bight/net/relay.hpp>

#include <signal.h>

#include <chrono>
#include <cstddef>
#include <functional>
#include <string>
#include <utility>

using namespace test;
using namespace std::chrono_literals;
using bight::command;
using bight::process;

namespace {

process start_cat() { return process::spawn(command("cat").pipe_to(0).pipe_from(1)); }

bight::task<> write_and_close(bight::stream& to, const std::string& text) {
    co_await to.write(text);
    co_await to.close();
}

bight::task<> read_into(bight::stream& from, std::string& to) { to = co_await all_of(from); }

}  // namespace

TEST_CASE("much goes through a child in both directions, whole and in order") {
    with_pidfd([]() -> bight::task<> {
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

TEST_CASE("reads into memory, line by line, and of what was given back") {
    with_pidfd([]() -> bight::task<> {
        process child = process::spawn(shell("printf 'one\\ntwo\\nthree and more'").pipe_from(1));
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

TEST_CASE("a write to a child that does not read waits, and goes on when it reads") {
    with_pidfd([]() -> bight::task<> {
        process child = process::spawn(shell("read x <&3; cat | wc -c").pipe_to(0).pipe_from(1).pipe_to(3));
        const std::string text(std::size_t{1} << 20, 'x');
        bool written = false;
        auto write = [&]() -> bight::task<> {
            co_await child.standard_input().write(text);
            written = true;
            co_await child.standard_input().close();
        };
        auto body = [&](bight::group& g) -> bight::task<> {
            g.spawn(write);
            co_await turns(5);
            CHECK_FALSE(written);
            CHECK(child.standard_input().lower().unwritten() > 0);
            co_await child.pipe(3).close();
            const std::string count = co_await all_of(child.standard_output());
            CHECK(std::stol(count) == long{1} << 20);
        };
        co_await bight::with_group(body);
    });
}

TEST_CASE("a read that is cancelled takes nothing, and another may begin") {
    with_pidfd([]() -> bight::task<> {
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

TEST_CASE("bytes that come in the turn of a cancellation are delivered or left for the next read") {
    with_pidfd([]() -> bight::task<> {
        process child = start_cat();
        std::string got;
        int before = 0;
        for (int i = 0; i < 50; ++i) {
            cancellable reader;
            auto read = [&]() -> bight::task<> {
                const auto part = co_await child.standard_output().read_some();
                got += part.view();
            };
            auto body = [&](bight::group& g) -> bight::task<> {
                g.spawn(reader.run(read()));
                co_await turns(1);
                co_await child.standard_input().write("x");
                co_await turns(i % 7);
                reader.cancel();
            };
            co_await bight::with_group(body);
            ++before;
        }
        co_await child.standard_input().close();
        got += co_await all_of(child.standard_output());
        CHECK(got == std::string(static_cast<std::size_t>(before), 'x'));
    });
}

TEST_CASE("a write that is cancelled amid is a gap: nothing looks whole after it") {
    with_pidfd([]() -> bight::task<> {
        process child = process::spawn(command("sleep", "60").pipe_to(0));
        const std::string text(std::size_t{1} << 20, 'x');
        const bool done = co_await bight::try_with_timeout(child.standard_input().write(text), 1ms);
        CHECK_FALSE(done);
        const auto code = co_await error_of(child.standard_input().close());
        CHECK(code == bight::errc::aborted);
        CHECK_FALSE(child.standard_input().is_open());
    });
}

TEST_CASE("a write to a child that reads no more is EPIPE, for good, and raises no signal") {
    with_pidfd([]() -> bight::task<> {
        process child = process::spawn(command("true").pipe_to(0));
        co_await child.wait();
        for (int i = 0; i < 2; ++i) {
            const auto code = co_await error_of(child.standard_input().write("x"));
            CHECK(code == from_errno(EPIPE));
        }
        // One that waits for room, too.
        process second = process::spawn(shell("read x <&3").pipe_to(0).pipe_to(3));
        const std::string text(std::size_t{1} << 20, 'x');
        std::error_code waited;
        auto write = [&]() -> bight::task<> {
            waited = co_await error_of(second.standard_input().write(text));
        };
        auto body = [&](bight::group& g) -> bight::task<> {
            g.spawn(write);
            co_await turns(5);
            co_await second.pipe(3).close();
        };
        co_await bight::with_group(body);
        CHECK(waited == from_errno(EPIPE));
    });
}

TEST_CASE("a pipe goes one way: the other is EBADF") {
    with_pidfd([]() -> bight::task<> {
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

TEST_CASE("close and abort of this side end what is pending") {
    with_pidfd([]() -> bight::task<> {
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
            const auto later = co_await error_of(child.standard_output().read_some());
            CHECK(later == (aborts ? bight::errc::aborted : bight::errc::closed));
        }
    });
}

TEST_CASE("an outbox into a child, which gets all of it and then the end") {
    with_pidfd([]() -> bight::task<> {
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

TEST_CASE("the end of the other side of a pipe is told without reading") {
    with_pidfd([]() -> bight::task<> {
        process child = process::spawn(shell("echo x; read y <&3").pipe_to(0).pipe_from(1).pipe_to(3));
        const auto none =
            co_await bight::try_with_timeout(bight::until_peer_gone(child.standard_output()), 2ms);
        CHECK_FALSE(none);
        bight::peer_ending of_output{};
        bight::peer_ending of_input{};
        auto watch = [](bight::stream& of, bight::peer_ending& how) -> bight::task<> {
            how = co_await bight::until_peer_gone(of);
        };
        auto body = [&](bight::group& g) -> bight::task<> {
            g.spawn(watch, std::ref(child.standard_output()), std::ref(of_output));
            g.spawn(watch, std::ref(child.standard_input()), std::ref(of_input));
            co_await turns(3);
            co_await child.pipe(3).close();
        };
        co_await bight::with_group(body);
        CHECK(of_output == bight::peer_ending::ended);
        CHECK(of_input == bight::peer_ending::failed);
        const std::string said = co_await all_of(child.standard_output());
        CHECK(said == "x\n");
    });
}

TEST_CASE("from one child to another through this process") {
    with_pidfd([]() -> bight::task<> {
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
    });
}

TEST_CASE("streams of a child may be moved out, and outlive its handle") {
    with_pidfd([]() -> bight::task<> {
        bight::stream out;
        bight::stream in;
        {
            command c = shell("trap '' TERM; echo first; read x; echo \"$x\"");
            c.pipe_to(0).pipe_from(1).end_patience(20s);
            process child = process::spawn(c);
            in = std::move(child.standard_input());
            out = std::move(child.standard_output());
            const auto part = co_await out.read_some();
            CHECK(part.view() == "first\n");
        }
        co_await in.write("second\n");
        const std::string rest = co_await all_of(out);
        CHECK(rest == "second\n");
    });
}
