// The options of a simulated socket that are numbers.
#include "simulated_sockets.hpp"

#include "connection.hpp"
#include "contact.hpp"
#include "world_state.hpp"

#include <bight/sim/allocation_fault.hpp>

#include <cerrno>
#include <cstddef>
#include <memory>

namespace bight::sim::detail {

int simulated_sockets::set_number(native_handle fd, number which, int value) noexcept {
    const not_failing machinery;
    const auto s = host_.find(fd);
    if (!s) return -EBADF;
    switch (which) {
        case number::keep_alive_idle: s->numbers.keep_alive_idle = value; break;
        case number::keep_alive_interval: s->numbers.keep_alive_interval = value; break;
        case number::keep_alive_count: s->numbers.keep_alive_count = value; break;
        case number::user_timeout: s->numbers.user_timeout = value; break;
        case number::send_buffer:
            s->numbers.send_buffer = value;
            s->send_buffer = static_cast<std::size_t>(value);
            break;
        case number::receive_buffer:
            s->numbers.receive_buffer = value;
            s->window = static_cast<std::size_t>(value);
            break;
        case number::dscp: s->numbers.dscp = value; break;
        case number::no_delay:
        case number::keep_alive:
        case number::reset_on_close: return -EINVAL;  // see set
    }
    begin_patience(host_.world, s);
    return 0;
}

int simulated_sockets::get_number(native_handle fd, number which) noexcept {
    const not_failing machinery;
    const auto s = host_.find(fd);
    if (!s) return -EBADF;
    switch (which) {
        case number::keep_alive_idle: return s->numbers.keep_alive_idle;
        case number::keep_alive_interval: return s->numbers.keep_alive_interval;
        case number::keep_alive_count: return s->numbers.keep_alive_count;
        case number::user_timeout: return s->numbers.user_timeout;
        case number::send_buffer: return static_cast<int>(s->send_buffer);
        case number::receive_buffer: return static_cast<int>(s->window);
        case number::dscp: return s->numbers.dscp;
        case number::no_delay: return s->numbers.no_delay;
        case number::keep_alive: return s->keep_alive;
        case number::reset_on_close: return s->abort_on_close;
    }
    return -EINVAL;
}

int simulated_sockets::set_device(native_handle fd, std::string_view name) noexcept {
    const not_failing machinery;
    const auto s = host_.find(fd);
    if (!s) return -EBADF;
    s->numbers.device = name;
    return 0;
}

interface_name simulated_sockets::device(native_handle fd) noexcept {
    const not_failing machinery;
    const auto s = host_.find(fd);
    return s ? s->numbers.device : interface_name();
}

}  // namespace bight::sim::detail
