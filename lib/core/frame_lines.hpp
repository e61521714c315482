// frame_lines: a chain of coroutines as text.
#pragma once

#include <cstddef>
#include <source_location>
#include <string>
#include <utility>

namespace bight::detail {

/// Whether a coroutine is bight's own, and not the program's.
bool is_of_bight(const std::source_location& where);

/// One line for each coroutine of a chain, innermost first: those of the program ("in chat at chat.cpp:58"),
/// and below them those of bight ("through bight::line_reader::next at …"), which seldom matter.
class frame_lines {
  public:
    explicit frame_lines(std::size_t indented_by) : indent_(indented_by, ' ') {}

    void add(const std::source_location& where);
    /// Says that so many follow here which are not shown.
    void leave_out(std::size_t count);
    std::string take() && { return std::move(programs_) + bights_; }

  private:
    std::string indent_;
    std::string programs_;
    std::string bights_;
};

}  // namespace bight::detail
