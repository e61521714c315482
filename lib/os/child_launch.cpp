// launch_child where process_calls start children: by fork(2), and on simulated hosts.
#include "child_launch.hpp"

#include "child_plan.hpp"
#include "child_words.hpp"
#include "command_access.hpp"
#include "command_name.hpp"
#include "pipe_transport.hpp"
#include "process_calls.hpp"

#include "../core/system_error.hpp"

#include <bight/core/error.hpp>

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

namespace bight::detail {

namespace {

// Descriptors of the parent that only the child needs.
class for_the_child {
  public:
    explicit for_the_child(process_calls& by) noexcept : calls_(by) {}
    for_the_child(const for_the_child&) = delete;
    for_the_child& operator=(const for_the_child&) = delete;
    ~for_the_child() {
        for (const int fd : all_) calls_.close(fd);
    }
    /// Room for one more, so that `add` does not fail.
    void make_room() { all_.reserve(all_.size() + 1); }
    int add(int fd) noexcept {
        all_.push_back(fd);
        return fd;
    }

  private:
    process_calls& calls_;
    std::vector<int> all_;
};

// All that a child is started with.
class child_launch {
  public:
    child_launch(reactor& home, process_calls& by, const command& c)
        : home_(home),
          calls_(by),
          command_(c),
          name_(name_for_messages(c)),
          arguments_(arguments_of(c)),
          inherited_(by.environment()),
          environment_(environment_of(c, inherited_)),
          programs_(programs_of(c, inherited_)),
          directory_(starting_directory_of(c)),
          ours_(by),
          child_(*new child_process(home, &by, name_, command_access::leads_group(c),
                                    command_access::end_patience(c))) {}
    child_launch(const child_launch&) = delete;
    child_launch& operator=(const child_launch&) = delete;
    ~child_launch() { child_.release(); }

    child_process& run(std::vector<child_stream>& pipes) {
        calls_.check();
        prepare_descriptors(pipes);
        child_plan plan;
        plan.arguments = arguments_.pointers();
        plan.environment = environment_.pointers();
        plan.programs = programs_.pointers();
        plan.directory = directory_;
        plan.new_group = command_access::new_group(command_);
        plan.new_session = command_access::new_session(command_);
        if (const auto mask = command_access::umask(command_)) plan.umask = static_cast<int>(*mask & 0777U);
        plan.terminal = slave_;
        plan.mappings = mappings_.data();
        plan.mapping_count = mappings_.size();
        set_user(plan);
        const pid_t pid = calls_.start(plan);
        if (pid < 0)
            throw std::system_error(system_error_code(static_cast<int>(-pid)), "process: start " + name_);
        if (plan.failure.step != child_step::none) fail(plan.failure);
        child_.begin({.number = pid});
        child_.retain();  // for the handle
        return child_;
    }

  private:
    void prepare_descriptors(std::vector<child_stream>& pipes) {
        const auto& entries = command_access::descriptors(command_);
        pipes.reserve(entries.size() + 1);
        mappings_.reserve(entries.size() + 3);
        check_descriptors(entries);
        add_standard();
        if (command_access::has_terminal(command_)) {
            const terminal_ends both = calls_.open_terminal(command_access::window(command_));
            child_.keep_terminal(both.slave);
            slave_ = both.slave;
            auto& side = pipe_transport::make(home_, both.master, pipe_transport::way::both,
                                              "the terminal of " + name_);
            pipes.push_back({terminal_number, stream(side)});
        }
        for (const command::entry& e : entries) {
            if (e.kind != child_descriptor::same) add(e, pipes);
        }
        for (const command::entry& e : entries) {
            if (e.kind == child_descriptor::same) mappings_.push_back({e.number, source_of_same(e)});
        }
        std::ranges::sort(mappings_, {}, &child_mapping::number);
    }

    int source_of_same(const command::entry& e) const {
        const int other = other_descriptor(command_, e);
        const auto found = std::ranges::find(mappings_, other, &child_mapping::number);
        if (found == mappings_.end() || found->source < 0) refuse_same(e, name_);
        return found->source;
    }

    // Before there are any of bight's own, which could have the number of a given one that is not open.
    void check_descriptors(const std::vector<command::entry>& entries) const {
        for (const command::entry& e : entries) {
            if (e.number < 0) {
                throw std::system_error(system_error_code(EBADF),
                                        "process: " + descriptor_of(e.number, name_));
            }
            const int flags = e.kind == child_descriptor::given ? calls_.descriptor_flags(e.from) : 0;
            if (flags < 0) {
                throw std::system_error(system_error_code(-flags),
                                        "process: " + descriptor_of(e.number, name_) + ", which is to be " +
                                            std::to_string(e.from));
            }
        }
    }

    // Those of this process, as an exec would hand them on: a process without them has descriptors of its own
    // there, of bight's, too, which are close-on-exec.
    void add_standard() {
        for (const int number : {0, 1, 2}) {
            if (command_.descriptor(number)) continue;
            const int flags = calls_.descriptor_flags(number);
            const bool is_handed_on = flags >= 0 && (flags & FD_CLOEXEC) == 0;
            mappings_.push_back({number, is_handed_on ? number : -1});
        }
    }

    void add(const command::entry& e, std::vector<child_stream>& pipes) {
        if (e.kind == child_descriptor::closed && e.number > 2) return;  // as all that is not said
        ours_.make_room();
        int source = -1;
        switch (e.kind) {
            case child_descriptor::closed: break;
            case child_descriptor::given: source = e.from; break;
            case child_descriptor::terminal: source = slave_; break;
            case child_descriptor::null:
                source = calls_.open_null();
                if (source < 0) {
                    throw std::system_error(system_error_code(-source), "process: open /dev/null");
                }
                ours_.add(source);
                break;
            default: source = add_pipe(e, pipes); break;
        }
        mappings_.push_back({e.number, source});
    }

    // Gives the child's end.
    int add_pipe(const command::entry& e, std::vector<child_stream>& pipes) {
        const bool to = e.kind == child_descriptor::pipe_to;
        std::string what = descriptor_of(e.number, name_);
        const pipe_ends both = open_pipe(calls_, "process: a pipe for " + what);
        const int source = ours_.add(to ? both.reads : both.writes);
        auto& side = pipe_transport::make(home_, to ? both.writes : both.reads,
                                          to ? pipe_transport::way::writes : pipe_transport::way::reads,
                                          std::move(what));
        stream handle(side);
        if (!to) child_.has_pipe_from(side);
        pipes.push_back({e.number, std::move(handle)});
        return source;
    }

    // A parent with every right would hand its groups on to a child with few.
    void set_user(child_plan& plan) {
        const auto user = command_access::user(command_);
        const auto group = command_access::group(command_);
        const auto& groups = command_access::groups(command_);
        plan.sets_user = user.has_value();
        plan.user = user.value_or(0);
        plan.sets_group = group.has_value();
        plan.group = group.value_or(0);
        plan.sets_groups = groups.has_value() || (user && ::geteuid() == 0);
        plan.groups = groups ? groups->data() : nullptr;
        plan.group_count = groups ? groups->size() : 0;
    }

    [[noreturn]] void fail(const child_failure& why) const {
        throw std::system_error(system_error_code(why.error), "process: " + describe(why));
    }
    std::string describe(const child_failure& why) const {
        switch (why.step) {
            case child_step::group: return "a process group for " + name_;
            case child_step::session: return "a session for " + name_;
            case child_step::controlling_terminal: return "the controlling terminal of " + name_;
            case child_step::descriptor: return descriptor_of(why.detail, name_);
            case child_step::groups: return "the groups of " + name_;
            case child_step::group_id: return "the group of " + name_;
            case child_step::user_id: return "the user of " + name_;
            case child_step::directory: return "the directory of " + name_ + ", " + printable(directory_);
            default: break;
        }
        std::string text = "run " + name_;
        const std::string& program = command_.program();
        if (why.error == ENOENT && program.find_first_of(" |<>*;&$") != std::string::npos) {
            text += " (its program's name is all of " + printable(program) +
                    ": no shell looks at it, but for command(\"sh\", \"-c\", ...))";
        } else if (program.find('/') == std::string::npos) {
            text += " (looked for in PATH, " + searched() + ")";
        }
        return text;
    }

    // The directories of PATH, each once.
    std::string searched() const {
        const std::size_t after = command_.program().size() + 1;
        std::vector<std::string> directories;
        std::string text;
        for (const std::string& path : programs_.texts()) {
            std::string directory = printable(path.substr(0, path.size() - std::min(after, path.size())));
            if (std::ranges::find(directories, directory) != directories.end()) continue;
            text += (directories.empty() ? "" : ":") + directory;
            directories.push_back(std::move(directory));
        }
        return text;
    }

    reactor& home_;
    process_calls& calls_;
    const command& command_;
    std::string name_;
    word_list arguments_;
    std::vector<std::string> inherited_;
    word_list environment_;
    word_list programs_;
    const char* directory_;
    for_the_child ours_;
    std::vector<child_mapping> mappings_;
    int slave_ = -1;
    child_process& child_;
};

}  // namespace

child_process& launch_child(const command& what, std::vector<child_stream>& pipes) {
    process_calls& calls = process_calls_here();
    child_launch begun(*reactor::current(), calls, what);
    return begun.run(pipes);
}

pipe_ends open_pipe_for_children(const std::string& what) { return open_pipe(process_calls_here(), what); }

}  // namespace bight::detail
