// Operations without a descriptor: on files and paths.
#include "probes.hpp"
#include "stuck_calls.hpp"
#include "support/own_file.hpp"

#include "demux/file_operation.hpp"

#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <vector>

using bight::const_buffer;
using bight::demultiplexer_kind;
using bight::mutable_buffer;
using test::demultiplexer_fixture;
using test::operation_kind;

namespace {

#define ON_EACH_DEMULTIPLEXER demultiplexer_fixture on(GENERATE(from_range(test::demultiplexers())))

/// It works on no descriptor.
class file_probe final : public bight::detail::status_operation {
  public:
    explicit file_probe(operation_kind what) { kind = what; }
    std::atomic<int> completions{0};

  private:
    void completed() noexcept override { ++completions; }
};

/// A directory that is empty again, and gone, at the end.
struct directory {
    directory() { REQUIRE(::mkdtemp(name.data())); }
    directory(const directory&) = delete;
    directory& operator=(const directory&) = delete;
    ~directory() { CHECK(::rmdir(name.c_str()) == 0); }
    std::string at(const char* file) const { return name + "/" + file; }
    std::string name = (std::filesystem::temp_directory_path() / "bight-files-XXXXXX").string();
};

void start(demultiplexer_fixture& on, file_probe& op) {
    if (on.demux().start(op)) ++op.completions;
}

bool until_done(demultiplexer_fixture& on, const file_probe& op) {
    return on.until([&] { return op.completions > 0; });
}

/// One operation from start to end: its result.
std::int64_t run(demultiplexer_fixture& on, file_probe& op) {
    op.completions = 0;
    start(on, op);
    REQUIRE(until_done(on, op));
    on.turns(2);
    CHECK(op.completions == 1);
    return test::with_errno(op.result);
}

int open(demultiplexer_fixture& on, const std::string& path, int flags) {
    file_probe op(operation_kind::open_file);
    op.path = path.c_str();
    op.flags = flags;
    op.mode = 0600;
    const std::int64_t result = run(on, op);
    return static_cast<int>(result);
}

std::int64_t close(demultiplexer_fixture& on, int file) {
    file_probe op(operation_kind::close_file);
    op.file = file;
    return run(on, op);
}

std::int64_t remove(demultiplexer_fixture& on, const std::string& path) {
    file_probe op(operation_kind::remove_path);
    op.path = path.c_str();
    return run(on, op);
}

/// A file that was read 1000 s after the epoch, and changed 2000 s after it.
class old_file {
  public:
    old_file(demultiplexer_fixture& on, const directory& here) : on_(on), path_(here.at("file")) {
        number_ = open(on, path_, O_RDWR | O_CREAT);
        REQUIRE(number_ >= 0);
        const timespec times[2] = {{1000, 100}, {2000, 200}};  // Windows counts tenths of a microsecond
        REQUIRE(::futimens(number_, times) == 0);
    }
    old_file(const old_file&) = delete;
    old_file& operator=(const old_file&) = delete;
    ~old_file() {
        CHECK(close(on_, number_) == 0);
        CHECK(remove(on_, path_) == 0);
    }

    /// Its status, asked for by its path and by its descriptor.
    std::array<bight::detail::told_status, 2> looked_at() const {
        file_probe by_path(operation_kind::stat_path);
        by_path.path = path_.c_str();
        CHECK(run(on_, by_path) == 0);
        file_probe by_number(operation_kind::stat_file);
        by_number.file = number_;
        CHECK(run(on_, by_number) == 0);
        return {by_path.status, by_number.status};
    }

  private:
    demultiplexer_fixture& on_;
    std::string path_;
    int number_ = -1;
};

// Of a thread, by its directory in /proc. None when it is gone: a thread that was joined is still listed for
// a moment, with no signals, in a process of 0 threads.
std::optional<unsigned long long> blocked_signals(const std::filesystem::path& thread) {
    std::ifstream status(thread / "status");
    for (std::string line; std::getline(status, line);) {
        if (line == "Threads:\t0") return std::nullopt;
        if (line.starts_with("SigBlk:")) return std::strtoull(line.c_str() + 7, nullptr, 16);
    }
    return std::nullopt;
}

}  // namespace

TEST_CASE("a file is made, written, read, looked at, synced, closed and removed") {
    ON_EACH_DEMULTIPLEXER;
    INFO(on.name());
    const directory here;
    const std::string path = here.at("file");
    const int file = open(on, path, O_RDWR | O_CREAT | O_EXCL);
    REQUIRE(file >= 0);
    CHECK((::fcntl(file, F_GETFD) & FD_CLOEXEC) != 0);
    CHECK(open(on, path, O_RDWR | O_CREAT | O_EXCL) == -EEXIST);

    file_probe write(operation_kind::write_at);
    write.file = file;
    write.bytes = const_buffer("hello");
    write.offset = 1000;
    CHECK(run(on, write) == 5);
    file_probe sync(operation_kind::sync_file);
    sync.file = file;
    CHECK(run(on, sync) == 0);
    sync.flags = 1;
    CHECK(run(on, sync) == 0);

    std::array<char, 64> memory{};
    file_probe read(operation_kind::read_at);
    read.file = file;
    read.memory = mutable_buffer(memory.data(), memory.size());
    read.offset = 998;
    CHECK(run(on, read) == 7);
    CHECK(std::string(memory.data(), 7) == std::string("\0\0hello", 7));
    read.offset = 1005;
    CHECK(run(on, read) == 0);

    file_probe by_file(operation_kind::stat_file);
    by_file.file = file;
    CHECK(run(on, by_file) == 0);
    CHECK(by_file.status.size == 1005);
    CHECK(S_ISREG(by_file.status.mode));
    CHECK((by_file.status.mode & 0777U) == test::own_file_mode);
    CHECK(by_file.status.user == test::own_file_owner());
    CHECK(by_file.status.links == 1);
    CHECK(by_file.status.modified.seconds > 1'600'000'000);
    file_probe by_path(operation_kind::stat_path);
    by_path.path = path.c_str();
    CHECK(run(on, by_path) == 0);
    CHECK(by_path.status.inode == by_file.status.inode);
    CHECK(by_path.status.size == 1005);

    CHECK(close(on, file) == 0);
    CHECK(::fcntl(file, F_GETFD) < 0);
    CHECK(close(on, file) == -EBADF);
    CHECK(run(on, read) == -EBADF);
    CHECK(remove(on, path) == 0);
    CHECK(remove(on, path) == -ENOENT);
    CHECK(run(on, by_path) == -ENOENT);
    CHECK(open(on, path, O_RDONLY) == -ENOENT);
}

TEST_CASE("many operations on one file are under way at a time") {
    ON_EACH_DEMULTIPLEXER;
    INFO(on.name());
    const directory here;
    const std::string path = here.at("file");
    const int file = open(on, path, O_RDWR | O_CREAT);
    REQUIRE(file >= 0);
    constexpr std::size_t count = 100;
    std::vector<std::string> texts;
    std::vector<std::unique_ptr<file_probe>> all;
    for (std::size_t i = 0; i < count; ++i) texts.push_back(std::to_string(1000 + i));
    for (std::size_t i = 0; i < count; ++i) {
        auto& op = *all.emplace_back(std::make_unique<file_probe>(operation_kind::write_at));
        op.file = file;
        op.bytes = const_buffer(texts[i]);
        op.offset = 4 * i;
        start(on, op);
    }
    for (const auto& op : all) {
        REQUIRE(until_done(on, *op));
        CHECK(op->result == 4);
    }
    std::array<std::array<char, 4>, count> memory{};
    for (std::size_t i = 0; i < count; ++i) {
        file_probe& op = *all[i];
        op.kind = operation_kind::read_at;
        op.memory = mutable_buffer(memory[i].data(), 4);
        op.completions = 0;
        start(on, op);
    }
    for (std::size_t i = 0; i < count; ++i) {
        REQUIRE(until_done(on, *all[i]));
        CHECK(std::string(memory[i].data(), 4) == texts[i]);
    }
    CHECK(on.demux().idle());
    CHECK(close(on, file) == 0);
    CHECK(remove(on, path) == 0);
}

TEST_CASE("a call that blocks blocks nobody else; cancelled, its result is delivered, or it is undone") {
    ON_EACH_DEMULTIPLEXER;
    INFO(on.name());
    const directory here;
    test::stuck_calls stuck(here.name);
    constexpr std::size_t count = 6;  // more than there are threads
    std::vector<std::unique_ptr<file_probe>> blocked;
    for (std::size_t i = 0; i < count; ++i) {
        stuck.prepare(*blocked.emplace_back(std::make_unique<file_probe>(operation_kind::open_file)));
        start(on, *blocked.back());
    }
    auto& c = on.connect(test::pair_kind::unix_pair);
    test::receive_probe receive(c.ours, operation_kind::receive);
    on.start(receive);
    on.turns();
    c.say("on time");
    REQUIRE(on.until_completed(receive));
    CHECK(receive.data.to_string() == "on time");
    receive.data.reset();
    for (const auto& op : blocked) CHECK(op->completions == 0);
    CHECK(on.demux().has_pending());
    CHECK_FALSE(on.demux().idle());

    std::size_t gone = 0;
    for (std::size_t i = 1; i < count; ++i) {
        if (!on.demux().cancel(*blocked[i])) continue;
        ++gone;
        blocked[i]->result = -ECANCELED;
        ++blocked[i]->completions;
    }
    if (!on.completes_by_itself()) CHECK(gone >= count - 4);
    stuck.let_go();
    for (std::size_t i = 0; i < count; ++i) {
        REQUIRE(until_done(on, *blocked[i]));
        CHECK(blocked[i]->completions == 1);
        CHECK((blocked[i]->result >= 0 || (i > 0 && blocked[i]->result == -ECANCELED)));
        stuck.clean_up(*blocked[i]);
    }
}

TEST_CASE("the times of a file are told apart: of its last change, and of the last change of its status") {
    ON_EACH_DEMULTIPLEXER;
    INFO(on.name());
    const directory here;
    const old_file f(on, here);
    for (const auto& status : f.looked_at()) {
        CHECK(status.modified.seconds == 2000);
        CHECK(status.modified.nanoseconds == 200);
        CHECK(status.changed.seconds > 2000);
    }
}

TEST_CASE("the time of the last access to a file is told") {
    ON_EACH_DEMULTIPLEXER;
    INFO(on.name());
    const directory here;
    const old_file f(on, here);
    for (const auto& status : f.looked_at()) {
        CHECK(status.accessed.seconds == 1000);
        CHECK(status.accessed.nanoseconds == 100);
    }
}

TEST_CASE("a link is told apart from what it points to") {
    ON_EACH_DEMULTIPLEXER;
    INFO(on.name());
    const directory here;
    const std::string path = here.at("file");
    const std::string link = here.at("link");
    const int linked = ::symlink(path.c_str(), link.c_str());
    REQUIRE(linked == 0);
    const int file = open(on, path, O_RDWR | O_CREAT);
    REQUIRE(file >= 0);
    file_probe followed(operation_kind::stat_path);
    followed.path = link.c_str();
    CHECK(run(on, followed) == 0);
    CHECK(S_ISREG(followed.status.mode));
    file_probe itself(operation_kind::stat_path);
    itself.path = link.c_str();
    itself.flags = AT_SYMLINK_NOFOLLOW;
    CHECK(run(on, itself) == 0);
    CHECK(S_ISLNK(itself.status.mode));
    CHECK(close(on, file) == 0);
    CHECK(remove(on, link) == 0);
    CHECK(remove(on, path) == 0);
}

TEST_CASE("no signal of the process is handled on a thread that makes calls on files") {
    const auto kind =
        GENERATE(demultiplexer_kind::epoll, demultiplexer_kind::poll, demultiplexer_kind::select);
    CAPTURE(kind);
    demultiplexer_fixture on(kind);
    file_probe op(operation_kind::stat_path);
    op.path = "/";
    CHECK(run(on, op) == 0);
    int threads = 0;
    for (const auto& entry : std::filesystem::directory_iterator("/proc/self/task")) {
        if (entry.path().filename() == std::to_string(::gettid())) continue;
        const auto mask = blocked_signals(entry.path());
        if (!mask) continue;
        ++threads;
        for (const int signal : {SIGINT, SIGTERM, SIGUSR1, SIGALRM, SIGCHLD}) {
            CAPTURE(signal);
            CHECK((*mask >> (signal - 1) & 1) == 1);
        }
    }
    CHECK(threads >= 1);
}

TEST_CASE("while one call on a file blocks, others are made") {
    ON_EACH_DEMULTIPLEXER;
    INFO(on.name());
    const directory here;
    test::stuck_calls stuck(here.name);
    file_probe status(operation_kind::stat_path);
    status.path = here.name.c_str();
    if (GENERATE(false, true)) CHECK(run(on, status) == 0);  // its thread is idle when the next one comes
    file_probe blocked(operation_kind::open_file);
    stuck.prepare(blocked);
    start(on, blocked);
    CHECK(run(on, status) == 0);
    CHECK(blocked.completions == 0);
    stuck.let_go();
    REQUIRE(until_done(on, blocked));
    CHECK(blocked.result >= 0);
    stuck.clean_up(blocked);
}

TEST_CASE("calls that wait for a thread keep their line when its last one is cancelled") {
    // Those that make them on threads of their own.
    const auto kind = GENERATE(from_range(test::those_that_work(
        {demultiplexer_kind::epoll, demultiplexer_kind::poll, demultiplexer_kind::select,
         demultiplexer_kind::iocp, demultiplexer_kind::wfmo})));
    CAPTURE(kind);
    demultiplexer_fixture on(kind);
    const directory here;
    test::stuck_calls stuck(here.name);
    std::vector<std::unique_ptr<file_probe>> blocked;
    for (int i = 0; i < 4; ++i) {  // all threads
        stuck.prepare(*blocked.emplace_back(std::make_unique<file_probe>(operation_kind::open_file)));
        start(on, *blocked.back());
    }
    // They have begun when none of them can be taken back; to ask is to take one back, and to start it again.
    file_probe last(operation_kind::stat_path);
    last.path = here.name.c_str();
    file_probe after(operation_kind::stat_path);
    after.path = here.name.c_str();
    for (const auto& op : blocked) {
        while (on.demux().cancel(*op)) start(on, *op);
        op->cancel_asked = false;
    }
    start(on, last);
    CHECK(on.demux().cancel(last));
    start(on, after);
    stuck.let_go();
    for (const auto& op : blocked) {
        REQUIRE(until_done(on, *op));
        stuck.clean_up(*op);
    }
    CHECK(until_done(on, after));
    CHECK(after.result == 0);
}

TEST_CASE("a reactor that is destroyed with file operations under way waits until they are back") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    std::vector<std::unique_ptr<file_probe>> all;
    {
        test::reactor_fixture on(kind);
        on.reactor().run_once();
        for (int i = 0; i < 50; ++i) {
            auto& op = *all.emplace_back(std::make_unique<file_probe>(operation_kind::stat_path));
            op.path = "/";
            REQUIRE_FALSE(bight::detail::demultiplexer_of(on.reactor()).start(op));
        }
    }
    for (const auto& op : all) {
        CHECK(op->completions == 1);
        CHECK(op->result == 0);
    }
}
