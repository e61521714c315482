#include <bight/os/run_process.hpp>

#include "command_access.hpp"
#include "command_name.hpp"

#include "../core/system_error.hpp"

#include <bight/core/error.hpp>
#include <bight/core/when_all.hpp>
#include <bight/io/chunk.hpp>
#include <bight/io/stream.hpp>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <initializer_list>
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

task<> take_output(process& child, int number, std::string& to, std::size_t limit, const std::string& name) {
    stream from = std::move(child.pipe(number));
    while (auto part = co_await from.read_some()) {
        if (part.size() > limit - to.size()) {
            throw std::system_error(errc::too_long, "process: descriptor " + std::to_string(number) + " of " +
                                                        name + " has given more than " +
                                                        std::to_string(limit) + " bytes");
        }
        to.append(part.begin(), part.end());
    }
}

bool is(const command& c, int number, child_descriptor kind) noexcept {
    const auto e = c.descriptor(number);
    return e && e->kind == kind;
}

// What run_process does with the ends of a child, or of a row of them.
struct conversation {
    process& first;
    process& last;
    bool has_input;
    bool has_output;
    bool has_errors;
};

task<> converse(conversation with, run_process_options options, std::string name, std::string& output,
                std::string& errors) {
    std::vector<task<>> all;
    if (with.has_input) all.push_back(give_input(with.first, options.input));
    if (with.has_output) all.push_back(take_output(with.last, 1, output, options.limit, name));
    if (with.has_errors) all.push_back(take_output(with.last, 2, errors, options.limit, name));
    co_await when_all(std::move(all));
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

void prepare_input(command& first, const run_process_options& options) {
    if (first.descriptor(0)) return;
    if (options.input.empty()) {
        first.null(0);
    } else {
        first.pipe_to(0);
    }
}

}  // namespace

task<process_output> run_process(command what, run_process_options options) {
    check_pipes("run_process", what, {input_pipe, output_pipe, error_pipe});
    prepare_input(what, options);
    for (const int number : {1, 2}) {
        if (!what.descriptor(number)) what.pipe_from(number);
    }
    process_output made;
    process child = process::spawn(what);
    const conversation with{child, child, is(what, 0, child_descriptor::pipe_to),
                            is(what, 1, child_descriptor::pipe_from),
                            is(what, 2, child_descriptor::pipe_from)};
    co_await converse(with, options, detail::name_for_messages(what), made.output, made.errors);
    made.status = co_await child.wait_drained();
    co_return made;
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
    prepare_input(commands.front(), options);
    if (!commands.back().descriptor(1)) commands.back().pipe_from(1);
    const bool has_input = is(commands.front(), 0, child_descriptor::pipe_to);
    const bool has_output = is(commands.back(), 1, child_descriptor::pipe_from);
    pipeline row(commands.front());
    for (std::size_t i = 1; i < commands.size(); ++i) row.add(commands[i]);
    pipeline_output made;
    std::string no_errors;
    std::vector<process> children = row.spawn();
    const conversation with{children.front(), children.back(), has_input, has_output, false};
    co_await converse(with, options, detail::name_for_messages(commands.back()), made.output, no_errors);
    for (process& child : children) {
        const process_status status = co_await child.wait_drained();
        made.statuses.push_back(status);
    }
    co_return made;
}

}  // namespace bight
