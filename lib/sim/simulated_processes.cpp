#include "simulated_processes.hpp"

#include "host_state.hpp"
#include "pipes.hpp"
#include "process_table.hpp"
#include "world_state.hpp"

#include "../io/socket_headers.hpp"

#include <bight/core/error.hpp>
#include <bight/sim/allocation_fault.hpp>

#include <cerrno>
#include <chrono>
#include <map>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

namespace bight::sim::detail {

using bight::detail::child_plan;
using bight::detail::child_step;

namespace {

constexpr const char* search_path = "PATH=/usr/local/bin:/usr/bin:/bin";
// The highest number that Linux allows unless told otherwise.
constexpr int most_descriptors = 1 << 20;

std::vector<std::string> texts(char* const* from) {
    std::vector<std::string> all;
    for (; *from; ++from) all.emplace_back(*from);
    return all;
}

std::string below(const std::string& directory, std::string_view path) {
    return disk_state::normal(path.starts_with('/') ? std::string(path)
                                                    : directory + "/" + std::string(path));
}

}  // namespace

simulated_processes::simulated_processes(host_thread& of) noexcept : thread_(of), host_(of.host) {}

int simulated_processes::own_id() const noexcept { return thread_.process ? thread_.process->id : 0; }

std::shared_ptr<process_state> simulated_processes::child_of_this(pid_t pid) const noexcept {
    auto found = host_.processes.find(static_cast<int>(pid));
    return found && found->parent == own_id() ? found : nullptr;
}

std::vector<std::string> simulated_processes::environment() {
    const not_failing machinery;
    return thread_.process ? thread_.process->environment : std::vector<std::string>{search_path};
}

std::shared_ptr<socket> simulated_processes::meant_by(int fd) const noexcept {
    if (!thread_.process) return host_.find(fd);
    const auto known = thread_.process->descriptors.find(fd);
    return host_.find(known == thread_.process->descriptors.end() ? fd : known->second);
}

// A host's own programs have 0, 1 and 2.
int simulated_processes::descriptor_flags(int fd) noexcept {
    const not_failing machinery;
    return meant_by(fd) || (!thread_.process && fd >= 0 && fd <= 2) ? 0 : -EBADF;
}

int simulated_processes::open_null() noexcept {
    const not_failing machinery;
    return open_end(host_, host_.processes.null, true, thread_.chance.child());
}

int simulated_processes::make_pipe(bight::detail::pipe_ends& made) noexcept {
    const not_failing machinery;
    const auto both = std::make_shared<simulated_pipe>();
    made.reads = open_end(host_, both, false, thread_.chance.child());
    if (made.reads < 0) return made.reads;
    made.writes = open_end(host_, both, true, thread_.chance.child());
    if (made.writes >= 0) return 0;
    host_.close(made.reads);
    return made.writes;
}

bight::detail::terminal_ends simulated_processes::open_terminal(window_size) {
    throw std::system_error(errc::unavailable, "process: a simulated host has no terminals");
}

void simulated_processes::close(int fd) noexcept {
    const not_failing machinery;
    host_.close(fd);
}

ssize_t simulated_processes::read(int fd, void* to, std::size_t size) noexcept {
    const not_failing machinery;
    const auto s = host_.find(fd);
    return s && s->pipe ? static_cast<ssize_t>(read_end(host_.world, *s, static_cast<char*>(to), size))
                        : -EBADF;
}

bool simulated_processes::hung_up(int fd) noexcept {
    const auto s = host_.find(fd);
    return !s || !s->pipe || detail::hung_up(*s);
}

int simulated_processes::hand_on(int source) {
    auto s = meant_by(source);
    if (!s) return open_end(host_, host_.processes.standard(source), source > 0, thread_.chance.child());
    if (s->pipe) return open_end(host_, s->pipe, s->writes_pipe, thread_.chance.child());
    return s->process ? -EBADF : host_.add(std::move(s));
}

// What the system does between its fork and its exec, and in which it may fail.
pid_t simulated_processes::start(child_plan& plan) noexcept {
    const not_failing machinery;
    world_state& w = host_.world;
    process_beginning with;
    with.arguments = texts(plan.arguments);
    with.environment = texts(plan.environment);
    with.parent = own_id();
    with.group = thread_.process ? thread_.process->group : 0;
    with.leads_group = plan.new_group || plan.new_session;
    // Drawn before anything fails, so that the next one of this name has the same numbers.
    keyed_chance chance = thread_.chance_of("program " + with.arguments.front()).child();
    std::chrono::microseconds takes(chance.draw(purpose::thread).between(50, 2000));
    if (!host_.up) return -ENETDOWN;
    if (w.happens(fault::no_process, host_, chance)) return -EAGAIN;
    const auto fail = [&plan](child_step step, int error, int detail = 0) {
        plan.failure = {step, error, detail};
        return pid_t{1};
    };
    if (plan.sets_user) return fail(child_step::user_id, EOPNOTSUPP);
    if (plan.sets_group) return fail(child_step::group_id, EOPNOTSUPP);
    if (plan.sets_groups) return fail(child_step::groups, EOPNOTSUPP);

    const std::string here = thread_.process ? thread_.process->directory : "/";
    with.directory = plan.directory ? below(here, plan.directory) : here;
    if (!host_.disk.is_directory(with.directory)) {
        return fail(child_step::directory, host_.disk.find(with.directory) ? ENOTDIR : ENOENT);
    }
    child_program* what = nullptr;
    int error = ENOENT;
    for (const char* const* path = plan.programs; *path && !what; ++path) {
        const std::string at = **path == '\0' ? std::string() : below(with.directory, *path);
        what = host_.processes.program_at(at);
        if (!what && (host_.disk.find(at) || (!at.empty() && host_.disk.is_directory(at)))) error = EACCES;
    }
    if (!what) return fail(child_step::program, error);

    const auto close_all = [&] {
        for (const auto& [number, fd] : with.descriptors) host_.close(fd);
    };
    for (std::size_t i = 0; i < plan.mapping_count; ++i) {
        const bight::detail::child_mapping m = plan.mappings[i];
        if (m.source < 0) continue;
        const int fd = m.number < most_descriptors ? hand_on(m.source) : -EBADF;
        if (fd < 0) {
            close_all();
            return fail(child_step::descriptor, -fd, m.number);
        }
        with.descriptors.emplace(m.number, fd);
    }
    if (w.happens(fault::slow_start, host_, chance)) {
        takes += std::chrono::microseconds(w.amount(fault::slow_start).between(2000, 5'000'000));
    }
    return host_.processes.start(std::move(with), chance, takes, *what).id;
}

int simulated_processes::open_pidfd(pid_t pid) noexcept {
    const not_failing machinery;
    const auto is = child_of_this(pid);
    if (!is) return -ESRCH;
    auto made = std::make_shared<socket>(host_, AF_UNSPEC, thread_.chance.child());
    made->process = is;
    is->pidfds.push_back(made);
    return host_.add(std::move(made));
}

int simulated_processes::query(pid_t pid, bool reap, process_status& how) noexcept {
    const not_failing machinery;
    const auto is = child_of_this(pid);
    if (!is) return ECHILD;
    if (!is->ended) return EAGAIN;
    how = is->status;
    if (reap) host_.processes.forget(is->id);
    return 0;
}

void simulated_processes::reap(pid_t pid) noexcept {
    const not_failing machinery;
    if (child_of_this(pid)) host_.processes.forget(static_cast<int>(pid));
}

int simulated_processes::signal(pid_t pid, int, bool group, int number) noexcept {
    const not_failing machinery;
    if (group) return host_.processes.signal_group(static_cast<int>(pid), number);
    const auto is = child_of_this(pid);
    return is ? host_.processes.signal(*is, number) : ESRCH;
}

int simulated_processes::signal_group(pid_t leader, int number) noexcept {
    const not_failing machinery;
    return host_.processes.signal_group(static_cast<int>(leader), number);
}

}  // namespace bight::sim::detail
