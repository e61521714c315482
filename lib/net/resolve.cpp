#include "resolve.hpp"

#include <bight/core/deferred.hpp>
#include <bight/core/reactor.hpp>

#include <netdb.h>
#include <netinet/in.h>

#include <cerrno>
#include <memory>
#include <mutex>
#include <system_error>
#include <thread>

namespace bight::detail {

namespace {

// What the helper thread and the task that waits share. The task clears `home` when it goes, so that a
// look-up which outlasts it touches nothing.
struct look_up {
    std::mutex lock;
    reactor* home = nullptr;
    deferred<>* done = nullptr;  // of the task; touched on the reactor's thread only
    std::vector<address> found;
    int status = 0;
    int error = 0;
};

class gai_category final : public std::error_category {
  public:
    const char* name() const noexcept override { return "getaddrinfo"; }
    std::string message(int code) const override { return ::gai_strerror(code); }
};

const std::error_category& resolver_category() noexcept {
    static const gai_category the_category;
    return the_category;
}

void ask(look_up& ask, const std::string& host, std::uint16_t port, bool only_ipv6) {
    addrinfo hints{};
    hints.ai_family = only_ipv6 ? AF_INET6 : AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_ADDRCONFIG | AI_NUMERICSERV;
    addrinfo* list = nullptr;
    ask.status = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &list);
    ask.error = errno;
    if (ask.status != 0) return;
    for (const addrinfo* a = list; a; a = a->ai_next) {
        ask.found.push_back(address::from_native(a->ai_addr, a->ai_addrlen));
    }
    ::freeaddrinfo(list);
}

}  // namespace

bool resolve_locally(const std::string& host, std::uint16_t port, bool only_ipv6, address& out) {
    if (address::parse_ip(host, port, out)) return !only_ipv6 || out.family() == address::family_type::ipv6;
    if (host != "localhost") return false;
    out = address::from_ip(only_ipv6 ? "::1" : "127.0.0.1", port);
    return true;
}

task<std::vector<address>> resolve(std::string host, std::uint16_t port, bool only_ipv6) {
    std::vector<address> addresses(1);
    if (resolve_locally(host, port, only_ipv6, addresses[0])) {
        if (host == "localhost" && !only_ipv6) addresses.push_back(address::from_ip("::1", port));
        co_return addresses;
    }
    deferred<> done;
    auto shared = std::make_shared<look_up>();
    shared->home = reactor::current();
    shared->done = &done;
    struct forget {
        look_up& asked;
        ~forget() {
            const std::lock_guard hold(asked.lock);
            asked.home = nullptr;
            asked.done = nullptr;
        }
    } forget_when_gone{*shared};
    std::thread([shared, host, port, only_ipv6] {
        look_up answer;
        ask(answer, host, port, only_ipv6);
        const std::lock_guard hold(shared->lock);
        shared->found = std::move(answer.found);
        shared->status = answer.status;
        shared->error = answer.error;
        if (!shared->home) return;
        shared->home->post([shared] {
            if (shared->done) shared->done->try_set_value();
        });
    }).detach();
    co_await done;
    if (shared->status == EAI_SYSTEM)
        throw std::system_error(shared->error, std::system_category(), "look-up of " + host);
    if (shared->status != 0)
        throw std::system_error(shared->status, resolver_category(), "look-up of " + host);
    co_return std::move(shared->found);
}

}  // namespace bight::detail
