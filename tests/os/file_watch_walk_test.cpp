// file_watch against random walks: who keeps a view of the tree by what is told has the real tree in the end.
#include "own_directory.hpp"

#include "support/catch.hpp"
#include "support/each_reactor.hpp"

#include <bight/bight.hpp>
#include <bight/os/file_watch.hpp>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>
#include <set>
#include <string>
#include <system_error>
#include <vector>

using bight::file_change;
using bight::file_event;
using bight::file_watch;
using bight::task;
using namespace std::chrono_literals;

namespace fs = std::filesystem;

namespace {

/// Paths, and whether they are directories.
using tree = std::map<std::string, bool>;

bool is_below(const std::string& path, const std::string& directory) {
    return path == directory || path.starts_with(directory + "/");
}
void erase_below(tree& of, const std::string& path) {
    std::erase_if(of, [&](const auto& one) { return is_below(one.first, path); });
}

/// What somebody knows of the tree who has been told of its changes only.
class view {
  public:
    void apply(const file_event& e) {
        switch (e.what) {
            case file_change::created:
                if (known.contains(e.path)) again.push_back(e.path);
                erase_below(known, e.path);
                known[e.path] = e.is_directory;
                break;
            case file_change::removed: erase_below(known, e.path); break;
            case file_change::moved: move(e); break;
            case file_change::changed: break;
            default: overflows = true;
        }
    }
    tree known;
    std::vector<std::string> again;  // created, and known already
    bool overflows = false;

  private:
    void move(const file_event& e) {
        tree moved;
        for (const auto& [path, is_directory] : known) {
            if (is_below(path, e.old_path)) moved[e.path + path.substr(e.old_path.size())] = is_directory;
        }
        moved.try_emplace(e.path, e.is_directory);
        erase_below(known, e.old_path);
        erase_below(known, e.path);
        known.merge(moved);
    }
};

tree real_tree(const std::string& root) {
    tree all;
    for (const auto& entry : fs::recursive_directory_iterator(root)) {
        all[entry.path().string()] = entry.is_directory();
    }
    return all;
}

struct walk {
    bool reuses_names = false;  ///< few names, so one takes another's place
    bool leaves = false;        ///< also out of the tree, and back
};

class walker {
  public:
    walker(std::string own, walk of, unsigned seed)
        : inside_(own + "/t"), outside_(own + "/o"), of_(of), random_(seed) {}

    task<> run() {
        fs::create_directories(inside_);
        fs::create_directories(outside_);
        file_watch watch;
        co_await watch.add(inside_, true);
        for (int i = 0; i < 25; ++i) {
            step();
            if (pick(3) != 0) continue;
            const unsigned most = pick(4);
            for (unsigned k = 0; k < most; ++k) {
                const auto e = co_await bight::try_with_timeout(watch.next(), 5ms);
                if (!e) break;
                view_.apply(*e);
            }
        }
        co_await to_end(watch, "/end1");
        const tree real = real_tree(inside_);
        CHECK_FALSE(view_.overflows);
        CHECK(view_.known == real);
        // A replacement is told as created, and nothing of what was there: with few names that is often.
        if (!of_.reuses_names) CHECK(view_.again == std::vector<std::string>{});
        // Each directory is watched, and under its path.
        std::set<std::string> made;
        for (const auto& [path, is_directory] : real) {
            if (!is_directory) continue;
            made.insert(path + "/probe");
            std::ofstream(path + "/probe");
        }
        view_.known.clear();
        co_await to_end(watch, "/end2");
        std::set<std::string> told;
        for (const auto& [path, is_directory] : view_.known) told.insert(path);
        CHECK(told == made);
    }

    std::string log;

  private:
    unsigned pick(unsigned of) { return static_cast<unsigned>(random_() % of); }
    std::string one_of(const std::vector<std::string>& all) {
        return all.empty() ? std::string() : all[pick(static_cast<unsigned>(all.size()))];
    }
    std::string any(bool directories_only) {
        std::vector<std::string> all;
        if (directories_only) all.push_back(inside_);
        for (const auto& [path, is_directory] : real_tree(inside_)) {
            if (is_directory || !directories_only) all.push_back(path);
        }
        return one_of(all);
    }
    std::string any_outside() {
        std::vector<std::string> all;
        for (const auto& entry : fs::directory_iterator(outside_)) all.push_back(entry.path().string());
        std::sort(all.begin(), all.end());
        return one_of(all);
    }
    std::string new_name() {
        return "n" + std::to_string(of_.reuses_names ? pick(4) : static_cast<unsigned>(++names_));
    }
    void move(const std::string& from, const std::string& to) {
        if (from.empty()) return;
        std::error_code error;
        fs::rename(from, to, error);
        log += (error ? "failed: mv " : "mv ") + from + " " + to + "\n";
    }
    void step() {
        const std::string to = any(true) + "/" + new_name();
        const std::string from = any(false);
        std::error_code error;
        switch (pick(of_.leaves ? 8 : 6)) {
            case 0:
            case 1:
                fs::create_directory(to, error);
                log += "mkdir " + to + "\n";
                break;
            case 2:
                if (!fs::is_directory(to)) std::ofstream(to) << "x";
                log += "write " + to + "\n";
                break;
            case 3:
            case 4: move(from, to); break;
            case 5:
                if (!from.empty()) fs::remove_all(from, error);
                log += "rm " + from + "\n";
                break;
            case 6: move(from, outside_ + "/o" + std::to_string(++names_)); break;
            default: move(any_outside(), to); break;
        }
    }
    /// Until a file of this name has been told, which is the last thing that has happened.
    task<> to_end(file_watch& watch, std::string name) {
        const std::string last = inside_ + name;
        std::ofstream(last).close();
        bool is_told = false;
        while (!is_told) {
            const file_event e = co_await watch.next();
            is_told = e.what == file_change::created && e.path == last;
            if (!is_told) view_.apply(e);
        }
        fs::remove(last);
        for (;;) {
            const file_event e = co_await watch.next();
            if (e.what == file_change::removed && e.path == last) break;
            view_.apply(e);
        }
    }

    std::string inside_;
    std::string outside_;
    walk of_;
    std::mt19937 random_;
    view view_;
    int names_ = 0;
};

void walk_on_each(walk of) {
    unsigned seed = 0;
    for (const auto& kind : test::real_reactors()) {
        CAPTURE(kind);
        test::reactor_fixture on(kind);
        on.run([&]() -> task<> {
            for (const unsigned end = seed + 10; seed < end; ++seed) {
                CAPTURE(seed);
                const test::temporary_directory here;
                const std::string own = co_await test::own_directory(here);
                walker one(own, of, seed);
                co_await one.run();
            }
        });
    }
}

}  // namespace

TEST_CASE("file_watch: after a random walk who was told has the real tree, and all of it is watched") {
    SECTION("new names") { walk_on_each({false, false}); }
    SECTION("new names, out of the tree and back") { walk_on_each({false, true}); }
    SECTION("few names") { walk_on_each({true, false}); }
    SECTION("few names, out of the tree and back") { walk_on_each({true, true}); }
}
