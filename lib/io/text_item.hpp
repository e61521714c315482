// text_item: where a line, or what else ends with a text, ends; the edges of its limit are here and nowhere
// else.
#pragma once

#include <bight/io/line_end.hpp>

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace bight::detail {

/// What ends an item: `text` (not empty), and with `drops_cr` a "\r" before it as well.
struct text_end {
    std::string_view text;
    bool drops_cr = false;

    std::size_t longest() const noexcept { return text.size() + (drops_cr ? 1 : 0); }
};

inline text_end end_of_line(line_end ends) noexcept {
    switch (ends) {
        case line_end::crlf: return {"\r\n", false};
        case line_end::lf: return {"\n", false};
        case line_end::either: break;
    }
    return {"\n", true};
}

/// What `bytes` begin with.
struct text_item {
    enum kind : std::uint8_t { complete, unfinished, too_long };
    kind is = unfinished;
    std::size_t length = 0;  ///< without its end
    std::size_t whole = 0;   ///< with it
};

/// Looks for an item of at most `limit` bytes. No end begins before `searched` in `bytes`, which is moved on
/// for a call with more of them. What has no end is too long when none that may still come could save it: an
/// item of exactly the limit may be followed by a part of its end.
inline text_item find_item(const text_end& end, std::string_view bytes, std::size_t limit,
                           std::size_t& searched) noexcept {
    text_item item;
    const std::size_t found = bytes.find(end.text, searched);
    if (found != std::string_view::npos) {
        item.length = found - (end.drops_cr && found > 0 && bytes[found - 1] == '\r' ? 1 : 0);
        item.whole = found + end.text.size();
        item.is = item.length > limit ? text_item::too_long : text_item::complete;
    } else if (bytes.size() >= end.longest() && bytes.size() - end.longest() >= limit) {
        item.is = text_item::too_long;
    }
    searched = bytes.size() < end.text.size() ? 0 : bytes.size() - end.text.size() + 1;
    return item;
}

}  // namespace bight::detail
