// file_watch: what changes is told, in order, once, and without a gap.
#include "told_changes.hpp"

#include "support/cancellable.hpp"
#include "support/catch.hpp"

#include <bight/bight.hpp>
#include <bight/os/file.hpp>
#include <bight/os/file_watch.hpp>
#include <bight/os/paths.hpp>
#include <bight/os/whole_file.hpp>

#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

using bight::file_change;
using bight::file_event;
using bight::file_watch;
using bight::task;
using test::code_of;
using test::expect;
using test::on_each;
using test::own_directory;
using test::text_of;
using test::until;

TEST_CASE("file_watch: what is created, changed, moved and removed in a directory is told in order") {
    on_each([]() -> task<> {
        const test::temporary_directory here;
        const std::string own = co_await own_directory(here);
        co_await bight::write_file(own + "/before", "x");
        file_watch watch;
        co_await watch.add(own + "/");
        co_await bight::write_file(own + "/a", "text");
        co_await bight::create_directory(own + "/d");
        co_await expect(watch, own, "created a", "created d/");
        co_await bight::rename_path(own + "/a", own + "/b");
        co_await bight::remove_file(own + "/before");
        co_await bight::write_file(own + "/d/unseen", "");
        co_await bight::rename_path(own + "/d", own + "/e");
        co_await bight::remove_tree(own + "/e");
        co_await expect(watch, own, "moved a b", "removed before", "moved d e/", "removed e/");
        co_await bight::write_file(own + "/b", "other");
        const file_event changed = co_await watch.next();
        CHECK(changed.what == file_change::changed);
        CHECK(changed.path == own + "/b");
        CHECK_FALSE(changed.is_directory);
        CHECK(watch.size() == 1);
    });
}

TEST_CASE("file_watch: a move from or to elsewhere is a name that goes or comes") {
    on_each([]() -> task<> {
        const test::temporary_directory here;
        const std::string own = co_await own_directory(here);
        co_await bight::create_directories(own + "/seen");
        co_await bight::create_directories(own + "/else/tree/below");
        co_await bight::write_file(own + "/else/file", "");
        file_watch watch;
        co_await watch.add(own + "/seen", true);
        co_await bight::rename_path(own + "/else/file", own + "/seen/file");
        co_await bight::rename_path(own + "/else/tree", own + "/seen/tree");
        co_await expect(watch, own, "created seen/file", "created seen/tree/", "created seen/tree/below/");
        co_await bight::rename_path(own + "/seen/file", own + "/else/file");
        co_await bight::rename_path(own + "/seen/tree", own + "/else/tree");
        co_await expect(watch, own, "removed seen/file", "removed seen/tree/");
        CHECK(watch.size() == 1);
        co_await bight::write_file(own + "/else/tree/below/x", "");
        co_await bight::write_file(own + "/seen/last", "");
        co_await expect(watch, own, "created seen/last");
    });
}

TEST_CASE(
    "file_watch: a tree is watched with what is made in it, and follows its directories when they move") {
    on_each([]() -> task<> {
        const test::temporary_directory here;
        const std::string own = co_await own_directory(here);
        co_await bight::create_directories(own + "/a/b");
        file_watch watch;
        co_await watch.add(own, true);
        CHECK(watch.size() == 3);
        co_await bight::write_file(own + "/a/b/deep", "");
        co_await expect(watch, own, "created a/b/deep");
        co_await bight::create_directories(own + "/c/d");
        co_await bight::write_file(own + "/c/d/file", "");
        co_await expect(watch, own, "created c/", "created c/d/", "created c/d/file");
        co_await bight::rename_path(own + "/a", own + "/c/a");
        co_await bight::write_file(own + "/c/a/b/more", "");
        co_await expect(watch, own, "moved a c/a/", "created c/a/b/more");
        const std::size_t removed = co_await bight::remove_tree(own + "/c");
        CHECK(removed == 7);
        const std::vector<std::string> gone = co_await until(watch, own, "removed c/");
        const std::set<std::string> all_names{"removed c/",         "removed c/a/",       "removed c/a/b/",
                                              "removed c/a/b/deep", "removed c/a/b/more", "removed c/d/",
                                              "removed c/d/file"};
        CHECK(std::set<std::string>(gone.begin(), gone.end()) == all_names);
        co_await bight::write_file(own + "/end", "");
        co_await expect(watch, own, "created end");
        CHECK(watch.size() == 1);
    });
}

TEST_CASE("file_watch: trees that others make at the same time are told without a gap, each name once") {
    on_each([]() -> task<> {
        const test::temporary_directory here;
        const std::string own = co_await own_directory(here);
        file_watch watch;
        co_await watch.add(own, true);
        std::set<std::string> made;
        for (int i = 0; i < 40; ++i) {
            std::string path = "t" + std::to_string(i);
            for (int depth = 0; depth < 4; ++depth) {
                made.insert("created " + path + "/");
                for (const char* file : {"/x", "/y"}) made.insert("created " + path + file);
                path += "/d";
            }
        }
        std::thread others([&own] {
            for (int i = 0; i < 40; ++i) {
                std::string path = own + "/t" + std::to_string(i);
                for (int depth = 0; depth < 4; ++depth) {
                    std::filesystem::create_directory(path);
                    for (const char* file : {"/x", "/y"}) std::ofstream(path + file);
                    path += "/d";
                }
            }
        });
        std::map<std::string, int> told;
        while (told.size() < made.size()) {
            const file_event e = co_await watch.next();
            if (e.what == file_change::changed) continue;
            const std::string text = text_of(e, own);
            ++told[text];
            // A name comes after its directory.
            const std::string parent = bight::directory_of(e.path);
            if (parent != own) CHECK(told.contains("created " + parent.substr(own.size() + 1) + "/"));
        }
        others.join();
        for (const auto& [text, times] : told) {
            CAPTURE(text);
            CHECK(made.contains(text));
            CHECK(times == 1);
        }
    });
}

TEST_CASE("file_watch: a wait that is cancelled at any turn loses nothing") {
    for (int after = 0; after < 12; ++after) {
        CAPTURE(after);
        on_each([after]() -> task<> {
            const test::temporary_directory here;
            const std::string own = co_await own_directory(here);
            file_watch watch;
            co_await watch.add(own, true);
            co_await bight::create_directories(own + "/a/b");
            co_await bight::write_file(own + "/a/b/c", "");
            co_await bight::rename_path(own + "/a/b/c", own + "/a/d");
            std::vector<std::string> all;
            test::cancellable one;
            co_await bight::with_group([&](bight::group& g) -> task<> {
                g.spawn(
                    one.run([](file_watch& from, std::vector<std::string>& into, std::string root) -> task<> {
                        for (;;) {
                            const file_event e = co_await from.next();
                            if (e.what != file_change::changed) into.push_back(text_of(e, root));
                        }
                    }(watch, all, own)));
                while (!one.running()) co_await bight::yield();
                co_await test::turns(after);
                one.cancel();
            });
            co_await bight::write_file(own + "/end", "");
            const std::vector<std::string> rest = co_await until(watch, own, "created end");
            all.insert(all.end(), rest.begin(), rest.end());
            const std::set<std::string> names(all.begin(), all.end());
            CHECK(names.size() == all.size());
            for (const char* text : {"created a/", "created a/b/", "created a/d", "created end"}) {
                CAPTURE(text);
                const bool moved = std::string(text) == "created a/d" && names.contains("moved a/b/c a/d");
                CHECK((names.contains(text) || moved));
            }
        });
    }
}

TEST_CASE("file_watch: a directory that is watched itself, and goes") {
    on_each([]() -> task<> {
        const test::temporary_directory here;
        const std::string own = co_await own_directory(here);
        co_await bight::create_directory(own + "/d");
        co_await bight::create_directory(own + "/e");
        file_watch watch;
        co_await watch.add(own + "/d");
        co_await watch.add(own + "/e", true);
        co_await bight::rename_path(own + "/e", own + "/f");
        co_await expect(watch, own, "removed e/");
        co_await bight::remove_directory(own + "/d");
        co_await expect(watch, own, "removed d/");
        CHECK(watch.size() == 0);
        const bool removed = watch.remove(own + "/d");
        CHECK_FALSE(removed);
    });
}

TEST_CASE("file_watch: a file by itself") {
    on_each([]() -> task<> {
        const test::temporary_directory here;
        const std::string own = co_await own_directory(here);
        co_await bight::write_file(own + "/file", "");
        file_watch watch;
        co_await watch.add(own + "/file", true);
        co_await bight::write_file(own + "/file", "x");
        file_event e = co_await watch.next();
        CHECK(e.what == file_change::changed);
        CHECK(e.path == own + "/file");
        co_await bight::rename_path(own + "/file", own + "/other");
        co_await expect(watch, own, "removed file");
        CHECK(watch.size() == 0);
    });
}

TEST_CASE("file_watch: is removed, destroyed, used twice and used in vain") {
    on_each([]() -> task<> {
        const test::temporary_directory here;
        const std::string own = co_await own_directory(here);
        co_await bight::create_directories(own + "/a/b");
        auto watch = std::make_unique<file_watch>();
        std::error_code error = co_await code_of(watch->add(own + "/missing"));
        CHECK(error == std::errc::no_such_file_or_directory);
        co_await watch->add(own + "/a", true);
        CHECK(watch->size() == 2);
        const bool removed = watch->remove(own + "/a/");
        CHECK(removed);
        CHECK(watch->size() == 0);
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

TEST_CASE(
    "file_watch: when more has happened than the kernel keeps, that is told, and the tree is watched on") {
    int limit = 0;
    std::ifstream("/proc/sys/fs/inotify/max_queued_events") >> limit;
    if (limit <= 0 || limit > 100'000) test::skip("the kernel keeps many events");
    on_each([limit]() -> task<> {
        const test::temporary_directory here;
        const std::string own = co_await own_directory(here);
        file_watch watch;
        co_await watch.add(own, true);
        // An event each, of which none is like the one before.
        std::ofstream a(own + "/a");
        std::ofstream b(own + "/b");
        for (int i = 0; i < limit; ++i) {
            a.put('x').flush();
            b.put('x').flush();
        }
        std::filesystem::create_directory(own + "/later");
        const std::vector<std::string> all = co_await until(watch, own, "overflow");
        CHECK(all.back() == "overflow");
        co_await bight::write_file(own + "/later/file", "");
        for (;;) {
            const file_event e = co_await watch.next();
            if (text_of(e, own) == "created later/file") break;
        }
    });
}
