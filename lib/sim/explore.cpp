#include <bight/sim/explore.hpp>

#include "explore_search.hpp"
#include "replay_command.hpp"
#include "trace_files.hpp"
#include "world_state.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>

namespace bight::sim {

namespace detail {

namespace {

std::vector<std::string> lines_of(const std::string& text) {
    std::vector<std::string> lines;
    std::size_t at = 0;
    while (at < text.size()) {
        const std::size_t end = std::min(text.find('\n', at), text.size());
        lines.push_back(text.substr(at, end - at));
        at = end + 1;
    }
    return lines;
}

// An excerpt of the trace: the lines around each fault, each line once.
std::string lines_around_faults(const seed_failure& f) {
    constexpr std::size_t before = 2;
    constexpr std::size_t after = 3;
    constexpr std::size_t most_faults = 20;
    std::string text;
    std::size_t shown = 0;
    for (std::size_t i = 0; i < f.faults.size() && i < most_faults; ++i) {
        if (!f.faults[i].line) continue;
        const std::size_t line = *f.faults[i].line;
        const std::size_t from = std::max(shown, line - std::min(line, before));
        const std::size_t to = std::min(f.trace.size(), line + after + 1);
        if (from > shown) text += "    …\n";
        for (std::size_t n = from; n < to; ++n) {
            const bool is_fault =
                std::any_of(f.faults.begin(), f.faults.end(), [n](const auto& r) { return r.line == n; });
            text += (is_fault ? "  > " : "    ") + f.trace[n] + "\n";
        }
        shown = std::max(shown, to);
    }
    if (f.faults.size() > most_faults) {
        text += "    … and " + std::to_string(f.faults.size() - most_faults) + " faults more\n";
    }
    constexpr std::size_t last_lines = 5;
    const std::size_t last = std::max(shown, f.trace.size() - std::min(f.trace.size(), last_lines));
    if (last > shown) text += "    …\n";
    for (std::size_t n = last; n < f.trace.size(); ++n) text += "    " + f.trace[n] + "\n";
    return text;
}

std::string counted(std::uint64_t n, const char* what) {
    return std::to_string(n) + " " + what + (n == 1 ? "" : "s");
}

std::string faults_left(const seed_failure& f) {
    if (f.faults_before == 0) return "bight: no fault happened\n";
    std::string text = "bight: of its " + counted(f.faults_before, "fault") + " ";
    if (f.faults.empty()) {
        text += "none is left after shrinking\n";
        if (f.smallest_seed != f.seed) {
            text += "bight: without any fault it is seed " + std::to_string(f.smallest_seed) +
                    " that fails so: what follows is of that one\n";
        }
    } else {
        text += std::to_string(f.faults.size()) + (f.faults.size() == 1 ? " is" : " are") +
                " left after shrinking:";
        for (const auto& r : f.faults) text += " " + r.name + " (" + id_text(r.id) + ")";
        text += "\n";
    }
    const auto forgotten =
        std::count_if(f.faults.begin(), f.faults.end(), [](const auto& r) { return !r.line; });
    if (forgotten > 0) {
        text += "bight: the trace has forgotten " + std::to_string(forgotten) +
                " of them: it keeps as many events as world_options::trace_events says\n";
    }
    if (f.cut_short) text += "bight: there was no time to find out whether fewer are enough\n";
    return text;
}

std::string report_of(const seed_failure& f, const explore_options& options, const trace_files& files) {
    std::string text = "bight: " + options.name + ": seed " + std::to_string(f.seed) + " fails (" +
                       std::string(name_of(f.kind)) + "): " + f.what + "\n";
    if (f.kind != failure_kind::not_repeatable && f.kind != failure_kind::out_of_memory) {
        text += faults_left(f);
        if (f.personality != personality::plain) {
            text += "bight: under the personality " + std::string(name_of(f.personality)) + "\n";
        }
    }
    if (!f.trace.empty())
        text += "bight: its trace, around the faults and at the end:\n" + lines_around_faults(f);
    if (!f.tasks.empty()) text += "bight: its tasks at that moment:\n" + f.tasks;
    text += files.text();
    text += "bight: to run this again, here and now:\n  " + replay_command(f.replay) + "\n";
    if (f.replay != std::to_string(f.seed)) {
        text += "bight: with all of its faults:\n  " + replay_command(std::to_string(f.seed)) + "\n";
    }
    return text;
}

// Describes the failure from its smallest run.
void describe(seed_failure& f, const attempt& a, const plan_part& part, const explore_options& options) {
    f.kind = a.kind;
    f.what = a.what();
    f.tasks = a.tasks;
    f.trace = lines_of(a.trace);
    f.smallest = part.of(options.world.faults);
    f.personality = personality_of(f.smallest_seed, part.of(options.world));
    for (const happened_fault& h : a.happened) {
        f.faults.push_back({h.id, std::string(name_of(h.kind)), std::nullopt});
    }
    // The trace may no longer have the first ones.
    auto known =
        f.faults.end() - static_cast<std::ptrdiff_t>(std::min(a.fault_lines.size(), f.faults.size()));
    for (auto line = a.fault_lines.begin(); known != f.faults.end(); ++known, ++line) {
        // The text of a fault is its name; it is the last member.
        known->line = static_cast<std::size_t>(*line);
        const std::string& of_line = f.trace[*known->line];
        const std::size_t at = of_line.find("\"text\":\"");
        const std::size_t begin = at == std::string::npos ? of_line.size() : at + 8;
        known->name = of_line.substr(begin, of_line.find('"', begin) - begin);
    }
    const std::string limits = part.to_text();
    f.replay = std::to_string(f.smallest_seed) + (limits.empty() ? "" : ":" + limits);
}

seed_failure analyse(world_test& test, const explore_options& options, std::uint64_t seed,
                     const attempt& found, trace_files& files) {
    seed_failure f;
    f.seed = f.smallest_seed = seed;
    f.faults_before = found.happened.size();
    if (found.kind == failure_kind::not_repeatable) {
        f.kind = found.kind;
        f.what = found.message;
        f.smallest = options.world.faults;
        f.replay = std::to_string(seed);
        return f;
    }
    child_options how;
    how.limit = options.limit_for_each;
    how.with_details = true;
    how.silent = options.quiet;
    const attempt again = run_in_child(test, seed, options.world, how);
    f.faults_before = again.happened.size();
    if (again.signature() != found.signature()) {
        describe(f, again, {}, options);
        if (found.ran_out_of_memory() && !again.failed) {
            f.kind = failure_kind::out_of_memory;
            f.what =
                found.what() +
                ": memory ran out after other runs in the same process, and by itself the seed has enough. "
                "The test keeps memory from one run to the next, or there is not enough of it for so many "
                "processes at once (explore_options::jobs)";
            return f;
        }
        f.kind = failure_kind::not_repeatable;
        f.what = "it fails after other seeds in the same process (" + found.what() + "), and by itself " +
                 (again.failed ? "otherwise (" + again.what() + ")" : std::string("it does not")) +
                 ": it does not depend on the seed alone";
        return f;
    }
    shrink_result smallest = shrink(test, seed, options, again);
    f.shrinking_runs = smallest.runs;
    f.cut_short = smallest.cut_short;
    f.smallest_seed = smallest.seed;
    const world_options world = smallest.part.of(options.world);
    how.silent = true;
    if (!options.directory.empty()) how.html = trace_files::name(options, seed, ".html");
    how.title = options.name + ", seed " + std::to_string(smallest.seed);
    const attempt last = run_in_child(test, smallest.seed, world, how);
    describe(f, last, smallest.part, options);
    if (last.signature() != again.signature()) {
        f.kind = failure_kind::not_repeatable;
        f.what = "it failed several times with the same faults (" + again.what() + "), and then it " +
                 (last.failed ? "failed otherwise (" + last.what() + ")" : std::string("did not"));
    }
    files.write_lines(last.trace);
    if (!how.html.empty() && !last.trace.empty()) files.add(how.html, last.page_error);
    return f;
}

// Runs one seed in this process.
exploration replay(world_test& test, const explore_options& options, std::string_view given) {
    const std::string without = without_spaces(given);
    const std::string_view text = without;
    const std::size_t end_of_seed = std::min(text.find(':'), text.size());
    std::uint64_t seed = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + end_of_seed, seed);
    if (error != std::errc() || end != text.data() + end_of_seed || end_of_seed == 0) {
        throw std::invalid_argument(std::string(replay_variable) + " is \"" + std::string(text) +
                                    "\", which does not begin with a seed, a number below 2^64");
    }
    const plan_part part = plan_part::parse(text.substr(std::min(end_of_seed + 1, text.size())));
    exploration result;
    result.seeds = 1;
    const world_options world = part.of(options.world);
    print(options, "bight: " + options.name + ": only seed " + std::string(text) + ", in this process\n");
    const auto begin = std::chrono::steady_clock::now();
    const attempt a = run_here(test, seed, world, true);
    result.real = std::chrono::steady_clock::now() - begin;
    result.simulated = std::chrono::nanoseconds(a.elapsed);
    trace_files files(options, seed);
    files.write_lines(a.trace);
    if (!a.failed) {
        print(options, "bight: " + options.name + ": " + result.summary() + "\n" + files.text());
        return result;
    }
    seed_failure f;
    f.seed = f.smallest_seed = seed;
    f.faults_before = a.happened.size();
    describe(f, a, part, options);
    f.report = report_of(f, options, files);
    print(options, f.report);
    result.failure = std::move(f);
    return result;
}

}  // namespace

void print(const explore_options& options, const std::string& text) {
    if (options.quiet) return;
    std::fwrite(text.data(), 1, text.size(), stderr);
    std::fflush(stderr);
}

exploration explore_with(world_test& test, const explore_options& options) {
    if (const char* const text = std::getenv(replay_variable)) return replay(test, options, text);
    const usual_child_signal children;
    exploration result;
    const auto begin = std::chrono::steady_clock::now();
    const search_result found = search(test, options);
    result.real = std::chrono::steady_clock::now() - begin;
    result.seeds = found.seeds;
    result.out_of_time = !found.failure && found.seeds < options.seeds;
    result.simulated = std::chrono::nanoseconds(found.simulated);
    if (found.failure) {
        const std::uint64_t seed = options.first_seed + found.seeds - 1;
        trace_files files(options, seed);
        const auto failed = std::chrono::steady_clock::now();
        seed_failure f = analyse(test, options, seed, *found.failure, files);
        result.shrinking = std::chrono::steady_clock::now() - failed;
        f.report = report_of(f, options, files);
        result.failure = std::move(f);
        print(options, result.failure->report + "bight: " + options.name + ": " + result.summary() + "\n");
    }
    return result;
}

}  // namespace detail

double exploration::hours_per_second() const noexcept {
    const double seconds = std::chrono::duration<double>(real).count();
    if (seconds <= 0) return 0;
    return std::chrono::duration<double, std::ratio<3600>>(simulated).count() / seconds;
}

namespace {

// "1.5", independent of LC_NUMERIC.
std::string tenths(double value) {
    const long long all = std::llround(value * 10);
    return std::to_string(all / 10) + "." + std::to_string(all % 10);
}

}  // namespace

std::string exploration::summary() const {
    const std::string times = ", " +
                              tenths(std::chrono::duration<double, std::ratio<3600>>(simulated).count()) +
                              " simulated hours in " + tenths(std::chrono::duration<double>(real).count()) +
                              " s (" + tenths(hours_per_second()) + " for each second)";
    std::string text =
        detail::counted(seeds, "seed") + (failure ? ", the last failed" : ", none failed") + times;
    if (out_of_time) text += "; limit_for_all came before the other seeds";
    if (failure && failure->shrinking_runs > 0) {
        text += "; then " + detail::counted(failure->shrinking_runs, "run") + " in " +
                tenths(std::chrono::duration<double>(shrinking).count()) + " s to find its smallest form";
    }
    return text;
}

}  // namespace bight::sim
