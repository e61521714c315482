// woken_readiness: readiness that another thread wakes through a descriptor.
#pragma once

#include "readiness.hpp"
#include "waker.hpp"

namespace bight::detail {

/// Of epoll, poll and select. (A kqueue can be woken itself.)
class woken_readiness : public readiness {
  public:
    void wake() noexcept override { waker_.wake(); }
    void forked() noexcept override { waker_.forget(); }

  protected:
    using readiness::readiness;

    /// The waker's descriptor, which must be watched too.
    native_handle wake_descriptor() const noexcept { return waker_.descriptor(); }
    /// To be called when the waker's descriptor was reported. An eventfd need not be read when its edges are.
    void woken(bool edge) noexcept {
        if (!edge || waker_.fills_up()) waker_.drain();
        readiness::woken();
    }

  private:
    waker waker_;
};

}  // namespace bight::detail
