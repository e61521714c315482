// probe_platform: which demultiplexers work here, why others do not, and what the kernel lacks.
#pragma once

#include <bight/core/export.hpp>
#include <bight/core/reactor_options.hpp>

#include <string>
#include <string_view>
#include <system_error>
#include <vector>

namespace BIGHT_EXPORT bight {

/// One demultiplexer, as a reactor would find it.
struct demultiplexer_report {
    demultiplexer_kind kind = demultiplexer_kind::automatic;
    std::string_view name;  ///< as BIGHT_REACTOR has it: "io_uring"
    std::string refusal;    ///< why no reactor can use it here; empty: one can
    std::error_code error;  ///< of the system call that was refused; none if it works, or is not built in
};

/// Something of the kernel that bight uses where it can be had, and does without elsewhere.
struct kernel_feature {
    std::string_view name;   ///< "epoll_pwait2"
    std::string_view since;  ///< the version of Linux that brought it: "5.11"
    bool works = false;
    std::string_view otherwise;  ///< what bight does without it
};

struct platform_report {
    std::vector<demultiplexer_report>
        demultiplexers;                    ///< best first, in the order in which a reactor tries them
    std::vector<kernel_feature> features;  ///< of the demultiplexers that work, and of all
};

/// Makes a reactor on each demultiplexer in turn, as its constructor does with these options
/// (`demultiplexer`, `clock` and `platform` are not looked at), and tries the calls that it could do without.
/// Nothing of them is left. BIGHT_REACTOR does not matter. `bight doctor` prints what it finds.
///
/// Throws std::bad_alloc, and in a simulated world std::system_error (ENOTSUP): there is no kernel.
/// It takes about a millisecond, and blocks meanwhile. Thread: any.
platform_report probe_platform(const reactor_options& options = {});

}  // namespace bight
