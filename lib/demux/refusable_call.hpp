// refusable_call: a system call that bight can do without, and that a filter may refuse.
#pragma once

#include <atomic>
#include <cerrno>
#include <cstdint>

namespace bight::detail {

/// What is known of such a call. A program may install a filter when it has used the call already.
class refusable_call {
  public:
    /// `is_refused` tries whether a filter refuses the call, by one that changes nothing.
    explicit refusable_call(bool (*is_refused)() noexcept) noexcept
        : is_refused_(is_refused), refused_(is_refused()) {}

    bool is_there() const noexcept { return !refused_.load(std::memory_order_relaxed); }

    /// What a call that failed is to give: -EAGAIN; -ENOSYS when it is refused, or is not for these
    /// descriptors (EINVAL: of a socket that appends, say. O_APPEND is of the open socket, which others may
    /// share); or its error.
    std::int64_t failure(int error) noexcept {
        if (error == EAGAIN) return -error;
        if (is_refused_()) {
            refused_.store(true, std::memory_order_relaxed);
            return -ENOSYS;
        }
        return error == EINVAL || error == EOPNOTSUPP ? -ENOSYS : -error;
    }

  private:
    bool (*const is_refused_)() noexcept;
    std::atomic<bool> refused_;
};

}  // namespace bight::detail
