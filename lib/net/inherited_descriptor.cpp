// Sockets passed as systemd does: from descriptor 3 on, described by the environment (sd_listen_fds(3)).
#include "inherited_descriptor.hpp"

#include "environment.hpp"

#include <bight/core/error.hpp>

#include <fcntl.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

namespace bight::detail {

namespace {

constexpr int first_descriptor = 3;  // SD_LISTEN_FDS_START

[[noreturn]] void refuse(const endpoint& where, const std::string& why) {
    throw std::system_error(errc::unavailable, "cannot use " + where.to_string() + ": " + why);
}

std::uint64_t number_in(const endpoint& where, const char* name) {
    const std::string_view text = environment(name);
    if (const auto number = whole_number(text)) return *number;
    refuse(where, std::string(name) + " is \"" + std::string(text) + "\", and no number");
}

// Those that were passed, by name; one without a name is called "unknown", as systemd calls it.
std::vector<std::string> passed_here(const endpoint& where) {
    if (environment("LISTEN_FDS").empty()) {
        refuse(where,
               "no sockets were passed to this process (LISTEN_FDS is not set): it is to be started by "
               "its .socket unit, or by systemd-socket-activate");
    }
    const std::uint64_t process = number_in(where, "LISTEN_PID");
    if (process != static_cast<std::uint64_t>(::getpid())) {
        refuse(where, "sockets were passed to process " + std::to_string(process) + ", and this is " +
                          std::to_string(::getpid()) +
                          ": a program in between (a shell?) has started it without exec");
    }
    const std::uint64_t count = number_in(where, "LISTEN_FDS");
    constexpr std::uint64_t most = 65536;
    if (count > most) refuse(where, "LISTEN_FDS is " + std::to_string(count));
    std::vector<std::string> names(count, "unknown");
    std::string_view rest = environment("LISTEN_FDNAMES");
    for (std::string& name : names) {
        if (rest.empty()) break;
        const std::size_t end = rest.find(':');
        name = rest.substr(0, end);
        rest = end == rest.npos ? std::string_view() : rest.substr(end + 1);
    }
    return names;
}

std::string in_words(const std::vector<std::string>& names) {
    if (names.empty()) return "none were passed";
    std::string text = "those that were passed are called ";
    for (const std::string& name : names) text += (&name == &names.front() ? "" : ", ") + name;
    return text;
}

}  // namespace

int adopted_descriptor(const endpoint& where) {
    if (where.kind == endpoint::kind_type::descriptor) return where.descriptor;
    const std::vector<std::string> names = passed_here(where);
    int before = 0;
    for (std::size_t i = 0; i < names.size(); ++i) {
        if (!where.name.empty() && names[i] != where.name) continue;
        if (before++ < where.index) continue;
        const int fd = first_descriptor + static_cast<int>(i);
        ::fcntl(fd, F_SETFD, FD_CLOEXEC);
        return fd;
    }
    refuse(where, "there is no such socket; " + in_words(names));
}

}  // namespace bight::detail
