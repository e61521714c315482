// The kernel, what bight uses of it where it can be had, and what a container's filter refuses.
#include "doctor.hpp"

#include <algorithm>
#include <cerrno>
#include <string>

namespace doctor {

namespace {

finding examine_version(const machine& m) {
    finding f{{}, "version", state::fine, "Linux " + m.kernel(), {}};
    if (!at_least(m.kernel(), "6.1")) {
        f.state = state::note;
        f.found += ", which is too old for bight's io_uring";
        f.advice = "Linux 6.1 or later";
    }
    return f;
}

bool refused_by_filter(const machine& m, const bight::kernel_feature& f) {
    return !f.works && is_filtered(m) && at_least(m.kernel(), std::string(f.since));
}

finding examine_feature(const machine& m, const bight::kernel_feature& feature) {
    finding f{{}, std::string(feature.name), state::fine, "there", {}};
    if (feature.works) return f;
    f.state = state::note;
    f.found = "missing: " + std::string(feature.otherwise);
    f.advice = refused_by_filter(m, feature)
                   ? "allow it in the container's seccomp profile"
                   : "nothing, or Linux " + std::string(feature.since) + " or later";
    return f;
}

// Calls of io_uring, by the errors of a filter, on a kernel that has them.
bool refuses_io_uring(const machine& m, const bight::demultiplexer_report& d) {
    const int error = d.error.value();
    if (d.kind != bight::demultiplexer_kind::io_uring) return false;
    if (error == ENOSYS) return at_least(m.kernel(), "5.1");
    if (error != EPERM && error != EACCES) return false;
    return read_number(m, "/proc/sys/kernel/io_uring_disabled").value_or(0) == 0 || m.is_root();
}

finding examine_filter(const machine& m, const bight::platform_report& platform) {
    finding f{{}, "filter", state::fine, "there is none", {}};
    if (!is_filtered(m)) return f;
    std::string refused;
    const auto add = [&refused](std::string_view what) {
        refused += (refused.empty() ? "" : ", ") + std::string(what);
    };
    for (const auto& d : platform.demultiplexers) {
        if (refuses_io_uring(m, d)) add(d.name);
    }
    for (const auto& feature : platform.features) {
        if (refused_by_filter(m, feature)) add(feature.name);
    }
    f.found = "a system call filter (seccomp) is on this process; ";
    if (refused.empty()) {
        f.found += "it refuses nothing that bight uses";
        return f;
    }
    f.state = state::note;
    f.found += "it refuses " + refused;
    f.advice = "the container's seccomp profile decides: docker and podman take --security-opt seccomp=FILE";
    return f;
}

}  // namespace

// proc(5): "Seccomp:\t2" is a filter, 1 the strict mode, in which nothing runs.
bool is_filtered(const machine& m) {
    const std::string status = m.read("/proc/self/status").value_or("");
    const auto line = status.find("\nSeccomp:");
    if (line == std::string::npos) return false;
    const auto digit = status.find_first_of("0123456789\n", line + 1);
    return digit != std::string::npos && status[digit] == '2';
}

findings examine_kernel(const machine& m) {
    const bight::platform_report platform = m.platform();
    findings all{examine_version(m), examine_filter(m, platform)};
    for (const auto& feature : platform.features) all.push_back(examine_feature(m, feature));
    return all;
}

}  // namespace doctor
