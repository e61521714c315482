#include "plain_thread.hpp"

#include "guard.hpp"
#include "world_state.hpp"

#include "../core/thread_state.hpp"

#include <algorithm>
#include <utility>

namespace bight::sim::detail {

plain_thread::plain_thread(host_thread& as, std::function<void()> main) : on_(as), main_(std::move(main)) {}

plain_thread::~plain_thread() {
    if (thread_.joinable()) thread_.join();
}

bool plain_thread::can_run() {
    if (ended_ || on_.host.world.clock.now() < on_.next_turn()) return false;
    return !until_ || until_->holds();
}

std::uint64_t plain_thread::place_in_order() noexcept { return on_.place_in_order(); }

void plain_thread::run() {
    on_.begin_turn();
    until_ = nullptr;
    on_.host.world.acting = &on_;
    std::unique_lock hold(lock_);
    if (!thread_.joinable()) thread_ = std::thread([this] { be_thread(); });
    give_turn(hold);
    on_.host.world.acting = nullptr;
}

std::string plain_thread::dump() const {
    if (ended_) return {};
    return "host " + on_.host.name +
           ", a main function: " + (until_ ? "it waits for its reactors\n" : "not begun\n");
}

void plain_thread::finish() noexcept {
    if (!thread_.joinable() || ended_) return;
    finishing_ = true;
    std::unique_lock hold(lock_);
    give_turn(hold);
}

// Frames allocated by one thread may be freed by the other: both count as one.
void plain_thread::give_turn(std::unique_lock<std::mutex>& hold) {
    worlds_turn_ = false;
    changed_.notify_all();
    changed_.wait(hold, [this] { return worlds_turn_; });
    bight::detail::this_thread().frames_from_heap += std::exchange(frames_from_heap_, 0);
}

void plain_thread::give_back(std::unique_lock<std::mutex>& hold) {
    frames_from_heap_ = std::exchange(bight::detail::this_thread().frames_from_heap, 0);
    worlds_turn_ = true;
    changed_.notify_all();
    if (!ended_) changed_.wait(hold, [this] { return !worlds_turn_; });
}

void plain_thread::be_thread() noexcept {
    std::unique_lock hold(lock_);
    changed_.wait(hold, [this] { return !worlds_turn_; });
    bight::detail::this_thread().simulated = this;
    hold.unlock();
    {
        const turn_of turn(on_);
        main_();
    }
    hold.lock();
    bight::detail::this_thread().simulated = nullptr;
    ended_ = true;
    give_back(hold);
}

bight::detail::platform& plain_thread::surroundings() noexcept { return on_; }

unsigned plain_thread::processors() const noexcept { return on_.host.world.options.processors; }

bight::detail::platform& plain_thread::add_reactor() { return on_.host.add_reactor(); }

bool plain_thread::has(const bight::detail::platform* of) const noexcept { return on_.host.has_thread(of); }

void plain_thread::give_turns(bight::detail::platform& of, bool on) noexcept {
    on_.host.give_turns(static_cast<host_thread&>(of), on);
}

bool plain_thread::wait(condition& until) {
    if (finishing_) return false;
    until_ = &until;
    std::unique_lock hold(lock_);
    give_back(hold);
    return !finishing_;
}

}  // namespace bight::sim::detail
