// The parts of a reactor that only the library sees.
#pragma once

#include "blocked_threads.hpp"
#include "busy_meter.hpp"
#include "event_port.hpp"
#include "inbox.hpp"
#include "item_observer.hpp"
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
    reactor_state(reactor& r, const reactor_options& o) : self(r), options(o) {}
    ~reactor_state() = default;

    /// What is this machine's: from `options`. Throws what the constructor of reactor throws.
    void make_machinery();

    reactor& self;
    const reactor_options options;

    // Destroyed last to first: the event port goes before the frames' cache and the inbox.
    frame_cache frames;
    blocked_threads blocked;
    inbox posted;
    std::unique_ptr<platform> own_platform;  // of a reactor that is a simulated world by itself
    platform* lives_in = nullptr;            // null: this machine
    std::unique_ptr<event_port> port;
    std::unique_ptr<stall_watch> watch;     // null unless asked for
    item_observer* observer = nullptr;      // that, or another, or none
    virtual_clock* virtual_time = nullptr;  // null: the real one

    std::string fallback_reason;
    reactor_statistics counted;
    std::vector<job*> roots;  // what run and start were given
    intrusive_list<grace_timer> graces;
    std::size_t leftovers = 0;          // in that list
    std::size_t awaited_leftovers = 0;  // those for which a run waits

    std::atomic<bool> running{false};
    std::atomic<unsigned> ran_in{0};  // see this_process; 0: it never ran
    bool inherited = false;           // made, and not yet run, in a process that this one was forked from
    std::atomic<std::uint64_t> last_thread{0};  // it ran there (thread_state::number); 0: it never did
    std::atomic<int> stop_level{0};             // 1: stop, 2: stop_now; set by any thread
    std::atomic<bool> dump_requested{false};
    int obeyed_level = 0;  // what a root is started under
    bool leaving = false;  // the reactor is being destroyed, and its tasks have ended
    bool driving = false;  // within reactor::run, which has nothing else to wait for
    bool winding_up = false;

    busy_meter busy;

    /// A simulated host keeps none: they are freed, and overwritten.
    frame_cache* reused_frames() noexcept { return lives_in ? nullptr : &frames; }

    void remove_root(job& root) noexcept { std::erase(roots, &root); }
    bool has_live_root() const noexcept {
        return std::any_of(roots.begin(), roots.end(),
                           [](const job* root) { return root->result() == outcome::pending; });
    }
    bool stop_asked() const noexcept { return stop_level.load(std::memory_order_relaxed) != obeyed_level; }
    /// The tree of tasks.
    std::string dump(std::uint32_t tick) const;

    /// reactor::post for a node that is there already. Thread: any.
    static void post(reactor& to, detail::posted& call) noexcept { to.enqueue(&call); }
    static platform* platform_of(const reactor& r) noexcept { return r.state_->lives_in; }
    static event_port& port_of(reactor& r) noexcept { return *r.port_; }
    /// From the next turn on; not for a reactor that has a limit for stalls.
    static void observe(reactor& r, item_observer* o) noexcept { r.state_->observer = o; }
    static blocked_threads& threads_blocked_on(reactor& r) noexcept { return r.state_->blocked; }
    /// Throws std::bad_alloc, having done nothing.
    static void start_root(reactor& r, job& root, promise_base& frame) { r.start_root(root, frame); }
    static void remove_root(reactor& r, job& root) noexcept { r.state_->remove_root(root); }
    /// What a run does when its task has ended, for who gives `r` its turns: true while it waits.
    static bool winds_up(reactor& r) noexcept {
        if (!r.state_->winding_up) r.begin_winding_up();
        return r.state_->awaited_leftovers > 0;
    }
    static void end_winding_up(reactor& r) noexcept { r.state_->winding_up = false; }
    /// Calls that others have posted wait to be taken. While it does not sleep.
    static bool has_posted(const reactor& r) noexcept { return !r.state_->posted.empty(); }
    static void end_stop(reactor& r) noexcept { r.end_stop(); }
    /// What follows is a call that belongs to no task.
    static void leave_task(reactor& r) noexcept { r.running_job_ = nullptr; }
    /// Whether `r` ran in a process of which this one is a copy.
    static bool in_forked_child(const reactor& r) noexcept {
        return r.state_->ran_in != 0 && r.state_->ran_in != this_process();
    }
    /// It is left in memory, without its reactor.
    void strand() noexcept { forks_.end(); }
    /// Whether `r` is between two turns of a host loop on this very thread, or between two runs here: what
    /// belongs to it may be touched. Thread: any.
    static bool rests_here(const reactor& r) noexcept {
        return r.state_->last_thread.load(std::memory_order_relaxed) == this_thread().number() && !runs(r);
    }
    /// Whether `r` runs, on whatever thread. Thread: any.
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
