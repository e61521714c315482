// line_reader: reads a stream line by line.
#pragma once

#include <bight/core/export.hpp>
#include <bight/core/task.hpp>
#include <bight/io/stream.hpp>

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace BIGHT_EXPORT bight {

/// Reads lines from a stream, which must outlive it. One task at a time. Bytes read beyond a line are kept
/// here: read the stream itself again only after give_back().
class line_reader {
  public:
    static constexpr std::size_t default_limit = 16384;

    /// A line ends with `delimiter` (not empty) and has at most `limit` bytes before it.
    explicit line_reader(stream& from, std::string_view delimiter = "\r\n", std::size_t limit = default_limit)
        : stream_(from), delimiter_(delimiter), limit_(limit) {}
    line_reader(const line_reader&) = delete;
    line_reader& operator=(const line_reader&) = delete;
    /// Ends the process with a message while a task is in next(): the reader must outlive it.
    ~line_reader();

    /// The next line without its delimiter, possibly empty; nothing at the end of the stream. An unfinished
    /// last line does not count: it stays in buffered(). Throws errc::too_long for a line longer than the
    /// limit (after that only give_back and buffered are useful), what a read throws, and std::bad_alloc,
    /// after which it may be called again. Cancelling loses no data.
    task<std::optional<std::string>> next();

    /// The bytes that were read but not given out by next().
    std::string_view buffered() const noexcept { return std::string_view(buffer_).substr(begin_); }
    /// Returns the buffered bytes to the stream, whose next read gets them first, to read it without lines
    /// from here on. next() may be called again later. Throws std::bad_alloc.
    void give_back();

  private:
    class reading;
    /// Sets `line` and returns true when a whole line is buffered.
    bool take_line(std::string& line);
    void append();

    stream& stream_;
    std::string delimiter_;
    std::size_t limit_;
    std::string buffer_;
    chunk more_;                // the last bytes read, when there was no memory to append them
    std::size_t begin_ = 0;     // where the bytes begin that were not given out
    std::size_t searched_ = 0;  // counted from begin_: no delimiter begins before this
    unsigned readings_ = 0;     // tasks in next()
};

}  // namespace bight
