// Look-ups by getaddrinfo(3), on threads.
#include "look_up.hpp"

#include "resolve.hpp"

#include "../core/system_error.hpp"

#include <bight/thread/offload.hpp>

#include <netdb.h>
#include <netinet/in.h>

#include <cerrno>
#include <memory>
#include <system_error>
#include <utility>

namespace bight::detail {

namespace {

// How many look-ups run at once; further ones wait for a thread.
constexpr unsigned most_look_ups = 64;

class gai_category final : public std::error_category {
  public:
    const char* name() const noexcept override { return "getaddrinfo"; }
    std::string message(int code) const override { return ::gai_strerror(code); }
};

std::vector<address> ask(const std::string& host, std::uint16_t port, bool only_ipv6) {
    addrinfo hints{};
    hints.ai_family = only_ipv6 ? AF_INET6 : AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_NUMERICSERV;
    // Saves a query for addresses of a family that this machine does not have. Loopback addresses do not
    // count there, so a look-up for IPv6 only could not find a name for ::1.
    if (!only_ipv6) hints.ai_flags |= AI_ADDRCONFIG;
    addrinfo* list = nullptr;
    const int status = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &list);
    if (status == EAI_SYSTEM) throw std::system_error(system_error_code(errno), "look-up of " + host);
    if (status != 0) throw std::system_error(status, resolver_category(), "look-up of " + host);
    const std::unique_ptr<addrinfo, void (*)(addrinfo*)> freed(list, &::freeaddrinfo);
    std::vector<address> found;
    for (const addrinfo* at = list; at; at = at->ai_next) {
        found.push_back(address::from_native(at->ai_addr, at->ai_addrlen));
    }
    return found;
}

// A look-up takes as long as its servers do not answer. Look-ups have their own threads, so that they and the
// program's jobs do not wait for each other, and many of them, so that quick look-ups do not wait for hanging
// ones.
thread_pool& look_up_threads() {
    static auto* const the_pool = [] {
        thread_pool_options options;
        options.max_threads = most_look_ups;
        return new thread_pool(options);
    }();
    return *the_pool;
}

}  // namespace

const std::error_category& resolver_category() noexcept {
    static const gai_category the_category;
    return the_category;
}

// Cancelling ends the wait; the look-up itself goes on to its end.
task<std::vector<address>> look_up(std::string host, std::uint16_t port, bool only_ipv6) {
    auto job = [host, port, only_ipv6] { return ask(host, port, only_ipv6); };
    offload_options on;
    on.pool = &look_up_threads();
    std::vector<address> found = co_await offload_abandonable(std::move(job), on);
    co_return found;
}

}  // namespace bight::detail
