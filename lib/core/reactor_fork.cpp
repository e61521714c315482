// Reactors in a forked child.
#include "reactor_state.hpp"
#include "standard_descriptors.hpp"

#include <memory>

namespace bight::detail {

void reactor_state::make_machinery() {
    if (!lives_in) {
        occupy_standard_descriptors();
        fallback_reason.clear();
        port = choose_event_port(self, options, fallback_reason);
    }
    self.port_ = port.get();
    if (const duration limit = stall_limit_of(options, lives_in != nullptr); limit > duration::zero()) {
        watch = std::make_unique<stall_watch>(self, name, limit);
        observer = watch.get();
    }
    inherited = false;
}

// A reactor that never ran is made anew when it runs here. One that ran on another thread may have been in
// the middle of anything: it is left as it is, except for its kernel objects.
void reactor_state::in_child() noexcept {
    blocked.in_child();
    std::construct_at(&alert_listeners);  // they wait for what comes to the parent
    if (watch) {                          // its thread runs only in the parent
        if (observer == watch.get()) observer = nullptr;
        (void)watch.release();
    }
    if (lives_in || !port) return;  // simulated, or being made on another thread
    port->forked();
    if (ran_in == 0) {
        inherited = true;
    } else if (reactor::current() == &self || !running) {
        auto heir = port->heir_in_child(self);
        (void)port.release();  // chunks may still refer to its buffers
        port = std::move(heir);
        self.port_ = port.get();
        self.limit_leftovers(self.now());
    }
}

}  // namespace bight::detail
