// The limits that servers run into: descriptors, locked memory, threads.
#include "doctor.hpp"

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace doctor {

namespace {

// What a program has open beside its connections: standard streams, logs, listeners, reactors.
constexpr std::uint64_t other_descriptors = 50;

std::string text_of(std::uint64_t value) { return value == unlimited ? "unlimited" : std::to_string(value); }

finding examine_open_files(const machine& m, std::uint64_t connections) {
    constexpr std::uint64_t few = 4096;
    const limit files = m.limit_of(resource::open_files);
    finding f{{}, "open_files", state::fine, {}, {}};
    f.found = "RLIMIT_NOFILE is " + text_of(files.soft) + " (hard limit " + text_of(files.hard) + ")";
    const std::uint64_t wanted = connections > 0 ? connections + other_descriptors : few;
    if (files.soft >= wanted) return f;
    if (connections > 0) {
        f.state = state::problem;
        f.found +=
            ": too few for " + std::to_string(connections) + " connections, each of which is a descriptor";
    } else {
        f.state = state::note;
        f.found += ": a server has some " +
                   std::to_string(files.soft - std::min(files.soft, other_descriptors)) +
                   " connections at a time, and no more";
    }
    const std::uint64_t to = connections > 0 ? wanted : std::min<std::uint64_t>(files.hard, 1 << 20);
    const std::string number = std::to_string(std::max(to, wanted));
    f.advice = files.hard >= wanted ? "ulimit -n " + number + " in the shell that starts it; "
                                    : "as root, for the hard limit holds others back: ";
    f.advice += "LimitNOFILE=" + number + " in the unit of systemd; docker run --ulimit nofile=" + number;
    return f;
}

// io_uring_setup(2) locks the queues: see reactor_options.
std::uint64_t locked_by_a_reactor() {
    const bight::reactor_options usual;
    const std::uint64_t entries = usual.submission_entries;
    return 64 * entries + 16 * std::max<std::uint64_t>(4 * entries, 4096) +
           16 * std::uint64_t{usual.receive_buffers} + 4096;
}

finding examine_locked_memory(const machine& m) {
    const limit memory = m.limit_of(resource::locked_memory);
    finding f{{}, "locked_memory", state::fine, "RLIMIT_MEMLOCK is unlimited", {}};
    if (memory.soft == unlimited) return f;
    const std::uint64_t reactors = memory.soft / locked_by_a_reactor();
    f.found = "RLIMIT_MEMLOCK is " + std::to_string(memory.soft / 1024) + " KiB: enough for " +
              std::to_string(reactors) + " io_uring reactors of this user";
    if (m.is_root()) {
        f.found += "; it does not bind root";
    } else if (reactors < m.processors()) {
        f.state = state::note;
        f.found += ", fewer than the " + std::to_string(m.processors()) + " processors; the others use epoll";
        f.advice =
            "ulimit -l unlimited, or LimitMEMLOCK=infinity in the unit of systemd; docker run --ulimit "
            "memlock=-1";
    }
    return f;
}

// The path of this process in the hierarchy of `controller` ("" is cgroup v2): lines of "4:memory:/path",
// "0::/path".
std::optional<std::string> cgroup_path(const machine& m, std::string_view controller) {
    const std::string groups = m.read("/proc/self/cgroup").value_or("");
    const std::string wanted = ":" + std::string(controller) + ":";
    const auto at = groups.find(wanted);
    if (at == std::string::npos) return std::nullopt;
    const auto begin = at + wanted.size();
    std::string path = groups.substr(begin, groups.find('\n', begin) - begin);
    return path == "/" ? std::string() : path;
}

// In a container the paths may be those of the host, and what is mounted the container's own group. A limit
// of an outer group counts, too.
std::uint64_t cgroup_limit(const machine& m) {
    std::uint64_t least = unlimited;
    const auto look = [&](const std::string& file) {
        if (const auto number = read_number(m, file)) least = std::min(least, *number);  // "max" is none
    };
    for (const auto& [controller, mount] : {std::pair{"", std::string("/sys/fs/cgroup")},
                                            std::pair{"pids", std::string("/sys/fs/cgroup/pids")}}) {
        std::string path = cgroup_path(m, controller).value_or("");
        for (;; path.resize(path.rfind('/'))) {
            look(mount + path + "/pids.max");
            if (path.empty()) break;
        }
    }
    return least;
}

finding examine_processes(const machine& m) {
    constexpr std::uint64_t look_ups = 64;
    const std::uint64_t cores = m.processors();
    // A runtime's reactors, the pool of offload, and look-ups of names, when all are busy.
    const std::uint64_t wanted = cores + std::min<std::uint64_t>(cores + 4, 32) + look_ups;
    const std::pair<std::uint64_t, const char*> limits[] = {
        {cgroup_limit(m), "pids.max of the cgroup"},
        {m.is_root() ? unlimited : m.limit_of(resource::processes).soft, "RLIMIT_NPROC"},
        {read_number(m, "/proc/sys/kernel/threads-max").value_or(unlimited), "kernel.threads-max"},
    };
    const auto& [least, name] = *std::min_element(std::begin(limits), std::end(limits));
    finding f{{}, "threads", state::fine, "no limit", {}};
    if (least == unlimited) return f;
    f.found = "at most " + std::to_string(least) + " threads (" + name + ")";
    if (least >= wanted) return f;
    f.state = least < cores + 2 ? state::problem : state::note;
    f.found += "; a program may want " + std::to_string(wanted) +
               " of its own, for offload, names, and a reactor a core";
    f.advice = "docker run --pids-limit=1000; TasksMax=1000 in the unit of systemd; ulimit -u 1000";
    return f;
}

}  // namespace

findings examine_limits(const machine& m, const examination_options& options) {
    return {examine_open_files(m, options.connections), examine_locked_memory(m), examine_processes(m)};
}

}  // namespace doctor
