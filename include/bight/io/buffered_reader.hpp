// buffered_reader: reads lines, delimited and counted bytes from one stream, and looks ahead.
#pragma once

#include <bight/core/detail/refused.hpp>
#include <bight/core/export.hpp>
#include <bight/core/task.hpp>
#include <bight/io/buffer.hpp>
#include <bight/io/chunk.hpp>
#include <bight/io/line_end.hpp>
#include <bight/io/stream.hpp>

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>

namespace BIGHT_EXPORT bight {

/// Options of a buffered_reader.
struct buffered_reader_options {
    line_end line_ends = line_end::crlf;
    /// The most bytes of a line, or before a delimiter; what ends it does not count.
    std::size_t line_limit = 16384;
    /// The most bytes that `exactly(count)` and `peek(count)` may be asked for, because a count often comes
    /// from the peer.
    std::size_t count_limit = std::size_t{1} << 20;
};
static_assert(std::is_trivially_destructible_v<buffered_reader_options>);  // see reactor_options

/// Reads a stream, which must outlive it, by lines, delimiters and counts, mixed as the protocol needs. What
/// was read beyond an item is kept here: read the stream itself again only after give_back(). Until then its
/// reads get errc::busy (also those of another reader), with a message that says so.
///
/// All calls agree on five points. What comes out does not depend on how the network divides the bytes. An
/// item is taken whole or not at all: when a call is cancelled, or throws, everything is still there
/// (buffered()), and any call may follow. Besides errors of their own they throw what a read throws, and
/// std::bad_alloc. One task at a time: a second gets errc::busy. And when nothing is buffered, a reader that
/// waits holds no memory; otherwise no more than the limit of what it looks for and one received chunk, and
/// memory grows with what has come, not with what the peer has announced.
///
/// Thread: the stream's reactor's.
class buffered_reader {
  public:
    explicit buffered_reader(stream& from, buffered_reader_options options = {}) noexcept
        : stream_(from), options_(options) {}
    // What no other constructor takes.
    template <class Here = decltype([] {}), bool fits = false>
    explicit buffered_reader(detail::anything = {}, detail::anything = {})
        : stream_(detail::refused_reference()) {
        static_assert(fits,
                      "buffered_reader(stream, options) refers to a stream that has a name and outlives it, "
                      "and is not const: auto peer = co_await bight::connect(where); bight::buffered_reader "
                      "reader(peer, {.line_ends = bight::line_end::lf})");
    }
    buffered_reader(const buffered_reader&) = delete;  // it has bytes of the stream: pass a buffered_reader&
    buffered_reader& operator=(const buffered_reader&) = delete;
    /// Ends the process with a message while a task waits in it: the reader must outlive that. Bytes that it
    /// holds are dropped: the stream lacks them, and gives errc::busy to reads from then on.
    ~buffered_reader();

    /// The next line without its end, possibly empty; nothing at the end of the stream. An unfinished last
    /// line does not count: it stays in buffered(). Throws errc::too_long once no end that may still come
    /// could make it a line of at most line_limit bytes.
    task<std::optional<std::string>> line();
    /// The same without a copy where the line came in one piece: valid until the next call of the reader.
    task<std::optional<std::string_view>> line_view();
    /// The same for `delimiter` (not empty), whose text must live until the await has ended.
    task<std::optional<std::string>> until(std::string_view delimiter);
    // What no other overload takes.
    template <class Here = decltype([] {}), bool fits = false>
    auto until(detail::anything = {}) {
        static_assert(fits, "until(delimiter) takes text: until(\",\"), not a single character");
        return detail::refused_operation();
    }

    /// The next `count` bytes. Throws errc::end_of_stream when the stream ends before, and errc::too_long at
    /// once when `count` is more than count_limit.
    task<std::string> exactly(std::size_t count);
    /// Fills all of `memory`, without a limit; what is not buffered is received there directly. When this is
    /// cancelled or fails, the bytes in `memory` are buffered again. (Without the memory for that the stream
    /// is aborted: better no stream than one with a gap.)
    task<> exactly(mutable_buffer memory);
    // What no other overload takes.
    template <class Here = decltype([] {}), bool fits = false>
    auto exactly(detail::anything = {}) {
        static_assert(fits,
                      "exactly(count) takes how many bytes, and gives a std::string; exactly(memory) takes "
                      "writable bytes: a char bytes[512], or bight::mutable_buffer(pointer, size)");
        return detail::refused_operation();
    }
    /// What is buffered or, if that is nothing, what arrives next, but at most `most` bytes (not 0): an empty
    /// chunk at the end of the stream. A received chunk that is no longer than that is passed on without
    /// being copied.
    task<chunk> some(std::size_t most = static_cast<std::size_t>(-1));

    /// Waits until `count` bytes have come, or the stream has ended, and shows these bytes, fewer at the end,
    /// without taking them: valid until the next call of the reader. Throws errc::too_long at once when
    /// `count` is more than count_limit.
    task<std::string_view> peek(std::size_t count);

    // Its lines come with time, so that no loop over a range can read it.
    void begin() const = delete;  // write while (auto line = co_await reader.line())
    void end() const = delete;

    /// The bytes that were read but not taken. Valid until the next call of the reader.
    std::string_view buffered() const noexcept {
        return begin_ < kept_.size() ? std::string_view(kept_).substr(begin_) : chunk_.view();
    }
    /// Takes the first `count` bytes of buffered(), for a parser that works on these. More than all ends the
    /// process with a message, and so does a call while a task waits in the reader.
    void consume(std::size_t count) noexcept;
    /// Takes all of buffered(), usually without copying: to pass on to what speaks another protocol from here
    /// on. Throws std::bad_alloc, and errc::busy while a task waits in the reader.
    chunk take_buffered();
    /// Returns buffered() to the stream, whose next read gets it first: from here on the stream may be used
    /// without the reader, or both in turns. Throws like take_buffered.
    void give_back();

  private:
    friend class frame_reader;
    friend class line_reader;
    class use;
    struct ending;

    ending end_of_line() const noexcept;
    task<std::optional<std::string>> until(std::string_view delimiter, const char* item);
    template <class T>
    task<std::optional<T>> next(ending end);
    bool find(const ending& end, std::size_t& searched, std::size_t& length, std::size_t& whole) const;
    std::string_view take(std::size_t count) noexcept;
    std::string take_string(std::size_t count);
    void tell(detail::look_ahead now) const noexcept;
    void tell_what_is_left() const noexcept;
    transport* from() const noexcept;
    bool may_tell() const noexcept;
    void settle();
    void keep();
    void join();
    task<std::string_view> peek(std::size_t count, std::size_t limit);
    void refuse_count(std::size_t count, std::size_t limit, const char* what) const;

    stream& stream_;
    buffered_reader_options options_;
    // What was read is in kept_ from begin_ on, or else in chunk_. An item that came in several chunks is
    // made in kept_; until it is found, the last `shared_` bytes there are those of chunk_ too.
    std::string kept_;
    std::size_t begin_ = 0;
    chunk chunk_;
    std::size_t shared_ = 0;
    bool in_use_ = false;
};

}  // namespace bight
