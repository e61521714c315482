// The disk of a simulated host: its operations do what those of this machine do, and a crash leaves what was
// synced.
#include "faulty.hpp"
#include "files.hpp"

#include "support/catch.hpp"
#include "support/connections.hpp"
#include "support/reactors.hpp"

#include <bight/bight.hpp>
#include <bight/os/paths.hpp>
#include <bight/sim/world.hpp>

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <source_location>
#include <string>
#include <system_error>
#include <type_traits>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using bight::task;
using test::file_call;
using test::on_handle;
using test::open_file;
using test::operation_kind;
using test::write_at;
namespace sim = bight::sim;

namespace {

// What is there, or "error N".
task<std::string> read_at(std::int64_t file, std::size_t size, std::uint64_t at = 0) {
    std::string text(size, '?');
    file_call call(operation_kind::read_at);
    call.op.file = static_cast<int>(file);
    call.op.memory = bight::mutable_buffer(text.data(), text.size());
    call.op.offset = at;
    const std::int64_t result = co_await std::move(call);
    if (result < 0) co_return "error " + std::to_string(-result);
    co_return text.substr(0, static_cast<std::size_t>(result));
}
task<std::int64_t> on_path(operation_kind what, std::string path, int flags = 0) {
    file_call call(what);
    call.op.path = path.c_str();
    call.op.flags = flags;
    const std::int64_t result = co_await std::move(call);
    if (result == 0 && what == operation_kind::stat_path)
        co_return static_cast<std::int64_t>(call.op.status.size);
    co_return result;
}
task<bool> is_directory(std::string path) {
    file_call call(operation_kind::stat_path);
    call.op.path = path.c_str();
    const std::int64_t result = co_await std::move(call);
    co_return result == 0 && S_ISDIR(call.op.status.mode);
}

template <class T>
task<> gives(task<T> call, std::type_identity_t<T> wanted,
             std::source_location where = std::source_location::current()) {
    const T got = co_await std::move(call);
    INFO("line " << where.line());
    CHECK(got == wanted);
}

// A file's life, and what is refused. Everything that it did is gone at the end.
task<> file_story(std::string path) {
    const std::string directory = path.substr(0, path.rfind('/'));
    const auto close = [](std::int64_t file) { return on_handle(operation_kind::close_file, file); };
    const auto size = [&] { return on_path(operation_kind::stat_path, path); };
    const auto remove = [](std::string at) { return on_path(operation_kind::remove_path, std::move(at)); };

    const auto rename = [](std::string from, std::string to) -> task<std::int64_t> {
        file_call call(operation_kind::rename_path);
        call.op.path = from.c_str();
        call.op.new_path = to.c_str();
        const std::int64_t result = co_await std::move(call);
        co_return result;
    };

    co_await gives(size(), -ENOENT);
    co_await gives(open_file(path, O_RDONLY), -ENOENT);
    const std::int64_t file = co_await open_file(path, O_RDWR | O_CREAT | O_EXCL);
    REQUIRE(file >= 0);
    co_await gives(open_file(path, O_RDWR | O_CREAT | O_EXCL), -EEXIST);
    co_await gives(open_file(path, O_RDONLY | O_DIRECTORY), -ENOTDIR);
    co_await gives(open_file(path + "/below", O_RDWR | O_CREAT), -ENOTDIR);
    co_await gives(open_file(directory, O_RDWR), -EISDIR);
    co_await gives(is_directory(directory), true);
    co_await gives(is_directory(path), false);
    co_await gives(open_file(path + "/", O_RDONLY), -ENOTDIR);
    co_await gives(open_file(path + "new/", O_WRONLY | O_CREAT), -EISDIR);
    co_await gives(open_file(path + "new/", O_RDONLY), -ENOENT);
    co_await gives(remove(path + "/"), -ENOTDIR);
    co_await gives(remove(path + "new/"), -ENOENT);
    co_await gives(rename(path, path + "new/"), -ENOTDIR);
    co_await gives(rename(path + "/", path + "new"), -ENOTDIR);
    co_await gives(is_directory(directory + "/"), true);

    co_await gives(write_at(file, "hello", 1000), 5);
    co_await gives(size(), 1005);
    co_await gives(read_at(file, 64, 998), std::string("\0\0hello", 7));
    co_await gives(read_at(file, 64, 1005), "");
    co_await gives(read_at(file, 64, 2000), "");
    co_await gives(write_at(file, "", 5000), 0);
    co_await gives(size(), 1005);
    co_await gives(on_handle(operation_kind::sync_file, file), 0);
    co_await gives(on_handle(operation_kind::stat_file, file), 0);

    const std::int64_t reads = co_await open_file(path, O_RDONLY);
    const std::int64_t appends = co_await open_file(path, O_WRONLY | O_APPEND);
    co_await gives(write_at(reads, "x"), -EBADF);
    co_await gives(read_at(appends, 1), "error " + std::to_string(EBADF));
    co_await gives(write_at(appends, "!", 0), 1);
    co_await gives(read_at(reads, 64, 1000), "hello!");
    const std::int64_t empties = co_await open_file(path, O_WRONLY | O_TRUNC);
    co_await gives(size(), 0);
    co_await gives(write_at(empties, "anew"), 4);
    for (const std::int64_t open_file : {file, reads, appends, empties}) co_await gives(close(open_file), 0);
    co_await gives(close(file), -EBADF);
    co_await gives(read_at(file, 1), "error " + std::to_string(EBADF));
    co_await gives(remove(path), 0);
    co_await gives(remove(path), -ENOENT);
    co_await gives(size(), -ENOENT);
}

task<> remove_what_is_open(std::string path) {
    const std::int64_t file = co_await open_file(path, O_RDWR | O_CREAT | O_EXCL);
    REQUIRE(file >= 0);
    co_await gives(write_at(file, "kept"), 4);
    co_await gives(on_path(operation_kind::remove_path, path), 0);
    co_await gives(on_path(operation_kind::remove_path, path), -ENOENT);
    co_await gives(on_path(operation_kind::stat_path, path), -ENOENT);
    co_await gives(read_at(file, 64), "kept");
    co_await gives(on_handle(operation_kind::close_file, file), 0);
}

// Appends and syncs, again and again.
task<> keep_a_log() {
    const std::int64_t log = co_await open_file("log", O_WRONLY | O_CREAT | O_APPEND);
    REQUIRE(log >= 0);
    for (int i = 0;; ++i) {
        const auto written = co_await write_at(log, std::to_string(i) + ",");
        CHECK(written > 0);
        if (i % 3 == 2) {
            const auto synced = co_await on_handle(operation_kind::sync_file, log);
            CHECK(synced == 0);
        }
    }
}

}  // namespace

TEST_CASE("operations on a simulated disk do what they do on this machine's") {
    test::reactor_fixture on(GENERATE(from_range(test::reactors())));
    const test::temporary_directory here;
    on.run([&]() -> task<> {
        co_await bight::create_directories(here.file(""));
        co_await file_story(here.file("file"));
    });
}

TEST_CASE("a file that is removed keeps its bytes for who has it open, and not its name") {
    test::reactor_fixture on(GENERATE(from_range(test::reactors())));
    const test::temporary_directory here;
    on.run([&]() -> task<> {
        co_await bight::create_directories(here.file(""));
        co_await remove_what_is_open(here.file("file"));
    });
}

TEST_CASE("a crash leaves of a file what was synced, and no file that never was") {
    sim::world w(1);
    sim::host& host = w.add("host");
    sim::disk disk = host.disk();
    disk.write("kept", "one");
    disk.append("/kept", " two");
    disk.sync("kept");
    disk.append("kept", " three");
    disk.write("lost", "four");
    CHECK(disk.read("kept") == "one two three");
    CHECK(disk.files() == std::vector<std::string>{"/kept", "/lost"});
    CHECK(disk.read("./var//../kept/") == disk.read("kept"));
    CHECK(disk.read("../../kept") == disk.read("kept"));
    host.crash();
    CHECK(disk.read("kept") == "one two");
    CHECK(disk.read("lost") == std::nullopt);
    disk.write("var/late", "five");
    disk.sync_all();
    host.restart();
    host.crash();
    CHECK(disk.files() == std::vector<std::string>{"/kept", "/var/late"});
}

TEST_CASE("a file that was removed is there again after a crash, unless its directory was synced") {
    sim::world w(1);
    sim::host& host = w.add("host");
    sim::disk disk = host.disk();
    for (const char* path : {"var/a", "var/b", "etc/c"}) {
        disk.write(path, path);
        disk.sync(path);
    }
    disk.remove("var/a");
    disk.sync("var");
    disk.remove("var/b");
    disk.remove("etc/c");
    disk.write("var/d", "made");
    disk.sync("/var");
    CHECK(disk.files() == std::vector<std::string>{"/var/d"});
    host.crash();
    CHECK(disk.files() == std::vector<std::string>{"/etc/c", "/var/d"});
    CHECK(disk.read("var/d") == "");  // its name was synced, and not what it has
}

TEST_CASE("what a disk cannot do is an error that names the path") {
    sim::world w(1);
    sim::disk disk = w.add("host").disk();
    disk.write("a/file", "");
    const auto refused = [](auto call, std::errc why, const std::string& path) {
        try {
            call();
            FAIL("it was done");
        } catch (const std::system_error& e) {
            CHECK(e.code() == why);
            CHECK(std::string(e.what()).find(path) != std::string::npos);
        }
    };
    refused([&] { disk.write("a", "x"); }, std::errc::is_a_directory, "/a");
    refused([&] { disk.append("a/file/below", "x"); }, std::errc::not_a_directory, "/a/file/below");
    refused([&] { disk.remove("b"); }, std::errc::no_such_file_or_directory, "/b");
    refused([&] { disk.sync("b"); }, std::errc::no_such_file_or_directory, "/b");
}

TEST_CASE("a power failure at any moment leaves a beginning of a log, up to a sync") {
    std::size_t lengths = 0;
    for (std::uint64_t seed = 1; seed <= 50; ++seed) {
        CAPTURE(seed);
        sim::world w(seed);
        sim::host& host = w.add("host");
        host.on_boot(keep_a_log);
        w.run_for(std::chrono::milliseconds(w.random().between(1, 100)));
        const auto before = host.disk().read("log");
        host.crash();
        const auto after = host.disk().read("log");
        w.run_for(1s);
        CHECK(host.disk().read("log") == after);
        if (!after) continue;
        REQUIRE(before);
        CHECK(before->starts_with(*after));
        CHECK(std::count(after->begin(), after->end(), ',') % 3 == 0);
        lengths += after->size();
    }
    CHECK(lengths > 0);
}

TEST_CASE("a host that starts anew reads what it had synced, and none of its open files") {
    std::string read_again;
    std::int64_t kept = -1;
    sim::world w(1);
    sim::host& host = w.add("host");
    host.run([&]() -> task<> {
        kept = co_await open_file("state", O_RDWR | O_CREAT);
        co_await write_at(kept, "safe");
        co_await on_handle(operation_kind::sync_file, kept);
        co_await write_at(kept, "lost", 4);
    });
    w.run();
    host.restart();
    host.run([&]() -> task<> {
        const auto closed = co_await on_handle(operation_kind::close_file, kept);
        CHECK(closed == -EBADF);
        const std::int64_t file = co_await open_file("/state", O_RDONLY);
        read_again = co_await read_at(file, 64);
    });
    w.run();
    CHECK(read_again == "safe");
}

namespace {

// Writes "one" and syncs it; writes "two" while that is under way.
task<> write_during_a_sync(bool& during, bool& synced) {
    const std::int64_t file = co_await open_file("journal", O_RDWR | O_CREAT);
    co_await gives(write_at(file, "one"), 3);
    bool syncs = true;
    co_await bight::with_group([&](bight::group& g) -> task<> {
        g.spawn([&]() -> task<> {
            const auto result = co_await on_handle(operation_kind::sync_file, file);
            CHECK(result == 0);
            syncs = false;
            synced = true;
        });
        co_await bight::sleep_for(100us);
        const auto written = co_await write_at(file, "two", 3);
        CHECK(written == 3);
        during = syncs;
    });
}

}  // namespace

TEST_CASE("a sync covers what was there as it began, and what is written until it ends in some worlds only") {
    int covered = 0;
    int left_out = 0;
    for (std::uint64_t seed = 1; seed <= 100; ++seed) {
        CAPTURE(seed);
        bool during = false;
        bool synced = false;
        sim::world w(seed);
        sim::host& host = w.add("host");
        host.on_boot([&] { return write_during_a_sync(during, synced); });
        while (!synced) w.run_for(100us);
        host.crash();
        if (!during) continue;
        const auto left = host.disk().read("journal");
        REQUIRE((left == "one" || left == "onetwo"));
        ++(left == "one" ? left_out : covered);
    }
    CHECK(covered > 10);
    CHECK(left_out > 10);
}

TEST_CASE("what a later sync has made to last does not go with an earlier one that ends after it") {
    int overtaken = 0;
    for (std::uint64_t seed = 1; seed <= 200; ++seed) {
        CAPTURE(seed);
        std::vector<int> ended;
        sim::world w(seed);
        sim::host& host = w.add("host");
        host.disk().create_directories("var");
        host.run([&]() -> task<> {
            const std::int64_t file = co_await open_file("var/journal", O_RDWR | O_CREAT);
            const std::int64_t directory = co_await open_file("var", O_RDONLY | O_DIRECTORY);
            co_await gives(write_at(file, "one"), 3);
            co_await bight::with_group([&](bight::group& g) -> task<> {
                const auto sync = [&ended](std::int64_t what, int number) -> task<> {
                    const auto result = co_await on_handle(operation_kind::sync_file, what);
                    CHECK(result == 0);
                    ended.push_back(number);
                };
                g.spawn(sync, file, 1);
                g.spawn(sync, directory, 2);
                co_await gives(write_at(file, "two", 3), 3);
                const std::int64_t another = co_await open_file("var/another", O_RDWR | O_CREAT);
                g.spawn(sync, file, 3);
                g.spawn(sync, another, 4);
            });
        });
        w.run();
        host.crash();
        CHECK(host.disk().read("var/journal") == "onetwo");
        CHECK(host.disk().read("var/another") == "");
        if (ended.back() < 3) ++overtaken;
    }
    CHECK(overtaken > 20);
}
