// Reads and writes of what is no socket: pipes and terminals.
#include "full_queue.hpp"
#include "probes.hpp"

#include "demux/tried_calls.hpp"

#include <signal.h>
#include <stdlib.h>
#include <termios.h>

#include <array>
#include <cerrno>
#include <string>

using bight::const_buffer;
using bight::mutable_buffer;
using test::demultiplexer_fixture;
using test::give;
using test::operation_kind;
using test::plain_probe;
using test::receive_probe;
using test::send_probe;

namespace {

#define ON_EACH_DEMULTIPLEXER demultiplexer_fixture on(GENERATE(from_range(test::demultiplexers())))

/// A pipe of blocking descriptors, as a child's. `ours` is attached, `theirs` is the other end.
struct pipe_ends {
    pipe_ends(demultiplexer_fixture& on, bool we_read) {
        int ends[2];
        REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
        theirs = ends[we_read ? 1 : 0];
        ours = &on.add(ends[we_read ? 0 : 1]);
    }
    pipe_ends(const pipe_ends&) = delete;
    pipe_ends& operator=(const pipe_ends&) = delete;
    ~pipe_ends() { hang_up(); }
    void hang_up() {
        if (theirs >= 0) ::close(std::exchange(theirs, -1));
    }
    void say(std::string_view text) const {
        REQUIRE(::write(theirs, text.data(), text.size()) == static_cast<ssize_t>(text.size()));
    }

    test::probe_descriptor* ours;
    int theirs;
};

int signals_seen = 0;

/// Counts SIGPIPE, until the end of the scope.
class counted_sigpipe {
  public:
    counted_sigpipe() {
        signals_seen = 0;
        struct sigaction action{};
        action.sa_handler = [](int) { ++signals_seen; };
        ::sigaction(SIGPIPE, &action, &before_);
    }
    counted_sigpipe(const counted_sigpipe&) = delete;
    counted_sigpipe& operator=(const counted_sigpipe&) = delete;
    ~counted_sigpipe() {
        ::sigaction(SIGPIPE, &before_, nullptr);
        bight::detail::uses_no_signal_flag = true;
    }

  private:
    struct sigaction before_{};
};

}  // namespace

TEST_CASE("a read of a pipe gives what was there, what comes later, and the end") {
    ON_EACH_DEMULTIPLEXER;
    INFO(on.name());
    pipe_ends p(on, true);
    std::array<char, 16> memory{};
    receive_probe op(*p.ours, operation_kind::read);
    op.memory = mutable_buffer(memory.data(), memory.size());
    p.say("first");
    on.start(op);
    REQUIRE(on.until_completed(op));
    CHECK(std::string(memory.data(), static_cast<std::size_t>(op.result)) == "first");
    on.start(op);
    on.turns();
    REQUIRE(op.completions == 1);
    p.say("second");
    REQUIRE(on.until_completed(op, 2));
    CHECK(std::string(memory.data(), static_cast<std::size_t>(op.result)) == "second");

    on.start(op);
    on.turns();
    on.cancel(op);
    REQUIRE(on.until_completed(op, 3));
    CHECK(op.result == -ECANCELED);
    p.say("kept");
    on.turns();
    on.start(op);
    REQUIRE(on.until_completed(op, 4));
    CHECK(std::string(memory.data(), static_cast<std::size_t>(op.result)) == "kept");

    on.start(op);
    p.hang_up();
    REQUIRE(on.until_completed(op, 5));
    CHECK(op.result == 0);
}

TEST_CASE("a read of a pipe whose bytes somebody else has taken waits again, or ends when it was cancelled") {
    ON_EACH_DEMULTIPLEXER;
    INFO(on.name());
    pipe_ends p(on, true);
    const bool cancel = GENERATE(false, true);
    std::array<char, 16> memory{};
    receive_probe op(*p.ours, operation_kind::read);
    op.memory = mutable_buffer(memory.data(), memory.size());
    on.start(op);
    on.turns();
    p.say("taken");
    if (on.completes_by_itself()) {
        test::complete_unseen(on);
    } else {
        REQUIRE(on.until_queued(op));
    }
    std::array<char, 16> bytes;
    REQUIRE(::read(p.ours->fd, bytes.data(), bytes.size()) == 5);
    if (cancel) {
        on.cancel(op);
    } else {
        on.turns();
        REQUIRE(op.completions == 0);
        p.say("mine");
    }
    REQUIRE(on.until_completed(op));
    CHECK(op.result == (cancel ? -ECANCELED : 4));
    on.turns();
    CHECK(op.completions == 1);
}

TEST_CASE("a write to a pipe takes all of its pieces, however slowly they are read, and can be cancelled") {
    ON_EACH_DEMULTIPLEXER;
    INFO(on.name());
    pipe_ends p(on, false);
    const std::string large(std::size_t{1} << 20, 'a');
    std::array<const_buffer, 3> pieces{const_buffer("head "), const_buffer(large), const_buffer(" tail")};
    send_probe op(*p.ours, operation_kind::write);
    op.pieces = pieces.data();
    op.piece_count = pieces.size();
    on.start(op);
    on.turns();
    REQUIRE(op.completions == 0);
    const bool cancelled = GENERATE(false, true);
    if (cancelled) {
        on.cancel(op);
        REQUIRE(on.until_completed(op));
        CHECK(op.result == -ECANCELED);
        return;
    }
    std::string heard;
    REQUIRE(::fcntl(p.theirs, F_SETFL, O_NONBLOCK) == 0);
    REQUIRE(on.until([&] {
        std::array<char, 65536> part;
        for (ssize_t got; (got = ::read(p.theirs, part.data(), part.size())) > 0;) {
            heard.append(part.data(), static_cast<std::size_t>(got));
        }
        return heard.size() == large.size() + 10;
    }));
    REQUIRE(on.until_completed(op));
    CHECK(op.result == 0);
    CHECK(heard == "head " + large + " tail");
}

TEST_CASE("a write to a pipe that nobody reads any more is EPIPE, and no signal") {
    const counted_sigpipe counted;
    bight::detail::uses_no_signal_flag = GENERATE(true, false);
    ON_EACH_DEMULTIPLEXER;
    INFO(on.name());
    pipe_ends p(on, false);
    send_probe op(*p.ours, operation_kind::write);
    const bool waiting = GENERATE(false, true);
    CAPTURE(waiting);
    const std::string text(waiting ? 1'000'000 : 1, 'x');
    const_buffer piece(text);
    give(op, piece);
    if (!waiting) p.hang_up();
    on.start(op);
    on.turns();
    if (waiting) {
        REQUIRE(op.completions == 0);
        p.hang_up();
    }
    REQUIRE(on.until_completed(op));
    CHECK(op.result == -EPIPE);
    CHECK(signals_seen == 0);
    // Blocked and pending before, it is nobody else's to take.
    sigset_t pipe;
    sigset_t before;
    ::sigemptyset(&pipe);
    ::sigaddset(&pipe, SIGPIPE);
    ::pthread_sigmask(SIG_BLOCK, &pipe, &before);
    ::pthread_kill(::pthread_self(), SIGPIPE);
    give(op, piece);
    piece = const_buffer("x");
    on.start(op);
    REQUIRE(on.until_completed(op, 2));
    CHECK(op.result == -EPIPE);
    sigset_t pending;
    ::sigpending(&pending);
    CHECK(::sigismember(&pending, SIGPIPE) == 1);
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    CHECK(signals_seen == 1);
}

TEST_CASE("a terminal is read and written, and one that waits for a key can be cancelled") {
    ON_EACH_DEMULTIPLEXER;
    INFO(on.name());
    const int master = ::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    REQUIRE(master >= 0);
    REQUIRE(::grantpt(master) == 0);
    REQUIRE(::unlockpt(master) == 0);
    auto& d = on.add(::open(::ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC));
    termios raw{};
    REQUIRE(::tcgetattr(d.fd, &raw) == 0);
    raw.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    raw.c_oflag = 0;
    REQUIRE(::tcsetattr(d.fd, TCSANOW, &raw) == 0);
    std::array<char, 16> memory{};
    receive_probe read(d, operation_kind::read);
    read.memory = mutable_buffer(memory.data(), memory.size());
    on.start(read);
    on.turns();
    REQUIRE(read.completions == 0);
    on.cancel(read);
    REQUIRE(on.until_completed(read));
    CHECK(read.result == -ECANCELED);
    on.start(read);
    on.turns();
    REQUIRE(::write(master, "line\n", 5) == 5);
    REQUIRE(on.until_completed(read, 2));
    CHECK(std::string(memory.data(), static_cast<std::size_t>(read.result)) == "line\n");
    const_buffer piece("answer");
    send_probe write(d, operation_kind::write);
    give(write, piece);
    on.start(write);
    REQUIRE(on.until_completed(write));
    CHECK(write.result == 0);
    REQUIRE(::read(master, memory.data(), memory.size()) == 6);
    CHECK(std::string(memory.data(), 6) == "answer");
    ::close(master);
}

TEST_CASE("reads and writes of pipes wait in lines, too") {
    ON_EACH_DEMULTIPLEXER;
    INFO(on.name());
    pipe_ends p(on, true);
    std::array<std::array<char, 2>, 4> memory{};
    std::vector<std::unique_ptr<receive_probe>> reads;
    for (auto& m : memory) {
        auto& op = *reads.emplace_back(std::make_unique<receive_probe>(*p.ours, operation_kind::read));
        op.memory = mutable_buffer(m.data(), m.size());
        on.start(op);
    }
    on.turns();
    on.cancel(*reads[1]);
    p.say("aabbc");
    for (auto& op : reads) REQUIRE(on.until_completed(*op));
    CHECK(reads[1]->result == -ECANCELED);
    CHECK(std::string(memory[0].data(), 2) + std::string(memory[2].data(), 2) + memory[3][0] == "aabbc");
    CHECK(reads[3]->result == 1);
}

TEST_CASE("a pipe that blocked blocks again when it is detached, for those who share it") {
    ON_EACH_DEMULTIPLEXER;
    INFO(on.name());
    const bool we_read = GENERATE(true, false);
    const bool closes = GENERATE(true, false);
    CAPTURE(we_read, closes);
    pipe_ends p(on, we_read);
    const int others = ::dup(p.ours->fd);
    REQUIRE(others >= 0);
    char byte = 'x';
    if (we_read) {
        receive_probe op(*p.ours, operation_kind::read);
        op.memory = mutable_buffer(&byte, 1);
        on.start(op);
        on.turns();
        CHECK((::fcntl(others, F_GETFL) & O_NONBLOCK) != 0);
        p.say("y");
        REQUIRE(on.until_completed(op));
    } else {
        send_probe op(*p.ours, operation_kind::write);
        const_buffer piece(&byte, 1);
        op.pieces = &piece;
        op.piece_count = 1;
        on.start(op);
        REQUIRE(on.until_completed(op));
        CHECK((::fcntl(others, F_GETFL) & O_NONBLOCK) != 0);
    }
    const int ours = p.ours->fd;
    on.demux().detach(*p.ours, closes);
    CHECK((::fcntl(others, F_GETFL) & O_NONBLOCK) == 0);
    if (!closes) ::close(ours);
    ::close(others);
}
