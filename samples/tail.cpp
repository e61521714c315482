// Shows the ends of files, and what is added to them, or takes their place, as tail -F.   tail FILE...
#include <bight/bight.hpp>
#include <bight/os/file.hpp>
#include <bight/os/file_watch.hpp>
#include <bight/os/paths.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <map>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

using namespace std::chrono_literals;

struct followed_file {
    std::string name;
    std::optional<bight::file> file;  // stays open when its name is gone: its writer may go on
    std::uint64_t inode = 0;
    std::uint64_t shown = 0;  // bytes
    bool is_missing = false;
};

class follower {
  public:
    follower(std::vector<std::string> names, std::FILE* output, std::FILE* errors)
        : output_(output), errors_(errors) {
        for (std::string& name : names) {
            is_watched_[bight::directory_of(name)] = false;
            files_.push_back({std::move(name), {}});
        }
    }

    bight::task<> run() {
        co_await watch_directories();  // first: what happens from here on is told
        for (followed_file& f : files_) {
            co_await open(f, "");
            if (!f.file) continue;
            show(f, {});
            f.shown = co_await start_of_last_lines(f);
            co_await show_rest(f);
        }
        for (;;) {
            co_await wait_for_change();
            for (followed_file& f : files_) co_await look(f);
        }
    }

  private:
    // What cannot be watched is asked from time to time.
    bight::task<> watch_directories() {
        for (auto& [directory, is_watched] : is_watched_) {
            if (!is_watched) is_watched = (co_await bight::as_result(watch_.add(directory))).has_value();
        }
    }

    bight::task<> wait_for_change() {
        const auto told = co_await bight::try_with_timeout(bight::as_result(watch_.next()), 1s);
        const bool is_told = told && *told;
        if (told && !is_told) co_await bight::sleep_for(1s);  // nothing is watched here
        if (is_told && (*told)->what == bight::file_change::removed) {
            if (const auto at = is_watched_.find((*told)->path); at != is_watched_.end()) at->second = false;
        }
        co_await watch_directories();
    }

    bight::task<> open(followed_file& f, const char* what_happened) {
        auto opened = co_await bight::as_result(bight::open_file(f.name));
        if (!opened) {
            if (!std::exchange(f.is_missing, true)) {
                say("cannot open '" + f.name + "' for reading: " + opened.error().message());
            }
            co_return;
        }
        const bight::file_status status = co_await opened->status();
        f.file = std::move(*opened);
        f.inode = status.inode;
        f.shown = 0;
        f.is_missing = false;
        if (*what_happened) say("'" + f.name + "' has " + what_happened + ";  following new file");
    }

    bight::task<> look(followed_file& f) {
        const auto status = co_await bight::as_result(bight::path_status(f.name));
        if (f.file) co_await show_rest(f);
        if (!status) {
            if (!std::exchange(f.is_missing, true)) {
                say("'" + f.name + "' has become inaccessible: " + status.error().message());
            }
        } else if (!f.file || f.is_missing || status->inode != f.inode) {
            const bool is_same = f.file && status->inode == f.inode;  // it was away for a while
            const std::uint64_t shown = is_same ? f.shown : 0;
            co_await open(f, !f.file || f.is_missing ? "appeared" : "been replaced");
            f.shown = shown;
            if (f.file) co_await show_rest(f);
        }
    }

    bight::task<> show_rest(followed_file& f) {
        char bytes[16384];
        const bight::file_status now = co_await f.file->status();
        if (now.size < f.shown) {
            say(f.name + ": file truncated");
            f.shown = 0;
        }
        while (const std::size_t got = co_await f.file->read_at(f.shown, bytes)) {
            show(f, {bytes, got});
            f.shown += got;
        }
    }

    static bight::task<std::uint64_t> start_of_last_lines(const followed_file& f) {
        char bytes[4096];
        int lines = 10;
        const bight::file_status status = co_await f.file->status();
        for (std::uint64_t end = status.size; end > 0;) {
            const std::size_t size = static_cast<std::size_t>(std::min<std::uint64_t>(end, sizeof bytes));
            const std::uint64_t start = end - size;
            co_await f.file->read_exactly_at(start, {bytes, size});
            for (std::size_t i = size; i > 0; --i) {
                // The break at the end of the last line begins none.
                const bool begins_line = bytes[i - 1] == '\n' && start + i < status.size;
                if (begins_line && --lines == 0) co_return start + i;
            }
            end = start;
        }
        co_return std::uint64_t{0};
    }

    void show(const followed_file& f, std::string_view text) {
        if (files_.size() > 1 && last_shown_ != &f) {
            std::fprintf(output_, "%s==> %s <==\n", last_shown_ ? "\n" : "", f.name.c_str());
            last_shown_ = &f;
        }
        std::fwrite(text.data(), 1, text.size(), output_);
        if (std::fflush(output_) != 0)
            throw std::system_error(errno, std::generic_category(), "standard output");
    }

    void say(const std::string& what) const { std::fprintf(errors_, "tail: %s\n", what.c_str()); }

    std::vector<followed_file> files_;
    std::map<std::string, bool> is_watched_;  // directories
    const followed_file* last_shown_ = nullptr;
    bight::file_watch watch_;
    std::FILE* output_;
    std::FILE* errors_;
};

bight::task<> follow(std::vector<std::string> names, std::FILE* output, std::FILE* errors) {
    follower all(std::move(names), output, errors);
    co_await all.run();
}

int main(int argc, char** argv) {
    if (argc < 2) {
        std::fputs("usage: tail FILE...\n", stderr);
        return 2;
    }
    return bight::run(follow({argv + 1, argv + argc}, stdout, stderr));
}
