// fan_in: passes items from several producer tasks to one consumer; used by merge and map_concurrent.
#pragma once

#include <bight/core/detail/awaiter.hpp>
#include <bight/core/detail/frame_pool.hpp>
#include <bight/core/detail/intrusive_list.hpp>
#include <bight/core/detail/waiter.hpp>
#include <bight/core/export.hpp>
#include <bight/core/group.hpp>
#include <bight/core/task.hpp>

#include <coroutine>
#include <exception>
#include <optional>
#include <string>
#include <utility>

namespace BIGHT_EXPORT bight {
namespace detail {

class fan_in;

/// A producer's place in the line of items; a local variable of the producer's coroutine.
///
/// In a fan_in without order, `co_await` puts it at the end of the line. In an ordered one it is in the line
/// from its construction, which producers do in the order in which they were started, and offers behind it
/// wait for it. If it is destroyed without having given its item, nothing behind it is given any more.
class [[nodiscard("co_await it"), gnu::warn_unused]] offer final : public waiter,
                                                                   public awaiter_base<offer>,
                                                                   public list_hook<offer> {
  public:
    explicit offer(fan_in& to) noexcept;
    offer(const offer&) = delete;
    offer& operator=(const offer&) = delete;
    ~offer();

    /// Offers `item`, which must not move until the await has ended. Returns this offer, which stays in place
    /// and can then offer the next item.
    offer&& of(void* item) noexcept {
        item_ = item;
        return std::move(*this);
    }

    void await_resume() const noexcept {}
    void cancel() noexcept override;
    void describe(std::string& out) const override { out += "its item to be taken"; }

  private:
    friend class fan_in;
    friend class taker;
    friend awaiter_base<offer>;
    bool suspend(promise_base& p) noexcept { return begin(p) ? hold_out() : true; }
    bool hold_out() noexcept;
    fan_in& to_;
    void* item_ = nullptr;
    bool listed_ = false;
    bool held_out_ = false;
};

/// The consumer's wait for the next item.
class taker : public waiter, public awaiter_base<taker> {
  public:
    void cancel() noexcept override;
    void describe(std::string& out) const override { out += "an item of one of several tasks"; }

  protected:
    explicit taker(fan_in& from) noexcept : from_(from) {}
    taker(taker&& other) noexcept : waiter(std::move(other)), from_(other.from_) {}
    ~taker() = default;
    /// Throws what moving the item threw, or the error that ended the fan_in.
    void rethrow_error();
    virtual void put(void* item) = 0;

  private:
    friend class fan_in;
    friend class offer;
    friend awaiter_base<taker>;
    bool suspend(promise_base& p) noexcept { return begin(p) ? look() : true; }
    bool look() noexcept;
    fan_in& from_;
    std::exception_ptr error_;
};

/// Shared by the frames of the consumer and of the crew, which is the task that runs the producers in a group
/// of its own. The last of the two deletes it. The consumer may be dropped first; that cancels the crew.
class fan_in : public pooled {
  public:
    explicit fan_in(bool in_order) noexcept : in_order_(in_order) {}
    fan_in(const fan_in&) = delete;
    fan_in& operator=(const fan_in&) = delete;

    /// The consumer is gone, or all producers have ended.
    bool over() const noexcept { return ended_ || dropped_; }

    /// The group in which the producers run; null once it has ended.
    void crew(group* g) noexcept { crew_ = g; }
    /// No more items: all producers have ended, with `error` if that is not null.
    void end(const std::exception_ptr& error) noexcept;

    void retain() noexcept { ++references_; }
    void release() noexcept {
        if (--references_ == 0) delete this;
    }
    void consumer_gone() noexcept;
    void crew_gone() noexcept;

  private:
    friend class offer;
    friend class taker;
    ~fan_in();

    offer* first_held_out() const noexcept;
    void stand_in_line(offer& o) noexcept;
    void hand_over(offer& o, taker& t) noexcept;
    void leave_line(offer& o) noexcept;
    void give_up(offer& o) noexcept;

    intrusive_list<offer> line_;
    taker* taker_ = nullptr;
    group* crew_ = nullptr;
    std::exception_ptr error_;
    unsigned references_ = 0;
    bool in_order_;
    bool ended_ = false;
    bool cut_short_ = false;
    bool dropped_ = false;
    bool gap_ = false;  // ordered, and an offer has left the line without giving its item
};

/// The reference of the consumer or of the crew to a fan_in.
template <void (fan_in::*Gone)() noexcept>
class fan_in_reference {
  public:
    explicit fan_in_reference(fan_in& f) noexcept : fan_in_(&f) { f.retain(); }
    fan_in_reference(fan_in_reference&& other) noexcept : fan_in_(std::exchange(other.fan_in_, nullptr)) {}
    fan_in_reference& operator=(const fan_in_reference&) = delete;
    ~fan_in_reference() {
        if (fan_in* const f = std::exchange(fan_in_, nullptr)) {
            (f->*Gone)();
            f->release();
        }
    }
    fan_in& operator*() const noexcept { return *fan_in_; }
    fan_in* operator->() const noexcept { return fan_in_; }

  private:
    fan_in* fan_in_;
};
using consumer_reference = fan_in_reference<&fan_in::consumer_gone>;
using crew_reference = fan_in_reference<&fan_in::crew_gone>;

/// Gives the next item, or nothing at the end.
template <class V>
class [[nodiscard("co_await it"), gnu::warn_unused]] take_awaiter final : public taker {
  public:
    explicit take_awaiter(fan_in& from) noexcept : taker(from) {}
    take_awaiter(take_awaiter&& other) noexcept : taker(std::move(other)) {}

    std::optional<V> await_resume() {
        if (!item_) rethrow_error();
        return std::move(item_);
    }

  private:
    void put(void* item) override { item_.emplace(std::move(*static_cast<V*>(item))); }
    std::optional<V> item_;
};

/// Runs `produce(group)` and what it spawns, and ends the fan_in when all of them have ended.
template <class F>
task<> run_crew(crew_reference to, F produce) {
    if (to->over()) co_return;
    auto body = [&to, &produce](group& g) -> task<> {
        to->crew(&g);
        co_await produce(*to, g);
    };
    std::exception_ptr error;
    try {
        co_await with_group(body);
    } catch (...) {
        error = std::current_exception();
    }
    to->crew(nullptr);
    to->end(error);
}

}  // namespace detail
}  // namespace bight
