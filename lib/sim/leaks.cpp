#include <bight/sim/invariant.hpp>
#include <bight/sim/leaks.hpp>

#include <stdexcept>
#include <string>

namespace bight::sim {

usage usage::of(host& h) {
    if (!h.is_up()) return {};
    usage all{h.sockets(), 0, 0, 0, 0};
    for (const bight::reactor* r : h.reactors()) {
        const reactor_statistics s = r->statistics();
        all.tasks += s.live_tasks;
        all.timers += s.live_timers;
        all.buffers += s.live_buffers;
        all.descriptors += s.live_descriptors;
    }
    return all;
}

namespace {

std::string more(const char* of_what, std::uint64_t now, std::uint64_t before) {
    if (now <= before) return {};
    return ", " + std::to_string(now) + " " + of_what + " instead of " + std::to_string(before);
}

}  // namespace

std::string detail::excess(const usage& now, const usage& before) {
    return more("sockets", now.sockets, before.sockets) + more("tasks", now.tasks, before.tasks) +
           more("timers", now.timers, before.timers) + more("receive buffers", now.buffers, before.buffers) +
           more("descriptors", now.descriptors, before.descriptors);
}

namespace {

usage of_host_that_is_up(host& h) {
    if (!h.is_up()) {
        throw std::logic_error("leak_check: host \"" + h.name() +
                               "\" is down, and what was in use there is gone: let it start (world::heal, "
                               "host::restart) and run for a moment before you look");
    }
    return usage::of(h);
}

}  // namespace

leak_check::leak_check(world& w) : world_(w) {
    for (host* h : w.all_hosts()) before_.emplace(h->name(), of_host_that_is_up(*h));
}

void leak_check::check() const {
    std::string text;
    for (host* h : world_.all_hosts()) {
        const auto before = before_.find(h->name());
        const std::string on_host =
            detail::excess(of_host_that_is_up(*h), before == before_.end() ? usage() : before->second);
        if (!on_host.empty()) text += (text.empty() ? "" : "; ") + h->name() + " has" + on_host.substr(1);
    }
    if (!text.empty()) throw invariant_broken("something is left behind: " + text + detail::now_in(world_));
}

}  // namespace bight::sim
