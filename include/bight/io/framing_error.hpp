// framing_error: bytes that are no frames, or no frame that can be written.
#pragma once

#include <bight/core/export.hpp>

#include <cstdint>
#include <string>
#include <system_error>

namespace BIGHT_EXPORT bight {

/// What is wrong.
enum class framing_fault : std::uint8_t {
    too_long,         ///< longer than its limit; told as soon as it is certain, before the frame has come
    incomplete,       ///< the stream ended inside a frame
    bad_length,       ///< of a netstring: something else than digits and a ':' after them
    leading_zero,     ///< of a netstring: a length of several digits that begins with 0
    missing_comma,    ///< of a netstring: no ',' after its bytes
    overlong_number,  ///< a varint with a last byte of zero, or of more than 64 bits
    no_frame,         ///< to be written: text with its end inside, or a record of another size
};

/// Thrown by frame_parser, frame_reader, frame_writer and framing::encode. The code is errc::too_long,
/// errc::end_of_stream (incomplete), std::errc::invalid_argument (no_frame) or std::errc::bad_message (the
/// others).
class framing_error : public std::system_error {
  public:
    framing_error(framing_fault fault, std::uint64_t at, std::uint64_t missing, const std::string& what);
    framing_error(const framing_error&) = default;
    framing_error& operator=(const framing_error&) = default;
    ~framing_error() override;

    framing_fault fault() const noexcept { return fault_; }
    /// The first byte that is wrong, counted from the first of the frame, which is the first that has not
    /// been taken (frame_reader::buffered): for a length too great the byte of the length by which that is
    /// certain; for a text too long the first beyond its limit; for one that is incomplete how many bytes
    /// have come.
    std::uint64_t at() const noexcept { return at_; }
    /// Of a frame that is incomplete: how many more bytes it needs at least. Else 0.
    std::uint64_t missing() const noexcept { return missing_; }

  private:
    framing_fault fault_;
    std::uint64_t at_;
    std::uint64_t missing_;
};

}  // namespace bight
