// listed_files: what has changed is found by lists, whatever tells that something has.
#include "told_changes.hpp"

#include "support/catch.hpp"

#include "os/file_watcher.hpp"
#include "os/listed_files.hpp"

#include <bight/bight.hpp>
#include <bight/os/paths.hpp>
#include <bight/os/whole_file.hpp>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

using bight::file_change;
using bight::file_event;
using bight::task;
using bight::detail::listed_files;
using bight::detail::told_file;
using bight::detail::told_of_file;
using test::code_of;
using test::on_each;
using test::own_directory;
using test::text_of;
namespace fs = std::filesystem;

namespace {

/// Tells what has changed when it is told to look, as a system does that tells of a directory only that it
/// has changed; of each directory, whether it has or not.
class looking_source final : public bight::detail::change_source {
  public:
    ~looking_source() override {
        for (const auto& [fd, seen] : open_) ::close(fd);
    }
    void look() {
        for (auto& [fd, seen] : open_) {
            struct stat is{};
            REQUIRE(::fstat(fd, &is) == 0);
            told_of_file told;
            told.fd = fd;
            told.contents = S_ISDIR(is.st_mode) || is.st_size != seen.size;
            told.status = is.st_mode != seen.mode;
            told.gone = is.st_nlink == 0;
            told.moved = name_of(fd) != seen.name;
            seen = {is.st_size, is.st_mode, name_of(fd)};
            if (told.contents || told.status || told.gone || told.moved) told_.push_back(told);
        }
        news_.set();
    }
    int most_open = 1000;

    int open(int in, const std::string& name, bool follow_link, told_file& made) override {
        if (static_cast<int>(open_.size()) >= most_open) return -EMFILE;
        const int fd = ::openat(in, name.c_str(), O_RDONLY | O_CLOEXEC | (follow_link ? 0 : O_NOFOLLOW));
        if (fd < 0) return -errno;
        struct stat is{};
        REQUIRE(::fstat(fd, &is) == 0);
        if (!S_ISREG(is.st_mode) && !S_ISDIR(is.st_mode)) {
            ::close(fd);
            return -EINVAL;
        }
        made = {fd, is.st_dev, is.st_ino, S_ISDIR(is.st_mode)};
        open_[fd] = {is.st_size, is.st_mode, name_of(fd)};
        return 0;
    }
    void close(int fd) noexcept override {
        open_.erase(fd);
        ::close(fd);
    }
    bool is_removed(int fd) noexcept override {
        struct stat is{};
        return ::fstat(fd, &is) == 0 && is.st_nlink == 0;
    }
    void take(std::vector<told_of_file>& to) override {
        for (const told_of_file& one : std::exchange(told_, {})) {
            if (open_.contains(one.fd)) to.push_back(one);
        }
        news_.reset();
    }
    task<> wait() override {
        if (ends_when_idle) throw std::system_error(make_error_code(std::errc::no_message));
        co_await news_.wait();
    }
    bool ends_when_idle = false;  ///< next() then throws when there is nothing to tell
    void end() noexcept override {
        is_open_ = false;
        news_.set();
    }
    bool is_open() const noexcept override { return is_open_; }

  private:
    struct looked_at {
        off_t size = 0;
        mode_t mode = 0;
        std::string name;
    };
    static std::string name_of(int fd) {
        return fs::read_symlink("/proc/self/fd/" + std::to_string(fd)).filename().string();
    }
    std::map<int, looked_at> open_;
    std::vector<told_of_file> told_;
    bight::manual_reset_event news_;
    bool is_open_ = true;
};

/// A watch, and what tells it to look.
struct looking_watch {
    looking_watch() : looking_watch(std::make_unique<looking_source>()) {}
    explicit looking_watch(std::unique_ptr<looking_source> made) : source(*made), files(std::move(made)) {}
    looking_source& source;
    listed_files files;

    /// What is told of all that has happened.
    task<std::vector<std::string>> told(std::string own) {
        std::vector<std::string> all;
        co_await each([&](const file_event& e) { all.push_back(text_of(e, own)); });
        co_return all;
    }
    template <class F>
    task<> each(F told) {
        source.look();
        source.ends_when_idle = true;
        for (;;) {
            const auto e = co_await bight::as_result(files.next());
            if (!e) {
                CHECK(e.error() == std::errc::no_message);
                break;
            }
            told(*e);
        }
        source.ends_when_idle = false;
    }
};

using texts = std::vector<std::string>;

}  // namespace

TEST_CASE("listed_files: what is created, changed, moved and removed in a directory") {
    on_each([]() -> task<> {
        const test::temporary_directory here;
        const std::string own = co_await own_directory(here);
        co_await bight::create_directories(own + "/d/sub");
        co_await bight::write_file(own + "/d/old", "1");
        looking_watch watch;
        co_await watch.files.add(own + "/d/", false);
        texts all = co_await watch.told(own + "/d");
        CHECK(all.empty());
        co_await bight::write_file(own + "/d/a", "1");
        co_await bight::write_file(own + "/d/old", "12");
        co_await bight::write_file(own + "/d/sub/unseen", "1");
        ::symlink("a", (own + "/d/link").c_str());
        ::mkfifo((own + "/d/fifo").c_str(), 0600);
        all = co_await watch.told(own + "/d");
        CHECK(all == texts{"changed old", "created a", "created fifo", "created link"});
        co_await bight::rename_path(own + "/d/a", own + "/d/b");
        co_await bight::rename_path(own + "/d/link", own + "/d/link2");
        co_await bight::remove_file(own + "/d/old");
        all = co_await watch.told(own + "/d");
        CHECK(all == texts{"moved a b", "moved link link2", "removed old"});
        co_await bight::write_file(own + "/other", "123");
        co_await bight::rename_path(own + "/other", own + "/d/b");
        all = co_await watch.told(own + "/d");
        CHECK(all == texts{"created b"});
        co_await bight::rename_path(own + "/d/b", own + "/other");
        ::chmod((own + "/d/sub").c_str(), 0700);
        ::chmod((own + "/d/sub").c_str(), 0500);
        all = co_await watch.told(own + "/d");
        CHECK(all == texts{"changed sub/", "removed b"});
        CHECK(watch.files.size() == 1);
    });
}

TEST_CASE("listed_files: a tree is watched with what is made in it, and follows its directories") {
    on_each([]() -> task<> {
        const test::temporary_directory here;
        const std::string own = co_await own_directory(here);
        co_await bight::create_directories(own + "/t/a/b");
        co_await bight::create_directories(own + "/o/in/deep");
        co_await bight::write_file(own + "/t/a/b/f", "");
        looking_watch watch;
        co_await watch.files.add(own + "/t", true);
        CHECK(watch.files.size() == 3);
        co_await bight::create_directories(own + "/t/c/d");
        co_await bight::write_file(own + "/t/c/d/g", "");
        texts all = co_await watch.told(own + "/t");
        CHECK(all == texts{"created c/", "created c/d/", "created c/d/g"});
        // From one directory to another, with what is below, and something new in it.
        co_await bight::rename_path(own + "/t/a/b", own + "/t/c/b");
        co_await bight::write_file(own + "/t/c/b/h", "");
        co_await bight::rename_path(own + "/o/in", own + "/t/in");
        all = co_await watch.told(own + "/t");
        CHECK(all == texts{"moved a/b c/b/", "created in/", "created c/b/h", "created in/deep/"});
        // Three names in a row, each in the place of the next; then two that change places.
        co_await bight::write_file(own + "/t/1", "1");
        co_await bight::write_file(own + "/t/2", "2");
        (void)co_await watch.told(own + "/t");
        co_await bight::rename_path(own + "/t/2", own + "/t/3");
        co_await bight::rename_path(own + "/t/1", own + "/t/2");
        all = co_await watch.told(own + "/t");
        CHECK(all == texts{"moved 2 3", "moved 1 2"});
        co_await bight::rename_path(own + "/t/2", own + "/t/x");
        co_await bight::rename_path(own + "/t/3", own + "/t/2");
        co_await bight::rename_path(own + "/t/x", own + "/t/3");
        all = co_await watch.told(own + "/t");
        CHECK(all == texts{"moved 3 2", "created 3"});
        // Out of the tree it is one name, removed it is all of them.
        co_await bight::rename_path(own + "/t/in", own + "/out");
        co_await bight::remove_tree(own + "/t/c");
        all = co_await watch.told(own + "/t");
        std::ranges::sort(all);
        CHECK(all == texts{"removed c/", "removed c/b/", "removed c/b/f", "removed c/b/h", "removed c/d/",
                           "removed c/d/g", "removed in/"});
        CHECK(watch.files.size() == 2);
    });
}

TEST_CASE("listed_files: what was added goes, is a part of a tree, and has two paths") {
    on_each([]() -> task<> {
        const test::temporary_directory here;
        const std::string own = co_await own_directory(here);
        co_await bight::create_directories(own + "/t/sub/below");
        co_await bight::create_directory(own + "/d");
        co_await bight::write_file(own + "/file", "");
        looking_watch watch;
        co_await watch.files.add(own + "/file", true);
        co_await watch.files.add(own + "/d", false);
        co_await watch.files.add(own + "/./d", false);
        co_await watch.files.add(own + "/t/sub", false);
        co_await watch.files.add(own + "/t", true);
        co_await bight::write_file(own + "/file", "x");
        co_await bight::write_file(own + "/d/f", "");
        co_await bight::write_file(own + "/t/sub/f", "");
        texts all = co_await watch.told(own);
        std::ranges::sort(all);
        CHECK(all == texts{"changed file", "created d/f", "created t/sub/f"});
        bool removed = watch.files.remove(own + "/d");
        CHECK(removed);
        removed = watch.files.remove(own + "/t");
        CHECK(removed);
        removed = watch.files.remove(own + "/t");
        CHECK_FALSE(removed);
        co_await watch.files.add(own + "/t/sub", true);
        co_await bight::write_file(own + "/d/g", "");
        co_await bight::write_file(own + "/t/unseen", "");
        co_await bight::write_file(own + "/t/sub/below/g", "");
        all = co_await watch.told(own);
        std::ranges::sort(all);
        CHECK(all == texts{"created ./d/g", "created t/sub/below/g"});
        co_await bight::rename_path(own + "/file", own + "/file2");
        co_await bight::remove_tree(own + "/d");
        all = co_await watch.told(own);
        std::ranges::sort(all);
        CHECK(all == texts{"removed ./d/", "removed file"});
        CHECK(watch.files.size() == 2);
        const std::error_code error = co_await code_of(watch.files.add(own + "/missing", false));
        CHECK(error == std::errc::no_such_file_or_directory);
    });
}

TEST_CASE(
    "listed_files: without descriptors an add fails, and a new file is an error once, and tried again") {
    on_each([]() -> task<> {
        const test::temporary_directory here;
        const std::string own = co_await own_directory(here);
        co_await bight::create_directories(own + "/t/a/b");
        looking_watch watch;
        watch.source.most_open = 2;
        std::error_code error = co_await code_of(watch.files.add(own + "/t", true));
        CHECK(error == std::errc::too_many_files_open);
        CHECK(watch.files.size() == 0);
        watch.source.most_open = 3;
        co_await watch.files.add(own + "/t", true);
        co_await bight::write_file(own + "/t/f", "");
        watch.source.look();
        error = co_await code_of(watch.files.next());
        CHECK(error == std::errc::too_many_files_open);
        watch.source.most_open = 10;
        const texts all = co_await watch.told(own);
        CHECK(all == texts{"created t/f"});
    });
}

TEST_CASE("listed_files: a cancelled next() loses nothing") {
    on_each([]() -> task<> {
        const test::temporary_directory here;
        const std::string own = co_await own_directory(here);
        co_await bight::create_directories(own + "/t/a");
        looking_watch watch;
        co_await watch.files.add(own + "/t", true);
        for (int turns = 0; turns < 8; ++turns) {
            CAPTURE(turns);
            const std::string name = "f" + std::to_string(turns);
            co_await bight::write_file(own + "/t/a/" + name, "");
            watch.source.look();
            texts all;
            co_await bight::with_group([&](bight::group& g) -> task<> {
                g.spawn([&]() -> task<> {
                    const file_event e = co_await watch.files.next();
                    all.push_back(text_of(e, own + "/t"));
                });
                for (int i = 0; i < turns; ++i) co_await bight::yield();
                g.cancel();
            });
            const texts rest = co_await watch.told(own + "/t");
            all.insert(all.end(), rest.begin(), rest.end());
            CHECK(all == texts{"created a/" + name});
        }
    });
}

TEST_CASE("listed_files: after a random walk who was told has the real tree") {
    unsigned seed = 0;
    on_each([&seed]() -> task<> {
        for (const unsigned end = seed + 8; seed < end; ++seed) {
            CAPTURE(seed);
            const test::temporary_directory here;
            const std::string own = co_await own_directory(here);
            fs::create_directories(own + "/t");
            fs::create_directories(own + "/o");
            std::mt19937 random(seed);
            const auto pick = [&](unsigned of) { return static_cast<unsigned>(random() % of); };
            const auto real = [&] {
                std::map<std::string, bool> all;
                for (const auto& e : fs::recursive_directory_iterator(own + "/t"))
                    all[e.path().string()] = e.is_directory();
                return all;
            };
            const auto any = [&](bool directories_only) {
                texts all;
                if (directories_only) all.push_back(own + "/t");
                for (const auto& [path, is_directory] : real()) {
                    if (is_directory || !directories_only) all.push_back(path);
                }
                return all.empty() ? std::string() : all[pick(static_cast<unsigned>(all.size()))];
            };
            looking_watch watch;
            co_await watch.files.add(own + "/t", true);
            std::map<std::string, bool> known;
            const auto erase_below = [&](const std::string& path) {
                std::erase_if(known, [&](const auto& one) {
                    return one.first == path || one.first.starts_with(path + "/");
                });
            };
            int names = 0;
            texts log;
            for (int i = 0; i < 40; ++i) {
                const std::string name =
                    pick(2) == 0 ? "n" + std::to_string(pick(3)) : "u" + std::to_string(++names);
                const std::string to = any(true) + "/" + name;
                const std::string from = any(false);
                std::error_code error;
                switch (pick(7)) {
                    case 0:
                    case 1: fs::create_directory(to, error); break;
                    case 2:
                        if (!fs::is_directory(to)) std::ofstream(to) << "x";
                        break;
                    case 3:
                    case 4:
                        if (!from.empty()) fs::rename(from, to, error);
                        break;
                    case 5:
                        if (!from.empty()) fs::remove_all(from, error);
                        break;
                    default:
                        if (!from.empty()) fs::rename(from, own + "/o/" + std::to_string(++names), error);
                }
                if (pick(4) != 0 && i < 39) continue;
                co_await watch.each([&](const file_event& e) {
                    log.push_back(text_of(e, own));
                    std::map<std::string, bool> moving;
                    for (const auto& [path, is_directory] : known) {
                        if (e.what == file_change::moved &&
                            (path == e.old_path || path.starts_with(e.old_path + "/"))) {
                            moving[e.path + path.substr(e.old_path.size())] = is_directory;
                        }
                    }
                    if (e.what != file_change::changed) erase_below(e.path);
                    if (e.what == file_change::moved) erase_below(e.old_path);
                    if (e.what == file_change::created) known[e.path] = e.is_directory;
                    known.merge(moving);
                });
            }
            const bool is_same = known == real();
            if (!is_same) {
                for (const std::string& line : log) UNSCOPED_INFO(line);
            }
            CHECK(is_same);
        }
    });
}
