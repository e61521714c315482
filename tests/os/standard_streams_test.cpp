// Standard input, output and error as streams, whatever they are.
#include "children.hpp"
#include "plain_descriptors.hpp"

#include "support/cancellable.hpp"
#include "support/connections.hpp"

#include "os/stream_over.hpp"

#include <bight/core/group.hpp>
#include <bight/core/timeout.hpp>
#include <bight/io/line_reader.hpp>
#include <bight/io/outbox.hpp>
#include <bight/io/until_peer_gone.hpp>
#include <bight/os/pipe.hpp>
#include <bight/os/standard_streams.hpp>

#include <sys/socket.h>
#include <sys/stat.h>

#include <chrono>
#include <cstddef>
#include <string>
#include <thread>

using namespace test;
using namespace std::chrono_literals;
using bight::standard_descriptor;
using bight::standard_error;
using bight::standard_input;
using bight::standard_output;
using bight::stream;
using bight::task;

namespace {

// A demultiplexer, and whether pipes and terminals can be opened again: elsewhere they stay shared.
struct standard_case {
    bight::demultiplexer_kind kind = GENERATE(from_range(demultiplexers()));
    switched again{bight::detail::opens_again, GENERATE(true, false)};

    template <class F>
    void run(F body) const {
        INFO((bight::detail::opens_again ? "opened again" : "shared"));
        reactor_fixture on(kind);
        on.run(std::move(body));
    }
};

task<std::string> exactly(stream& from, std::size_t size) {
    std::string text(size, '\0');
    co_await from.read_exactly(text);
    co_return text;
}

bight::owned_descriptor temporary_file(const temporary_directory& in, int flags = O_RDWR) {
    bight::owned_descriptor made(::open(in.file("file").c_str(), flags | O_CREAT | O_CLOEXEC, 0600));
    REQUIRE(made);
    return made;
}

}  // namespace

TEST_CASE("standard input that is a pipe is read to its end, and stays blocking for others") {
    const standard_case each;
    each.run([]() -> task<> {
        plain_pipe pipe;
        const in_place_of replaced(0, pipe.reads.get());
        stream in = standard_input();
        write_plainly(pipe.writes.get(), "one\ntwo");
        bight::line_reader lines(in, "\n");
        auto line = co_await lines.next();
        CHECK(line == "one");
        CHECK_FALSE(is_non_blocking(0));
        write_plainly(pipe.writes.get(), " and three\n");
        line = co_await lines.next();
        CHECK(line == "two and three");
        const auto none = co_await bight::try_with_timeout(in.read_some(), 1ms);
        CHECK_FALSE(none);
        const auto code = co_await error_of(in.write("x"));
        CHECK(code == from_errno(EBADF));
        pipe.writes.reset();
        line = co_await lines.next();
        CHECK_FALSE(line);
        co_await in.close();
        CHECK_FALSE(is_non_blocking(0));
    });
}

TEST_CASE("standard output that is a pipe takes all, waits for its reader, and stays blocking for others") {
    const standard_case each;
    const plain_pipe pipe;
    const std::string text = pattern(0, std::size_t{1} << 19);
    each.run([&]() -> task<> {
        stream reader = bight::descriptor_stream(bight::owned_descriptor(::dup(pipe.reads.get())));
        const in_place_of replaced(1, pipe.writes.get());
        bool written = false;
        std::string got;
        auto body = [&](bight::group& g) -> task<> {
            auto write = [&]() -> task<> {
                stream out = standard_output();
                co_await out.write(text);
                written = true;
                const auto code = co_await error_of(out.read_some());
                CHECK(code == from_errno(EBADF));
            };
            g.spawn(write);
            co_await turns(20);
            CHECK_FALSE(written);
            CHECK_FALSE(is_non_blocking(1));
            got = co_await exactly(reader, text.size());
        };
        co_await bight::with_group(body);
        CHECK(written);
        CHECK(got == text);
        write_plainly(1, "and more");  // the descriptor is still there
        const std::string more = co_await exactly(reader, 8);
        CHECK(more == "and more");
    });
    CHECK_FALSE(is_non_blocking(pipe.writes.get()));
    CHECK_FALSE(is_non_blocking(pipe.reads.get()));
}

TEST_CASE("standard input that is a terminal gives lines, and ends with ^D") {
    const standard_case each;
    const plain_terminal terminal;
    const in_place_of replaced(0, terminal.slave.get());
    each.run([&]() -> task<> {
        stream in = standard_input();
        const auto none = co_await bight::try_with_timeout(in.read_some(), 1ms);
        CHECK_FALSE(none);
        write_plainly(terminal.master.get(), "hi\x7fo\n");
        const std::string line = co_await exactly(in, 3);
        CHECK(line == "ho\n");
        CHECK_FALSE(is_non_blocking(0));
        write_plainly(terminal.master.get(), "\x04");
        const auto end = co_await in.read_some();
        CHECK_FALSE(end);
    });
    CHECK_FALSE(is_non_blocking(terminal.slave.get()));
}

TEST_CASE("standard input that is a terminal ends when that hangs up") {
    const standard_case each;
    each.run([]() -> task<> {
        plain_terminal terminal;
        const in_place_of replaced(0, terminal.slave.get());
        stream in = standard_input();
        auto body = [&](bight::group& g) -> task<> {
            auto read = [&]() -> task<> {
                const auto end = co_await in.read_some();
                CHECK_FALSE(end);
            };
            g.spawn(read);
            co_await turns(5);
            terminal.master.reset();
        };
        co_await bight::with_group(body);
    });
}

TEST_CASE("standard output and error that are a terminal are shown there") {
    const standard_case each;
    const plain_terminal terminal;
    const in_place_of output(1, terminal.slave.get());
    const in_place_of errors(2, terminal.slave.get());
    each.run([&]() -> task<> {
        stream out = standard_output();
        stream err = standard_error();
        co_await out.write("a line\n");
        co_await err.write("another\n");
        CHECK_FALSE(is_non_blocking(1));
        co_return;
    });
    CHECK(read_plainly(terminal.master.get(), 8) == "a line\r\n");
    CHECK(read_plainly(terminal.master.get(), 9) == "another\r\n");
}

TEST_CASE("a terminal that shows nothing any more holds up the writer alone, who may be cancelled") {
    const standard_case each;
    const plain_terminal terminal;
    const in_place_of output(1, terminal.slave.get());
    each.run([&]() -> task<> {
        stream out = standard_output();
        out.set_close_deadline(0s);
        const std::string much(std::size_t{1} << 20, 'x');
        const bool all = co_await bight::try_with_timeout(out.write(much), 20ms);
        CHECK_FALSE(all);
    });
}

TEST_CASE("standard input that is a regular file is read from where it stands, which moves on for all") {
    const standard_case each;
    const temporary_directory where;
    const bight::owned_descriptor file = temporary_file(where);
    write_plainly(file.get(), "one\ntwo\n");
    ::lseek(file.get(), 4, SEEK_SET);
    const in_place_of replaced(0, file.get());
    each.run([&]() -> task<> {
        stream in = standard_input();
        auto part = co_await in.read_some();
        CHECK(part.view() == "two\n");
        CHECK(::lseek(file.get(), 0, SEEK_CUR) == 8);
        part = co_await in.read_some();
        CHECK_FALSE(part);
        ::lseek(file.get(), 0, SEEK_SET);
        char memory[3];
        const std::size_t got = co_await in.read_some(memory);
        CHECK(std::string_view(memory, got) == "one");
        const auto code = co_await error_of(in.write("x"));
        CHECK(code == from_errno(EBADF));
    });
}

TEST_CASE("standard output that is a regular file goes on behind what others write there") {
    const standard_case each;
    const temporary_directory where;
    const bool appends = GENERATE(false, true);
    const bight::owned_descriptor file = temporary_file(where, O_RDWR | (appends ? O_APPEND : 0));
    write_plainly(file.get(), "head ");
    {
        const in_place_of replaced(1, file.get());
        each.run([&]() -> task<> {
            stream out = standard_output();
            co_await out.write("body", " ");
            write_plainly(1, "of another ");
            co_await out.write("and mine ");
            const auto code = co_await error_of(out.read_some());
            CHECK(code == from_errno(EBADF));
            co_await out.close();
            write_plainly(1, "tail");
        });
    }
    ::lseek(file.get(), 0, SEEK_SET);
    CHECK(read_plainly(file.get(), 100) == "head body of another and mine tail");
}

TEST_CASE("standard streams that are /dev/null, and a device that is full") {
    const standard_case each;
    const bight::owned_descriptor null(::open("/dev/null", O_RDWR | O_CLOEXEC));
    const bight::owned_descriptor full(::open("/dev/full", O_WRONLY | O_CLOEXEC));
    REQUIRE(null);
    const in_place_of input(0, null.get());
    const in_place_of output(1, null.get());
    each.run([&]() -> task<> {
        stream in = standard_input();
        stream out = standard_output();
        const auto end = co_await in.read_some();
        CHECK_FALSE(end);
        co_await out.write(std::string(100'000, 'x'));
        co_await out.close();
        if (!full) co_return;
        const in_place_of errors(2, full.get());
        stream err = standard_error();
        const auto code = co_await error_of(err.write("x"));
        CHECK(code == from_errno(ENOSPC));
        err.abort();
    });
}

TEST_CASE("standard input and output that are one socket, which stays connected and blocking") {
    const standard_case each;
    each.run([]() -> task<> {
        int both[2];
        REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, both) == 0);
        const bight::owned_descriptor ours(both[0]);
        bight::owned_descriptor theirs(both[1]);
        const in_place_of input(0, ours.get());
        const in_place_of output(1, ours.get());
        stream in = standard_input();
        stream out = standard_output();
        write_plainly(theirs.get(), "question");
        const std::string question = co_await exactly(in, 8);
        CHECK(question == "question");
        const auto none = co_await bight::try_with_timeout(in.read_some(), 1ms);
        CHECK_FALSE(none);
        co_await in.close();
        co_await out.write("answer");
        CHECK(read_plainly(theirs.get(), 6) == "answer");
        CHECK_FALSE(is_non_blocking(0));
        const std::string much(std::size_t{1} << 20, 'x');
        const bool all = co_await bight::try_with_timeout(out.write(much), 5ms);
        CHECK_FALSE(all);
        theirs.reset();
        const auto code = co_await error_of(out.write("x"));
        CHECK((code == from_errno(EPIPE) || code == from_errno(ECONNRESET)));
        in = standard_input();
        const auto end = co_await bight::as_result(in.read_some());
        CHECK((!end || !*end));
        CHECK_FALSE(is_non_blocking(ours.get()));
    });
}

TEST_CASE("a reader of standard output that has gone is EPIPE each time, and no signal") {
    const standard_case each;
    plain_pipe pipe;
    pipe.reads.reset();
    const in_place_of replaced(1, pipe.writes.get());
    const counted_signal counted(SIGPIPE);
    each.run([&]() -> task<> {
        stream out = standard_output();
        auto code = co_await error_of(out.write("x"));
        CHECK(code == from_errno(EPIPE));
        code = co_await error_of(out.write("x"));
        CHECK(code == from_errno(EPIPE));
    });
    CHECK(counted_signal::seen() == 0);
}

TEST_CASE("there is one stream of each at a time, and another one afterwards") {
    const standard_case each;
    const plain_pipe pipe;
    const in_place_of replaced(0, pipe.reads.get());
    each.run([&]() -> task<> {
        const auto code_now = [] {
            try {
                const stream another = standard_input();
            } catch (const std::system_error& e) {
                return e.code();
            }
            return std::error_code();
        };
        {
            const stream in = standard_input();
            CHECK(code_now() == bight::errc::busy);
        }
        CHECK(code_now() == std::error_code());
        stream in = standard_input();
        co_await in.close();
        CHECK(code_now() == std::error_code());
        in = standard_input();
        in.abort();
        CHECK(code_now() == std::error_code());
        write_plainly(pipe.writes.get(), "x");
        in = standard_input();
        const std::string text = co_await exactly(in, 1);
        CHECK(text == "x");
    });
}

TEST_CASE("what cannot be a standard stream says so") {
    const plain_pipe pipe;
    const auto error_now = [](auto make) {
        try {
            const stream made = make();
        } catch (const std::system_error& e) {
            return std::make_pair(e.code(), std::string(e.what()));
        }
        return std::make_pair(std::error_code(), std::string());
    };
    const auto input = [] { return standard_input(); };
    const auto output = [] { return standard_output(); };
    {
        const in_place_of replaced(0, pipe.writes.get());
        reactor_fixture on(any_demultiplexer);
        on.run([&]() -> task<> {
            const auto [code, text] = error_now(input);
            CHECK(code == from_errno(EBADF));
            CHECK_THAT(text, Catch::Contains("standard input: descriptor 0 is not open for reading"));
            co_return;
        });
    }
    {
        const in_place_of replaced(1, pipe.reads.get());
        reactor_fixture on(any_demultiplexer);
        on.run([&]() -> task<> {
            const auto [code, text] = error_now(output);
            CHECK(code == from_errno(EBADF));
            CHECK_THAT(text, Catch::Contains("standard output: descriptor 1 is not open for writing"));
            co_return;
        });
    }
    const auto [code, text] = error_now(input);
    CHECK(code == bight::errc::wrong_thread);
    reactor_fixture simulated(reactor_choice::simulated(1));
    simulated.run([&]() -> task<> {
        const auto [there, why] = error_now(output);
        CHECK(there == bight::errc::unavailable);
        CHECK_THAT(why, Catch::Contains("standard output: a simulated host has none"));
        co_return;
    });
}

TEST_CASE(
    "a standard stream that gives its descriptor up leaves /dev/null there, and the end at the other side") {
    const standard_case each;
    plain_pipe pipe;
    const in_place_of replaced(1, pipe.writes.get());
    pipe.writes.reset();
    const int how = GENERATE(0, 1, 2);
    each.run([&]() -> task<> {
        stream out = standard_output(standard_descriptor::becomes_null);
        co_await out.write("all of it");
        if (how == 0) co_await out.close();
        if (how == 1) co_await out.shutdown_write();
    });
    CHECK(read_plainly(pipe.reads.get(), 100) == "all of it");
    struct stat is{};
    REQUIRE(::fstat(1, &is) == 0);
    CHECK(S_ISCHR(is.st_mode));
    write_plainly(1, "into nothing");
}

TEST_CASE("what an outbox of standard output holds is written before the run has ended") {
    const standard_case each;
    const plain_pipe pipe;
    const in_place_of replaced(1, pipe.writes.get());
    const std::string text = pattern(0, 200'000);
    std::string got;
    std::thread reader([&] { got = read_plainly(pipe.reads.get(), text.size()); });
    each.run([&]() -> task<> {
        stream out = standard_output();
        bight::outbox box(out);
        box.send(text);
        co_return;
    });
    reader.join();
    CHECK(got == text);
}

TEST_CASE(
    "reads and writes of standard streams that are cancelled at any turn lose nothing and leave nothing") {
    const standard_case each;
    const plain_pipe input;
    const plain_pipe output;
    const in_place_of zero(0, input.reads.get());
    const in_place_of one(1, output.writes.get());
    std::string got;
    each.run([&]() -> task<> {
        for (int after = 0; after < 12; ++after) {
            CAPTURE(after);
            cancellable life;
            const auto live = [&]() -> task<> {
                stream in = standard_input();
                while (auto part = co_await in.read_some()) {
                    got += part.view();
                    stream out = standard_output();
                    co_await out.write(part);
                }
            };
            auto body = [&](bight::group& g) -> task<> {
                g.spawn(life.run(live()));
                co_await turns(1 + after / 3);
                write_plainly(input.writes.get(), std::to_string(after % 10));
                co_await turns(after % 3);
                life.cancel();
            };
            co_await bight::with_group(body);
            CHECK_FALSE(life.running());
        }
        stream in = standard_input();
        while (got.size() < 12) {
            const auto part = co_await in.read_some();
            REQUIRE(part);
            got += part.view();
        }
    });
    CHECK(got == "012345678901");
}

TEST_CASE(
    "bytes of a shared pipe that another process takes first leave the reader waiting for the next ones") {
    const standard_case each;
    const plain_pipe pipe;
    const in_place_of replaced(0, pipe.reads.get());
    each.run([&]() -> task<> {
        stream in = standard_input();
        auto body = [&](bight::group& g) -> task<> {
            auto read = [&]() -> task<> {
                const std::string text = co_await exactly(in, 4);
                CHECK(text == "mine");
            };
            g.spawn(read);
            co_await turns(5);
            write_plainly(pipe.writes.get(), "hers");
            CHECK(read_plainly(pipe.reads.get(), 4) == "hers");
            co_await turns(5);
            write_plainly(pipe.writes.get(), "mine");
        };
        co_await bight::with_group(body);
    });
}

TEST_CASE("the end of the reader of standard output is told without a write") {
    const standard_case each;
    each.run([]() -> task<> {
        plain_pipe pipe;
        const in_place_of replaced(1, pipe.writes.get());
        stream out = standard_output();
        auto body = [&](bight::group& g) -> task<> {
            auto watch = [&]() -> task<> {
                const auto how = co_await bight::until_peer_gone(out);
                CHECK(how == bight::peer_ending::failed);
            };
            g.spawn(watch);
            co_await turns(5);
            pipe.reads.reset();
        };
        co_await bight::with_group(body);
    });
}
