// frame_parser: takes bytes, and gives frames, without any I/O.
#pragma once

#include <bight/core/export.hpp>
#include <bight/io/framing.hpp>
#include <bight/io/framing_error.hpp>

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace BIGHT_EXPORT bight {

/// Finds the frames in bytes that come in pieces, wherever these are cut:
///
///     bight::frame_parser frames(bight::framing::netstrings());
///     frames.feed(piece);
///     while (auto frame = frames.next()) use(*frame);
///
/// A frame that lies in one piece is not copied. One that does not is gathered, and nothing more: so a parser
/// has no memory of its own between frames, and else grows with what has come of a frame, not with what its
/// length announces, and no further than the limit. Thread: one at a time.
class frame_parser {
  public:
    explicit frame_parser(framing how);

    /// Takes bytes, which must stay where they are until next() has given nothing; or else, if they are fed
    /// more before, those that are left are copied. Throws std::bad_alloc, having taken nothing, and the
    /// error that next() has thrown.
    void feed(std::string_view bytes);
    /// The payload of the next frame, possibly empty, valid until the next call; nothing when it needs more
    /// bytes. Throws framing_error for bytes that are no frame, and again in all calls from then on; and
    /// std::bad_alloc, having lost nothing.
    std::optional<std::string_view> next();
    /// To be called at the end of the bytes, when next() has given nothing. Throws framing_error (incomplete)
    /// inside a frame.
    void finish() const;

    /// From here on the bytes are divided like this: what is left of those that were fed, too. After an error
    /// it goes on at the first byte of the frame that was none.
    void switch_to(framing how) noexcept;
    const framing& how() const noexcept { return how_; }

    /// How many bytes were fed and not taken by a frame.
    std::size_t buffered() const noexcept { return kept_.size() - begin_ + input_.size(); }
    /// Takes these, as they are, to be read without frames. Throws std::bad_alloc, having taken nothing.
    std::string take_buffered();

  private:
    framing how_;
    // What has not been taken is in kept_ from begin_ on, then in input_.
    std::string kept_;
    std::size_t begin_ = 0;
    std::string_view input_;
    std::size_t searched_ = 0;
    std::optional<framing_error> broken_;
};

}  // namespace bight
