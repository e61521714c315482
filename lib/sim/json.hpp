// Text in JSON.
#pragma once

#include <string>
#include <string_view>

namespace bight::sim::detail {

/// A JSON string of bytes, each of them one character, U+0000 to U+00FF: what a stream carries need not be
/// text.
inline void append_quoted(std::string& out, std::string_view bytes) {
    constexpr std::string_view digits = "0123456789abcdef";
    out += '"';
    for (const char c : bytes) {
        const auto byte = static_cast<unsigned char>(c);
        // Without <, > and & a string means the same wherever it stands in HTML, too.
        if (byte < 0x20 || byte >= 0x7f || c == '<' || c == '>' || c == '&') {
            out += "\\u00";
            out += digits[byte >> 4];
            out += digits[byte & 15];
        } else {
            if (c == '"' || c == '\\') out += '\\';
            out += c;
        }
    }
    out += '"';
}

}  // namespace bight::sim::detail
