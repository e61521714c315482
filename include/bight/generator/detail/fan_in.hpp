// What merge and map_concurrent stand on: the items of several tasks, taken by one.
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

/// One item that a producer holds out. It is a local variable of the producer's frame.
///
/// Out of order: `co_await` puts it at the end of the line. In order: it is in the line from the moment it is
/// made, which producers do in the order in which they were started, and what stands behind it waits for it.
/// When it goes without having given its item, nothing behind it is given any more.
class [[nodiscard("co_await it"), gnu::warn_unused]] offer final : public waiter,
                                                                   public awaiter_base<offer>,
                                                                   public list_hook<offer> {
  public:
    explicit offer(fan_in& to) noexcept;
    offer(const offer&) = delete;
    offer& operator=(const offer&) = delete;
    ~offer();

    /// The item, which stays where it is until the await of this has ended. What is given is this, which
    /// stays where it is as well, in its place in the line, and may hold out the next item then.
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
    /// What moving the item threw, or what ended the fan_in.
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

/// Shared by the consumer's frame and the frame of the crew, the task that runs the producers in a group of
/// its own. It goes with the last of them: the consumer may be dropped first, which cancels the crew.
class fan_in : public pooled {
  public:
    explicit fan_in(bool in_order) noexcept : in_order_(in_order) {}
    fan_in(const fan_in&) = delete;
    fan_in& operator=(const fan_in&) = delete;

    /// No consumer any more, or all that there was to give is in the line.
    bool over() const noexcept { return ended_ || dropped_; }

    /// The group in which the producers run; null once it has ended.
    void crew(group* g) noexcept { crew_ = g; }
    /// No more items: all producers have ended, one of them with `error` if that is not null.
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
    bool gap_ = false;  // in order, and one has left without giving
};

/// The consumer's reference to a fan_in, or the crew's.
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
