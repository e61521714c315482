// child_plan: all that a child does before it is another program, prepared by its parent.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>

namespace bight::detail {

/// The steps in which a child can fail.
enum class child_step : int {
    none,
    group,
    session,
    controlling_terminal,
    descriptor,  ///< `detail` is its number in the child
    groups,
    group_id,
    user_id,
    directory,
    program,
};

struct child_failure {
    child_step step = child_step::none;
    int error = 0;
    int detail = 0;
};

/// A descriptor of the child: `number` is to be what `source` is in the parent; -1: closed.
struct child_mapping {
    int number;
    int source;
};

/// Everything is in the parent's memory, which the child shares or has a copy of: it allocates nothing. It
/// overwrites `mappings` (the sources that were duplicated), `ran` and `failure`.
struct child_plan {
    char* const* arguments = nullptr;
    char* const* environment = nullptr;
    const char* const* programs = nullptr;  ///< the paths to try, up to a null
    const char* directory = nullptr;
    bool new_group = false;
    bool new_session = false;
    int umask = -1;                     ///< none: it stays the parent's
    int terminal = -1;                  ///< becomes the controlling one, in a new session
    child_mapping* mappings = nullptr;  ///< ascending by number
    std::size_t mapping_count = 0;
    bool sets_user = false;
    std::uint32_t user = 0;
    bool sets_group = false;
    std::uint32_t group = 0;
    bool sets_groups = false;
    const std::uint32_t* groups = nullptr;
    std::size_t group_count = 0;

    int report = -1;          ///< where a child that shares no memory writes its failure
    bool ran = false;         ///< set by the child
    child_failure failure{};  ///< the same
};

/// Starts a child, and returns when it is another program, or could not become one: its number, or a
/// negative error number (of vfork or pipe). A child that has failed is reaped, and plan.failure says why.
/// Thread: any; all signals of it are blocked meanwhile.
pid_t start_child(child_plan& plan) noexcept;

/// For tests: false makes the child close what it must not have as on an older kernel.
inline bool uses_close_range = true;
inline bool uses_descriptor_list = true;

}  // namespace bight::detail
