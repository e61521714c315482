// What the failure of a seed leaves in files.
#pragma once

#include <bight/sim/explore.hpp>

#include <cstdint>
#include <string>

namespace bight::sim::detail {

/// Puts the text there, with the directories above it. Empty, or why it could not.
std::string write_file(const std::string& name, const std::string& text);

/// The files of one seed, for its report.
class trace_files {
  public:
    trace_files(const explore_options& options, std::uint64_t seed) noexcept
        : options_(options), seed_(seed) {}

    static std::string name(const explore_options& options, std::uint64_t seed, const char* ending);

    /// Nothing where no directory was asked for, or there are no lines.
    void write_lines(const std::string& lines);
    /// Of a page that a child was to write there; `error` is empty, or why it could not.
    void add(const std::string& file, const std::string& error);
    /// Where the trace is, and what could not be written; empty where nothing was to be.
    std::string text() const;

  private:
    const explore_options& options_;
    const std::uint64_t seed_;
    std::string written_;
    std::string failed_;
};

}  // namespace bight::sim::detail
