// pipe_pool: the pipes of a reactor's copies while these do not use them.
#pragma once

#include "splice_calls.hpp"

#include <cstddef>

namespace bight::detail {

/// A copy has a pipe while bytes are on their way through it, and none while nothing comes: so silent
/// connections hold no descriptors for it. A few are kept, for copies that wait again and again. Thread: the
/// reactor's.
class pipe_pool {
  public:
    static constexpr std::size_t most_kept = 4;

    /// Puts an empty pipe into `into`, which has none. False when there is none to be had
    /// (kernel_pipe::open).
    bool take(kernel_pipe& into, int least) noexcept {
        if (count_ == 0) return into.open(least);
        into.swap(kept_[--count_]);
        return true;
    }
    /// Takes back an empty pipe, or none.
    void give_back(kernel_pipe& p) noexcept {
        if (!p) return;
        if (count_ < most_kept) {
            p.swap(kept_[count_++]);
        } else {
            p.close();
        }
    }

  private:
    kernel_pipe kept_[most_kept];
    std::size_t count_ = 0;
};

}  // namespace bight::detail
