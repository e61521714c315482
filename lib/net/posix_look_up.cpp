// Look-ups by getaddrinfo(3) and getnameinfo(3), on threads.
#include "look_up.hpp"

#include "idna.hpp"
#include "resolve.hpp"

#include "../core/system_error.hpp"
#include "../io/socket_headers.hpp"

#include <bight/core/error.hpp>
#include <bight/net/resolver.hpp>
#include <bight/thread/offload.hpp>

#include <unistd.h>

#include <array>
#include <cerrno>
#include <memory>
#include <system_error>
#include <utility>

namespace bight {

namespace detail {

namespace {

class gai_category final : public std::error_category {
  public:
    const char* name() const noexcept override { return "getaddrinfo"; }
    std::string message(int code) const override { return ::gai_strerror(code); }
};

[[noreturn]] void throw_status(int status, const std::string& what) {
    if (status == EAI_SYSTEM) throw std::system_error(system_error_code(errno), what);
    throw std::system_error(status, resolver_category(), what);
}

std::vector<address> ask(const std::string& host, address::family_type family) {
    addrinfo hints{};
    const bool any = family == address::family_type::none;
    hints.ai_family = any ? AF_UNSPEC : family == address::family_type::ipv6 ? AF_INET6 : AF_INET;
    hints.ai_socktype = SOCK_STREAM;
    // Saves a query for addresses of a family that this machine does not have. Loopback addresses do not
    // count there, so a look-up for one family only could not find a name for ::1.
    if (any) hints.ai_flags |= AI_ADDRCONFIG;
    addrinfo* list = nullptr;
    const int status = ::getaddrinfo(host.c_str(), nullptr, &hints, &list);
    if (status != 0) throw_status(status, "look-up of " + host);
    const std::unique_ptr<addrinfo, void (*)(addrinfo*)> freed(list, &::freeaddrinfo);
    std::vector<address> found;
    for (const addrinfo* at = list; at; at = at->ai_next) {
        found.push_back(address::from_native(at->ai_addr, at->ai_addrlen));
    }
    return found;
}

}  // namespace

std::string ask_name(const address& of) {
    char name[NI_MAXHOST];
    const int status =
        ::getnameinfo(static_cast<const sockaddr*>(of.native()), static_cast<socklen_t>(of.native_size()),
                      name, sizeof name, nullptr, 0, NI_NAMEREQD);
    if (status != 0) throw_status(status, "look-up of the name of " + of.host());
    return name;
}

bool keeps_resolv_conf() noexcept { return true; }

std::string name_of_this_machine() {
    std::array<char, 256> name{};  // HOST_NAME_MAX is 64, or 255 (POSIX)
    if (::gethostname(name.data(), name.size() - 1) < 0) return {};
    return name.data();
}

std::uint16_t ask_service(const std::string& service, bool datagrams) {
    addrinfo hints{};
    hints.ai_family = AF_INET;
    hints.ai_socktype = datagrams ? SOCK_DGRAM : SOCK_STREAM;
    addrinfo* list = nullptr;
    const int status = ::getaddrinfo(nullptr, service.c_str(), &hints, &list);
    if (status != 0) throw_status(status, "look-up of the service " + service);
    const std::unique_ptr<addrinfo, void (*)(addrinfo*)> freed(list, &::freeaddrinfo);
    return address::from_native(list->ai_addr, list->ai_addrlen).port();
}

task<std::vector<address>> look_up(std::string host, address::family_type family) {
    auto job = [host, family] {
        std::vector<address> found;
        const std::string name = is_ascii(host) ? host : idna_form(host);
        if (name == host || !found_here(name, 0, family, found)) found = ask(name, family);
        return found;
    };
    offload_options on;
    on.pool = &look_up_threads();
    std::vector<address> found = co_await offload_abandonable(std::move(job), on);
    co_return found;
}

}  // namespace detail

const std::error_category& resolver_category() noexcept {
    static const detail::gai_category the_category;
    return the_category;
}

}  // namespace bight
