// trace_files: writes the trace of a failure to files.
#pragma once

#include <bight/sim/explore.hpp>

#include <cstdint>
#include <string>

namespace bight::sim::detail {

/// Writes a file, and makes its directories. Returns an empty text, or the error.
std::string write_file(const std::string& name, const std::string& text);

/// The files of one seed, for its report.
class trace_files {
  public:
    trace_files(const explore_options& options, std::uint64_t seed) noexcept
        : options_(options), seed_(seed) {}

    static std::string name(const explore_options& options, std::uint64_t seed, const char* ending);

    /// Does nothing when there is no directory, or there are no lines.
    void write_lines(const std::string& lines);
    /// Adds a page that a child was to write; `error` is empty, or the reason why it could not.
    void add(const std::string& file, const std::string& error);
    /// Where the trace is, and what could not be written; empty when nothing was to be written.
    std::string text() const;

  private:
    const explore_options& options_;
    const std::uint64_t seed_;
    std::string written_;
    std::string failed_;
};

}  // namespace bight::sim::detail
