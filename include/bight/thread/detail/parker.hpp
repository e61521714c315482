// What a plain thread sleeps in, for headers that do without <condition_variable>.
#pragma once

#include <bight/core/export.hpp>

namespace BIGHT_EXPORT bight {
namespace detail {

/// Where one thread sleeps until another lets it go on: each `park` returns after one `unpark`, whichever
/// comes first. What was written before `unpark` is seen after `park`.
class parker {
  public:
    /// That of this thread; it lives as long as the thread.
    static parker& of_this_thread();
    void park() noexcept;
    /// Thread: any. It touches nothing after it has let the other thread go on.
    void unpark() noexcept;

  private:
    struct contents;
    explicit parker(contents& c) noexcept : contents_(c) {}
    contents& contents_;
};

}  // namespace detail
}  // namespace bight
