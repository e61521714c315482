#include "finding.hpp"

#include <algorithm>

namespace doctor {

std::string_view name_of(state s) noexcept {
    switch (s) {
        case state::fine: return "fine";
        case state::note: return "note";
        case state::problem: break;
    }
    return "problem";
}

state worst(const findings& all) noexcept {
    state found = state::fine;
    for (const finding& f : all) found = std::max(found, f.state);
    return found;
}

std::size_t count(const findings& all, state of) noexcept {
    return static_cast<std::size_t>(
        std::count_if(all.begin(), all.end(), [of](const finding& f) { return f.state == of; }));
}

}  // namespace doctor
