// Implementation of bight/os/fd_watch.hpp.
#pragma once

#include <bight/core/detail/awaiter.hpp>
#include <bight/core/detail/wait_list.hpp>
#include <bight/core/export.hpp>
#include <bight/core/result.hpp>
#include <bight/os/fd_event.hpp>

#include <exception>
#include <string>
#include <system_error>

namespace BIGHT_EXPORT bight {
namespace detail {

class fd_watch_state;
struct watched_entry;

/// The place of a function that nobody gave.
struct nobody_told {};

/// The functions of one descriptor.
class fd_handler {
  public:
    fd_handler() noexcept = default;
    fd_handler(const fd_handler&) = delete;
    fd_handler& operator=(const fd_handler&) = delete;
    virtual ~fd_handler() = default;
    /// False when the descriptor is done.
    virtual bool ready(fd_event events) = 0;
    /// The watch has ended; null: in good order. False when an error was told to nobody.
    virtual bool lost(const std::exception_ptr& reason) noexcept = 0;
};

template <class Ready, class Lost>
class fd_functions;

/// Awaits the readiness of a descriptor.
class [[nodiscard("co_await it"), gnu::warn_unused]] fd_ready_awaiter final
    : public listed_waiter,
      public awaiter_base<fd_ready_awaiter> {
  public:
    fd_ready_awaiter(fd_watch_state& in, int fd, fd_event interest) noexcept
        : in_(&in), fd_(fd), interest_(interest) {}
    fd_ready_awaiter(fd_ready_awaiter&&) noexcept = default;

    fd_event await_resume() const {
        if (error_) throw_error();
        return interest_;
    }
    result<fd_event> take_result() const noexcept {
        if (error_) return error_;
        return interest_;
    }

    void cancel() noexcept override;
    void describe(std::string& out) const override;

  private:
    friend class fd_watch_state;
    friend awaiter_base<fd_ready_awaiter>;
    bool suspend(promise_base& p) noexcept;
    [[noreturn]] void throw_error() const;
    void end(std::error_code error) noexcept {
        error_ = error;
        ready();
    }

    fd_watch_state* in_;
    int fd_;
    fd_event interest_;  // what is waited for; afterwards what there is of it
    std::error_code error_;
};

}  // namespace detail
}  // namespace bight
