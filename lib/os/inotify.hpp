// inotify_queue: the descriptor of inotify(7).
#pragma once

#include "change_descriptor.hpp"

#include <cstdint>
#include <vector>

namespace bight::detail {

class inotify_queue final : public change_descriptor {
  public:
    /// Throws std::system_error.
    static inotify_queue& make(reactor& home);

    /// A number of the kernel's, or -errno.
    int add(const char* path, std::uint32_t mask) const noexcept;
    void remove(int number) const noexcept;
    /// Appends what is there. False when that is nothing. Throws std::system_error.
    bool take(std::vector<char>& to) const;

  private:
    using change_descriptor::change_descriptor;
};

}  // namespace bight::detail
