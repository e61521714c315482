// child_words: the texts that a child is started with, as the kernel wants them.
#pragma once

#include <bight/os/command.hpp>

#include <string>
#include <vector>

namespace bight::detail {

/// Texts with a list of pointers to them, up to a null.
class word_list {
  public:
    void add(std::string text) { texts_.push_back(std::move(text)); }
    /// After the last text was added; valid until then.
    char* const* pointers();
    const std::vector<std::string>& texts() const noexcept { return texts_; }

  private:
    std::vector<std::string> texts_;
    std::vector<char*> pointers_;
};

/// Each throws std::system_error (EINVAL), with what cannot be passed on. `inherited` is the environment of
/// this process ("NAME=value").
word_list arguments_of(const command& c);
word_list environment_of(const command& c, const std::vector<std::string>& inherited);
/// Where the child begins; null when nothing is said. Valid as long as the command.
const char* starting_directory_of(const command& c);
/// The paths to try, by the PATH of this process.
word_list programs_of(const command& c, const std::vector<std::string>& inherited);

}  // namespace bight::detail
