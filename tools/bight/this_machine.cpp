#include "this_machine.hpp"

#include <netdb.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <memory>
#include <thread>

namespace doctor {

namespace {

// Files and variables may hold anything, among it what would command a terminal.
std::string printable(std::string text) {
    for (char& c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte == 0x7f || (byte < 0x20 && c != '\n' && c != '\t')) c = '?';
    }
    return text;
}

int which(resource r) {
    switch (r) {
        case resource::open_files: return RLIMIT_NOFILE;
        case resource::locked_memory: return RLIMIT_MEMLOCK;
        case resource::processes: break;
    }
    return RLIMIT_NPROC;
}

std::uint64_t number_of(rlim_t limit) { return limit == RLIM_INFINITY ? unlimited : limit; }

}  // namespace

std::string this_machine::kernel() const {
    utsname system{};
    return ::uname(&system) == 0 ? system.release : "unknown";
}

unsigned this_machine::processors() const { return std::max(1U, std::thread::hardware_concurrency()); }

bool this_machine::is_root() const { return ::geteuid() == 0; }

std::optional<std::string> this_machine::read(const std::string& path) const {
    std::ifstream file(path);
    if (!file) return std::nullopt;
    std::string text{std::istreambuf_iterator<char>(file), {}};
    if (file.bad()) return std::nullopt;
    return printable(std::move(text));
}

std::optional<std::string> this_machine::variable(const char* name) const {
    const char* const value = std::getenv(name);
    return value ? std::optional(printable(value)) : std::nullopt;
}

limit this_machine::limit_of(resource r) const {
    rlimit limit{};
    if (::getrlimit(which(r), &limit) < 0) return {};
    return {number_of(limit.rlim_cur), number_of(limit.rlim_max)};
}

bight::platform_report this_machine::platform() const { return bight::probe_platform(); }

look_up this_machine::resolve(const std::string& name) const {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* list = nullptr;
    const int status = ::getaddrinfo(name.c_str(), nullptr, &hints, &list);
    if (status != 0) return {{}, status == EAI_SYSTEM ? std::strerror(errno) : ::gai_strerror(status)};
    const std::unique_ptr<addrinfo, void (*)(addrinfo*)> freed(list, &::freeaddrinfo);
    look_up found;
    for (const addrinfo* at = list; at; at = at->ai_next) {
        char text[NI_MAXHOST];
        if (::getnameinfo(at->ai_addr, at->ai_addrlen, text, sizeof text, nullptr, 0, NI_NUMERICHOST) == 0) {
            found.addresses.emplace_back(text);
        }
    }
    return found;
}

}  // namespace doctor
