// The tty_chat sample on pseudo-terminals, against the chat sample.
#include "chat.hpp"

#include "os/plain_descriptors.hpp"

#include <sys/ioctl.h>

#include <array>
#include <cstring>
#include <string>

using namespace test;

namespace {

// Somebody at a terminal.
class person {
  public:
    person(server& chat, bight::demultiplexer_kind kind, unsigned short columns = 80) {
        winsize size{};
        size.ws_row = 24;
        size.ws_col = columns;
        REQUIRE(::ioctl(terminal_.slave.get(), TIOCSWINSZ, &size) == 0);
        before_ = terminal_.settings();
        const std::string where = "tcp:127.0.0.1:" + std::to_string(chat.port());
        std::string program = sample("tty_chat");
        posix_spawn_file_actions_t actions;
        ::posix_spawn_file_actions_init(&actions);
        ::posix_spawn_file_actions_adddup2(&actions, terminal_.slave.get(), 0);
        ::posix_spawn_file_actions_adddup2(&actions, terminal_.slave.get(), 1);
        std::string variable = use_reactor(kind);
        std::string argument = where;
        std::array<char*, 3> arguments{program.data(), argument.data(), nullptr};
        std::vector<char*> variables{variable.data()};
        for (char** v = environ; *v; ++v) {
            if (!std::string_view(*v).starts_with("BIGHT_REACTOR=")) variables.push_back(*v);
        }
        variables.push_back(nullptr);
        const int failed =
            ::posix_spawn(&pid_, program.c_str(), &actions, nullptr, arguments.data(), variables.data());
        ::posix_spawn_file_actions_destroy(&actions);
        REQUIRE(failed == 0);
    }
    person(const person&) = delete;
    person& operator=(const person&) = delete;
    ~person() {
        if (pid_ < 0) return;
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, nullptr, 0);
    }

    void types(std::string_view keys) const { write_plainly(terminal_.master.get(), keys); }
    void signal(int number) const { ::kill(pid_, number); }

    // Waits until the terminal has shown `text` since the last time.
    bool sees(const std::string& text) {
        const auto until = deadline();
        for (;;) {
            const std::size_t at = shown_.find(text);
            if (at != std::string::npos) {
                shown_.erase(0, at + text.size());
                return true;
            }
            if (!look(until)) {
                UNSCOPED_INFO("shown: " << Catch::StringMaker<std::string>::convert(shown_));
                return false;
            }
        }
    }
    exit_state leaves() {
        int status = 0;
        const auto until = deadline();
        while (::waitpid(pid_, &status, WNOHANG) == 0) {
            REQUIRE(steady::now() < until);
            look(steady::now() + std::chrono::milliseconds(5));  // its output must go somewhere
        }
        pid_ = -1;
        return WIFEXITED(status) ? exit_state{WEXITSTATUS(status), 0} : exit_state{-1, WTERMSIG(status)};
    }
    bool terminal_is_as_before() const {
        const termios now = terminal_.settings();
        return now.c_lflag == before_.c_lflag && now.c_iflag == before_.c_iflag &&
               now.c_oflag == before_.c_oflag && std::memcmp(now.c_cc, before_.c_cc, sizeof now.c_cc) == 0;
    }
    bool is_left_blocking() const { return !is_non_blocking(terminal_.slave.get()); }

  private:
    // Takes what is shown; false when nothing came in time.
    bool look(steady::time_point until) {
        pollfd shows{terminal_.master.get(), POLLIN, 0};
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - steady::now()).count();
        if (::poll(&shows, 1, static_cast<int>(std::max<long>(0, left))) <= 0) return false;
        char bytes[4096];
        const ssize_t got = ::read(terminal_.master.get(), bytes, sizeof bytes);
        if (got <= 0) return false;
        shown_.append(bytes, static_cast<std::size_t>(got));
        return true;
    }

    plain_terminal terminal_;
    termios before_{};
    std::string shown_;
    pid_t pid_ = -1;
};

const std::string erased = "\r\x1b[K";
const std::string empty_line = erased + "> ";

// Comes in as alice.
void come_in(person& alice) {
    REQUIRE(alice.sees(erased + "What's your name?\r\n" + empty_line));
    alice.types("alice\r");
    REQUIRE(alice.sees(erased + "Welcome, alice!\r\n" + empty_line));
}

}  // namespace

TEST_CASE("tty_chat: the line that is being typed stays below what others say") {
    const auto kind = GENERATE(from_range(demultiplexers()));
    CAPTURE(kind);
    server chat("chat", kind);
    client bob = join(chat, "bob");
    person alice(chat, kind);
    come_in(alice);
    alice.types("hel");
    REQUIRE(alice.sees("> hel"));
    CHECK(alice.is_left_blocking());
    REQUIRE(bob.send("hi\r\n"));
    CHECK(alice.sees(erased + "<bob> hi\r\n" + erased + "> hel"));
    alice.types("lo\x1b[D\x1b[D");
    CHECK(alice.sees("> hello\x1b[2D"));
    REQUIRE(bob.send("how are you?\r\n"));
    CHECK(alice.sees(erased + "<bob> how are you?\r\n" + erased + "> hello\x1b[2D"));
    alice.types("\r");
    CHECK(alice.sees("\r\n" + empty_line));
    CHECK(bob.read_line() == "<alice> hello\r\n");
    alice.types("\x04");
    CHECK(alice.leaves() == exit_state{0, 0});
    CHECK(alice.terminal_is_as_before());
    CHECK(alice.is_left_blocking());
}

TEST_CASE("tty_chat: keys edit the line") {
    const auto kind = demultiplexers().front();
    server chat("chat", kind);
    client bob = join(chat, "bob");
    person alice(chat, kind);
    come_in(alice);
    struct typed {
        std::string_view keys;
        std::string_view line;
    };
    for (const auto& [keys, line] : {
             typed{"abc", "abc"},
             typed{"abx\x7f"
                   "c",
                   "abc"},
             typed{"abx\x08"
                   "c",
                   "abc"},
             typed{"ac\x1b[Db", "abc"},
             typed{"ac\x02"
                   "b",
                   "abc"},
             typed{"abc\x1b[D\x1b[D\x1b[Cx", "abxc"},
             typed{"bc\x1b[Ha", "abc"},
             typed{"bc\x1bOHa", "abc"},
             typed{"bc\x1b[1~a", "abc"},
             typed{"bc\x01"
                   "a",
                   "abc"},
             typed{"ab\x01\x1b[Fc", "abc"},
             typed{"ab\x01\x1b[4~c", "abc"},
             typed{"ab\x01\x05"
                   "c",
                   "abc"},
             typed{"abx\x1b[D\x1b[3~c", "abc"},
             typed{"abx\x1b[D\x04"
                   "c",
                   "abc"},
             typed{"abxy\x02\x02\x0b"
                   "c",
                   "abc"},
             typed{"junk\x15"
                   "abc",
                   "abc"},
             typed{"one two  \x17three", "one three"},
             typed{"a\xc3\xbc\x7f"
                   "bc",
                   "abc"},
             typed{"\xc3\xbc\x1b[Da", "a\xc3\xbc"},
             typed{"a\x1b[5~\x1b[1;5Ab\x1bxc", "abc"},
             typed{"\x7f\x1b[D\x17\x15"
                   "abc\x1b[C\x1b[3~",
                   "abc"},
         }) {
        CAPTURE(keys);
        alice.types(keys);
        alice.types("\r");
        CHECK(bob.read_line() == "<alice> " + std::string(line) + "\r\n");
    }
}

TEST_CASE("tty_chat: of a long line the part around the cursor is shown, and no line is endless") {
    const auto kind = demultiplexers().front();
    server chat("chat", kind);
    client bob = join(chat, "bob");
    person alice(chat, kind, 13);
    come_in(alice);
    alice.types("0123456789abcdef");
    CHECK(alice.sees("> 6789abcdef"));
    alice.types("\x01");
    CHECK(alice.sees("> 0123456789\x1b[10D"));
    alice.types("\x05" + std::string(1000, 'x') + "\r");
    CHECK(bob.read_line() == "<alice> 0123456789abcdef" + std::string(400 - 16, 'x') + "\r\n");
}

TEST_CASE("tty_chat: what others send does not move the cursor") {
    const auto kind = demultiplexers().front();
    server chat("chat", kind);
    client bob = join(chat, "bob");
    person alice(chat, kind);
    come_in(alice);
    REQUIRE(
        bob.send("\x1b[2J\x07 gr\xc3\xbc\xc3\x9f"
                 "e \xc2\x9b"
                 "2J\r\n"));
    CHECK(
        alice.sees("<bob> ?[2J? gr\xc3\xbc\xc3\x9f"
                   "e ?2J\r\n"));
}

TEST_CASE("tty_chat: the terminal is as before, however it ends") {
    const auto kind = GENERATE(from_range(demultiplexers()));
    CAPTURE(kind);
    server chat("chat", kind);
    client bob = join(chat, "bob");
    person alice(chat, kind);
    come_in(alice);
    alice.types("unfinished");
    REQUIRE(alice.sees("> unfinished"));
    CHECK_FALSE(alice.terminal_is_as_before());
    SECTION("with ^C") {
        alice.types("\x03");
        CHECK(alice.leaves() == exit_state{130, 0});
    }
    SECTION("with a signal") {
        alice.signal(SIGTERM);
        CHECK(alice.leaves() == exit_state{143, 0});
    }
    SECTION("with the server") {
        chat.process().signal(SIGKILL);
        const exit_state how = alice.leaves();
        CHECK(how.signal == 0);
    }
    CHECK(alice.terminal_is_as_before());
    CHECK(alice.is_left_blocking());
}

TEST_CASE("tty_chat: plain lines where there is no terminal") {
    const auto kind = GENERATE(from_range(demultiplexers()));
    CAPTURE(kind);
    server chat("chat", kind);
    client bob = join(chat, "bob");
    process alice({sample("tty_chat"), "tcp:127.0.0.1:" + std::to_string(chat.port())}, {use_reactor(kind)});
    alice.write("alice\nhel");
    REQUIRE(alice.wait_for_output("Welcome, alice!\n"));
    REQUIRE(bob.send("hi\r\n"));
    REQUIRE(alice.wait_for_output("<bob> hi\n"));
    alice.write("lo\nand the end");
    alice.end_input();
    CHECK(bob.read_line() == "<alice> hello\r\n");
    CHECK(bob.read_line() == "<alice> and the end\r\n");
    CHECK(alice.wait() == exit_state{0, 0});
    CHECK(alice.output() == "What's your name?\nWelcome, alice!\n<bob> hi\n");
    CHECK(alice.errors().empty());
}
