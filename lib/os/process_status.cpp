#include <bight/os/process_status.hpp>

#include "signal_name.hpp"

#include <string>

namespace bight {

process_status process_status::exited(int code, const resource_usage& usage) noexcept {
    process_status made;
    made.number_ = code;
    made.usage_ = usage;
    return made;
}

process_status process_status::killed(int signal, bool core_dumped, const resource_usage& usage) noexcept {
    process_status made;
    made.number_ = signal;
    made.by_signal_ = true;
    made.core_dumped_ = core_dumped;
    made.usage_ = usage;
    return made;
}

std::string process_status::to_string() const {
    if (!by_signal_) return "exit status " + std::to_string(number_);
    std::string text = "signal " + std::to_string(number_);
    if (const char* const name = detail::known_signal_name(number_))
        text.append(" (").append(name).append(")");
    if (core_dumped_) text += ", core dumped";
    return text;
}

}  // namespace bight
