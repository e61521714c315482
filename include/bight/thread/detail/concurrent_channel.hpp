// Implementation of bight/thread/concurrent_channel.hpp.
#pragma once

#include <bight/core/detail/awaiter.hpp>
#include <bight/core/detail/compiler.hpp>
#include <bight/core/detail/waiter.hpp>
#include <bight/core/export.hpp>
#include <bight/core/reactor.hpp>
#include <bight/thread/detail/blocking.hpp>
#include <bight/thread/detail/concurrent_channel_core.hpp>
#include <bight/thread/detail/parker.hpp>
#include <bight/thread/detail/remote_call.hpp>

#include <atomic>
#include <coroutine>
#include <cstddef>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

namespace BIGHT_EXPORT bight {

namespace detail {

[[noreturn]] void throw_concurrent_channel_closed();

/// The state shared by the handles of one channel. Waiting tasks and threads also keep it alive.
template <class T>
class concurrent_channel_state final : public concurrent_channel_core<T> {
  public:
    explicit concurrent_channel_state(std::size_t capacity) : concurrent_channel_core<T>(capacity) {}

    void retain() noexcept { references_.fetch_add(1, std::memory_order_relaxed); }
    // Acquire and release: the last owner sees the others' writes before it frees the state.
    void release() noexcept {
        if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
    }
    void add_handle() noexcept { handles_.fetch_add(1, std::memory_order_relaxed); }
    void drop_handle() noexcept {
        if (handles_.fetch_sub(1, std::memory_order_acq_rel) > 1) return;
        this->close();
        release();
    }

  private:
    std::atomic<std::size_t> references_{1};  // one for each that waits, and one for all handles together
    std::atomic<std::size_t> handles_{1};
};

/// A task that waits. It may be served on any thread; the news travels to its own thread as a remote_call.
/// From the moment when it is served the task can no longer be cancelled here, so the value arrives.
template <class T>
class channel_awaiter_base : public waiter, protected concurrent_waiter<T>, private remote_call {
  protected:
    explicit channel_awaiter_base(concurrent_channel_state<T>& on) noexcept : on_(&on) {}
    channel_awaiter_base(concurrent_channel_state<T>& on, T&& v) noexcept
        : concurrent_waiter<T>(std::move(v)), on_(&on) {}
    channel_awaiter_base(channel_awaiter_base&& other) noexcept
        : waiter(std::move(other)), concurrent_waiter<T>(), remote_call(), on_(other.on_) {
        this->value = std::move(other.value);
    }
    ~channel_awaiter_base() = default;

    concurrent_channel_state<T>& on() const noexcept { return *on_; }
    void wait_is_over() noexcept {
        if (home_) on_->release();
    }

  private:
    void about_to_wait() noexcept override {
        home_ = &home();
        on_->retain();
    }
    void granted() noexcept override { remote_call::send(*home_); }
    void arrived() noexcept override {
        wait_is_over();
        ready();
    }

    concurrent_channel_state<T>* on_;
    reactor* home_ = nullptr;  // set when it has to wait
};

template <class T>
class [[nodiscard("co_await it"), gnu::warn_unused]] cross_send_awaiter final
    : public channel_awaiter_base<T>,
      public awaiter_base<cross_send_awaiter<T>> {
  public:
    cross_send_awaiter(concurrent_channel_state<T>& on, T&& v) noexcept
        : channel_awaiter_base<T>(on, std::move(v)) {}
    cross_send_awaiter(cross_send_awaiter&&) noexcept = default;

    void await_resume() const {
        if (this->closed) throw_concurrent_channel_closed();
    }
    void cancel() noexcept override {
        if (!this->on().withdraw_sender(*this)) return;
        this->wait_is_over();
        this->confirm_cancel();
    }
    void describe(std::string& out) const override { out += "room in a concurrent_channel"; }

  private:
    friend awaiter_base<cross_send_awaiter>;
    bool suspend(promise_base& p) noexcept {
        if (!this->begin(p)) return true;
        if (!this->on().send(*this)) return true;
        this->wait_is_over();
        return this->finish_now();
    }
};

template <class T>
class [[nodiscard("co_await it"), gnu::warn_unused]] cross_receive_awaiter final
    : public channel_awaiter_base<T>,
      public awaiter_base<cross_receive_awaiter<T>> {
  public:
    explicit cross_receive_awaiter(concurrent_channel_state<T>& on) noexcept : channel_awaiter_base<T>(on) {}
    cross_receive_awaiter(cross_receive_awaiter&&) noexcept = default;

    std::optional<T> await_resume() noexcept { return std::move(this->value); }
    void cancel() noexcept override {
        if (!this->on().withdraw_receiver(*this)) return;
        this->wait_is_over();
        this->confirm_cancel();
    }
    void describe(std::string& out) const override { out += "a value from a concurrent_channel"; }

  private:
    friend awaiter_base<cross_receive_awaiter>;
    bool suspend(promise_base& p) noexcept {
        if (!this->begin(p)) return true;
        if (!this->on().receive(*this)) return true;
        this->wait_is_over();
        return this->finish_now();
    }
};

/// A plain thread that waits; lives on its stack.
template <class T>
class sleeping_thread final : public concurrent_waiter<T> {
  public:
    sleeping_thread() : parker_(parker::of_this_thread()) {}
    explicit sleeping_thread(T&& v) : concurrent_waiter<T>(std::move(v)), parker_(parker::of_this_thread()) {}
    void sleep() noexcept { parker_.park(); }

  private:
    void granted() noexcept override { parker_.unpark(); }
    parker& parker_;
};

}  // namespace detail

}  // namespace bight
