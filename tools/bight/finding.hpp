// finding: what the doctor found out about one thing, and what to do about it.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace doctor {

enum class state : unsigned char {
    fine,
    note,     ///< works, but not in the best way, or not for everybody
    problem,  ///< programs will fail
};

/// "fine", "note" or "problem"
std::string_view name_of(state s) noexcept;

/// Group and name are for scripts too: they do not change.
struct finding {
    std::string group;
    std::string name;
    doctor::state state = state::fine;
    std::string found;
    std::string advice;  ///< the command or the file, where there is something to do; otherwise empty
};

using findings = std::vector<finding>;

state worst(const findings& all) noexcept;
std::size_t count(const findings& all, state of) noexcept;

}  // namespace doctor
