// file_watch on a simulated host: what changes on its disk is told in order, by whomever.
#include "os/told_changes.hpp"

#include "support/catch.hpp"

#include <bight/bight.hpp>
#include <bight/os/file.hpp>
#include <bight/os/file_watch.hpp>
#include <bight/os/paths.hpp>
#include <bight/os/whole_file.hpp>
#include <bight/sim/world.hpp>

#include <algorithm>
#include <chrono>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <system_error>
#include <vector>

using namespace std::chrono_literals;
using bight::file_change;
using bight::file_event;
using bight::file_watch;
using bight::task;
using test::code_of;
using test::expect;
using test::text_of;
using test::until;
namespace sim = bight::sim;

namespace {

/// Runs `body` on a host of its own, with each personality.
template <class F>
void on_each_host(F body) {
    for (const sim::personality p : sim::personalities) {
        CAPTURE(name_of(p));
        sim::world_options options;
        options.personality = p;
        sim::world w(1, options);
        sim::host& host = w.add("host");
        host.run([&]() -> task<> { co_await body(host); });
        w.run();
    }
}

}  // namespace

TEST_CASE("simulated file_watch: what is made, written, moved and removed in a directory") {
    on_each_host([](sim::host&) -> task<> {
        co_await bight::create_directories("/d/sub");
        co_await bight::create_directory("/other");
        file_watch watch;
        co_await watch.add("/d/");
        CHECK(watch.size() == 1);
        co_await bight::write_file("/d/a", "1");
        co_await bight::write_file("/d/sub/unseen", "1");
        co_await bight::rename_path("/d/a", "/d/b");
        co_await bight::rename_path("/d/b", "/other/b");
        co_await bight::rename_path("/other/b", "/d/c");
        co_await bight::remove_file("/d/c");
        co_await bight::create_directory("/d/e");
        co_await bight::remove_directory("/d/e");
        co_await expect(watch, "/d", "created a", "moved a b", "removed b", "created c", "removed c",
                        "created e/", "removed e/");
        co_await bight::write_file("/d/x", "");
        co_await bight::write_file("/d/x", "12");
        const file_event made = co_await watch.next();
        CHECK(text_of(made, "/d") == "created x");
        const file_event written = co_await watch.next();
        CHECK(text_of(written, "/d") == "changed x");
    });
}

TEST_CASE("simulated file_watch: a tree, and what comes into it with all that is in it") {
    on_each_host([](sim::host&) -> task<> {
        co_await bight::create_directories("/t/old");
        co_await bight::create_directories("/o/in/deep");
        co_await bight::write_file("/o/in/deep/f", "");
        file_watch watch;
        co_await watch.add("/t", true);
        co_await bight::create_directories("/t/old/new/er");
        co_await bight::write_file("/t/old/new/er/f", "");
        co_await bight::rename_path("/t/old/new", "/t/new");
        co_await bight::rename_path("/o/in", "/t/in");
        co_await bight::write_file("/t/in/deep/g", "");
        co_await bight::rename_path("/t/new/er", "/o/er");
        co_await bight::write_file("/o/er/h", "");
        co_await bight::remove_tree("/t/in");
        co_await expect(watch, "/t", "created old/new/", "created old/new/er/", "created old/new/er/f",
                        "moved old/new new/", "created in/", "created in/deep/", "created in/deep/f",
                        "created in/deep/g", "removed new/er/", "removed in/deep/g", "removed in/deep/f",
                        "removed in/deep/", "removed in/");
    });
}

TEST_CASE("simulated file_watch: what was added itself, is a part of a tree, and goes") {
    on_each_host([](sim::host&) -> task<> {
        co_await bight::create_directories("/t/sub");
        co_await bight::create_directory("/d");
        co_await bight::write_file("/file", "");
        file_watch watch;
        co_await watch.add("/file", true);
        co_await watch.add("/t/sub");
        co_await watch.add("/t", true);
        co_await watch.add("/d");
        co_await watch.add("/./d");
        CHECK(watch.size() == 4);
        co_await bight::write_file("/file", "x");
        co_await bight::write_file("/t/sub/f", "");
        co_await bight::write_file("/d/f", "");
        const file_event e = co_await watch.next();
        CHECK(text_of(e, "") == "changed file");
        co_await expect(watch, "", "created t/sub/f", "created d/f");
        bool removed = watch.remove("/d");
        CHECK(removed);
        co_await bight::write_file("/d/g", "");
        co_await expect(watch, "", "created ./d/g");
        removed = watch.remove("/t");
        CHECK(removed);
        removed = watch.remove("/t");
        CHECK_FALSE(removed);
        co_await bight::rename_path("/t", "/moved");
        co_await bight::write_file("/moved/sub/g", "");
        co_await expect(watch, "", "created t/sub/g");
        co_await bight::rename_path("/moved/sub", "/sub");
        co_await bight::rename_path("/file", "/file2");
        co_await bight::remove_tree("/d");
        co_await expect(watch, "", "removed t/sub/", "removed file", "removed ./d/g", "removed ./d/f",
                        "removed ./d/");
        CHECK(watch.size() == 0);
        const std::error_code error = co_await code_of(watch.add("/missing"));
        CHECK(error == std::errc::no_such_file_or_directory);
    });
}

TEST_CASE("simulated file_watch: the test's own changes are told, and nothing of another host") {
    sim::world w(1);
    sim::host& one = w.add("one");
    sim::host& two = w.add("two");
    one.disk().create_directories("/d");
    two.disk().create_directories("/d");
    one.run([]() -> task<> {
        file_watch watch;
        co_await watch.add("/d", true);
        co_await expect(watch, "/d", "created mine");
    });
    w.run_for(1s);
    two.disk().write("/d/theirs", "x");
    one.disk().write("/d/mine", "x");
    w.run();
}

TEST_CASE("simulated file_watch: is cancelled, used twice, and destroyed") {
    on_each_host([](sim::host&) -> task<> {
        co_await bight::create_directory("/d");
        auto watch = std::make_unique<file_watch>();
        co_await watch->add("/d");
        for (int i = 0; i < 3; ++i) {
            const auto none = co_await bight::try_with_timeout(watch->next(), 1s);
            CHECK_FALSE(none);
        }
        co_await bight::write_file("/d/f", "");
        co_await expect(*watch, "/d", "created f");
        co_await bight::with_group([&](bight::group& g) -> task<> {
            g.spawn([&]() -> task<> {
                const std::error_code ended = co_await code_of(watch->next());
                CHECK(ended == bight::errc::closed);
            });
            co_await bight::yield();
            const std::error_code busy = co_await code_of(watch->next());
            CHECK(busy == bight::errc::busy);
            watch.reset();
        });
    });
}

TEST_CASE("simulated file_watch: more than is kept, and changes that the world loses, are an overflow") {
    on_each_host([](sim::host& host) -> task<> {
        co_await bight::create_directories("/t/old");
        file_watch watch;
        co_await watch.add("/t", true);
        for (int i = 0; i < 10'000; ++i) {
            host.disk().write("/t/a", "x");
            host.disk().write("/t/b", "x");
        }
        co_await bight::rename_path("/t/old", "/t/new");
        const std::vector<std::string> all = co_await until(watch, "/t", "overflow");
        CHECK(all == std::vector<std::string>{"created a", "created b", "overflow"});
        co_await bight::write_file("/t/new/f", "");
        co_await expect(watch, "/t", "created new/f");
    });
    sim::world_options options;
    options.faults.set(sim::fault::lost_changes, 1);
    sim::world w(1, options);
    w.add("host").run([]() -> task<> {
        co_await bight::create_directory("/d");
        file_watch watch;
        co_await watch.add("/d");
        co_await bight::write_file("/d/f", "x");
        co_await bight::remove_directory("/tmp");
        const file_event e = co_await watch.next();
        CHECK(e.what == file_change::overflow);
        CHECK(watch.size() == 1);
    });
    w.run();
    CHECK_FALSE(w.happened_faults().empty());
}

TEST_CASE("simulated file_watch: ends with the power of its host, and begins anew") {
    sim::world w(1);
    sim::host& host = w.add("host");
    host.disk().create_directories("/d");
    host.disk().sync_all();
    int told = 0;
    host.on_boot([&]() -> task<> {
        file_watch watch;
        co_await watch.add("/d");
        for (;;) {
            const file_event e = co_await watch.next();
            if (e.what == file_change::created) ++told;
        }
    });
    w.run_for(1s);
    host.disk().write("/d/one", "x");
    w.run_for(1s);
    CHECK(told == 1);
    host.crash();
    host.disk().write("/d/two", "x");
    host.restart();
    w.run_for(1s);
    CHECK(told == 1);
    host.disk().write("/d/three", "x");
    w.run_for(1s);
    CHECK(told == 2);
}

TEST_CASE("simulated file_watch: whatever the faults, who looks again after an overflow knows the tree") {
    for (std::uint64_t seed = 1; seed <= 40; ++seed) {
        CAPTURE(seed);
        sim::world_options options;
        options.faults = sim::fault_plan::storm();
        for (const sim::fault f : {sim::fault::crash, sim::fault::disk_error, sim::fault::disk_full}) {
            options.faults.leave_out(f);
        }
        options.faults.set(sim::fault::lost_changes, 0.05);
        sim::world w(seed, options);
        sim::host& host = w.add("host");
        host.run([&host, seed]() -> task<> {
            co_await bight::create_directory("/t");
            file_watch watch;
            co_await watch.add("/t", true);
            std::set<std::string> known;
            co_await bight::with_group([&](bight::group& g) -> task<> {
                g.spawn([&]() -> task<> {
                    for (;;) {
                        const file_event e = co_await watch.next();
                        if (e.path == "/t/end" || e.what == file_change::overflow) {
                            const auto files = host.disk().files();
                            known = {files.begin(), files.end()};
                        }
                        if (known.contains("/t/end")) co_return;  // the last of all changes
                        if (e.what == file_change::created) known.insert(e.path);
                        if (e.what == file_change::removed) known.erase(e.path);
                        if (e.what == file_change::moved) {
                            known.erase(e.old_path);
                            known.insert(e.path);
                        }
                    }
                });
                for (unsigned i = 0; i < 30; ++i) {
                    const std::string name = "/t/f" + std::to_string((seed * 7 + i * i) % 5);
                    const std::string other = "/t/f" + std::to_string((seed + i) % 5);
                    if (i % 3 == 0) co_await bight::write_file(name, "x");
                    if (i % 3 == 1) (void)co_await code_of(bight::remove_file(name));
                    if (i % 3 == 2) (void)co_await code_of(bight::rename_path(name, other));
                }
                co_await bight::write_file("/t/end", "");
            });
            const auto files = host.disk().files();
            const std::set<std::string> real(files.begin(), files.end());
            CHECK(known == real);
        });
        w.run();
    }
}
