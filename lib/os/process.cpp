#include <bight/os/process.hpp>

#include "child_plan.hpp"
#include "child_process.hpp"
#include "child_words.hpp"
#include "command_access.hpp"
#include "pipe_transport.hpp"
#include "process_calls.hpp"
#include "pseudo_terminal.hpp"

#include "../core/reactor_state.hpp"
#include "../core/system_error.hpp"

#include <bight/core/error.hpp>
#include <bight/core/reactor.hpp>
#include <bight/core/timeout.hpp>

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

namespace bight {

namespace detail {

namespace {

constexpr int terminal_number = -1;

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

std::string descriptor_of(int number, const std::string& name) {
    return "descriptor " + std::to_string(number) + " of " + name;
}

// All that a child is started with.
class start {
  public:
    start(reactor& home, process_calls& by, const command& c)
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
          child_(*new child_process(home, by, name_,
                                    command_access::new_group(c) || command_access::has_terminal(c),
                                    command_access::end_patience(c))) {}
    start(const start&) = delete;
    start& operator=(const start&) = delete;
    ~start() { child_.release(); }

    template <class Piped>
    child_process& run(std::vector<Piped>& pipes) {
        calls_.check();
        prepare_descriptors(pipes);
        child_plan plan;
        plan.arguments = arguments_.pointers();
        plan.environment = environment_.pointers();
        plan.programs = programs_.pointers();
        plan.directory = directory_;
        plan.new_group = command_access::new_group(command_);
        plan.terminal = slave_;
        plan.mappings = mappings_.data();
        plan.mapping_count = mappings_.size();
        set_user(plan);
        const pid_t pid = calls_.start(plan);
        if (pid < 0)
            throw std::system_error(system_error_code(static_cast<int>(-pid)), "process: start " + name_);
        if (plan.failure.step != child_step::none) fail(plan.failure);
        child_.begin(pid);
        child_.retain();  // for the handle
        return child_;
    }

  private:
    template <class Piped>
    void prepare_descriptors(std::vector<Piped>& pipes) {
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
        for (const command::entry& e : entries) add(e, pipes);
        std::ranges::sort(mappings_, {}, &child_mapping::number);
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

    template <class Piped>
    void add(const command::entry& e, std::vector<Piped>& pipes) {
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
    template <class Piped>
    int add_pipe(const command::entry& e, std::vector<Piped>& pipes) {
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
        const auto& tried = programs_.texts();
        if (command_.program().find('/') == std::string::npos) {
            text += " (looked for as ";
            for (std::size_t i = 0; i < tried.size(); ++i) text += (i > 0 ? ", " : "") + printable(tried[i]);
            text += ")";
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

task<process_status> wait_for(child_reference child) {
    if (!child->over()) co_await child->ended().wait();
    co_return child->status();
}

task<process_status> wait_for_all(child_reference child) {
    if (!child->over() || !child->drained().is_set()) co_await child->drained().wait();
    co_return child->status();
}

task<process_status> end_child(child_reference child, duration longest) {
    if (!child->over() && longest > duration::zero()) {
        child->ask_to_end();
        (void)co_await try_with_timeout(child->ended().wait(), longest);
    }
    if (!child->over()) {
        const int error = child->send(SIGKILL);
        if (error != 0 && error != ESRCH) {
            throw std::system_error(system_error_code(error), "process: kill " + child->name());
        }
        co_await child->ended().wait();
    }
    co_return child->status();
}

[[noreturn]] void used_elsewhere() noexcept {
    std::fputs("bight: a process was destroyed on another thread than its reactor's, which runs\n", stderr);
    std::abort();
}

bool is_elsewhere(const child_process& c) noexcept {
    return !c.over() && !c.in_forked_child() && reactor::current() != &c.home() &&
           reactor_state::runs(c.home());
}

}  // namespace

}  // namespace detail

process process::spawn(const command& what) {
    detail::process_calls& calls = detail::process_calls_here();
    std::vector<piped> pipes;
    detail::start begun(*reactor::current(), calls, what);
    detail::child_process& child = begun.run(pipes);
    return process(child, std::move(pipes));
}

process& process::operator=(process&& other) noexcept {
    if (this != &other) {
        drop();
        child_ = std::exchange(other.child_, nullptr);
        pipes_ = std::move(other.pipes_);
    }
    return *this;
}

// The pipes first: a child that reads sees their ends.
void process::drop() noexcept {
    detail::child_process* const child = std::exchange(child_, nullptr);
    if (child && detail::is_elsewhere(*child)) detail::used_elsewhere();
    if (child && child->in_forked_child()) {  // where streams look at their reactor, which may be gone
        for (const piped& p : pipes_) {
            if (p.side) p.side.lower().forget();
        }
    }
    pipes_.clear();
    if (child) child->handle_gone();
}

detail::child_process& process::child() const {
    if (!child_) throw std::system_error(detail::system_error_code(EBADF), "process: an empty handle");
    if (detail::is_elsewhere(*child_)) {
        throw std::system_error(errc::wrong_thread,
                                "process: " + child_->name() + " belongs to the reactor of another thread");
    }
    return *child_;
}

int process::id() const { return static_cast<int>(child().pid()); }

stream& process::pipe(int number) {
    const detail::child_process& c = child();
    for (piped& p : pipes_) {
        if (p.number == number && number >= 0) return p.side;
    }
    throw std::system_error(detail::system_error_code(EBADF),
                            "process: there is no pipe to " + detail::descriptor_of(number, c.name()));
}

stream& process::terminal() {
    const detail::child_process& c = child();
    for (piped& p : pipes_) {
        if (p.number == detail::terminal_number) return p.side;
    }
    throw std::system_error(detail::system_error_code(EBADF), "process: " + c.name() + " has no terminal");
}

void process::resize_terminal(window_size size) {
    const int kept = child().terminal();  // also when the stream was moved out
    const int at = kept >= 0 ? kept : terminal().native_handle();
    if (const int error = detail::resize_terminal(at, size); error != 0) {
        throw std::system_error(detail::system_error_code(error),
                                "process: resize the terminal of " + child().name());
    }
}

task<process_status> process::wait() { return detail::wait_for(detail::child_reference(child())); }

task<process_status> process::wait_drained() {
    return detail::wait_for_all(detail::child_reference(child()));
}

std::optional<process_status> process::status() const {
    const detail::child_process& c = child();
    if (!c.over()) return std::nullopt;
    return c.status();
}

bool process::kill(int signal) {
    detail::child_process& c = child();
    const int error = c.send(signal);
    if (error == 0) return true;
    if (error == ESRCH) return false;
    throw std::system_error(detail::system_error_code(error),
                            "process: send signal " + std::to_string(signal) + " to " + c.name());
}

task<process_status> process::end(duration longest) {
    return detail::end_child(detail::child_reference(child()), longest);
}

}  // namespace bight
