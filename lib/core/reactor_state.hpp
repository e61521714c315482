// reactor_state: the private state of a reactor.
#pragma once

#include "alert_listener.hpp"
#include "blocked_threads.hpp"
#include "busy_meter.hpp"
#include "event_port.hpp"
#include "inbox.hpp"
#include "item_observer.hpp"
#include "message_limit.hpp"
#include "platform.hpp"
#include "process.hpp"
#include "stall_watch.hpp"
#include "thread_state.hpp"

#include <bight/core/detail/frame_cache.hpp>
#include <bight/core/reactor.hpp>
#include <bight/core/virtual_clock.hpp>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace bight::detail {

struct reactor_state final : private fork_aware {
    reactor_state(reactor& r, const reactor_options& o) : self(r), options(o), name(o.name) {}
    ~reactor_state() = default;

    /// Makes what `options` ask for on this machine. Throws what the constructor of reactor throws.
    void make_machinery();

    reactor& self;
    const reactor_options options;  // but for `name`, which is copied
    const std::string name;

    // Members are destroyed last to first: the event port before the frame cache and the inbox.
    frame_cache frames;
    blocked_threads blocked;
    inbox posted;
    std::unique_ptr<platform> own_platform;  // for a reactor that is a simulated world by itself
    platform* lives_in = nullptr;            // null: this machine
    std::unique_ptr<event_port> port;
    std::unique_ptr<stall_watch> watch;     // null unless there is a stall limit
    item_observer* observer = nullptr;      // `watch`, another one, or null
    virtual_clock* virtual_time = nullptr;  // null: the real one

    std::string fallback_reason;
    reactor_statistics counted;
    message_limit peers_went;
    std::vector<job*> roots;  // the tasks given to run and start
    intrusive_list<grace_timer> graces;
    std::size_t leftovers = 0;          // how many of `graces` are leftovers
    std::size_t awaited_leftovers = 0;  // leftovers for which a run waits

    std::atomic<bool> running{false};
    std::atomic<unsigned> ran_in{0};            // the process in which it ran (this_process); 0: it never ran
    bool inherited = false;                     // made in the parent process, and never run
    std::atomic<std::uint64_t> last_thread{0};  // where it last ran (thread_state::number); 0: nowhere
    std::atomic<int> stop_level{0};             // 1: stop, 2: stop_now; set by any thread
    std::atomic<bool> alerted{false};           // set by any thread and by signal handlers
    std::atomic<bool> dump_requested{false};
    intrusive_list<alert_listener> alert_listeners;
    int obeyed_level = 0;  // the stop level that applies to new roots
    bool leaving = false;  // the reactor is being destroyed, and its tasks have ended
    bool watched = false;  // a host loop has asked for the descriptor
    bool driving = false;  // within reactor::run, which has nothing else to wait for
    bool winding_up = false;

    busy_meter busy;

    /// Null on a simulated host, whose freed frames are overwritten and not reused.
    frame_cache* reused_frames() noexcept { return lives_in ? nullptr : &frames; }

    void remove_root(job& root) noexcept { std::erase(roots, &root); }
    bool has_live_root() const noexcept {
        return std::any_of(roots.begin(), roots.end(),
                           [](const job* root) { return root->result() == outcome::pending; });
    }
    /// Has all listeners called soon, on the reactor's thread. Thread: any, also in a signal handler.
    static void alert(reactor& r) noexcept {
        r.state_->alerted = true;
        r.port_->wake();
    }
    static void listen_for_alerts(reactor& r, alert_listener& l) noexcept {
        r.state_->alert_listeners.push_back(l);
    }
    static void unlisten(reactor& r, alert_listener& l) noexcept { r.state_->alert_listeners.remove(l); }
    static const intrusive_list<alert_listener>& listeners_of(const reactor& r) noexcept {
        return r.state_->alert_listeners;
    }
    void answer_alert() noexcept;
    bool stop_asked() const noexcept { return stop_level.load(std::memory_order_relaxed) != obeyed_level; }
    /// What the reactor is called for a reader: "epoll", "reactor 2 of 4 (epoll)".
    std::string title() const;
    /// The tree of tasks.
    std::string dump(std::uint32_t tick) const;

    /// reactor::post for an existing node. Thread: any.
    static void post(reactor& to, detail::posted& call) noexcept { to.enqueue(&call); }
    static platform* platform_of(const reactor& r) noexcept { return r.state_->lives_in; }
    /// Whether its time is virtual while the date is the system's: with a virtual_clock outside of a
    /// simulation.
    static bool dateless(const reactor& r) noexcept { return r.state_->virtual_time && !r.state_->lives_in; }
    static event_port& port_of(reactor& r) noexcept { return *r.port_; }
    /// Sets the observer from the next turn on; not for a reactor with a stall limit.
    static void observe(reactor& r, item_observer* o) noexcept { r.state_->observer = o; }
    /// Counts the connection of a server whose peer went away.
    static void count_peer_gone(reactor& r) noexcept { ++r.state_->counted.peers_gone; }
    /// How often it is said that a peer went away.
    static message_limit& news_of_peers(reactor& r) noexcept { return r.state_->peers_went; }
    /// Empty unless it was given one.
    static const std::string& name_of(const reactor& r) noexcept { return r.state_->name; }
    static blocked_threads& threads_blocked_on(reactor& r) noexcept { return r.state_->blocked; }
    /// Throws std::bad_alloc, having done nothing.
    static void start_root(reactor& r, job& root, promise_base& frame) { r.start_root(root, frame); }
    static void remove_root(reactor& r, job& root) noexcept { r.state_->remove_root(root); }
    /// The end of a run after its task has ended, for code that drives `r` itself: true while leftovers are
    /// awaited.
    static bool winds_up(reactor& r) noexcept {
        if (!r.state_->winding_up) r.begin_winding_up();
        return r.state_->awaited_leftovers > 0;
    }
    static void end_winding_up(reactor& r) noexcept { r.state_->winding_up = false; }
    /// Whether posted calls wait to be taken. Only while the reactor does not sleep.
    static bool has_posted(const reactor& r) noexcept { return !r.state_->posted.empty(); }
    static void end_stop(reactor& r) noexcept { r.end_stop(); }
    /// Notes that the following code belongs to no task.
    static void leave_task(reactor& r) noexcept { r.running_job_ = nullptr; }
    /// Whether `r` ran in the process from which this one was forked.
    static bool in_forked_child(const reactor& r) noexcept {
        return r.state_->ran_in != 0 && r.state_->ran_in != this_process();
    }
    /// The state is left in memory when its reactor goes.
    void strand() noexcept { forks_.end(); }
    /// Whether `r` last ran on this thread and is now between two turns or two runs, so that its objects may
    /// be used here. Thread: any.
    static bool rests_here(const reactor& r) noexcept {
        return r.state_->last_thread.load(std::memory_order_relaxed) == this_thread().number() && !runs(r);
    }
    /// Whether `r` runs on some thread. Thread: any.
    static bool runs(const reactor& r) noexcept {
        if (r.state_->running.load(std::memory_order_relaxed)) return true;
        return r.state_->lives_in && r.state_->lives_in->has_own_thread();
    }

  private:
    void before_fork() noexcept override { blocked.before_fork(); }
    void in_parent() noexcept override { blocked.in_parent(); }
    void in_child() noexcept override;

    fork_watch forks_{*this};
};

}  // namespace bight::detail
