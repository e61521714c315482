// line_reader: a stream, line by line.
#pragma once

#include <bight/core/export.hpp>
#include <bight/core/task.hpp>
#include <bight/io/stream.hpp>

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace BIGHT_EXPORT bight {

/// Reads lines from a stream, which must outlive it. One task at a time. What was read beyond a line is kept
/// here: read the stream itself again only after give_back().
class line_reader {
  public:
    static constexpr std::size_t default_limit = 16384;

    /// A line ends with `delimiter` (not empty) and has at most `limit` bytes before it.
    explicit line_reader(stream& from, std::string_view delimiter = "\r\n", std::size_t limit = default_limit)
        : stream_(from), delimiter_(delimiter), limit_(limit) {}
    line_reader(const line_reader&) = delete;
    line_reader& operator=(const line_reader&) = delete;
    /// Ends the process with a message when a task is in next(), which the reader must outlive.
    ~line_reader();

    /// The next line without its delimiter, which may be an empty string; nothing at the end of the stream.
    /// An unfinished last line is no line: it stays in buffered(). Throws errc::too_long for a line longer
    /// than the limit (after that, only give_back and buffered make sense), what a read throws, and
    /// std::bad_alloc, after which it may be called again. Cancelling loses nothing.
    task<std::optional<std::string>> next();

    /// What was read and is not part of a line that next() gave.
    std::string_view buffered() const noexcept { return std::string_view(buffer_).substr(begin_); }
    /// Gives those bytes back to the stream, whose next read gets them first: from here on it is read raw.
    /// next() may be called again later. Throws std::bad_alloc.
    void give_back();

  private:
    class reading;
    /// True, and `line` set, when a whole line is buffered.
    bool take_line(std::string& line);
    void append();

    stream& stream_;
    std::string delimiter_;
    std::size_t limit_;
    std::string buffer_;
    chunk more_;                // what was read last, when there was no memory to append it
    std::size_t begin_ = 0;     // of what has not been given out
    std::size_t searched_ = 0;  // from begin_ on: no delimiter begins before this
    unsigned readings_ = 0;     // tasks in next()
};

}  // namespace bight
