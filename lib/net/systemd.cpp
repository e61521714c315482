#include <bight/net/systemd.hpp>

#include "environment.hpp"

#include "../core/platform.hpp"
#include "../core/process.hpp"

#include <bight/core/duration.hpp>
#include <bight/core/error.hpp>
#include <bight/core/interval.hpp>
#include <bight/net/datagram_socket.hpp>
#include <bight/net/endpoint.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

namespace bight {

namespace {

// Empty where there is no service manager.
std::string_view told(const char* name) noexcept {
    return detail::platform::current() ? "" : detail::environment(name);
}

std::uint64_t number_told(const char* name) {
    const std::string_view text = told(name);
    if (const auto number = detail::whole_number(text)) return *number;
    throw std::system_error(errc::unavailable, std::string("the environment variable ") + name + " is \"" +
                                                   std::string(text) + "\", and no number");
}

}  // namespace

task<bool> systemd_notify(std::string state) {
    endpoint manager;
    manager.kind = endpoint::kind_type::unix_domain;
    manager.path = told("NOTIFY_SOCKET");
    if (manager.path.empty()) co_return false;
    datagram_socket to = co_await datagram_socket::connect(std::move(manager));
    co_await to.send(state);
    co_return true;
}

task<> systemd_watchdog() {
    if (told("WATCHDOG_USEC").empty()) co_return;
    const auto here = static_cast<std::uint64_t>(detail::process_number());
    if (!told("WATCHDOG_PID").empty() && number_told("WATCHDOG_PID") != here) co_return;
    constexpr std::uint64_t most = std::uint64_t{1} << 52;
    const std::uint64_t asked = std::min(number_told("WATCHDOG_USEC"), most);
    if (asked == 0) co_return;
    interval twice(std::chrono::microseconds(std::max<std::uint64_t>(asked / 2, 1)));
    for (;;) {
        co_await twice.tick();
        (void)co_await systemd_notify("WATCHDOG=1");
    }
}

}  // namespace bight
