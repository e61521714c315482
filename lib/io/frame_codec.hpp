// frame_codec: where frames begin and end in bytes, and what is written around a payload.
#pragma once

#include "text_item.hpp"

#include <bight/io/framing.hpp>
#include <bight/io/transport.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace bight::detail {

/// What bytes begin with.
struct scanned_frame {
    enum kind : std::uint8_t { complete, unfinished, wrong };
    kind is = unfinished;
    // Of a complete one.
    std::size_t begin = 0;   ///< of its payload
    std::size_t length = 0;  ///< of its payload
    std::size_t whole = 0;   ///< with all that is around it
    // Of one that is unfinished.
    std::size_t wanted = 0;  ///< more than there are: nothing new can be said before so many bytes have come
    // Of one that is wrong.
    framing_fault fault{};
    std::size_t at = 0;
    std::uint64_t announced = 0;  ///< too_long: at least so many bytes; 0 where nothing was announced
};

struct frame_codec {
    /// All that is known of a frame is in its bytes, and found anew each time, but for a text's end: none
    /// begins before `searched`, which is 0 for a new frame. What is found of bytes that are complete or
    /// wrong does not depend on how many come after them.
    static scanned_frame scan(const framing& how, std::string_view bytes, std::size_t& searched) noexcept;
    /// How many bytes of `more`, which is not empty, to put behind `there`, of which a scan gave `seen`
    /// (unfinished): at least one, and as few beyond the frame as can be told.
    static std::size_t useful(const framing& how, const scanned_frame& seen, std::size_t there,
                              std::string_view more) noexcept;
    /// Of a frame that is wrong, or (unfinished) that ended after `came` bytes; `from` may be null.
    static framing_error error(const framing& how, const scanned_frame& seen, std::size_t came,
                               const transport* from = nullptr);

    /// What stands before a payload of `size` bytes, and after it.
    struct edges {
        std::array<char, 24> head_bytes{};
        std::size_t head_size = 0;
        std::string_view tail;  ///< of the framing, or of the program

        std::string_view head() const noexcept { return {head_bytes.data(), head_size}; }
    };
    /// Throws framing_error (too_long, no_frame).
    static edges edges_of(const framing& how, std::string_view payload);

  private:
    static text_end end_of(const framing& how) noexcept;
    static std::size_t width_of(const framing& how) noexcept;
    static scanned_frame scan_text(const framing& how, std::string_view bytes,
                                   std::size_t& searched) noexcept;
    static scanned_frame scan_netstring(const framing& how, std::string_view bytes) noexcept;
    static scanned_frame scan_prefixed(const framing& how, std::string_view bytes) noexcept;
    static scanned_frame scan_varint(const framing& how, std::string_view bytes) noexcept;
    static scanned_frame after_length(const framing& how, std::string_view bytes, std::size_t head,
                                      std::uint64_t length, std::size_t at, std::size_t tail) noexcept;
};

}  // namespace bight::detail
