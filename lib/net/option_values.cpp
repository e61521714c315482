#include "option_values.hpp"

#include "../core/system_error.hpp"
#include "../io/socket_headers.hpp"

#include <bight/core/error.hpp>

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <limits>
#include <system_error>

namespace bight {

interface_name::interface_name(std::string_view name) {
    if (name.size() > sizeof text_ || name.find('\0') != name.npos || name.find('/') != name.npos) {
        throw std::system_error(EINVAL, detail::errno_category(),
                                "the interface \"" + std::string(name) +
                                    "\" (a name has at most 15 bytes, and no NUL or \"/\" among them)");
    }
    std::copy(name.begin(), name.end(), text_);
    size_ = static_cast<unsigned char>(name.size());
}

namespace detail {

namespace {

using number_option = socket_calls::number;

// Sets options of one socket, and names them in errors.
class setter {
  public:
    setter(socket_calls& calls, native_handle fd, const std::string& whose)
        : calls_(calls), fd_(fd), whose_(whose), is_unix_(calls.family(fd) == AF_UNIX) {}

    void set(number_option which, const char* name, std::int64_t value, std::int64_t least, std::int64_t most,
             const char* unit, bool also_unix = false) const {
        const std::string what =
            std::string("set ") + name + " to " + std::to_string(value) + unit + " of " + whose_;
        if (is_unix_ && !also_unix) refuse_unix(what);
        if (value < least || value > most) {
            throw std::system_error(
                EINVAL, errno_category(),
                what + ", and it must be " + std::to_string(least) + " to " + std::to_string(most));
        }
        check(calls_.set_number(fd_, which, static_cast<int>(value)), what);
    }
    template <class Unit>
    void set_time(number_option which, const char* name, duration value, std::int64_t least,
                  std::int64_t most, const char* unit) const {
        set(which, name, std::int64_t{std::chrono::ceil<Unit>(value).count()}, least, most, unit);
    }
    void set_flag(socket_calls::option which, const char* name, bool on, bool also_unix = false) const {
        const std::string what = std::string("set ") + name + (on ? " of " : " off of ") + whose_;
        if (is_unix_ && !also_unix) refuse_unix(what);
        check(calls_.set(fd_, which, on), what);
    }
    void set_device(std::string_view name) const {
        const std::string what = "set SO_BINDTODEVICE to \"" + std::string(name) + "\" of " + whose_;
        if (is_unix_) refuse_unix(what);
        check(calls_.set_device(fd_, name), what);
    }

  private:
    [[noreturn]] static void refuse_unix(const std::string& what) {
        throw std::system_error(EOPNOTSUPP, errno_category(), what + ", which is a Unix socket");
    }
    static void check(int result, const std::string& what) {
        if (result < 0) throw std::system_error(system_error_code(-result), what);
    }

    socket_calls& calls_;
    native_handle fd_;
    const std::string& whose_;
    bool is_unix_;
};

constexpr std::int64_t most_number = std::numeric_limits<int>::max();
constexpr std::int64_t most_idle = 32767;  // MAX_TCP_KEEPIDLE, MAX_TCP_KEEPINTVL of Linux
constexpr std::int64_t most_probes = 127;  // MAX_TCP_KEEPCNT

}  // namespace

void set_options(socket_calls& calls, native_handle fd, const socket_options& o, const std::string& whose) {
    const setter to(calls, fd, whose);
    using option = socket_calls::option;
    using std::chrono::milliseconds;
    using std::chrono::seconds;
    if (o.no_delay) to.set_flag(option::no_delay, "TCP_NODELAY", *o.no_delay);
    if (o.keep_alive_idle)
        to.set_time<seconds>(number_option::keep_alive_idle, "TCP_KEEPIDLE", *o.keep_alive_idle, 1, most_idle,
                             " s");
    if (o.keep_alive_interval)
        to.set_time<seconds>(number_option::keep_alive_interval, "TCP_KEEPINTVL", *o.keep_alive_interval, 1,
                             most_idle, " s");
    if (o.keep_alive_count)
        to.set(number_option::keep_alive_count, "TCP_KEEPCNT", *o.keep_alive_count, 1, most_probes, "");
    const bool probes = o.keep_alive_idle || o.keep_alive_interval || o.keep_alive_count;
    if (o.keep_alive || probes) to.set_flag(option::keep_alive, "SO_KEEPALIVE", o.keep_alive.value_or(true));
    if (o.user_timeout)
        to.set_time<milliseconds>(number_option::user_timeout, "TCP_USER_TIMEOUT", *o.user_timeout, 0,
                                  most_number, " ms");
    if (o.send_buffer)
        to.set(number_option::send_buffer, "SO_SNDBUF", *o.send_buffer, 1, most_number, " bytes", true);
    if (o.receive_buffer)
        to.set(number_option::receive_buffer, "SO_RCVBUF", *o.receive_buffer, 1, most_number, " bytes", true);
    if (o.reset_on_close) to.set_flag(option::abort_on_close, "SO_LINGER", *o.reset_on_close, true);
    if (o.dscp) to.set(number_option::dscp, "the DSCP", *o.dscp, 0, 63, "");
    if (o.device) to.set_device(o.device.text());
}

socket_options options_of(socket_calls& calls, native_handle fd) {
    socket_options o;
    const auto ask = [&](number_option which) -> std::optional<int> {
        const int value = calls.get_number(fd, which);
        return value < 0 ? std::nullopt : std::optional<int>(value);
    };
    const auto flag = [&](number_option which) -> std::optional<bool> {
        const auto value = ask(which);
        return value ? std::optional<bool>(*value != 0) : std::nullopt;
    };
    o.send_buffer = ask(number_option::send_buffer);
    o.receive_buffer = ask(number_option::receive_buffer);
    o.reset_on_close = flag(number_option::reset_on_close);
    if (calls.family(fd) == AF_UNIX) return o;
    o.no_delay = flag(number_option::no_delay);
    o.keep_alive = flag(number_option::keep_alive);
    if (const auto s = ask(number_option::keep_alive_idle)) o.keep_alive_idle = std::chrono::seconds(*s);
    if (const auto s = ask(number_option::keep_alive_interval))
        o.keep_alive_interval = std::chrono::seconds(*s);
    o.keep_alive_count = ask(number_option::keep_alive_count);
    if (const auto ms = ask(number_option::user_timeout)) o.user_timeout = std::chrono::milliseconds(*ms);
    o.dscp = ask(number_option::dscp);
    o.device = calls.device(fd);
    return o;
}

socket_options merged(const socket_options& first, const socket_options& second) noexcept {
    socket_options o = first;
    const auto fill = [](auto& value, const auto& otherwise) {
        if (!value) value = otherwise;
    };
    fill(o.no_delay, second.no_delay);
    fill(o.keep_alive, second.keep_alive);
    fill(o.keep_alive_idle, second.keep_alive_idle);
    fill(o.keep_alive_interval, second.keep_alive_interval);
    fill(o.keep_alive_count, second.keep_alive_count);
    fill(o.user_timeout, second.user_timeout);
    fill(o.send_buffer, second.send_buffer);
    fill(o.receive_buffer, second.receive_buffer);
    fill(o.reset_on_close, second.reset_on_close);
    fill(o.dscp, second.dscp);
    fill(o.device, second.device);
    return o;
}

}  // namespace detail
}  // namespace bight
