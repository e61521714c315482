// publication, subscriber: the implementation that broadcast_channel and watch share.
#pragma once

#include <bight/core/detail/awaiter.hpp>
#include <bight/core/detail/frame_pool.hpp>
#include <bight/core/detail/promise.hpp>
#include <bight/core/detail/thread_checker.hpp>
#include <bight/core/detail/wait_list.hpp>
#include <bight/core/error.hpp>
#include <bight/core/export.hpp>
#include <bight/core/reactor.hpp>

#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <string>
#include <system_error>
#include <utility>

namespace BIGHT_EXPORT bight {
namespace detail {

class subscription_waiter;

/// The shared state of a source and its subscribers, except for the values: how much has been published, and
/// which tasks wait for more. It lives as long as the last of them.
class publication {
  public:
    explicit publication(const char* name) noexcept : name_(name) {}
    publication(const publication&) = delete;
    publication& operator=(const publication&) = delete;

    /// "a watch"
    const char* name() const noexcept { return name_; }
    std::uint64_t published() const noexcept { return published_; }
    bool closed() const noexcept { return closed_; }
    /// Ends the publication and wakes the waiting tasks, which still get what has been published.
    void close() noexcept {
        home_.check(name_);
        end();
    }
    /// Does what `close` does, for a destructor.
    void source_gone() noexcept {
        check_home_at_end();
        end();
    }
    void check_home() const noexcept { home_.check(name_); }
    void check_home_at_end() const noexcept { home_.check_at_end(name_); }
    [[noreturn]] static void fail_closed(const char* name);

  protected:
    ~publication() = default;
    /// Publishes one more value, which is in its place already.
    void publish() noexcept {
        ++published_;
        wake_all();
    }

  private:
    friend class subscription_waiter;
    template <class State>
    friend class publication_reference;
    void end() noexcept {
        closed_ = true;
        wake_all();
    }
    void wake_all() noexcept;

    wait_list<subscription_waiter> waiters_;
    const char* name_;
    std::uint64_t published_ = 0;
    std::size_t references_ = 0;
    bool closed_ = false;
    thread_checker home_;
};

/// Ends the process: a moved-from receiver was used.
[[noreturn]] void receiver_is_empty() noexcept;

/// A counted reference to a publication.
template <class State>
class publication_reference {
  public:
    explicit publication_reference(State* s) noexcept : state_(s) { ++state_->references_; }
    publication_reference(const publication_reference& other) noexcept : state_(other.state_) {
        if (state_) ++state_->references_;
    }
    publication_reference(publication_reference&& other) noexcept
        : state_(std::exchange(other.state_, nullptr)) {}
    publication_reference& operator=(publication_reference other) noexcept {
        std::swap(state_, other.state_);
        return *this;
    }
    ~publication_reference() {
        if (state_ && --state_->references_ == 0) delete state_;
    }
    explicit operator bool() const noexcept { return state_ != nullptr; }
    State& operator*() const noexcept { return *operator->(); }
    State* operator->() const noexcept {
        if (!state_) [[unlikely]]
            receiver_is_empty();
        return state_;
    }

  private:
    State* state_;
};

/// One subscription: its position in the publication. At most one task waits in it; it must not move
/// meanwhile.
class subscriber {
  public:
    explicit subscriber(publication& of) noexcept : of_(&of), seen_(of.published()) {}
    subscriber(subscriber&& other) noexcept : of_(std::exchange(other.of_, nullptr)), seen_(other.seen_) {
        other.check_unused();
    }
    ~subscriber() { check_unused(); }

    void swap(subscriber& other) noexcept {
        check_unused();
        other.check_unused();
        std::swap(of_, other.of_);
        std::swap(seen_, other.seen_);
    }
    bool behind() const noexcept {
        if (!of_) [[unlikely]]
            receiver_is_empty();
        return seen_ != of_->published();
    }
    /// A task waits in it, and gets the next value.
    bool in_use() const noexcept { return waiting_ != nullptr; }
    std::uint64_t seen() const noexcept { return seen_; }
    void see(std::uint64_t up_to) noexcept { seen_ = up_to; }

  private:
    friend class subscription_waiter;
    void check_unused() const noexcept;

    publication* of_;
    std::uint64_t seen_;
    subscription_waiter* waiting_ = nullptr;
};

/// A task that waits until there is something its subscriber has not seen, or the source is closed.
class subscription_waiter : public listed_waiter, public awaiter_base<subscription_waiter> {
  public:
    void cancel() noexcept override;
    void describe(std::string& out) const override;

  protected:
    explicit subscription_waiter(subscriber& by) noexcept : by_(&by) {}
    subscription_waiter(subscription_waiter&& other) noexcept
        : listed_waiter(std::move(other)), by_(other.by_) {}
    ~subscription_waiter() = default;
    /// To be called when the task goes on: frees the subscriber for another task. Returns errc::busy when
    /// another task was waiting in it already, errc::closed when nothing is left, or no error.
    std::error_code finish() noexcept;

  private:
    friend class publication;
    friend class subscriber;
    friend awaiter_base<subscription_waiter>;
    bool suspend(promise_base& p) noexcept;

    subscriber* by_;
};

}  // namespace detail
}  // namespace bight
