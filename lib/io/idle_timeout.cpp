#include <bight/io/idle_timeout.hpp>

#include <bight/core/error.hpp>

#include <chrono>
#include <cstdio>
#include <string>
#include <system_error>

namespace bight::detail {

transport& transport_to_watch(const stream& s) {
    if (!s) throw_stream_error(no_connection(), "watch", nullptr);
    return s.lower();
}

void check_watches(std::span<const activity_watch> watches, const reactor& home) {
    for (const activity_watch& w : watches) {
        if (&w.watched().home() != &home) {
            throw_stream_error(errc::wrong_thread, "watch", &w.watched());
        }
    }
}

void begin_watches(std::span<activity_watch> watches, lazy_timer& idle, duration limit) noexcept {
    for (activity_watch& w : watches) w.begin(idle, limit);
}

void end_watches(std::span<activity_watch> watches) noexcept {
    for (activity_watch& w : watches) w.end();
}

bool any_write_advances(std::span<activity_watch> watches) noexcept {
    bool any = false;
    for (activity_watch& w : watches) any = w.write_advances() || any;
    return any;
}

std::string idle_for(duration limit) {
    char seconds[32];
    std::snprintf(seconds, sizeof seconds, "%g", std::chrono::duration<double>(limit).count());
    return std::string("nothing was read or written for ") + seconds + " s";
}

void throw_idle(duration limit) { throw std::system_error(errc::timed_out, idle_for(limit)); }

}  // namespace bight::detail
