#include <bight/os/run_process.hpp>

#include "command_access.hpp"
#include "command_name.hpp"

#include "../core/system_error.hpp"
#include "../demux/demultiplexer.hpp"

#include <bight/core/error.hpp>
#include <bight/core/finally.hpp>
#include <bight/core/reactor.hpp>
#include <bight/core/sleep.hpp>
#include <bight/core/timeout.hpp>
#include <bight/core/when_all.hpp>
#include <bight/core/when_any.hpp>
#include <bight/io/chunk.hpp>
#include <bight/io/stream.hpp>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace bight {

namespace {

// A program need not want all of its input.
bool is_unwanted_input(const std::error_code& error) noexcept { return error == std::errc::broken_pipe; }

task<> give_input(process& child, std::string_view input) {
    stream to = std::move(child.standard_input());
    try {
        co_await to.write(input);
        co_await to.close();
    } catch (const std::system_error& e) {
        if (!is_unwanted_input(e.code())) throw;
    }
}

// What has come of one descriptor.
struct captured {
    std::string& bytes;
    bool& truncated;
};

task<> take_output(process& child, int number, captured to, run_process_options options,
                   const std::string& name) {
    stream from = std::move(child.pipe(number));
    while (auto part = co_await from.read_some()) {
        const std::size_t room = options.limit - to.bytes.size();
        if (part.size() > room && !options.truncate) {
            throw std::system_error(errc::too_long, "process: descriptor " + std::to_string(number) + " of " +
                                                        name + " has given more than " +
                                                        std::to_string(options.limit) + " bytes");
        }
        if (part.size() > room) to.truncated = true;
        to.bytes.append(part.data(), std::min(part.size(), room));
    }
}

bool is(const command& c, int number, child_descriptor kind) noexcept {
    const auto e = c.descriptor(number);
    return e && e->kind == kind;
}

// What run_process does with a child, or run_pipeline with a row of them.
struct conversation {
    std::span<process> children;
    bool has_input;
    bool has_output;
    bool has_errors;
    run_process_options options;
    std::string name;
    duration end_patience;
};

// What has come of it.
struct run_outcome {
    std::string output;
    std::string errors;
    std::vector<process_status> statuses;
    bool timed_out = false;
    bool truncated = false;
};

task<> end_all(std::span<process> children, duration longest) {
    std::vector<task<process_status>> ends;
    for (process& child : children) {
        if (!child.status()) ends.push_back(child.end(longest));
    }
    if (!ends.empty()) co_await when_all(std::move(ends));
}

task<> have_ended(std::span<process> children) {
    for (process& child : children) co_await child.wait();
}

task<> converse(const conversation& with, run_outcome& made) {
    std::vector<task<>> all;
    process& last = with.children.back();
    const captured output{made.output, made.truncated};
    const captured errors{made.errors, made.truncated};
    if (with.has_input) all.push_back(give_input(with.children.front(), with.options.input));
    if (with.has_output) all.push_back(take_output(last, 1, output, with.options, with.name));
    if (with.has_errors) all.push_back(take_output(last, 2, errors, with.options, with.name));
    co_await when_all(std::move(all));
    co_await have_ended(with.children);
}

// Ends when the pipes are not to be read any longer.
task<> watch(const conversation& with, run_outcome& made) {
    constexpr duration longest_after_time_limit = std::chrono::seconds(1);
    duration longest = with.options.drain_patience;
    const bool in_time = co_await try_with_timeout(have_ended(with.children), with.options.time_limit);
    if (!in_time) {
        made.timed_out = true;
        co_await end_all(with.children, with.end_patience);
        longest = std::min(longest, longest_after_time_limit);
    }
    co_await sleep_for(longest);
}

task<> run_to_end(const conversation& with, run_outcome& made) {
    // The world outside needs real time.
    std::optional<outside_work> outside;
    reactor& here = *reactor::current();
    if (!detail::demultiplexer_of(here).simulated()) outside.emplace(here);
    if (with.options.time_limit == duration::max() && with.options.drain_patience == duration::max()) {
        co_await converse(with, made);
    } else {
        co_await when_any(converse(with, made), watch(with, made));
    }
    for (process& child : with.children) {
        const process_status status = co_await child.wait();
        made.statuses.push_back(status);
    }
}

// However that ends, no child is left. One that must not be killed is left to its handle.
task<> run_all(const conversation& with, run_outcome& made) {
    const auto cleanup = [&with]() -> task<> {
        try {
            co_await end_all(with.children, with.end_patience);
        } catch (const std::system_error&) {
        }
    };
    constexpr duration to_die = std::chrono::seconds(5);
    const duration longest = std::min<duration>(with.end_patience, std::chrono::hours(1000)) + to_die;
    co_await finally(run_to_end(with, made), cleanup, longest);
}

[[noreturn]] void refuse(const char* call, const command& c, const std::string& what) {
    throw std::system_error(
        detail::system_error_code(EINVAL),
        std::string("process: ") + call + " does not serve " + what + " of " + detail::name_for_messages(c));
}

// Nobody would ever read or write another pipe, and the child, or the wait for its end, would hang. `served`:
// the ends of pipes that there may be, at most one for a number.
void check_pipes(const char* call, const command& c, std::initializer_list<command::entry> served) {
    if (detail::command_access::has_terminal(c)) refuse(call, c, "the terminal");
    for (const command::entry& e : detail::command_access::descriptors(c)) {
        if (e.kind != child_descriptor::pipe_to && e.kind != child_descriptor::pipe_from) continue;
        const bool is_served = std::ranges::any_of(served, [&](const command::entry& s) {
            return s.number == e.number && (s.kind == e.kind || s.kind == child_descriptor::closed);
        });
        if (!is_served) refuse(call, c, "a pipe at descriptor " + std::to_string(e.number));
    }
}

constexpr command::entry input_pipe{0, child_descriptor::pipe_to, -1};
constexpr command::entry output_pipe{1, child_descriptor::pipe_from, -1};
constexpr command::entry error_pipe{2, child_descriptor::pipe_from, -1};
// What is said of the inner ends of a pipeline does not hold.
constexpr command::entry any_input{0, child_descriptor::closed, -1};
constexpr command::entry any_output{1, child_descriptor::closed, -1};

void prepare_input(const char* call, command& first, const run_process_options& options) {
    if (first.descriptor(0)) {
        if (!options.input.empty() && !is(first, 0, child_descriptor::pipe_to)) {
            refuse(call, first, "input, and something else at descriptor 0,");
        }
        return;
    }
    if (options.input.empty()) {
        first.null(0);
    } else {
        first.pipe_to(0);
    }
}

}  // namespace

task<process_output> run_process(command what, run_process_options options) {
    check_pipes("run_process", what, {input_pipe, output_pipe, error_pipe});
    prepare_input("run_process", what, options);
    for (const int number : {1, 2}) {
        if (!what.descriptor(number)) what.pipe_from(number);
    }
    process child = process::spawn(what);
    const conversation with{
        .children = {&child, 1},
        .has_input = is(what, 0, child_descriptor::pipe_to),
        .has_output = is(what, 1, child_descriptor::pipe_from),
        .has_errors = is(what, 2, child_descriptor::pipe_from),
        .options = options,
        .name = detail::name_for_messages(what),
        .end_patience = detail::command_access::end_patience(what),
    };
    run_outcome made;
    co_await run_all(with, made);
    process_output all;
    all.status = made.statuses.front();
    all.output = std::move(made.output);
    all.errors = std::move(made.errors);
    all.timed_out = made.timed_out;
    all.truncated = made.truncated;
    co_return all;
}

bool pipeline_output::success() const noexcept {
    return std::ranges::all_of(statuses, [](const process_status& s) { return s.success(); });
}

pipeline operator|(command a, command b) {
    pipeline made(std::move(a));
    made.add(std::move(b));
    return made;
}

pipeline operator|(pipeline a, command b) {
    a.add(std::move(b));
    return a;
}

task<pipeline_output> run_pipeline(pipeline what, run_process_options options) {
    std::vector<command> commands = what.commands();
    for (std::size_t i = 0; i < commands.size(); ++i) {
        check_pipes("run_pipeline", commands[i],
                    {i == 0 ? input_pipe : any_input, i + 1 == commands.size() ? output_pipe : any_output});
    }
    prepare_input("run_pipeline", commands.front(), options);
    if (!commands.back().descriptor(1)) commands.back().pipe_from(1);
    pipeline row(commands.front());
    for (std::size_t i = 1; i < commands.size(); ++i) row.add(commands[i]);
    std::vector<process> children = row.spawn();
    duration longest = duration::zero();
    for (const command& c : commands) longest = std::max(longest, detail::command_access::end_patience(c));
    const conversation with{
        .children = children,
        .has_input = is(commands.front(), 0, child_descriptor::pipe_to),
        .has_output = is(commands.back(), 1, child_descriptor::pipe_from),
        .has_errors = false,
        .options = options,
        .name = detail::name_for_messages(commands.back()),
        .end_patience = longest,
    };
    run_outcome made;
    co_await run_all(with, made);
    pipeline_output all;
    all.statuses = std::move(made.statuses);
    all.output = std::move(made.output);
    all.timed_out = made.timed_out;
    all.truncated = made.truncated;
    co_return all;
}

}  // namespace bight
