#include "process_table.hpp"

#include "child_signals.hpp"
#include "connection.hpp"
#include "host_state.hpp"
#include "simulated_demultiplexer.hpp"
#include "simulated_processes.hpp"
#include "world_state.hpp"

#include "../core/reactor_state.hpp"

#include <bight/sim/allocation_fault.hpp>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <stdexcept>
#include <utility>

namespace bight::sim::detail {

std::string process_state::name() const {
    return (arguments.empty() ? std::string() : arguments.front()) + ", process " + std::to_string(id);
}

process_table::process_table(host_state& of)
    : null(std::make_shared<simulated_pipe>()), output(std::make_shared<simulated_pipe>()), host_(of) {
    null->is = simulated_pipe::medium::null;
    output->is = simulated_pipe::medium::output;
}

process_table::~process_table() = default;

void process_table::add(std::string path, std::unique_ptr<child_program> program) {
    if (path.empty() || path.ends_with('/')) {
        throw std::invalid_argument("a program of a simulated host has a name or a path, unlike \"" + path +
                                    "\"");
    }
    if (path.find('/') == std::string::npos) path.insert(0, "/usr/bin/");
    programs_.insert_or_assign(disk_state::normal(path), std::move(program));
}

child_program* process_table::program_at(const std::string& path) const {
    const auto at = programs_.find(path);
    return at == programs_.end() ? nullptr : at->second.get();
}

std::shared_ptr<process_state> process_table::find(int id) const {
    const auto at = all_.find(id);
    return at == all_.end() ? nullptr : at->second;
}

// Its program begins with its first turn, and is there when that comes.
process_state& process_table::start(process_beginning with, keyed_chance by, duration takes,
                                    child_program& what) {
    auto made = std::make_shared<process_state>(host_, ++last_id_);
    made->parent = with.parent;
    made->group = with.leads_group ? made->id : with.group;
    made->arguments = std::move(with.arguments);
    made->environment = std::move(with.environment);
    made->directory = std::move(with.directory);
    host_thread& thread = host_.add_child_thread(made, by);
    thread.busy_until = saturating_add(host_.world.clock.now(), takes);
    made->thread = &thread;
    reactor_options options;
    options.platform = &thread;
    made->own = std::make_unique<bight::reactor>(options);
    made->own->start(child_access::play(made, what));
    made->descriptors = std::move(with.descriptors);
    thread.has_turns = true;
    host_.awake.push_back(&thread);
    all_.emplace(made->id, made);
    host_.world.record("start", &host_, nullptr, 0, 0, made->name());
    return *made;
}

void process_table::forget(int id) { all_.erase(id); }

int process_table::signal(process_state& to, int number) {
    if (!is_signal(number) && number != 0) return EINVAL;
    if (to.ended || number == 0) return 0;
    host_.world.record("signal", &host_, nullptr, 0, 0, to.name() + ": signal " + std::to_string(number));
    const default_action usual = default_action_of(number);
    const bool always = !can_be_handled(number);
    if (usual == default_action::continues || (always && usual == default_action::ends)) to.stopped = false;
    if (!always && to.stopped) {
        to.pending.insert(number);
    } else {
        act(to, number);
    }
    if (to.stopped) return 0;
    for (const int waiting : std::exchange(to.pending, {})) {
        if (!to.ended) act(to, waiting);
    }
    return 0;
}

void process_table::act(process_state& on, int number) {
    if (can_be_handled(number)) {
        if (on.thread->signal(number) || on.ignored.contains(number)) return;
    }
    switch (default_action_of(number)) {
        case default_action::nothing:
        case default_action::continues: break;
        case default_action::stops: on.stopped = true; break;
        case default_action::ends:
            if (on.dies_by != 0) break;
            on.dies_by = number;
            // Its own turn is whole; what it does after its end is not seen by its task.
            if (host_.world.acting != on.thread) end(on, process_status::killed(number));
            break;
    }
}

int process_table::signal_group(int leader, int number) {
    if (!is_signal(number) && number != 0) return EINVAL;
    bool any = false;
    for (const auto& [id, member] : std::map(all_)) {
        if (member->group != leader) continue;
        any = true;
        (void)signal(*member, number);
    }
    return any ? 0 : ESRCH;
}

void process_table::after_turn(process_state& of) {
    using bight::detail::reactor_state;
    const not_failing machinery;
    if (of.ended) return;
    if (of.dies_by != 0) {
        end(of, process_status::killed(of.dies_by));
    } else if (of.leaving && !reactor_state::winds_up(*of.own)) {
        reactor_state::end_winding_up(*of.own);
        end(of, process_status::exited(of.exit_code));
    }
}

void process_table::end(process_state& p, const process_status& how) {
    const std::shared_ptr<process_state> kept = find(p.id);
    p.ended = true;
    p.status = how;
    host_.world.record("exit", &host_, nullptr, 0, 0, p.name() + ": " + how.to_string());
    std::erase(host_.awake, p.thread);
    p.thread->has_turns = false;
    close_all(p);
    const simulated_demultiplexer& demux = *std::exchange(p.thread->demux, nullptr);
    const bool has_left =
        how.code() && p.own->statistics().live_tasks == 0 && demux.idle() && !demux.has_pending();
    (has_left ? spent_ : frozen_).push_back(std::move(p.own));
    for (const auto& [id, child] : std::map(all_)) {
        if (child->parent != p.id) continue;
        child->parent = nobody;
        if (child->ended) forget(id);
    }
    for (const auto& pidfd : p.pidfds) {
        if (const auto s = pidfd.lock()) tell_reader(*s);
    }
    if (p.parent == nobody) forget(p.id);
}

// Operations of its reactor that wait for something which others have, too, take nothing any more.
void process_table::close_all(process_state& p) {
    std::set<int> all = std::exchange(p.opened, {});
    for (const auto& [number, fd] : std::exchange(p.descriptors, {})) all.insert(fd);
    for (const int fd : all) {
        const auto s = host_.find(fd);
        if (s && s->watched && s->watcher == p.thread->demux) s->watched = nullptr;
        host_.close(fd);
    }
}

std::vector<std::unique_ptr<bight::reactor>> process_table::crash() {
    std::vector<std::unique_ptr<bight::reactor>> left = std::exchange(frozen_, {});
    for (auto& r : std::exchange(spent_, {})) left.push_back(std::move(r));
    for (const auto& [id, child] : std::exchange(all_, {})) {
        child->ended = true;
        if (child->own) left.push_back(std::move(child->own));
    }
    return left;
}

void process_table::sweep() noexcept { spent_.clear(); }

}  // namespace bight::sim::detail
