#include <bight/os/process_status.hpp>

#include "signal_name.hpp"

#include <cstdint>
#include <string>

namespace bight {

namespace {

// Of a process of Windows: most that are below zero say that the system has ended it (NTSTATUS).
const char* name_of_code(std::uint32_t code) noexcept {
    switch (code) {
        case 0x80000003: return "STATUS_BREAKPOINT";
        case 0xc0000005: return "STATUS_ACCESS_VIOLATION";
        case 0xc0000006: return "STATUS_IN_PAGE_ERROR";
        case 0xc0000017: return "STATUS_NO_MEMORY";
        case 0xc000001d: return "STATUS_ILLEGAL_INSTRUCTION";
        case 0xc0000094: return "STATUS_INTEGER_DIVIDE_BY_ZERO";
        case 0xc0000096: return "STATUS_PRIVILEGED_INSTRUCTION";
        case 0xc00000fd: return "STATUS_STACK_OVERFLOW";
        case 0xc0000135: return "STATUS_DLL_NOT_FOUND";
        case 0xc0000139: return "STATUS_ENTRYPOINT_NOT_FOUND";
        case 0xc000013a: return "STATUS_CONTROL_C_EXIT";
        case 0xc0000142: return "STATUS_DLL_INIT_FAILED";
        case 0xc0000374: return "STATUS_HEAP_CORRUPTION";
        case 0xc0000409: return "STATUS_STACK_BUFFER_OVERRUN";
        case 0xe06d7363: return "an exception of C++ that nobody has caught";
        default: return nullptr;
    }
}

std::string text_of_code(int number) {
    if (number >= 0) return std::to_string(number);
    const auto code = static_cast<std::uint32_t>(number);
    std::string text = "0x";
    for (int shift = 28; shift >= 0; shift -= 4) text += "0123456789abcdef"[code >> shift & 15];
    if (const char* const name = name_of_code(code)) text.append(" (").append(name).append(")");
    return text;
}

}  // namespace

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
    if (!by_signal_) return "exit status " + text_of_code(number_);
    std::string text = "signal " + std::to_string(number_);
    if (const char* const name = detail::known_signal_name(number_))
        text.append(" (").append(name).append(")");
    if (core_dumped_) text += ", core dumped";
    return text;
}

}  // namespace bight
