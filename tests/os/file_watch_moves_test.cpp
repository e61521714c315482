// file_watch: directories that move before they are watched, take each other's place, and are watched twice.
#include "told_changes.hpp"

#include "support/catch.hpp"

#include <bight/bight.hpp>
#include <bight/os/file_watch.hpp>
#include <bight/os/paths.hpp>
#include <bight/os/whole_file.hpp>

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <fstream>
#include <memory>
#include <set>
#include <string>
#include <system_error>
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

TEST_CASE("file_watch: a file is replaced in a directory that was made after its tree was added") {
    on_each([]() -> task<> {
        const test::temporary_directory here;
        const std::string own = co_await own_directory(here);
        co_await bight::create_directory(own + "/t");
        file_watch watch;
        co_await watch.add(own + "/t", true);
        co_await bight::create_directory(own + "/t/n");
        co_await bight::write_file(own + "/t/n/settings", "1");
        co_await expect(watch, own, "created t/n/", "created t/n/settings");
        co_await bight::replace_file(own + "/t/n/settings", "2");
        for (;;) {
            const file_event e = co_await watch.next();
            if (e.what == file_change::moved && e.path == own + "/t/n/settings") break;
        }
        co_await bight::write_file(own + "/other", "3");
        co_await bight::rename_path(own + "/other", own + "/t/n/settings");
        co_await expect(watch, own, "created t/n/settings");
    });
}

TEST_CASE("file_watch: a directory is moved before it is watched, and another one takes its name") {
    on_each([]() -> task<> {
        const test::temporary_directory here;
        const std::string own = co_await own_directory(here);
        file_watch watch;
        co_await watch.add(own, true);
        co_await bight::create_directory(own + "/x");
        co_await bight::rename_path(own + "/x", own + "/y");
        co_await bight::create_directory(own + "/x");
        co_await bight::write_file(own + "/end", "");
        co_await expect(watch, own, "created x/", "moved x y/", "created x/", "created end");
        co_await bight::write_file(own + "/x/in_x", "");
        co_await bight::write_file(own + "/y/in_y", "");
        co_await expect(watch, own, "created x/in_x", "created y/in_y");
        CHECK(watch.size() == 3);
    });
}

TEST_CASE("file_watch: a directory is made in another one, which is moved before that is watched") {
    on_each([]() -> task<> {
        const test::temporary_directory here;
        const std::string own = co_await own_directory(here);
        file_watch watch;
        co_await watch.add(own, true);
        co_await bight::create_directory(own + "/p");
        // When what is in it is told it is watched.
        co_await bight::write_file(own + "/p/f", "");
        co_await expect(watch, own, "created p/", "created p/f");
        co_await bight::create_directory(own + "/p/q");
        co_await bight::write_file(own + "/p/q/early", "");
        co_await bight::rename_path(own + "/p", own + "/z");
        co_await expect(watch, own, "created p/q/", "moved p z/", "created z/q/early");
        co_await bight::write_file(own + "/z/q/late", "");
        co_await expect(watch, own, "created z/q/late");
    });
}

TEST_CASE("file_watch: what moves in a directory that has left the tree is nobody's") {
    on_each([]() -> task<> {
        const test::temporary_directory here;
        const std::string own = co_await own_directory(here);
        co_await bight::create_directory(own + "/t");
        file_watch watch;
        co_await watch.add(own + "/t", true);
        co_await bight::create_directory(own + "/t/sub");
        co_await bight::write_file(own + "/t/sub/f", "");
        co_await expect(watch, own, "created t/sub/", "created t/sub/f");
        co_await bight::rename_path(own + "/t/sub", own + "/sub");
        co_await bight::rename_path(own + "/sub/f", own + "/sub/g");
        co_await bight::write_file(own + "/t/end", "");
        co_await expect(watch, own, "removed t/sub/", "created t/end");
        CHECK(watch.size() == 1);
    });
}

TEST_CASE("file_watch: the events of a path are dropped with it, moves out of it, too") {
    on_each([]() -> task<> {
        const test::temporary_directory here;
        const std::string own = co_await own_directory(here);
        co_await bight::create_directory(own + "/a");
        co_await bight::create_directory(own + "/b");
        co_await bight::write_file(own + "/a/f", "");
        file_watch watch;
        co_await watch.add(own + "/a");
        co_await watch.add(own + "/b");
        co_await bight::rename_path(own + "/a/f", own + "/f");
        co_await bight::write_file(own + "/b/g", "");
        const bool removed = watch.remove(own + "/a");
        CHECK(removed);
        co_await expect(watch, own, "created b/g");
    });
}

TEST_CASE("file_watch: two directories exchange their names") {
    bool can_exchange = true;
    on_each([&]() -> task<> {
        const test::temporary_directory here;
        const std::string own = co_await own_directory(here);
        co_await bight::create_directories(own + "/x/of_x");
        co_await bight::create_directories(own + "/y/of_y");
        file_watch watch;
        co_await watch.add(own, true);
        constexpr unsigned exchange = 2;  // RENAME_EXCHANGE
        const long failed = ::syscall(SYS_renameat2, AT_FDCWD, (own + "/x").c_str(), AT_FDCWD,
                                      (own + "/y").c_str(), exchange);
        if (failed != 0 && (errno == ENOSYS || errno == EINVAL)) {
            can_exchange = false;
            co_return;
        }
        REQUIRE(failed == 0);
        co_await bight::write_file(own + "/end", "");
        (void)co_await until(watch, own, "created end");
        // Also what is listed only after that.
        co_await bight::write_file(own + "/end2", "");
        (void)co_await until(watch, own, "created end2");
        co_await bight::write_file(own + "/x/of_y/f", "");
        co_await bight::write_file(own + "/y/of_x/g", "");
        co_await expect(watch, own, "created x/of_y/f", "created y/of_x/g");
        CHECK(watch.size() == 5);
    });
    if (!can_exchange) test::skip("this file system exchanges no names");
}

TEST_CASE("file_watch: after an overflow directories have the paths that they have by then") {
    int limit = 0;
    std::ifstream("/proc/sys/fs/inotify/max_queued_events") >> limit;
    if (limit <= 0 || limit > 100'000) test::skip("the kernel keeps many events");
    on_each([limit]() -> task<> {
        const test::temporary_directory here;
        const std::string own = co_await own_directory(here);
        file_watch watch;
        co_await watch.add(own, true);
        co_await bight::create_directory(own + "/gone");
        co_await bight::create_directory(own + "/old");
        co_await expect(watch, own, "created gone/", "created old/");
        std::ofstream a(own + "/a");
        std::ofstream b(own + "/b");
        for (int i = 0; i < limit; ++i) {
            a.put('x').flush();
            b.put('x').flush();
        }
        co_await bight::rename_path(own + "/old", own + "/new");
        co_await bight::remove_directory(own + "/gone");
        (void)co_await until(watch, own, "overflow");
        CHECK(watch.size() == 2);
        co_await bight::write_file(own + "/new/f", "");
        co_await expect(watch, own, "created new/f");
    });
}

TEST_CASE("file_watch: a path that is removed takes with it what was to be listed") {
    on_each([]() -> task<> {
        const test::temporary_directory here;
        const std::string own = co_await own_directory(here);
        co_await bight::create_directory(own + "/t");
        co_await bight::create_directory(own + "/other");
        file_watch watch;
        co_await watch.add(own + "/t", true);
        co_await watch.add(own + "/other");
        co_await bight::create_directories(own + "/t/new/er");
        co_await expect(watch, own, "created t/new/");
        const bool removed = watch.remove(own + "/t");
        CHECK(removed);
        CHECK(watch.size() == 1);
        co_await bight::create_directory(own + "/t/new/later");
        co_await bight::write_file(own + "/other/end", "");
        co_await expect(watch, own, "created other/end");
        CHECK(watch.size() == 1);
    });
}

TEST_CASE("file_watch: a path that was added, and is a part of a tree that was added") {
    on_each([]() -> task<> {
        const test::temporary_directory here;
        const std::string own = co_await own_directory(here);
        for (const bool tree_first : {true, false}) {
            CAPTURE(tree_first);
            const std::string root = own + (tree_first ? "/1" : "/2");
            co_await bight::create_directories(root + "/sub/below");
            file_watch watch;
            if (tree_first) co_await watch.add(root, true);
            co_await watch.add(root + "/sub", !tree_first);
            if (!tree_first) co_await watch.add(root, true);
            CHECK(watch.size() == 3);
            bool removed = watch.remove(root + "/sub");
            CHECK(removed);
            removed = watch.remove(root + "/sub");
            CHECK_FALSE(removed);
            co_await bight::write_file(root + "/sub/f", "");
            co_await bight::write_file(root + "/sub/below/f", "");
            co_await expect(watch, root, "created sub/f", "created sub/below/f");

            co_await watch.add(root + "/sub", true);
            removed = watch.remove(root);
            CHECK(removed);
            CHECK(watch.size() == 2);
            co_await bight::write_file(root + "/unseen", "");
            co_await bight::write_file(root + "/sub/g", "");
            co_await expect(watch, root, "created sub/g");

            co_await watch.add(root, true);
            co_await bight::rename_path(root + "/sub", root + "/sub2");
            co_await expect(watch, root, "moved sub sub2/");
            co_await bight::write_file(root + "/sub2/h", "");
            co_await expect(watch, root, "created sub2/h");
            co_await bight::remove_tree(root + "/sub2");
            const std::vector<std::string> gone = co_await until(watch, root, "removed sub2/");
            co_await bight::write_file(root + "/end", "");
            co_await expect(watch, root, "created end");
        }
    });
}

TEST_CASE("file_watch: a path that was added moves into a tree that was added") {
    on_each([]() -> task<> {
        const test::temporary_directory here;
        const std::string own = co_await own_directory(here);
        co_await bight::create_directories(own + "/t");
        co_await bight::create_directories(own + "/d/below");
        file_watch watch;
        co_await watch.add(own + "/t", true);
        co_await watch.add(own + "/d", true);
        co_await bight::rename_path(own + "/d", own + "/t/d");
        co_await bight::write_file(own + "/t/end", "");
        const std::vector<std::string> all = co_await until(watch, own, "created t/end");
        const std::set<std::string> told(all.begin(), all.end());
        CHECK(told ==
              std::set<std::string>{"created t/d/", "created t/d/below/", "created t/end", "removed d/"});
        CHECK(all.size() == told.size());
        co_await bight::write_file(own + "/t/d/below/f", "");
        co_await expect(watch, own, "created t/d/below/f");
        CHECK(watch.size() == 3);
    });
}

TEST_CASE("file_watch: two ways to one directory, of which one is removed") {
    on_each([]() -> task<> {
        const test::temporary_directory here;
        const std::string own = co_await own_directory(here);
        co_await bight::create_directory(own + "/d");
        file_watch watch;
        co_await watch.add(own + "/d");
        co_await watch.add(own + "/./d");
        CHECK(watch.size() == 1);
        co_await bight::write_file(own + "/d/a", "");
        co_await expect(watch, own, "created d/a");
        const bool removed = watch.remove(own + "/d");
        CHECK(removed);
        co_await bight::write_file(own + "/d/b", "");
        co_await expect(watch, own, "created ./d/b");
        const bool last = watch.remove(own + "/./d");
        CHECK(last);
        CHECK(watch.size() == 0);
    });
}

TEST_CASE("file_watch: destroyed while a new directory is listed, next() ends with errc::closed") {
    on_each([]() -> task<> {
        const test::temporary_directory here;
        const std::string own = co_await own_directory(here);
        for (int turns = 1; turns < 12; ++turns) {
            CAPTURE(turns);
            auto watch = std::make_unique<file_watch>();
            co_await watch->add(own, true);
            const std::string name = own + "/d" + std::to_string(turns);
            co_await bight::create_directories(name + "/below");
            std::error_code ended;
            co_await bight::with_group([&](bight::group& g) -> task<> {
                g.spawn([&]() -> task<> {
                    // It is not used after it was destroyed: next() gives no event then.
                    while (!ended) ended = co_await code_of(watch->next());
                });
                for (int i = 0; i < turns; ++i) co_await bight::yield();
                watch.reset();
            });
            CHECK(ended == bight::errc::closed);
        }
    });
}

TEST_CASE("file_watch: the wait for the second half of a move goes on when next() is cancelled soon") {
    on_each([]() -> task<> {
        const test::temporary_directory here;
        const std::string own = co_await own_directory(here);
        co_await bight::create_directory(own + "/d");
        co_await bight::write_file(own + "/d/f", "");
        file_watch watch;
        co_await watch.add(own + "/d");
        co_await bight::rename_path(own + "/d/f", own + "/f");
        for (;;) {
            const auto e = co_await bight::try_with_timeout(watch.next(), std::chrono::milliseconds(1));
            if (!e) continue;
            const std::string text = text_of(*e, own);
            CHECK(text == "removed d/f");
            break;
        }
    });
}
