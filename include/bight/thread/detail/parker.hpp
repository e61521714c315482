// parker: puts a plain thread to sleep, for headers that do without <condition_variable>.
#pragma once

#include <bight/core/export.hpp>

namespace BIGHT_EXPORT bight {
namespace detail {

/// Lets one thread sleep until another wakes it: each `park` returns after one `unpark`, whichever is called
/// first. Writes before `unpark` are visible after `park`.
class parker {
  public:
    /// The parker of this thread; it lives as long as the thread.
    static parker& of_this_thread();
    void park() noexcept;
    /// Thread: any. It does not touch the parker after it has woken the other thread.
    void unpark() noexcept;

  private:
    struct contents;
    explicit parker(contents& c) noexcept : contents_(c) {}
    contents& contents_;
};

}  // namespace detail
}  // namespace bight
