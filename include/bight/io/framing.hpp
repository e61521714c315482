// framing: how a stream of bytes is divided into frames.
#pragma once

#include <bight/core/export.hpp>
#include <bight/io/buffer.hpp>
#include <bight/io/framing_error.hpp>
#include <bight/io/line_end.hpp>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace BIGHT_EXPORT bight {

namespace detail {
struct frame_codec;
}

/// How a length is written before a frame.
enum class length_prefix : std::uint8_t {
    uint8,   ///< one byte
    uint16,  ///< two bytes
    uint32,  ///< four bytes
    varint,  ///< LEB128 without a sign, as Protocol Buffers have it: 7 bits a byte, the lowest first
};

/// Divides a stream into frames, each with a payload of any bytes: a value that frame_parser, frame_reader
/// and frame_writer are given. Every length that a peer sends has a limit, which counts the payload alone,
/// and is held as soon as it can be: before the payload comes.
class framing {
  public:
    static constexpr std::size_t default_line_limit = 16384;
    static constexpr std::size_t default_limit = 99999;

    /// Lines of at most `limit` bytes before their end. With line_end::either, "\r\n" is written.
    static framing lines(line_end ends = line_end::crlf, std::size_t limit = default_line_limit);
    /// The same with an end of any bytes. Throws std::invalid_argument when `delimiter` is empty.
    static framing delimited(std::string_view delimiter, std::size_t limit = default_line_limit);
    /// "5:hello,": https://cr.yp.to/proto/netstrings.txt
    static framing netstrings(std::size_t limit = default_limit);
    /// The number of bytes of the payload, then these. `order` is that of the bytes of the number, but of a
    /// varint.
    static framing prefixed(length_prefix prefix, std::size_t limit = default_limit,
                            std::endian order = std::endian::big);
    /// Frames of exactly so many bytes each. Throws std::invalid_argument when that is 0.
    static framing records(std::size_t size);

    /// The most bytes of a payload: what was asked for, or what the length can say, if that is less.
    std::size_t limit() const noexcept { return limit_; }

    /// Appends the frame of `payload` to `to`. Throws framing_error (too_long, no_frame) when there is none,
    /// so that nothing is written that would be read as something else; and std::bad_alloc. Then `to` is as
    /// it was.
    void encode(std::string& to, const_buffer payload) const;
    /// The same by itself.
    std::string encode(const_buffer payload) const;

    /// "a line", "a frame with a length of 2 bytes", …
    std::string to_string() const;

  private:
    friend struct detail::frame_codec;
    enum class kind : std::uint8_t { text, netstring, prefixed, record };
    framing(kind k, std::size_t limit) noexcept;

    kind kind_;
    length_prefix prefix_ = length_prefix::uint8;
    bool little_ = false;
    bool line_ = false;  // whose text is called a line
    line_end ends_ = line_end::crlf;
    std::size_t limit_;
    std::string delimiter_;  // of what is no line
};

}  // namespace bight
