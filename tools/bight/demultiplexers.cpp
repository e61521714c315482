// Which demultiplexers work here, why others do not, and which one a reactor takes.
#include "doctor.hpp"

#include <algorithm>
#include <cerrno>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

namespace doctor {

namespace {

constexpr std::uint64_t most_of_select = 1024;  // FD_SETSIZE

bool refused_by_permission(int error) { return error == EPERM || error == EACCES; }

// kernel.io_uring_disabled, as far as it concerns this user: 1 does not bind root.
std::uint64_t disabled_for(const machine& m) {
    const std::uint64_t disabled = read_number(m, "/proc/sys/kernel/io_uring_disabled").value_or(0);
    return disabled == 1 && m.is_root() ? 0 : disabled;
}

// Where the finding about what has run out is; empty: it is none of these.
std::string what_has_run_out(std::error_code error) {
    if (error == std::errc::too_many_files_open || error == std::errc::too_many_files_open_in_system)
        return "see open_files below";
    return error == std::errc::resource_unavailable_try_again ? "see threads below" : "";
}

std::string advice_for_filter() {
    return "allow io_uring_setup, io_uring_enter and io_uring_register in the container's seccomp profile "
           "(docker and "
           "podman: --security-opt seccomp=FILE; Kubernetes: securityContext.seccompProfile; systemd: "
           "SystemCallFilter=@aio)";
}

// One errno has several causes, each with a cure of its own.
std::string advice_for_io_uring(const machine& m, const bight::demultiplexer_report& d) {
    const int error = d.error.value();
    if (!d.error)
        return "install liburing 2.3 or later (Debian: liburing-dev), and build bight with "
               "-Dio_uring=enabled";
    if (error == ENOMEM) return "ulimit -l unlimited, or LimitMEMLOCK=infinity in the unit of systemd";
    const bool old = !at_least(m.kernel(), "6.1");
    if (error == EINVAL && old) return "boot Linux 6.1 or later; this is " + m.kernel();
    if (error == ENOSYS) {
        if (!at_least(m.kernel(), "5.1")) return "boot Linux 6.1 or later; this is " + m.kernel();
        if (is_filtered(m)) return advice_for_filter();
        return "boot a kernel that is built with CONFIG_IO_URING=y; this one, " + m.kernel() + ", is not";
    }
    if (!refused_by_permission(error)) return {};
    if (const std::uint64_t disabled = disabled_for(m); disabled > 0) {
        std::string text =
            "sysctl -w kernel.io_uring_disabled=0 as root on the host, and the same line in /etc/sysctl.d/";
        if (disabled == 1) text += "; or run the program in the group that kernel.io_uring_group names";
        return text;
    }
    if (is_filtered(m)) return advice_for_filter();
    return "a security module refuses it (SELinux, AppArmor): journalctl -k says which rule";
}

std::string advice_for(const machine& m, const bight::demultiplexer_report& d) {
    if (std::string at = what_has_run_out(d.error); !at.empty()) return at;
    if (d.kind == bight::demultiplexer_kind::io_uring) return advice_for_io_uring(m, d);
    return "allow its system calls in the filter";
}

// What the library cannot know from the errno alone.
std::string cause_of(const machine& m, const bight::demultiplexer_report& d) {
    if (d.kind != bight::demultiplexer_kind::io_uring) return {};
    const bool no_call = d.error.value() == ENOSYS && at_least(m.kernel(), "5.1");
    if (no_call || (refused_by_permission(d.error.value()) && disabled_for(m) == 0)) {
        if (is_filtered(m)) return ": here it is the filter";
        return no_call ? ": here it is the kernel" : ": there is no filter here, so it is a security module";
    }
    return {};
}

// A demultiplexer is to blame only for what nothing else explains.
void examine_failure(const machine& m, const failure& what, finding& f) {
    f.state = state::problem;
    f.found = "a reactor can be made, but no connection over 127.0.0.1: " + what.text;
    f.advice = what_has_run_out(what.error);
    if (!f.advice.empty()) return;
    f.advice = "choose another one by the environment variable BIGHT_REACTOR";
    if (m.connect("127.0.0.1") == 0) return;
    f.state = state::note;
    f.found = "a reactor can be made; more cannot be told, for nothing here can connect to 127.0.0.1";
    f.advice = "see ipv4 below";
}

finding examine_one(const machine& m, const bight::demultiplexer_report& d) {
    finding f{{}, std::string(d.name), state::fine, "works", {}};
    if (d.kind == bight::demultiplexer_kind::select) {
        f.found = "works, for descriptors below " + std::to_string(most_of_select) + " (FD_SETSIZE)";
    }
    if (!d.refusal.empty()) {
        f.state = state::note;
        f.found = d.refusal + cause_of(m, d);
        f.advice = advice_for(m, d);
        return f;
    }
    if (const failure what = m.converse(d.kind)) examine_failure(m, what, f);
    return f;
}

// Demultiplexers work, and yet no reactor is made as programs make it.
void examine_making(const machine& m, finding& f) {
    const failure why = m.make_reactor();
    if (!why) return;
    f.state = state::problem;
    f.found = "no reactor is made: " + why.text;
    f.advice = what_has_run_out(why.error);
    if (why.text.find("BIGHT_STALL_LIMIT") != std::string::npos)
        f.advice = "unset BIGHT_STALL_LIMIT, or BIGHT_STALL_LIMIT=100ms";
}

// `of` are the findings of those in `there`, in the same order.
finding examine_choice(const machine& m, const std::vector<bight::demultiplexer_report>& there,
                       const findings& of) {
    finding f{{}, "reactor", state::fine, {}, {}};
    std::string names;
    std::string first;
    for (std::size_t i = 0; i < there.size(); ++i) {
        if (!there[i].refusal.empty()) continue;
        if (first.empty()) first = there[i].name;
        names += (names.empty() ? "" : ", ") + std::string(there[i].name);
    }
    const std::string variable = m.variable("BIGHT_REACTOR").value_or("");
    if (variable.starts_with("sim:")) {
        f.state = state::note;
        f.found = "BIGHT_REACTOR is " + variable + ": programs run in a simulated world, or refuse to";
        f.advice = "unset BIGHT_REACTOR";
        return f;
    }
    if (first.empty()) {
        f.state = state::problem;
        f.found = "there is no demultiplexer, and no program with bight will run here";
        f.advice = "at least one of those above must be allowed";
        return f;
    }
    if (variable.empty()) {
        f.found = "takes " + first;
        examine_making(m, f);
        return f;
    }
    const auto named =
        std::find_if(there.begin(), there.end(), [&](const auto& d) { return d.name == variable; });
    if (named == there.end() || !named->refusal.empty()) {
        f.state = state::problem;
        f.found = "BIGHT_REACTOR is \"" + variable + "\", which " +
                  (named == there.end() ? "is no demultiplexer" : "does not work here") +
                  "; these work: " + names;
        f.advice = "unset BIGHT_REACTOR, or BIGHT_REACTOR=" + first;
        return f;
    }
    f.state = variable == first ? state::fine : state::note;
    f.found = "takes " + variable + ", because BIGHT_REACTOR says so" +
              (variable == first ? std::string() : "; otherwise it would take " + first);
    if (of[static_cast<std::size_t>(named - there.begin())].state == state::problem) f.state = state::problem;
    examine_making(m, f);
    return f;
}

}  // namespace

findings examine_demultiplexers(const machine& m, const examination_options& options) {
    const auto there = m.platform().demultiplexers;
    findings found;
    for (const auto& d : there) found.push_back(examine_one(m, d));
    finding choice = examine_choice(m, there, found);
    if (choice.found.starts_with("takes select") && options.connections >= most_of_select) {
        choice.state = state::problem;
        choice.found += "; it has no " + std::to_string(options.connections) + " connections";
        choice.advice = "one of the others must be allowed";
    }
    found.push_back(std::move(choice));
    return found;
}

}  // namespace doctor
