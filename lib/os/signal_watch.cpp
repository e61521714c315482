#include <bight/os/signal_watch.hpp>

#include "../core/alert_listener.hpp"
#include "../core/process.hpp"
#include "../core/reactor_state.hpp"
#include "../core/signal_receiver.hpp"

#include <bight/core/error.hpp>
#include <bight/core/reactor.hpp>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <deque>
#include <string>
#include <system_error>
#include <utility>

namespace bight {

namespace detail {

// Belongs to a reactor, which may go first.
class watched_signals final : private alert_listener {
  public:
    watched_signals(reactor& home, std::span<const int> numbers);
    watched_signals(const watched_signals&) = delete;
    watched_signals& operator=(const watched_signals&) = delete;
    ~watched_signals();

    std::optional<received_signal> take() noexcept;
    /// Why a task must not wait here; empty: it may.
    std::optional<std::error_code> refusal(const reactor& of_task) const noexcept;
    void wait(signal_wait& w) noexcept { waits_ = &w; }
    void waits_no_more() noexcept { waits_ = nullptr; }
    std::string names() const;

  private:
    void alerted() noexcept override;
    void reactor_goes() noexcept override;

    reactor* home_;  // null when it has gone
    const unsigned made_in_ = this_process();
    std::deque<signal_receiver> receivers_;  // they must not move
    std::size_t first_ = 0;                  // which is asked first
    signal_wait* waits_ = nullptr;
};

namespace {

[[noreturn]] void refuse_signal(std::error_code code, const std::string& why) {
    throw std::system_error(code, "signal_watch: " + why);
}

void check_signal(int number) {
    const signal_refusal refused = refusal_of_signal(number);
    if (!refused.why) return;
    const std::error_code code = refused.is_of_the_system ? make_error_code(errc::unavailable)
                                                          : std::error_code(EINVAL, errno_category());
    refuse_signal(code, signal_name(number) + " " + refused.why);
}

}  // namespace

watched_signals::watched_signals(reactor& home, std::span<const int> numbers) : home_(&home) {
    if (numbers.empty()) refuse_signal({EINVAL, errno_category()}, "there is no number to watch");
    for (const int number : numbers) check_signal(number);
    for (const int number : numbers) {
        const auto is_same = [number](const signal_receiver& r) { return r.number() == number; };
        if (std::ranges::any_of(receivers_, is_same)) continue;
        receivers_.emplace_back(home, number).begin();
    }
    reactor_state::listen_for_alerts(home, *this);
}

watched_signals::~watched_signals() {
    if (home_ && made_in_ == this_process()) reactor_state::unlisten(*home_, *this);
    if (!waits_) return;
    waits_->of_ = nullptr;
    waits_->error_ = errc::closed;
    waits_->ready();
}

std::optional<received_signal> watched_signals::take() noexcept {
    const std::size_t count = receivers_.size();
    for (std::size_t i = 0; i < count; ++i) {
        const std::size_t at = (first_ + i) % count;
        const auto from = receivers_[at].take();
        if (!from) continue;
        first_ = at + 1;
        return received_signal{receivers_[at].number(), *from};
    }
    return std::nullopt;
}

std::optional<std::error_code> watched_signals::refusal(const reactor& of_task) const noexcept {
    if (&of_task != home_) return make_error_code(errc::wrong_thread);
    if (waits_) return make_error_code(errc::busy);
    return std::nullopt;
}

std::string watched_signals::names() const {
    std::string all;
    for (const signal_receiver& r : receivers_) {
        if (!all.empty()) all += ", ";
        all += signal_name(r.number());
    }
    return all;
}

void watched_signals::alerted() noexcept {
    if (!waits_) return;
    const auto came = take();
    if (!came) return;
    signal_wait& w = *std::exchange(waits_, nullptr);
    w.received_ = *came;
    w.ready();
}

void watched_signals::reactor_goes() noexcept {
    home_ = nullptr;
    for (signal_receiver& r : receivers_) r.end();
}

bool signal_wait::suspend(promise_base& p) noexcept {
    if (!begin(p)) return true;
    if (const auto refused = of_->refusal(home())) {
        error_ = *refused;
        return finish_now();
    }
    if (const auto came = of_->take()) {
        received_ = *came;
        return finish_now();
    }
    of_->wait(*this);
    return true;
}

received_signal signal_wait::await_resume() const {
    if (!error_) return received_;
    if (error_ == errc::busy) refuse_signal(error_, "another task waits in next(): one at a time");
    if (error_ == errc::closed) refuse_signal(error_, "it was destroyed");
    refuse_signal(error_, "it belongs to the reactor on which it was made");
}

void signal_wait::cancel() noexcept {
    of_->waits_no_more();
    confirm_cancel();
}

void signal_wait::describe(std::string& out) const {
    out += "a signal";
    if (of_) out += " (" + of_->names() + ")";
}

}  // namespace detail

namespace {

std::unique_ptr<detail::watched_signals> watch_here(std::span<const int> numbers) {
    return std::make_unique<detail::watched_signals>(*reactor::current(), numbers);
}

}  // namespace

signal_watch::signal_watch(std::initializer_list<int> numbers)
    : signals_(watch_here({numbers.begin(), numbers.size()})) {}
signal_watch::signal_watch(std::span<const int> numbers) : signals_(watch_here(numbers)) {}
signal_watch::~signal_watch() = default;

detail::signal_wait signal_watch::next() noexcept { return detail::signal_wait(*signals_); }
std::optional<received_signal> signal_watch::try_next() noexcept { return signals_->take(); }

}  // namespace bight
