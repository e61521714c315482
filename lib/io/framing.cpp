#include <bight/io/framing.hpp>

#include "frame_codec.hpp"

#include <algorithm>
#include <charconv>
#include <limits>
#include <stdexcept>

namespace bight {

namespace {

// So that a length of one digit more, with what stands around a payload, can be computed without a care.
constexpr std::size_t greatest_limit = std::numeric_limits<std::size_t>::max() / 16;

std::size_t most_that_says(length_prefix prefix) noexcept {
    switch (prefix) {
        case length_prefix::uint8: return 0xff;
        case length_prefix::uint16: return 0xffff;
        case length_prefix::uint32: return 0xffffffff;
        case length_prefix::varint: break;
    }
    return greatest_limit;
}

std::string_view payload_text(const_buffer bytes) noexcept {
    return {static_cast<const char*>(bytes.data), bytes.size};
}

// Where the end of a text would be found in it, before its own: npos for none.
std::size_t end_inside(const detail::text_end& end, std::string_view text) noexcept {
    if (const std::size_t found = text.find(end.text); found != text.npos) return found;
    // The last bytes of the text may be the first of an end whose others are the first of its own.
    for (std::size_t part = std::min(end.text.size() - 1, text.size()); part > 0; --part) {
        if (text.ends_with(end.text.substr(0, part)) && end.text.starts_with(end.text.substr(part)))
            return text.size() - part;
    }
    return text.npos;
}

}  // namespace

framing::framing(kind k, std::size_t limit) noexcept : kind_(k), limit_(std::min(limit, greatest_limit)) {}

framing framing::lines(line_end ends, std::size_t limit) {
    framing how(kind::text, limit);
    how.line_ = true;
    how.ends_ = ends;
    return how;
}

framing framing::delimited(std::string_view delimiter, std::size_t limit) {
    if (delimiter.empty())
        throw std::invalid_argument("framing::delimited was given an empty delimiter, which ends nothing");
    framing how(kind::text, limit);
    how.delimiter_ = delimiter;
    return how;
}

framing framing::netstrings(std::size_t limit) { return {kind::netstring, limit}; }

framing framing::prefixed(length_prefix prefix, std::size_t limit, std::endian order) {
    framing how(kind::prefixed, std::min(limit, most_that_says(prefix)));
    how.prefix_ = prefix;
    how.little_ = order == std::endian::little;
    return how;
}

framing framing::records(std::size_t size) {
    if (size == 0) throw std::invalid_argument("framing::records was given a size of 0");
    return {kind::record, size};
}

std::string framing::to_string() const {
    switch (kind_) {
        case kind::text: return line_ ? "a line" : "an item up to a delimiter";
        case kind::netstring: return "a netstring";
        case kind::record:
            return "a record of " + std::to_string(limit_) + (limit_ == 1 ? " byte" : " bytes");
        case kind::prefixed: break;
    }
    switch (prefix_) {
        case length_prefix::uint8: return "a frame with a length of 1 byte";
        case length_prefix::uint16: return "a frame with a length of 2 bytes";
        case length_prefix::uint32: return "a frame with a length of 4 bytes";
        case length_prefix::varint: break;
    }
    return "a frame with a varint of its length";
}

void framing::encode(std::string& to, const_buffer payload) const {
    const std::string_view text = payload_text(payload);
    const detail::frame_codec::edges around = detail::frame_codec::edges_of(*this, text);
    const std::size_t size = around.head_size + text.size() + around.tail.size();
    if (to.capacity() - to.size() < size) to.reserve(std::max(to.size() + size, 2 * to.size()));
    to.append(around.head()).append(text).append(around.tail);
}

std::string framing::encode(const_buffer payload) const {
    std::string frame;
    encode(frame, payload);
    return frame;
}

namespace detail {

frame_codec::edges frame_codec::edges_of(const framing& how, std::string_view payload) {
    const auto refuse = [&](framing_fault fault, std::size_t at, const std::string& why) {
        throw framing_error(fault, at, 0, "write " + how.to_string() + ": " + why);
    };
    const auto its_size = [&] { return "it has " + std::to_string(payload.size()) + " bytes"; };
    if (payload.size() > how.limit_ && how.kind_ != framing::kind::record) {
        refuse(framing_fault::too_long, how.limit_,
               its_size() + ", and the limit is " + std::to_string(how.limit_));
    }
    edges around;
    const auto put = [&](std::uint64_t byte) {
        around.head_bytes[around.head_size++] = static_cast<char>(byte & 0xff);
    };
    switch (how.kind_) {
        case framing::kind::text: {
            const text_end end = end_of(how);
            if (const std::size_t at = end_inside(end, payload); at != payload.npos) {
                refuse(framing_fault::no_frame, at,
                       "at its byte " + std::to_string(at) + " it would be read as ended");
            }
            around.tail = end.drops_cr ? std::string_view("\r\n") : end.text;
            break;
        }
        case framing::kind::netstring: {
            char* const begin = around.head_bytes.data();
            char* const end = std::to_chars(begin, begin + around.head_bytes.size() - 1, payload.size()).ptr;
            *end = ':';
            around.head_size = static_cast<std::size_t>(end + 1 - begin);
            around.tail = ",";
            break;
        }
        case framing::kind::prefixed: {
            std::uint64_t left = payload.size();
            if (how.prefix_ == length_prefix::varint) {
                for (; left >= 0x80; left >>= 7) put(left | 0x80);
                put(left);
                break;
            }
            const std::size_t width = width_of(how);
            for (std::size_t i = 0; i < width; ++i) put(left >> (8 * (how.little_ ? i : width - 1 - i)));
            break;
        }
        case framing::kind::record:
            if (payload.size() != how.limit_) {
                refuse(framing_fault::no_frame, std::min(payload.size(), how.limit_), its_size());
            }
            break;
    }
    return around;
}

}  // namespace detail

}  // namespace bight
