// line_reader: reads a stream line by line.
#pragma once

#include <bight/core/detail/refused.hpp>
#include <bight/core/export.hpp>
#include <bight/core/task.hpp>
#include <bight/io/buffered_reader.hpp>
#include <bight/io/stream.hpp>

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace BIGHT_EXPORT bight {

/// Reads lines from a stream, which must outlive it: a buffered_reader for those who need nothing else. One
/// task at a time. Bytes read beyond a line are kept here: read the stream itself again only after
/// give_back().
class line_reader {
  public:
    static constexpr std::size_t default_limit = 16384;

    /// A line ends with `delimiter` (not empty) and has at most `limit` bytes before it.
    explicit line_reader(stream& from, std::string_view delimiter = "\r\n", std::size_t limit = default_limit)
        : delimiter_(delimiter), reader_(from, limited(limit)) {}
    // What no other constructor takes.
    template <class Here = decltype([] {}), bool fits = false>
    explicit line_reader(detail::anything = {}, detail::anything = {}, detail::anything = {})
        : reader_(static_cast<stream&>(detail::refused_reference())) {
        static_assert(fits,
                      "line_reader(stream, delimiter, limit) refers to a stream that has a name and outlives "
                      "it, and is not const; the delimiter is text: auto peer = co_await "
                      "bight::connect(where); bight::line_reader lines(peer, \"\\n\")");
    }
    line_reader(const line_reader&) = delete;  // it has bytes of the stream: pass a line_reader&
    line_reader& operator=(const line_reader&) = delete;
    /// Ends the process with a message while a task is in next(): the reader must outlive it.
    ~line_reader();

    /// The next line without its delimiter, possibly empty; nothing at the end of the stream. An unfinished
    /// last line does not count: it stays in buffered(). Throws errc::too_long for a line longer than the
    /// limit (after that only give_back and buffered are useful), what a read throws, and std::bad_alloc,
    /// after which it may be called again. Cancelling loses no data.
    task<std::optional<std::string>> next();

    // Its lines come with time, so that no loop over a range can read it.
    void begin() const = delete;  // write while (auto line = co_await lines.next())
    void end() const = delete;

    /// The bytes that were read but not given out by next().
    std::string_view buffered() const noexcept { return reader_.buffered(); }
    /// Returns the buffered bytes to the stream, whose next read gets them first, to read it without lines
    /// from here on. next() may be called again later. Throws std::bad_alloc.
    void give_back() { reader_.give_back(); }

  private:
    static buffered_reader_options limited(std::size_t limit) noexcept {
        buffered_reader_options options;
        options.line_limit = limit;
        return options;
    }

    std::string delimiter_;
    buffered_reader reader_;
};

}  // namespace bight
