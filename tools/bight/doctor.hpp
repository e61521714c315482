// examine: everything that the doctor looks at.
#pragma once

#include "finding.hpp"
#include "machine.hpp"

namespace doctor {

struct examination_options {
    /// How many connections a program is to have at a time: then limits that are too low for them are
    /// problems.
    std::uint64_t connections = 0;
};

findings examine(const machine& m, const examination_options& options = {});

/// The parts of it, whose findings are in no group yet.
findings examine_demultiplexers(const machine& m, const examination_options& options);
findings examine_kernel(const machine& m);
findings examine_limits(const machine& m, const examination_options& options);
findings examine_network(const machine& m, const examination_options& options);
findings examine_names(const machine& m);

/// Whether a system call filter (seccomp) is on this process.
bool is_filtered(const machine& m);

/// For a terminal of 80 columns.
std::string to_text(const machine& m, const findings& all);
/// {"bight": VERSION, "kernel": RELEASE, "state": STATE, "findings": [{"group", "name", "state", "found",
/// "advice"}]}
std::string to_json(const machine& m, const findings& all);

}  // namespace doctor
