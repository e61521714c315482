// crowd: tasks that are counted by where they stand, instead of shown one by one.
#pragma once

#include <bight/core/detail/job.hpp>

#include <cstddef>
#include <cstdint>
#include <map>
#include <source_location>
#include <string>
#include <string_view>
#include <utility>

namespace bight::detail {

/// A server has tens of thousands of tasks, at a few lines of its source.
class crowd {
  public:
    /// Counts `j` at the line of its innermost coroutine that is the program's, or else of the innermost one.
    void add(const job& j);
    /// How many there are, and the lines at which most of them stand.
    std::string take() &&;

  private:
    struct place {
        std::source_location where;
        bool of_bight;
        std::size_t tasks = 0;
    };
    // A file of several translation units has a name in each.
    using key = std::pair<std::string_view, std::uint_least32_t>;

    place& place_of(const std::source_location& where);

    std::map<key, place> places_;
    std::size_t tasks_ = 0;
};

}  // namespace bight::detail
