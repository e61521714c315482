// Pipes, FIFOs, and descriptors that are open already, as streams.
#include "children.hpp"
#include "plain_descriptors.hpp"

#include "support/cancellable.hpp"
#include "support/connections.hpp"

#include "os/stream_over.hpp"

#include <bight/core/group.hpp>
#include <bight/core/timeout.hpp>
#include <bight/core/when_all.hpp>
#include <bight/net/relay.hpp>
#include <bight/os/pipe.hpp>

#include <sys/socket.h>
#if defined(__linux__)
#include <sys/eventfd.h>
#endif
#include <sys/stat.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

using namespace test;
using namespace std::chrono_literals;
using bight::fifo_end;
using bight::open_fifo;
using bight::owned_descriptor;
using bight::stream;
using bight::task;

namespace {

template <class F>
void on_each_real(F body) {
    const auto kind = GENERATE(from_range(demultiplexers()));
    reactor_fixture on(kind);
    on.run(std::move(body));
}

std::string make_fifo(const temporary_directory& in) {
    std::string path = in.file("fifo");
    REQUIRE(::mkfifo(path.c_str(), 0600) == 0);
    return path;
}

task<> write_and_end(stream to, const std::string& text) {
    co_await to.write(text);
    co_await to.close();
}

task<> read_to(stream from, std::string& to) { to = co_await all_of(from); }

owned_descriptor another_of(const owned_descriptor& of) { return owned_descriptor(::dup(of.get())); }

}  // namespace

TEST_CASE("a pipe carries all bytes, in order, and the end") {
    on_each_real([]() -> task<> {
        const std::string text = pattern(0, std::size_t{1} << 20);
        bight::pipe_streams pipe = bight::make_pipe();
        std::string got;
        co_await bight::when_all(write_and_end(std::move(pipe.writer), text),
                                 read_to(std::move(pipe.reader), got));
        CHECK(got == text);
    });
}

TEST_CASE("a pipe goes one way, and without its reader is EPIPE and no signal") {
    const counted_signal counted(SIGPIPE);
    on_each_real([]() -> task<> {
        bight::pipe_streams pipe = bight::make_pipe();
        auto code = co_await error_of(pipe.reader.write("x"));
        CHECK(code == from_errno(EBADF));
        code = co_await error_of(pipe.writer.read_some());
        CHECK(code == from_errno(EBADF));
        const auto none = co_await bight::try_with_timeout(pipe.reader.read_some(), 1ms);
        CHECK_FALSE(none);
        co_await pipe.reader.close();
        code = co_await error_of(pipe.writer.write("x"));
        CHECK(code == from_errno(EPIPE));
    });
    CHECK(counted_signal::seen() == 0);
}

TEST_CASE("an end of a pipe is a child's, and the other a stream here") {
    on_each_real([]() -> task<> {
        bight::pipe_streams pipe = bight::make_pipe();
        bight::command echo = shell("echo from the child");
        echo.inherit(1, pipe.writer.native_handle());
        bight::process child = bight::process::spawn(echo);
        co_await pipe.writer.close();
        const std::string said = co_await all_of(pipe.reader);
        CHECK(said == "from the child\n");
        const auto how = co_await child.wait();
        CHECK(how.success());
    });
}

TEST_CASE("where there are no pipes, that is said") {
    const auto code_now = [] {
        try {
            (void)bight::make_pipe();
        } catch (const std::system_error& e) {
            return e.code();
        }
        return std::error_code();
    };
    CHECK(code_now() == bight::errc::wrong_thread);
    reactor_fixture simulated(reactor_choice::simulated(1));
    simulated.run([&]() -> task<> {
        CHECK(code_now() == bight::errc::unavailable);
        auto code = co_await error_of(open_fifo("fifo", fifo_end::reader));
        CHECK(code == bight::errc::unavailable);
    });
}

TEST_CASE("a reader of a FIFO is there at once, and its first read waits for a writer") {
    on_each_real([]() -> task<> {
        const temporary_directory where;
        const std::string path = make_fifo(where);
        stream reader = co_await open_fifo(path, fifo_end::reader);
        for (int i = 0; i < 2; ++i) {
            const auto none = co_await bight::try_with_timeout(reader.read_some(), 1ms);
            CHECK_FALSE(none);
        }
        owned_descriptor writer(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
        REQUIRE(writer);
        const auto still_none = co_await bight::try_with_timeout(reader.read_some(), 1ms);
        CHECK_FALSE(still_none);
        write_plainly(writer.get(), "hello");
        const auto part = co_await reader.read_some();
        CHECK(part.view() == "hello");
        writer.reset();
        const auto end = co_await reader.read_some();
        CHECK_FALSE(end);
    });
}

TEST_CASE("a writer of a FIFO that comes and goes without a word is the end") {
    on_each_real([]() -> task<> {
        const temporary_directory where;
        const std::string path = make_fifo(where);
        stream reader = co_await open_fifo(path, fifo_end::reader);
        auto body = [&](bight::group& g) -> task<> {
            auto read = [&]() -> task<> {
                const auto end = co_await reader.read_some();
                CHECK_FALSE(end);
            };
            g.spawn(read);
            co_await turns(5);
            const owned_descriptor writer(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
            REQUIRE(writer);
        };
        co_await bight::with_group(body);
    });
}

TEST_CASE("a writer of a FIFO waits for a reader, or says that there is none") {
    on_each_real([]() -> task<> {
        const temporary_directory where;
        const std::string path = make_fifo(where);
        const bight::fifo_options impatient{.waits_for_reader = false};
        const auto code = co_await error_of(open_fifo(path, fifo_end::writer, impatient));
        CHECK(code == from_errno(ENXIO));
        const auto none = co_await bight::try_with_timeout(open_fifo(path, fifo_end::writer), 5ms);
        CHECK_FALSE(none);
        std::optional<stream> writer;
        auto body = [&](bight::group& g) -> task<> {
            auto open = [&]() -> task<> { writer = co_await open_fifo(path, fifo_end::writer); };
            g.spawn(open);
            co_await bight::sleep_for(3ms);
            CHECK_FALSE(writer);
            stream reader = co_await open_fifo(path, fifo_end::reader);
            std::string got;
            auto end = [&]() -> task<> {
                while (!writer) co_await bight::sleep_for(1ms);
                co_await writer->write("through a FIFO");
                co_await writer->close();
            };
            g.spawn(end);
            got = co_await all_of(reader);
            CHECK(got == "through a FIFO");
        };
        co_await bight::with_group(body);
    });
}

TEST_CASE("the opening of a FIFO that is cancelled at any turn leaves nothing open") {
    on_each_real([]() -> task<> {
        const temporary_directory where;
        const std::string path = make_fifo(where);
        for (int after = 1; after < 10; ++after) {
            CAPTURE(after);
            cancellable one;
            cancellable other;
            const auto open = [&](fifo_end end) -> task<> {
                const stream made = co_await open_fifo(path, end);
                co_await turns(20);
            };
            auto body = [&](bight::group& g) -> task<> {
                g.spawn(one.run(open(fifo_end::writer)));
                if (after % 2 == 0) g.spawn(other.run(open(fifo_end::reader)));
                co_await turns(after);
                one.cancel();
                other.cancel();
            };
            co_await bight::with_group(body);
        }
    });
}

TEST_CASE("what is no FIFO is not opened as one") {
    on_each_real([]() -> task<> {
        const temporary_directory where;
        auto code = co_await error_of(open_fifo(where.file("nothing"), fifo_end::reader));
        CHECK(code == from_errno(ENOENT));
        const std::string path = where.file("file");
        owned_descriptor(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600)).reset();
        std::string text;
        try {
            const stream made = co_await open_fifo(path, fifo_end::reader);
        } catch (const std::system_error& e) {
            code = e.code();
            text = e.what();
        }
        CHECK(code.value() == EINVAL);
        CHECK_THAT(text, Catch::Contains(path + ": no FIFO"));
        code = co_await error_of(open_fifo(std::string("a\0b", 3), fifo_end::reader));
        CHECK(code.value() == EINVAL);
    });
}

TEST_CASE(
    "a descriptor that is open becomes a stream in the direction that it is open for, and stays as it is") {
    const auto kind = GENERATE(from_range(demultiplexers()));
    const switched again(bight::detail::opens_again, GENERATE(true, false));
    reactor_fixture on(kind);
    on.run([]() -> task<> {
        plain_pipe pipe;
        {
            stream reader = bight::descriptor_stream(another_of(pipe.reads));
            stream writer = bight::descriptor_stream(another_of(pipe.writes));
            co_await writer.write("through");
            const auto part = co_await reader.read_some();
            CHECK(part.view() == "through");
            auto code = co_await error_of(reader.write("x"));
            CHECK(code == from_errno(EBADF));
            code = co_await error_of(writer.read_some());
            CHECK(code == from_errno(EBADF));
        }
        CHECK_FALSE(is_non_blocking(pipe.reads.get()));
        CHECK_FALSE(is_non_blocking(pipe.writes.get()));

        stream reader = bight::descriptor_stream(std::move(pipe.reads));
        stream writer = bight::descriptor_stream(std::move(pipe.writes));
        co_await writer.close();
        const auto end = co_await reader.read_some();
        CHECK_FALSE(end);
    });
}

TEST_CASE("a pseudo-terminal's master, a file and a device as streams") {
    const auto kind = GENERATE(from_range(demultiplexers()));
    reactor_fixture on(kind);
    on.run([]() -> task<> {
        plain_terminal terminal;
        {
            stream master = bight::descriptor_stream(another_of(terminal.master));
            co_await master.write("typed\n");
            CHECK(read_plainly(terminal.slave.get(), 6) == "typed\n");
            const auto none = co_await bight::try_with_timeout(master.read_some(), 1ms);
            CHECK_FALSE(none);
            write_plainly(terminal.slave.get(), "shown");
            const auto part = co_await master.read_some();
            CHECK(part.view() == "shown");
            terminal.slave.reset();
            const auto end = co_await master.read_some();
            CHECK_FALSE(end);
        }
        const temporary_directory where;
        owned_descriptor file(::open(where.file("file").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
        write_plainly(file.get(), "before ");
        stream both = bight::descriptor_stream(another_of(file));
        co_await both.write("after");
        ::lseek(file.get(), 0, SEEK_SET);
        const std::string all = co_await all_of(both);
        CHECK(all == "before after");
        stream zero = bight::descriptor_stream(owned_descriptor(::open("/dev/zero", O_RDONLY | O_CLOEXEC)));
        char memory[3] = {1, 1, 1};
        co_await zero.read_exactly(memory);
        CHECK(std::string_view(memory, 3) == std::string_view("\0\0\0", 3));
#if defined(__linux__)
        const int event = ::eventfd(0, EFD_CLOEXEC);
        stream counts = bight::descriptor_stream(owned_descriptor(::dup(event)));
        const auto nothing = co_await bight::try_with_timeout(counts.read_some(), 1ms);
        CHECK_FALSE(nothing);
        const std::uint64_t one = 1;
        co_await counts.write(bight::const_buffer(&one, sizeof one));
        std::uint64_t count = 0;
        co_await counts.read_exactly(bight::mutable_buffer(&count, sizeof count));
        CHECK(count == 1);
        CHECK_FALSE(is_non_blocking(event));
        ::close(event);
        stream random =
            bight::descriptor_stream(owned_descriptor(::open("/dev/random", O_RDONLY | O_CLOEXEC)));
        const auto some = co_await random.read_some();
        CHECK(some);
#endif
    });
}

TEST_CASE("what is no descriptor of a stream is refused, and closed") {
    reactor_fixture on(any_demultiplexer);
    on.run([]() -> task<> {
        const auto refusal = [](owned_descriptor d) {
            try {
                const stream made = bight::descriptor_stream(std::move(d));
            } catch (const std::system_error& e) {
                return std::make_pair(e.code().value(), std::string(e.what()));
            }
            return std::make_pair(0, std::string());
        };
        auto [code, text] = refusal(owned_descriptor());
        CHECK(code == EBADF);
        int both[2];
        REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, both) == 0);
        const owned_descriptor other(both[1]);
        const auto [of_socket, why] = refusal(owned_descriptor(both[0]));
        CHECK(of_socket == EINVAL);
        CHECK_THAT(why, Catch::Contains("is a socket: bight::connect"));
        CHECK(read_plainly(other.get(), 1).empty());
        co_return;
    });
}
