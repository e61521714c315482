// frame_writer: writes frames to a stream.
#pragma once

#include <bight/core/detail/refused.hpp>
#include <bight/core/export.hpp>
#include <bight/core/task.hpp>
#include <bight/io/buffer.hpp>
#include <bight/io/buffered_writer.hpp>
#include <bight/io/framing.hpp>
#include <bight/io/stream.hpp>

#include <utility>

namespace BIGHT_EXPORT bight {

/// Writes frames to a stream, or to a buffered_writer, which must outlive it. It keeps nothing: what else is
/// written to either comes in the order of the calls. Thread: the stream's reactor's.
class frame_writer {
  public:
    explicit frame_writer(stream& to, framing how) : how_(std::move(how)), to_(&to) {}
    /// Gathers many small frames into few system calls.
    explicit frame_writer(buffered_writer& to, framing how) : how_(std::move(how)), gathers_(&to) {}
    // What no other constructor takes.
    template <class Here = decltype([] {}), bool fits = false>
    explicit frame_writer(detail::anything = {}, detail::anything = {}) : how_(framing::netstrings()) {
        static_assert(
            fits,
            "frame_writer(stream, framing) refers to a stream or a buffered_writer that has a name and "
            "outlives it, and is not const: auto peer = co_await bight::connect(where); bight::frame_writer "
            "frames(peer, bight::framing::netstrings())");
    }

    /// Writes the frame of `payload`, which must live until the await has ended, without copying it to a
    /// stream. Throws framing_error (too_long, no_frame) when there is none, having written nothing, and what
    /// a write throws. One that is cancelled may have sent a part, as a write of the stream; to a
    /// buffered_writer it has written nothing.
    task<> write(const_buffer payload);

    /// From the next frame on.
    void switch_to(framing how) noexcept { how_ = std::move(how); }
    const framing& how() const noexcept { return how_; }

  private:
    framing how_;
    stream* to_ = nullptr;
    buffered_writer* gathers_ = nullptr;
};

}  // namespace bight
