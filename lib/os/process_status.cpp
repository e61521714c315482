#include <bight/os/process_status.hpp>

#include <csignal>
#include <string>

namespace bight {

namespace {

// The numbers differ between systems.
const char* name_of(int signal) noexcept {
    switch (signal) {
        case SIGINT: return "SIGINT";
        case SIGILL: return "SIGILL";
        case SIGABRT: return "SIGABRT";
        case SIGFPE: return "SIGFPE";
        case SIGSEGV: return "SIGSEGV";
        case SIGTERM: return "SIGTERM";
#if !defined(_WIN32)
        case SIGHUP: return "SIGHUP";
        case SIGQUIT: return "SIGQUIT";
        case SIGTRAP: return "SIGTRAP";
        case SIGBUS: return "SIGBUS";
        case SIGKILL: return "SIGKILL";
        case SIGUSR1: return "SIGUSR1";
        case SIGUSR2: return "SIGUSR2";
        case SIGPIPE: return "SIGPIPE";
        case SIGALRM: return "SIGALRM";
        case SIGXCPU: return "SIGXCPU";
        case SIGXFSZ: return "SIGXFSZ";
        case SIGSYS: return "SIGSYS";
#endif
        default: return nullptr;
    }
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
    if (!by_signal_) return "exit status " + std::to_string(number_);
    std::string text = "signal " + std::to_string(number_);
    if (const char* const name = name_of(number_)) text.append(" (").append(name).append(")");
    if (core_dumped_) text += ", core dumped";
    return text;
}

}  // namespace bight
