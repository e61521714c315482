// Keeps programs running: starts them again when they end, with back-off, and logs what they print. SIGHUP
// has the list read again, SIGTERM ends all.   procmon [--threshold S] [--kill-time S] [--min-delay S]
// [--max-delay S] LIST   A line of the list is: NAME PROGRAM ARGUMENTS…
#include <bight/bight.hpp>
#include <bight/os/process.hpp>
#include <bight/os/signal_watch.hpp>
#include <bight/os/whole_file.hpp>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using seconds = std::chrono::duration<double>;

struct settings {
    seconds threshold = 1s;  // who ends sooner is started again later and later
    seconds kill_time = 5s;  // between SIGTERM and SIGKILL
    seconds min_delay = 1s;
    seconds max_delay = 1h;
    bight::duration patience() const { return kill_time; }
};

using words = std::vector<std::string>;  // a program and its arguments

void say(std::string_view name, std::string_view text) {
    std::printf("[%.*s] %.*s\n", static_cast<int>(name.size()), name.data(), static_cast<int>(text.size()),
                text.data());
}

// What a program prints, line by line; longer ones than this are cut.
class line_log {
  public:
    static constexpr std::size_t longest = 4096;
    explicit line_log(std::string name) : name_(std::move(name)) {}
    line_log(const line_log&) = delete;
    line_log& operator=(const line_log&) = delete;
    ~line_log() {
        if (!line_.empty()) say(name_, line_);
    }
    void take(std::string_view bytes) {
        for (const char byte : bytes) {
            if (byte != '\n') line_ += byte;
            if (byte != '\n' && line_.size() < longest) continue;
            say(name_, line_);
            line_.clear();
        }
    }

  private:
    std::string name_;
    std::string line_;
};

bight::task<> log_all(bight::stream& from, line_log& to) {
    while (auto part = co_await from.read_some()) to.take(part.view());
}

// Until it has ended, and its output, too. When this is cancelled the program is asked to end, and may say
// something about that.
bight::task<bight::process_status> run_once(std::string name, words what, settings with) {
    bight::command run(what.front());
    for (std::size_t i = 1; i < what.size(); ++i) run.argument(what[i]);
    run.null(0).pipe_from(1).pipe_from(2).new_group();
    bight::process child = bight::process::spawn(run);
    say(name, "has started");
    line_log output(name), errors(name);
    auto logs = [&]() -> bight::task<> {
        co_await bight::when_all(log_all(child.standard_output(), output),
                                 log_all(child.standard_error(), errors));
    };
    auto runs = [&]() -> bight::task<bight::process_status> {
        auto ended = co_await bight::when_all(child.wait(), logs());
        co_return std::get<0>(ended);
    };
    auto ends = [&]() -> bight::task<> {
        if (child.status()) co_return;
        auto end = bight::when_all(child.end(with.patience()),
                                   bight::try_with_timeout(logs(), with.patience() + 1s));
        const auto ended = co_await std::move(end);
        say(name, "was ended: " + std::get<0>(ended).to_string());
    };
    const bight::process_status how = co_await bight::finally(runs(), ends, with.patience() + 5s);
    co_return how;
}

bight::task<> keep_running(std::string name, words what, settings with) {
    for (seconds delay = with.min_delay;;) {
        const bight::time_point began = bight::now();
        std::string end;
        try {
            const bight::process_status how = co_await run_once(name, what, with);
            end = how.to_string();
        } catch (const std::system_error& e) {
            end = e.what();
        }
        seconds pause = 0s;
        if (bight::now() - began < with.threshold) {
            pause = delay;
            delay = std::min(2 * delay, with.max_delay);
        } else {
            delay = with.min_delay;
        }
        char text[64];
        std::snprintf(text, sizeof text, "; starts again in %g s", pause.count());
        say(name, end + text);
        co_await bight::sleep_for(pause);
    }
}

std::map<std::string, words> programs_in(const std::string& list) {
    std::map<std::string, words> all;
    std::istringstream lines(list);
    for (std::string line; std::getline(lines, line);) {
        std::istringstream parts(line);
        std::string name;
        if (!(parts >> name) || name.starts_with('#')) continue;
        words what;
        for (std::string word; parts >> word;) what.push_back(word);
        if (what.empty()) throw std::runtime_error(name + " has no program");
        all[name] = what;
    }
    return all;
}

struct kept_program {
    words what;
    bight::spawned_task task;
};

// Those that are in the list as before are left alone.
bight::task<> follow(bight::group& all, std::map<std::string, kept_program>& now, std::string list,
                     settings with) {
    const std::map<std::string, words> wanted = programs_in(list);
    std::vector<kept_program> leaving;
    for (auto at = now.begin(); at != now.end();) {
        const auto same = wanted.find(at->first);
        if (same != wanted.end() && same->second == at->second.what) {
            ++at;
            continue;
        }
        at->second.task.cancel();
        leaving.push_back(std::move(at->second));
        at = now.erase(at);
    }
    for (kept_program& one : leaving) co_await one.task.wait();
    for (const auto& [name, what] : wanted) {
        if (now.contains(name)) continue;
        kept_program one{what, all.spawn(keep_running, name, what, with)};
        now.emplace(name, std::move(one));
    }
}

bight::task<> monitor(std::string path, settings with) {
    bight::signal_watch reload{SIGHUP};
    const std::string list = co_await bight::read_file(path);
    co_await bight::with_group([&](bight::group& all) -> bight::task<> {
        std::map<std::string, kept_program> now;
        co_await follow(all, now, list, with);
        for (;;) {
            co_await reload.next();
            say("procmon", "reads " + path + " again");
            std::string wrong;
            try {
                const std::string again = co_await bight::read_file(path);
                co_await follow(all, now, again, with);
            } catch (const std::exception& e) {
                wrong = e.what();
            }
            if (!wrong.empty()) say("procmon", wrong + "; all is left as it was");
        }
    });
}

// Null when there is no such option.
seconds* option_of(settings& all, std::string_view name) {
    if (name == "--threshold") return &all.threshold;
    if (name == "--kill-time") return &all.kill_time;
    if (name == "--min-delay") return &all.min_delay;
    return name == "--max-delay" ? &all.max_delay : nullptr;
}

int main(int argc, char** argv) {
    std::setvbuf(stdout, nullptr, _IOLBF, 0);
    settings with;
    bool is_right = argc % 2 == 0;
    for (int i = 1; is_right && i + 1 < argc; i += 2) {
        seconds* const option = option_of(with, argv[i]);
        char* end = nullptr;
        const double value = std::strtod(argv[i + 1], &end);
        is_right = option && *argv[i + 1] != '\0' && *end == '\0' && value >= 0 && value <= 1e6;
        if (is_right) *option = seconds(value);
    }
    if (!is_right) {
        std::fputs("usage: procmon [--threshold S] [--kill-time S] [--min-delay S] [--max-delay S] LIST\n",
                   stderr);
        return 2;
    }
    return bight::run(monitor(argv[argc - 1], with));
}
