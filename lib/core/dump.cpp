// The tree of tasks as text.
#include "error_trace.hpp"
#include "reactor_state.hpp"

#include <bight/core/error.hpp>
#include <bight/core/promise.hpp>
#include <bight/core/waiter.hpp>

namespace bight::detail {

namespace {

struct printer {
    std::string out;
    std::size_t depth = 0;

    void indent(std::size_t by) { out.append(2 * (depth + by), ' '); }

    void print(const job& j) {
        indent(0);
        j.describe(out);
        const waiter* w = j.waiting();
        if (w) {
            out += ": waits for ";
            w->describe(out);
            if (j.cancel_requested()) out += " (cancelled)";
        } else {
            out += ": ready";
        }
        out += '\n';
        for (const promise_base* frame = j.innermost(); frame; frame = frame->parent()) {
            indent(1);
            out += "in " + describe_location(frame->where()) + "\n";
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

std::string reactor_state::dump() const {
    printer p;
    for (const job* root : roots) p.print(*root);
    if (roots.empty()) p.out = "no tasks\n";
    return std::move(p.out);
}

}  // namespace bight::detail
