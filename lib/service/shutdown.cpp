#include <bight/service/shutdown.hpp>

#include "shutdown_step.hpp"

#include <bight/core/group.hpp>

#include <algorithm>
#include <system_error>

namespace bight {

namespace {

task<> run_hook(std::shared_ptr<detail::shutdown_call> hook, duration deadline) {
    const bool in_time = co_await detail::bounded_step(hook->begin(), deadline, hook->name);
    if (in_time) co_return;
    const std::system_error late(errc::timed_out, "it was cancelled");
    detail::report_error({std::make_exception_ptr(late), hook->name, {}});
}

}  // namespace

shutdown_phases::~shutdown_phases() {
    for (auto& call : calls_) call->on = nullptr;
}

shutdown_hook shutdown_phases::add_call(shutdown_phase phase, std::string_view name,
                                        std::shared_ptr<detail::shutdown_call> call) {
    call->phase = phase;
    call->name = "the shutdown hook \"" + std::string(name) + "\"";
    calls_.push_back(call);
    call->on = this;
    return shutdown_hook(std::move(call));
}

void shutdown_phases::forget(const detail::shutdown_call& call) noexcept {
    const auto at = std::find_if(calls_.begin(), calls_.end(), [&](auto& c) { return c.get() == &call; });
    if (at != calls_.end()) calls_.erase(at);
}

bool shutdown_phases::has(shutdown_phase phase) const noexcept {
    return std::any_of(calls_.begin(), calls_.end(), [&](auto& c) { return c->phase == phase; });
}

// Takes the first or the last call of a phase.
std::shared_ptr<detail::shutdown_call> shutdown_phases::take(shutdown_phase phase, bool first) {
    std::shared_ptr<detail::shutdown_call> found;
    for (const auto& call : calls_) {
        if (call->phase != phase) continue;
        found = call;
        if (first) break;
    }
    if (found) {
        found->on = nullptr;
        forget(*found);
    }
    return found;
}

task<> shutdown_phases::run(shutdown_phase phase, duration deadline) {
    co_await detail::uncancelled_step(run_hooks(phase, deadline));
}

task<> shutdown_phases::run_hooks(shutdown_phase phase, duration deadline) {
    while (phase == shutdown_phase::before && has(phase)) {  // hooks may add hooks
        auto all_at_once = [this, deadline](group& g) -> task<> {
            while (auto hook = take(shutdown_phase::before, true)) {
                g.spawn(run_hook, std::move(hook), deadline);
            }
            co_return;
        };
        co_await with_group(all_at_once);
    }
    while (auto hook = take(phase, false)) co_await run_hook(std::move(hook), deadline);
}

bool shutdown_hook::remove() noexcept {
    const std::shared_ptr<detail::shutdown_call> call = std::move(call_);
    if (!call || !call->on) return false;
    std::exchange(call->on, nullptr)->forget(*call);
    return true;
}

}  // namespace bight
