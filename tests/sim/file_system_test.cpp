// The file system of a simulated host, as programs see it through open_file and the like: what a crash leaves
// of it, and its faults.
#include "faulty.hpp"

#include "support/catch.hpp"

#include <bight/bight.hpp>
#include <bight/os/file.hpp>
#include <bight/os/paths.hpp>
#include <bight/os/root_directory.hpp>
#include <bight/os/whole_file.hpp>
#include <bight/sim/world.hpp>

#include <chrono>
#include <cstdint>
#include <set>
#include <string>
#include <system_error>
#include <vector>

using namespace std::chrono_literals;
using bight::task;
using test::with;
namespace sim = bight::sim;

namespace {

bight::open_options for_both() {
    bight::open_options options;
    options.access = bight::file_access::read_and_write;
    options.creation = bight::file_creation::if_missing;
    return options;
}

/// A host that is given one task, which ends, and then loses its power.
template <class F>
void run_and_crash(sim::world& w, sim::host& host, F body) {
    host.run(body);
    w.run();
    host.crash();
}

}  // namespace

TEST_CASE("file system: each host has its own, which its programs and its test see alike") {
    sim::world w(1);
    sim::host& one = w.add("one");
    sim::host& two = w.add("two");
    one.disk().write("etc/config", "one");
    std::string read;
    std::error_code missing;
    one.run([&]() -> task<> {
        read = co_await bight::read_file("/etc/config");
        co_await bight::write_file("/tmp/out", "written");
    });
    two.run([&]() -> task<> {
        auto got = co_await bight::as_result(bight::read_file("/etc/config"));
        missing = got.error();
    });
    w.run();
    CHECK(read == "one");
    CHECK(missing == std::errc::no_such_file_or_directory);
    CHECK(one.disk().read("tmp/out") == "written");
    CHECK(two.disk().files().empty());
}

TEST_CASE("file system: a directory lasts when what it is in was synced, or a file in it") {
    sim::world w(1);
    sim::host& host = w.add("host");
    run_and_crash(w, host, []() -> task<> {
        co_await bight::create_directories("/a/b");
        co_await bight::write_file("/a/b/lost", "x");
        co_await bight::create_directories("/c/d");
        bight::file f = co_await bight::open_file("/c/d/kept", for_both());
        co_await f.write_at(0, "kept");
        co_await f.sync();
    });
    CHECK(host.disk().files() == std::vector<std::string>{"/c/d/kept"});
    CHECK(host.disk().read("c/d/kept") == "kept");
    host.restart();
    run_and_crash(w, host, []() -> task<> {
        const bool there = co_await bight::path_exists("/a");
        CHECK_FALSE(there);
        co_await bight::create_directory("/e");
        co_await bight::sync_directory("/");
        co_await bight::create_directory("/e/f");
    });
    host.restart();
    host.run([]() -> task<> {
        const bool first = co_await bight::path_exists("/e");
        CHECK(first);
        const bool second = co_await bight::path_exists("/e/f");
        CHECK_FALSE(second);
    });
    w.run();
}

TEST_CASE("file system: a rename without a sync is undone by a crash, and one with a sync lasts in whole") {
    for (const bool synced : {false, true}) {
        CAPTURE(synced);
        sim::world w(1);
        sim::host& host = w.add("host");
        host.disk().write("var/file", "old");
        host.disk().write("var/tree/below/deep", "deep");
        host.disk().sync_all();
        run_and_crash(w, host, [synced]() -> task<> {
            bight::file f = co_await bight::open_file("/var/new", for_both());
            co_await f.write_at(0, "new");
            co_await f.sync();
            co_await bight::rename_path("/var/new", "/var/file");
            co_await bight::rename_path("/var/tree", "/var/moved");
            if (synced) co_await bight::sync_directory("/var");
        });
        const auto all = host.disk().files();
        if (synced) {
            CHECK(host.disk().read("var/file") == "new");
            CHECK(all == std::vector<std::string>{"/var/file", "/var/moved/below/deep"});
        } else {
            CHECK(host.disk().read("var/file") == "old");
            CHECK(all == std::vector<std::string>{"/var/file", "/var/new", "/var/tree/below/deep"});
        }
    }
}

namespace {

/// What is there of a directory that was renamed from /tmp/a to /tmp/b: "a a/f".
task<std::string> names_after_rename() {
    std::string names;
    for (const char* name : {"a", "a/f", "b", "b/f", "b/g"}) {
        const bool there = co_await bight::path_exists(std::string("/tmp/") + name);
        if (!there) continue;
        if (!names.empty()) names += ' ';
        names += name;
    }
    co_return names;
}

/// What a crash leaves of it, after what was done with it.
template <class F>
std::string left_of_renamed(std::uint64_t seed, F body) {
    sim::world w(seed);
    sim::host& host = w.add("host");
    run_and_crash(w, host, [&]() -> task<> {
        co_await bight::create_directory("/tmp/a");
        co_await bight::replace_file("/tmp/a/f", "text");
        co_await bight::sync_directory("/tmp");
        co_await body();
    });
    host.restart();
    std::string names;
    host.run([&]() -> task<> { names = co_await names_after_rename(); });
    w.run();
    return names;
}

}  // namespace

TEST_CASE("file system: a directory that was renamed is in one place after a crash, whatever was synced") {
    for (std::uint64_t seed = 1; seed <= 50; ++seed) {
        CAPTURE(seed);
        CHECK(left_of_renamed(seed, []() -> task<> { co_await bight::rename_path("/tmp/a", "/tmp/b"); }) ==
              "a a/f");
        CHECK(left_of_renamed(seed, []() -> task<> {
                  co_await bight::rename_path("/tmp/a", "/tmp/b");
                  co_await bight::sync_directory("/tmp/b");
              }) == "b b/f");
        CHECK(left_of_renamed(seed, []() -> task<> {
                  co_await bight::rename_path("/tmp/a", "/tmp/b");
                  bight::file g = co_await bight::open_file("/tmp/b/g", for_both());
                  co_await g.sync();
              }) == "b b/f b/g");
        CHECK(left_of_renamed(seed, []() -> task<> {
                  co_await bight::rename_path("/tmp/a", "/tmp/c");
                  co_await bight::rename_path("/tmp/c", "/tmp/b");
                  co_await bight::replace_file("/tmp/b/g", "text");
              }) == "b b/f b/g");
        const std::string during = left_of_renamed(seed, []() -> task<> {
            bight::file directory = co_await bight::open_file("/tmp/a");
            co_await bight::with_group([&](bight::group& g) -> task<> {
                g.spawn([&]() -> task<> { co_await directory.sync(); });
                co_await bight::sleep_for(100us);
                co_await bight::rename_path("/tmp/a", "/tmp/b");
            });
        });
        CHECK((during == "a a/f" || during == "b b/f"));
    }
}

TEST_CASE("file system: a name that was renamed away and given anew lasts beside what had it before") {
    sim::world w(1);
    sim::host& host = w.add("host");
    host.disk().write("tmp/log", "old");
    host.disk().write("tmp/d/old", "old");
    host.disk().sync_all();
    run_and_crash(w, host, []() -> task<> {
        co_await bight::rename_path("/tmp/log", "/tmp/log.1");
        bight::file log = co_await bight::open_file("/tmp/log", for_both());
        co_await log.write_at(0, "new");
        co_await log.sync();
        co_await bight::remove_tree("/tmp/d");
        co_await bight::create_directory("/tmp/d");
        bight::file inside = co_await bight::open_file("/tmp/d/new", for_both());
        co_await inside.sync();
    });
    CHECK(host.disk().read("tmp/log") == "new");
    CHECK(host.disk().read("tmp/log.1") == "old");
    CHECK(host.disk().files() == std::vector<std::string>{"/tmp/d/new", "/tmp/log", "/tmp/log.1"});
}

TEST_CASE("file system: a root goes on with its directory, and what is removed has nothing in it") {
    sim::world w(1);
    sim::host& host = w.add("host");
    host.run([]() -> task<> {
        const bight::root_directory all = co_await bight::open_root("/");
        auto above = co_await bight::as_result(all.open(".."));
        CHECK(above.error() == std::errc::cross_device_link);
        co_await bight::create_directory("/tmp/d");
        const bight::root_directory removed = co_await bight::open_root("/tmp/d");
        bight::file directory = co_await bight::open_file("/tmp/d");
        co_await bight::remove_directory("/tmp/d");
        co_await bight::create_directory("/tmp/d");
        co_await bight::write_file("/tmp/d/other", "text");
        const auto inside = co_await bight::as_result(removed.open("other"));
        CHECK(inside.error() == std::errc::no_such_file_or_directory);
        co_await directory.sync();
    });
    w.run();
    host.crash();
    CHECK(host.disk().files().empty());  // a sync of the removed one is none of the new one
}

TEST_CASE("file system: a replacement whose directory cannot be synced says that it is there") {
    int told = 0;
    for (std::uint64_t seed = 1; seed <= 100; ++seed) {
        CAPTURE(seed);
        sim::world w(seed, with(sim::fault::disk_error, 0.3));
        sim::host& host = w.add("host");
        std::string words;
        host.run([&]() -> task<> {
            try {
                co_await bight::replace_file("/tmp/file", "text");
            } catch (const std::system_error& e) {
                words = e.what();
            }
        });
        w.run();
        const bool is_there = host.disk().read("tmp/file") == "text";
        const bool says = words.starts_with("sync /tmp, in which /tmp/file has been replaced: ");
        CHECK(says == (is_there && !words.empty()));
        if (says) ++told;
    }
    CHECK(told > 0);
}

TEST_CASE(
    "file system: a file that is replaced is there in whole, whenever the power goes; one that is written is "
    "not") {
    std::set<std::string> replaced;
    bool torn = false;
    for (std::uint64_t seed = 1; seed <= 300; ++seed) {
        CAPTURE(seed);
        sim::world w(seed, with(sim::fault::torn_write, 1));
        sim::host& host = w.add("host");
        const std::string old(3000, 'o');
        const std::string newer(5000, 'n');
        for (const char* path : {"replaced", "written"}) host.disk().write(path, old);
        host.disk().sync_all();
        host.on_boot([&newer]() -> task<> {
            co_await bight::write_file("/written", newer);
            co_await bight::replace_file("/replaced", newer);
            co_await bight::sleep_for(24h);
        });
        w.run_for(std::chrono::microseconds(w.random().between(1, 20'000)));
        host.crash();
        const std::string left = host.disk().read("replaced").value_or("none");
        REQUIRE((left == old || left == newer));
        replaced.insert(left);
        const std::string written = host.disk().read("written").value_or("none");
        torn = torn || (written != old && written != newer && !written.empty());
    }
    CHECK(replaced.size() == 2);
    CHECK(torn);
}

TEST_CASE("file system: reads and writes are cut short, and who awaits them all gets all") {
    sim::world_options options;
    options.faults.set(sim::fault::short_read, 0.8).set(sim::fault::short_write, 0.8);
    sim::world w(3, options);
    sim::host& host = w.add("host");
    bool was_short = false;
    host.run([&]() -> task<> {
        std::string text;
        for (int i = 0; i < 10'000; ++i) text += static_cast<char>('a' + i % 23);
        co_await bight::write_file("/file", text);
        const std::string back = co_await bight::read_file("/file");
        CHECK(back == text);
        bight::file f = co_await bight::open_file("/file");
        std::string part(5000, '?');
        co_await f.read_exactly_at(2000, part);
        CHECK(part == text.substr(2000, 5000));
        for (int i = 0; i < 20; ++i) {
            const std::size_t got = co_await f.read_at(0, part);
            was_short = was_short || got < part.size();
        }
    });
    w.run();
    CHECK(was_short);
    CHECK(w.count(sim::fault::short_write) > 0);
}

TEST_CASE("file system: a full disk takes a part, or nothing, and says so") {
    bool told_part = false;
    bool told_none = false;
    for (std::uint64_t seed = 1; seed <= 40; ++seed) {
        CAPTURE(seed);
        sim::world w(seed, with(sim::fault::disk_full, 1));
        sim::host& host = w.add("host");
        host.disk().write("file", "");
        host.run([&]() -> task<> {
            const auto made = co_await bight::as_result(bight::open_file("/new", for_both()));
            CHECK(made.error() == std::errc::no_space_on_device);
            std::string words;
            bight::file f = co_await bight::open_file("/file", for_both());
            try {
                co_await f.write_at(0, "12345678");
            } catch (const std::system_error& e) {
                CHECK(e.code() == std::errc::no_space_on_device);
                words = e.what();
            }
            const bight::file_status status = co_await f.status();
            CHECK(status.size < 8);
            const bool says =
                words.find("after " + std::to_string(status.size) + " bytes") != std::string::npos;
            CHECK(says == (status.size > 0));
            told_part = told_part || status.size > 0;
            told_none = told_none || status.size == 0;
            auto replaced = co_await bight::as_result(bight::replace_file("/other", "text"));
            CHECK(replaced.error() == std::errc::no_space_on_device);
        });
        w.run();
        CHECK(host.disk().files() == std::vector<std::string>{"/file"});
    }
    CHECK(told_part);
    CHECK(told_none);
}

TEST_CASE("file system: an error of the disk is told, and has done nothing; a slow one takes its time") {
    {
        sim::world w(1, with(sim::fault::disk_error, 1));
        sim::host& host = w.add("host");
        host.run([]() -> task<> {
            bight::file f = co_await bight::open_file("/file", for_both());
            auto written = co_await bight::as_result(f.write_at(0, "text"));
            CHECK(written.error() == std::errc::io_error);
            auto synced = co_await bight::as_result(f.sync());
            CHECK(synced.error() == std::errc::io_error);
        });
        w.run();
        CHECK(host.disk().read("file") == "");
    }
    sim::world w(1, with(sim::fault::slow_disk, 1));
    w.add("host").run([]() -> task<> {
        const bool in_time = co_await bight::try_with_timeout(bight::write_file("/file", "text"), 1ms);
        CHECK_FALSE(in_time);
    });
    w.run();
    CHECK(w.elapsed() > 1ms);
}

TEST_CASE("file system: a program that starts again after a crash holds nothing of its former life") {
    sim::world w(1);
    sim::host& host = w.add("host");
    std::vector<std::string> seen;
    host.on_boot([&]() -> task<> {
        bight::file f = co_await bight::open_file("/file", for_both());
        const bool locked = co_await f.try_acquire_lock(bight::file_lock::exclusive);
        CHECK(locked);
        const bight::file_status status = co_await f.status();
        seen.push_back(std::to_string(status.size));
        co_await f.write_at(status.size, "x");
        co_await f.sync();
        co_await f.write_at(status.size + 1, "y");
        co_await bight::sleep_for(24h);
    });
    for (int i = 0; i < 3; ++i) {
        w.run_for(1s);
        host.restart();
    }
    w.run_for(1s);
    CHECK(seen == std::vector<std::string>{"0", "1", "2", "3"});
}
