// job_notes: what few jobs have to say of themselves.
#pragma once

#include <exception>
#include <source_location>
#include <string>
#include <vector>

namespace bight::detail {

/// Made when the job fails, or gets a name.
struct job_notes {
    std::exception_ptr error;
    /// The coroutines that stood above `error` when it was thrown, innermost first.
    std::vector<std::source_location> trace;
    std::string name;  ///< see name_task
};

}  // namespace bight::detail
