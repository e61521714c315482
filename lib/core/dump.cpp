// The tree of tasks as text.
#include "error_trace.hpp"
#include "reactor_state.hpp"

#include <bight/core/error.hpp>
#include <bight/core/promise.hpp>
#include <bight/core/waiter.hpp>

#include <cstdint>
#include <cstdio>
#include <string>

namespace bight::detail {

namespace {

// "12 s", "2 h 05 min": two figures that matter.
std::string in_words(std::uint32_t seconds) {
    char text[48];
    if (seconds < 60) {
        std::snprintf(text, sizeof text, "%u s", seconds);
    } else if (seconds < 3600) {
        std::snprintf(text, sizeof text, "%u min %02u s", seconds / 60, seconds % 60);
    } else {
        std::snprintf(text, sizeof text, "%u h %02u min", seconds / 3600, seconds / 60 % 60);
    }
    return text;
}

// The same for short times, to the tenth of a second.
std::string ticks_in_words(std::uint32_t ticks) {
    constexpr std::uint32_t each_second = reactor::ticks_per_second;
    if (ticks >= 60 * each_second) return in_words(ticks / each_second);
    char text[16];
    std::snprintf(text, sizeof text, "%.1f s", static_cast<double>(ticks) / each_second);
    return text;
}

struct printer {
    std::uint32_t now;
    std::string out;
    std::size_t depth = 0;

    void indent(std::size_t by) { out.append(2 * (depth + by), ' '); }

    void print_line(const std::source_location& where) {
        indent(1);
        out += "in " + describe_location(where) + "\n";
    }

    void print(const job& j) {
        indent(0);
        j.describe(out);
        const waiter* const w = j.waiting();
        const bool runs = !w && j.running();
        if (w) {
            out += ": waits for ";
            w->describe(out);
            if (j.cancel_requested()) out += " (cancelled)";
            out += ", " + ticks_in_words(now - j.since());
        } else {
            out += runs ? ": running" : j.result() == outcome::pending ? ": ready" : ": ended";
        }
        out += " (age " + in_words(j.age()) + ")\n";
        if (runs) {  // it has left its frames, or some of them, for others
            print_line(j.home().resumed_at());
        } else {
            for (const promise_base* frame = j.innermost(); frame; frame = frame->parent()) {
                print_line(frame->where());
            }
        }
        if (w) {
            ++depth;
            w->visit_jobs([](const job& child, void* self) { static_cast<printer*>(self)->print(child); },
                          this);
            --depth;
        }
    }
};

}  // namespace

std::string reactor_state::dump(std::uint32_t tick) const {
    printer p{tick, {}};
    for (const job* root : roots) p.print(*root);
    if (roots.empty()) p.out = "no tasks\n";
    return std::move(p.out);
}

}  // namespace bight::detail
