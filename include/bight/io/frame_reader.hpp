// frame_reader: reads a stream frame by frame.
#pragma once

#include <bight/core/detail/refused.hpp>
#include <bight/core/export.hpp>
#include <bight/core/task.hpp>
#include <bight/io/buffered_reader.hpp>
#include <bight/io/framing.hpp>
#include <bight/io/framing_error.hpp>
#include <bight/io/stream.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace BIGHT_EXPORT bight {

/// Reads the frames of a stream, which must outlive it: a frame_parser over a buffered_reader. The framing
/// may be switched between any two frames, also to bytes without frames (bytes()). What was read beyond a
/// frame is kept here: read the stream itself again only after give_back().
///
/// A frame is taken whole or not at all: when a call is cancelled, or throws, all its bytes are still there.
/// One task at a time: a second gets errc::busy. A reader that waits between frames holds no memory; inside a
/// frame it holds what has come of it. Thread: the stream's reactor's.
class frame_reader {
  public:
    /// `raw` is for bytes().
    explicit frame_reader(stream& from, framing how, buffered_reader_options raw = {})
        : how_(std::move(how)), bytes_(from, raw) {}
    // What no other constructor takes.
    template <class Here = decltype([] {}), bool fits = false>
    explicit frame_reader(detail::anything = {}, detail::anything = {}, detail::anything = {})
        : how_(framing::netstrings()), bytes_(static_cast<stream&>(detail::refused_reference())) {
        static_assert(
            fits,
            "frame_reader(stream, framing) refers to a stream that has a name and outlives it, and is not "
            "const: auto peer = co_await bight::connect(where); bight::frame_reader frames(peer, "
            "bight::framing::netstrings())");
    }
    frame_reader(const frame_reader&) = delete;  // it has bytes of the stream: pass a frame_reader&
    frame_reader& operator=(const frame_reader&) = delete;
    /// Ends the process with a message while a task waits for a frame: the reader must outlive that.
    ~frame_reader();

    /// The payload of the next frame, possibly empty; nothing when the stream ends between two frames. Throws
    /// framing_error for bytes that are no frame, or when the stream ends inside of one (incomplete), which
    /// leaves the reader before that frame: only switch_to, bytes() and give_back() lead on. Throws what a
    /// read throws, and std::bad_alloc, after which it may be called again. Cancelling loses no bytes.
    task<std::optional<std::string>> next();
    /// The same without a copy where the frame came in one piece: valid until the next call of the reader.
    task<std::optional<std::string_view>> next_view();

    /// From the next frame on, beginning with what is buffered. Throws errc::busy while a task waits in the
    /// reader.
    void switch_to(framing how);
    const framing& how() const noexcept { return how_; }

    /// The bytes without frames, in the same order: to be read by it and by this reader in turns.
    buffered_reader& bytes() noexcept { return bytes_; }
    /// What was read and not taken. Valid until the next call of the reader.
    std::string_view buffered() const noexcept { return bytes_.buffered(); }
    /// Returns it to the stream, whose next read gets it first. Throws errc::busy while a task waits in the
    /// reader, and std::bad_alloc.
    void give_back() { bytes_.give_back(); }

    // Its frames come with time, so that no loop over a range can read it.
    void begin() const = delete;  // write while (auto frame = co_await frames.next())
    void end() const = delete;

  private:
    template <class T>
    task<std::optional<T>> next_as();

    framing how_;
    buffered_reader bytes_;
};

}  // namespace bight
