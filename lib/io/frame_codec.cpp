#include "frame_codec.hpp"

#include <algorithm>

namespace bight::detail {

namespace {

constexpr std::size_t bytes_of_varint = 10;  // the most that 64 bits take

unsigned byte_at(std::string_view bytes, std::size_t at) noexcept {
    return static_cast<unsigned char>(bytes[at]);
}

scanned_frame wrong_frame(framing_fault fault, std::size_t at, std::uint64_t announced = 0) noexcept {
    scanned_frame found;
    found.is = scanned_frame::wrong;
    found.fault = fault;
    found.at = at;
    found.announced = announced;
    return found;
}

scanned_frame frame_wants(std::size_t bytes) noexcept {
    scanned_frame found;
    found.wanted = bytes;
    return found;
}

scanned_frame whole_frame(std::size_t begin, std::size_t length, std::size_t tail) noexcept {
    scanned_frame found;
    found.is = scanned_frame::complete;
    found.begin = begin;
    found.length = length;
    found.whole = begin + length + tail;
    return found;
}

}  // namespace

text_end frame_codec::end_of(const framing& how) noexcept {
    return how.line_ ? end_of_line(how.ends_) : text_end{how.delimiter_, false};
}

// Of a length that is no varint.
std::size_t frame_codec::width_of(const framing& how) noexcept {
    if (how.prefix_ == length_prefix::uint8) return 1;
    return how.prefix_ == length_prefix::uint16 ? 2 : 4;
}

scanned_frame frame_codec::scan(const framing& how, std::string_view bytes, std::size_t& searched) noexcept {
    switch (how.kind_) {
        case framing::kind::text: return scan_text(how, bytes, searched);
        case framing::kind::netstring: return scan_netstring(how, bytes);
        case framing::kind::prefixed:
            return how.prefix_ == length_prefix::varint ? scan_varint(how, bytes) : scan_prefixed(how, bytes);
        case framing::kind::record: break;
    }
    return bytes.size() < how.limit_ ? frame_wants(how.limit_) : whole_frame(0, how.limit_, 0);
}

scanned_frame frame_codec::scan_text(const framing& how, std::string_view bytes,
                                     std::size_t& searched) noexcept {
    const text_item item = find_item(end_of(how), bytes, how.limit_, searched);
    switch (item.is) {
        case text_item::complete: return whole_frame(0, item.length, item.whole - item.length);
        case text_item::too_long: return wrong_frame(framing_fault::too_long, how.limit_);
        case text_item::unfinished: break;
    }
    return frame_wants(bytes.size() + 1);
}

scanned_frame frame_codec::scan_netstring(const framing& how, std::string_view bytes) noexcept {
    std::uint64_t length = 0;
    std::size_t digits = 0;
    for (; digits < bytes.size() && bytes[digits] != ':'; ++digits) {
        const unsigned digit = byte_at(bytes, digits) - unsigned{'0'};
        if (digit > 9) return wrong_frame(framing_fault::bad_length, digits);
        if (digits > 0 && bytes[0] == '0') return wrong_frame(framing_fault::leading_zero, digits);
        length = length * 10 + digit;  // the limit leaves room for one digit more
        if (length > how.limit_) return wrong_frame(framing_fault::too_long, digits, length);
    }
    if (digits == bytes.size()) return frame_wants(digits + 1);
    if (digits == 0) return wrong_frame(framing_fault::bad_length, 0);
    const scanned_frame found = after_length(how, bytes, digits + 1, length, digits, 1);
    if (found.is == scanned_frame::complete && bytes[found.whole - 1] != ',')
        return wrong_frame(framing_fault::missing_comma, found.whole - 1);
    return found;
}

scanned_frame frame_codec::scan_prefixed(const framing& how, std::string_view bytes) noexcept {
    const std::size_t width = width_of(how);
    if (bytes.size() < width) return frame_wants(width);
    std::uint64_t length = 0;
    for (std::size_t i = 0; i < width; ++i)
        length = length << 8 | byte_at(bytes, how.little_ ? width - 1 - i : i);
    return after_length(how, bytes, width, length, width - 1, 0);
}

scanned_frame frame_codec::scan_varint(const framing& how, std::string_view bytes) noexcept {
    std::uint64_t length = 0;
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        const unsigned byte = byte_at(bytes, i);
        // The tenth has the 64th bit and no other, and no other follows; a last byte of zero says nothing.
        if (i + 1 == bytes_of_varint && byte > 1) return wrong_frame(framing_fault::overlong_number, i);
        if (i > 0 && byte == 0) return wrong_frame(framing_fault::overlong_number, i);
        length |= std::uint64_t{byte & 0x7fU} << (7 * i);
        if (length > how.limit_) return wrong_frame(framing_fault::too_long, i, length);
        if (byte < 0x80) return after_length(how, bytes, i + 1, length, i, 0);
    }
    return frame_wants(bytes.size() + 1);
}

// `head` bytes say that `length` follow, and then `tail` more; the last byte of that length is `at`.
scanned_frame frame_codec::after_length(const framing& how, std::string_view bytes, std::size_t head,
                                        std::uint64_t length, std::size_t at, std::size_t tail) noexcept {
    if (length > how.limit_) return wrong_frame(framing_fault::too_long, at, length);
    const std::size_t payload = static_cast<std::size_t>(length);
    const std::size_t whole = head + payload + tail;
    return bytes.size() < whole ? frame_wants(whole) : whole_frame(head, payload, tail);
}

std::size_t frame_codec::useful(const framing& how, const scanned_frame& seen, std::size_t there,
                                std::string_view more) noexcept {
    std::size_t most = seen.wanted - there;
    if (how.kind_ == framing::kind::text) {
        // Up to where the end may be complete, and no further than where it would be too late.
        const text_end end = end_of(how);
        const std::size_t found = more.find(end.text.back());
        most = how.limit_ + end.longest() - there;
        if (found < most) most = found + 1;
    }
    return std::min(most, more.size());
}

framing_error frame_codec::error(const framing& how, const scanned_frame& seen, std::size_t came,
                                 const transport* from) {
    const framing_fault fault = seen.is == scanned_frame::wrong ? seen.fault : framing_fault::incomplete;
    const std::size_t at = fault == framing_fault::incomplete ? came : seen.at;
    const std::uint64_t missing = fault == framing_fault::incomplete ? seen.wanted - came : 0;
    const auto bytes = [](std::uint64_t count) {
        return std::to_string(count) + (count == 1 ? " byte" : " bytes");
    };
    std::string text = "read " + how.to_string();
    if (from) {
        text += " from ";
        from->describe(text);
    }
    text += ", at its byte " + std::to_string(at) + ": ";
    switch (fault) {
        case framing_fault::too_long:
            if (seen.announced > 0) text += "a length of at least " + bytes(seen.announced) + ", and ";
            text += "the limit is " + bytes(how.limit_);
            break;
        case framing_fault::incomplete:
            text += "the stream ended, and at least " + bytes(missing) + " more belonged to it";
            break;
        case framing_fault::bad_length: text += "a length is digits, and ':' after them"; break;
        case framing_fault::leading_zero: text += "the length begins with 0"; break;
        case framing_fault::missing_comma: text += "no ',' after it"; break;
        case framing_fault::overlong_number:
            text += "a length of more bytes than it needs, or than 64 bits";
            break;
        case framing_fault::no_frame: break;
    }
    return {fault, at, missing, text};
}

}  // namespace bight::detail
