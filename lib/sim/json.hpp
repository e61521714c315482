// append_quoted: JSON strings.
#pragma once

#include <string>
#include <string_view>

namespace bight::sim::detail {

/// Appends bytes as a JSON string, each as one character from U+0000 to U+00FF, since the data of a stream
/// need not be text.
inline void append_quoted(std::string& out, std::string_view bytes) {
    constexpr std::string_view digits = "0123456789abcdef";
    out += '"';
    for (const char c : bytes) {
        const auto byte = static_cast<unsigned char>(c);
        // <, > and & are escaped too, so that the string can be embedded anywhere in HTML.
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
