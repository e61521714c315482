#include "signal_receiver.hpp"

#include "process.hpp"
#include "reactor_state.hpp"
#include "thread_state.hpp"

#include <bight/core/error.hpp>

#include <array>
#include <atomic>
#include <cstddef>
#include <mutex>
#include <new>
#include <string>
#include <system_error>
#include <thread>
#include <utility>

namespace bight::detail {

namespace {

// Where a receiver is listed. Never freed, for a handler may be reading it; used again.
struct signal_place {
    std::atomic<signal_receiver*> holds{nullptr};
    signal_place* next = nullptr;
};

// Who wants a signal. A handler reads the atomics; the rest is guarded by the lock of the table.
struct signal_slot {
    std::atomic<signal_place*> places{nullptr};
    std::atomic<signal_function> run{nullptr};
    unsigned receivers = 0;
    unsigned runs = 0;
};

constinit std::array<signal_slot, most_signals + 1> signal_slots;
constinit std::atomic<int> readers_of_places{0};

signal_slot& slot_of(int number) noexcept { return signal_slots[static_cast<std::size_t>(number)]; }

// One on another thread is not interrupted for long; on this thread it is over.
void await_readers_of_places() noexcept {
    while (readers_of_places.load() > 0) std::this_thread::yield();
}

}  // namespace

class signal_table final : private fork_aware {
  public:
    // Never destroyed: reactors may outlive static objects. It takes no memory, for run cannot do without.
    static signal_table& the_only() noexcept {
        alignas(signal_table) static std::byte memory[sizeof(signal_table)];
        static signal_table& made = *new (memory) signal_table;
        return made;
    }

    void add(signal_receiver& r) {
        const std::lock_guard hold(lock_);
        signal_slot& slot = slot_of(r.number_);
        signal_place& mine = free_place(slot);
        mine.holds.store(&r);
        bool was_handled = false;
        if (const int error = install_signal(r.number_, was_handled); error != 0) {
            mine.holds.store(nullptr);
            throw std::system_error(
                std::error_code(error, errno_category()),
                "signal_watch: signal " + std::to_string(r.number_) + " cannot be handled here");
        }
        if (!was_handled) slot.run.store(nullptr);  // the program has set another action since
        ++slot.receivers;
        r.thread_ = this_thread().number();
        r.unblocked_ = unblock_signal(r.number_);
    }

    // The action comes first: a handler that finds nobody then raises the signal once more.
    void remove(signal_receiver& r) noexcept {
        const std::lock_guard hold(lock_);
        signal_slot& slot = slot_of(r.number_);
        block_again(slot, r);
        if (--slot.receivers == 0 && !slot.run.load()) uninstall_signal(r.number_);
        for (signal_place* p = slot.places.load(); p; p = p->next) {
            if (p->holds.load() == &r) p->holds.store(nullptr);
        }
        await_readers_of_places();
    }

    bool use_in_run(int number, signal_function f) noexcept {
        const std::lock_guard hold(lock_);
        signal_slot& slot = slot_of(number);
        if (slot.runs++ > 0) return slot.run.load() != nullptr;
        if (!is_default_signal(number)) return false;
        slot.run.store(f);
        bool was_handled = false;
        if (install_signal(number, was_handled) != 0) slot.run.store(nullptr);
        return slot.run.load() != nullptr;
    }

    void leave_in_run(int number) noexcept {
        const std::lock_guard hold(lock_);
        signal_slot& slot = slot_of(number);
        if (--slot.runs > 0 || !slot.run.load()) return;
        if (slot.receivers == 0) uninstall_signal(number);
        slot.run.store(nullptr);
    }

  private:
    signal_table() noexcept = default;

    void before_fork() noexcept override { lock_.lock(); }
    void in_parent() noexcept override { lock_.unlock(); }
    // The receivers are the parent's. What a claim of run means in a child, its function knows.
    void in_child() noexcept override {
        for (int number = 1; number <= most_signals; ++number) {
            signal_slot& slot = slot_of(number);
            if (slot.receivers > 0 && !slot.run.load()) uninstall_signal(number);
            slot.receivers = 0;
            for (signal_place* p = slot.places.load(); p; p = p->next) p->holds.store(nullptr);
        }
        readers_of_places.store(0);
        lock_.unlock();
    }

    static signal_place& free_place(signal_slot& in) {
        for (signal_place* p = in.places.load(); p; p = p->next) {
            if (!p->holds.load()) return *p;
        }
        auto* const made = new signal_place;
        made->next = in.places.load();
        in.places.store(made);
        return *made;
    }

    // Another receiver on this thread needs it as it is, and will block it.
    static void block_again(signal_slot& in, signal_receiver& r) noexcept {
        if (!std::exchange(r.unblocked_, false) || r.thread_ != this_thread().number()) return;
        for (signal_place* p = in.places.load(); p; p = p->next) {
            signal_receiver* const other = p->holds.load();
            if (!other || other == &r || other->thread_ != r.thread_) continue;
            other->unblocked_ = true;
            return;
        }
        block_signal(r.number_);
    }

    std::mutex lock_;
    fork_watch forks_{*this};
};

void signal_receiver::begin() {
    platform* const simulated = reactor_state::platform_of(home_);
    if (simulated) {
        simulated->signal_receivers.push_back(*this);
        listed_in_ = simulated;
    } else {
        signal_table::the_only().add(*this);
    }
    begun_in_ = this_process();
}

void signal_receiver::end() noexcept {
    if (std::exchange(begun_in_, 0) != this_process()) return;
    if (listed_in_) {
        std::exchange(listed_in_, nullptr)->signal_receivers.remove(*this);
    } else {
        signal_table::the_only().remove(*this);
    }
}

void signal_receiver::note(int sender) noexcept {
    noted_.store(sender);
    reactor_state::alert(home_);
}

bool signal_came(int number, int sender) noexcept {
    signal_slot& slot = slot_of(number);
    bool is_received = false;
    readers_of_places.fetch_add(1);
    for (signal_place* p = slot.places.load(); p; p = p->next) {
        signal_receiver* const r = p->holds.load();
        if (!r) continue;
        r->note(sender);
        is_received = true;
    }
    readers_of_places.fetch_sub(1);
    if (is_received) return true;
    const signal_function run = slot.run.load();
    if (run) run(number);
    return run != nullptr;
}

bool handle_signal_in_run(int number, signal_function f) noexcept {
    return signal_table::the_only().use_in_run(number, f);
}
void leave_signal_in_run(int number) noexcept { signal_table::the_only().leave_in_run(number); }

}  // namespace bight::detail
