// Terminals that are opened by their path, and modes that end as they began.
#include "children.hpp"
#include "plain_descriptors.hpp"

#include "support/connections.hpp"

#include <bight/core/sleep.hpp>
#include <bight/core/timeout.hpp>
#include <bight/os/pipe.hpp>
#include <bight/os/terminal.hpp>

#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <string>

using namespace test;
using namespace std::chrono_literals;
using bight::open_terminal;
using bight::stream;
using bight::task;
using bight::terminal_mode;
using bight::terminal_settings;

namespace {

template <class F>
void on_each_with_terminals(F body) {
    const auto kind = GENERATE(from_range(demultiplexers()));
    reactor_fixture on(kind);
    on.run(std::move(body));
}

bool same_settings(const termios& a, const termios& b) {
    return a.c_iflag == b.c_iflag && a.c_oflag == b.c_oflag && a.c_cflag == b.c_cflag &&
           a.c_lflag == b.c_lflag && std::memcmp(a.c_cc, b.c_cc, sizeof a.c_cc) == 0;
}

struct refused_terminal {
    int code = 0;
    std::string text;
};

task<refused_terminal> refusal_of(const std::string& path, terminal_settings settings) {
    refused_terminal why;
    try {
        const stream made = co_await open_terminal(path, settings);
    } catch (const std::system_error& e) {
        why = {e.code().value(), e.what()};
    }
    co_return why;
}

}  // namespace

TEST_CASE("a terminal is opened raw, with its speed, and is afterwards what it was before") {
    on_each_with_terminals([]() -> task<> {
        const plain_terminal peer;
        const termios before = peer.settings();
        for (const int how : {0, 1, 2}) {
            terminal_settings settings;
            settings.speed = 9600;
            settings.stop_bits = 2;
            settings.flow_control = bight::terminal_flow_control::software;
            stream port = co_await open_terminal(peer.name, settings);
            const termios now = peer.settings();
            CHECK(::cfgetospeed(&now) == B9600);
            CHECK(::cfgetispeed(&now) == B9600);
            CHECK((now.c_cflag & CSTOPB) != 0);
            CHECK((now.c_iflag & IXON) != 0);
            CHECK((now.c_iflag & IXOFF) != 0);
            CHECK((now.c_lflag & (ICANON | ISIG | ECHO)) == 0);
            CHECK((now.c_oflag & OPOST) == 0);
            co_await port.write("\x03\n");
            CHECK(read_plainly(peer.master.get(), 2) == "\x03\n");
            write_plainly(peer.master.get(), "\x04\r");
            char bytes[2];
            co_await port.read_exactly(bytes);
            CHECK(std::string_view(bytes, 2) == "\x04\r");
            if (how == 0) co_await port.close();
            if (how == 1) port.abort();
            if (how == 2) port = stream();
            CHECK(same_settings(peer.settings(), before));
        }
    });
}

TEST_CASE("a terminal's settings come back when the reactor goes before its stream") {
    const plain_terminal peer;
    const termios before = peer.settings();
    stream port;
    {
        bight::reactor home;
        const auto open = [&]() -> task<> { port = co_await open_terminal(peer.name); };
        home.run(open());
        CHECK_FALSE(same_settings(peer.settings(), before));
    }
    CHECK(same_settings(peer.settings(), before));
}

TEST_CASE("not raw, a terminal keeps its lines, and software flow control stops its output") {
    on_each_with_terminals([]() -> task<> {
        const plain_terminal peer;
        terminal_settings settings;
        settings.raw = false;
        stream port = co_await open_terminal(peer.name, settings);
        write_plainly(peer.master.get(), "helo\x7flo\n");
        const std::string line = co_await port.read_until("\n");
        CHECK(line == "hello\n");
        co_await port.write("x\n");
        CHECK(read_plainly(peer.master.get(), 3) == "x\r\n");
        const auto code = co_await error_of(port.shutdown_write());
        CHECK(code == std::errc::operation_not_supported);
    });
}

TEST_CASE("a terminal whose other side goes ends") {
    on_each_with_terminals([]() -> task<> {
        plain_terminal peer;
        stream port = co_await open_terminal(peer.name);
        const auto none = co_await bight::try_with_timeout(port.read_some(), 1ms);
        CHECK_FALSE(none);
        peer.slave.reset();
        peer.master.reset();
        const auto end = co_await port.read_some();
        CHECK_FALSE(end);
    });
}

TEST_CASE("what a terminal does not take is an error that names it, and leaves it as it was") {
    reactor_fixture on(any_demultiplexer);
    on.run([]() -> task<> {
        const plain_terminal peer;
        const termios before = peer.settings();
        terminal_settings settings;
        settings.parity = bight::terminal_parity::even;
        refused_terminal why = co_await refusal_of(peer.name, settings);
        CHECK(why.code == EINVAL);
        CHECK_THAT(why.text, Catch::Contains("it does not take that parity") && Catch::Contains(peer.name));
        settings = {};
        settings.data_bits = 7;
        why = co_await refusal_of(peer.name, settings);
        CHECK_THAT(why.text, Catch::Contains("it does not take that number of data bits"));
        settings = {};
        settings.data_bits = 9;
        why = co_await refusal_of(peer.name, settings);
        CHECK_THAT(why.text, Catch::Contains("9 data bits: 5 to 8"));
        settings = {};
        settings.stop_bits = 3;
        why = co_await refusal_of(peer.name, settings);
        CHECK_THAT(why.text, Catch::Contains("3 stop bits: 1 or 2"));
        settings = {};
        settings.speed = 12345;
        why = co_await refusal_of(peer.name, settings);
        CHECK_THAT(why.text, Catch::Contains("a speed of 12345 bits per second"));
        CHECK(same_settings(peer.settings(), before));

        why = co_await refusal_of("/dev/null", {});
        CHECK(why.code == ENOTTY);
        const temporary_directory where;
        why = co_await refusal_of(where.file("nothing"), {});
        CHECK(why.code == ENOENT);
        why = co_await refusal_of(std::string("a\0b", 3), {});
        CHECK(why.code == EINVAL);
    });
    reactor_fixture simulated(reactor_choice::simulated(1));
    simulated.run([]() -> task<> {
        const auto code = co_await error_of(open_terminal("/dev/tty"));
        CHECK(code == bight::errc::unavailable);
    });
}

TEST_CASE("a mode of a terminal lasts as long as its object, which may be moved and outlive the stream") {
    reactor_fixture on(any_demultiplexer);
    on.run([]() -> task<> {
        const plain_terminal peer;
        const termios before = peer.settings();
        terminal_mode mode;
        {
            stream keys = bight::descriptor_stream(bight::owned_descriptor(::dup(peer.slave.get())));
            CHECK(bight::is_terminal(keys));
            mode = terminal_mode::raw(keys);
            CHECK_FALSE(is_non_blocking(peer.slave.get()));
            write_plainly(peer.master.get(), "\x03");
            const auto key = co_await keys.read_some();
            CHECK(key.view() == "\x03");
            terminal_mode moved = std::move(mode);
            mode = std::move(moved);
        }
        CHECK((peer.settings().c_lflag & ISIG) == 0);
        mode.restore();
        CHECK(same_settings(peer.settings(), before));
        stream keys = bight::descriptor_stream(bight::owned_descriptor(::dup(peer.slave.get())));
        {
            const terminal_mode quiet = terminal_mode::without_echo(keys);
            CHECK((peer.settings().c_lflag & ECHO) == 0);
            CHECK((peer.settings().c_lflag & (ECHONL | ICANON)) == (ECHONL | ICANON));
        }
        CHECK(same_settings(peer.settings(), before));
    });
}

TEST_CASE("the size of a terminal, and what is none") {
    reactor_fixture on(any_demultiplexer);
    on.run([]() -> task<> {
        const plain_terminal peer;
        winsize s{};
        s.ws_row = 33;
        s.ws_col = 111;
        REQUIRE(::ioctl(peer.slave.get(), TIOCSWINSZ, &s) == 0);
        stream keys = bight::descriptor_stream(bight::owned_descriptor(::dup(peer.slave.get())));
        CHECK(bight::size_of_terminal(keys).rows == 33);
        CHECK(bight::size_of_terminal(keys).columns == 111);
        bight::pipe_streams pipe = bight::make_pipe();
        CHECK_FALSE(bight::is_terminal(pipe.reader));
        CHECK_FALSE(bight::is_terminal(stream()));
        const auto code_now = [](auto call) {
            try {
                call();
            } catch (const std::system_error& e) {
                return e.code();
            }
            return std::error_code();
        };
        CHECK(code_now([&] { (void)bight::size_of_terminal(pipe.reader); }) == from_errno(ENOTTY));
        CHECK(code_now([&] { (void)terminal_mode::raw(pipe.reader); }) == from_errno(ENOTTY));
        CHECK(code_now([&] { (void)terminal_mode::raw(stream()); }) == from_errno(EBADF));
        CHECK(code_now([&] { (void)terminal_mode::without_echo(stream()); }) == from_errno(EBADF));
        co_return;
    });
}

TEST_CASE("a forked child that drops a mode, or a terminal, leaves it to its parent") {
    reactor_fixture on(any_demultiplexer);
    on.run([]() -> task<> {
        const plain_terminal peer;
        stream keys = bight::descriptor_stream(bight::owned_descriptor(::dup(peer.slave.get())));
        terminal_mode mode = terminal_mode::raw(keys);
        const termios raw = peer.settings();
        const pid_t child = ::fork();
        if (child == 0) {
            mode.restore();
            ::_exit(0);
        }
        REQUIRE(child > 0);
        REQUIRE(::waitpid(child, nullptr, 0) == child);
        CHECK(same_settings(peer.settings(), raw));
        co_return;
    });
}

TEST_CASE("two ends of a serial line, as socat makes them") {
    if (std::system("command -v socat >/dev/null 2>&1") != 0) skip("there is no socat");
    on_each_with_terminals([]() -> task<> {
        const temporary_directory where;
        const std::string one = where.file("one");
        const std::string two = where.file("two");
        bight::process socat =
            bight::process::spawn(bight::command("socat", "pty,link=" + one, "pty,link=" + two));
        struct stat is{};
        while (::stat(one.c_str(), &is) < 0 || ::stat(two.c_str(), &is) < 0) {
            REQUIRE_FALSE(socat.status());
            co_await bight::sleep_for(1ms);
        }
        terminal_settings settings;
        settings.speed = 115200;
        stream here = co_await open_terminal(one, settings);
        stream there = co_await open_terminal(two, settings);
        const std::string text = pattern(0, 3000);
        co_await here.write(text);
        std::string got(text.size(), '\0');
        co_await there.read_exactly(got);
        CHECK(got == text);
        co_await there.write("\x03\x04\r\n\x11\x13");
        std::string back(6, '\0');
        co_await here.read_exactly(back);
        CHECK(back == "\x03\x04\r\n\x11\x13");
        const auto none = co_await bight::try_with_timeout(here.read_some(), 1ms);
        CHECK_FALSE(none);
    });
}
