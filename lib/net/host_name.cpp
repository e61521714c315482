// check_name, in_lower_case, is_localhost: what can be a name of a host (RFC 1035, 2.3.4), and which are the
// same.
#include "idna.hpp"
#include "resolve.hpp"

#include "../core/system_error.hpp"

#include <bight/core/error.hpp>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <string>
#include <string_view>
#include <system_error>

namespace bight::detail {

namespace {

constexpr std::size_t longest_label = 63;

// For an error: what cannot be shown is \x0a, and what is very long is cut off.
std::string shown(std::string_view text) {
    constexpr std::size_t most = 80;
    constexpr const char* digits = "0123456789abcdef";
    std::string out = "\"";
    for (const char c : text.substr(0, most)) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte >= 0x20 && byte != 0x7f) {
            out += c;
        } else {
            out += std::string("\\x") + digits[byte >> 4] + digits[byte & 15];
        }
    }
    return out + (text.size() > most ? "…\"" : "\"");
}

[[noreturn]] void refuse(int error, std::string_view host, const std::string& why) {
    throw std::system_error(error, errno_category(), "look-up of " + shown(host) + ": " + why);
}

// Only what is well-formed: no overlong forms, no surrogates, nothing beyond U+10FFFF (RFC 3629).
bool is_utf8(std::string_view text) noexcept {
    const auto at = [&](std::size_t i) -> unsigned {
        return i < text.size() ? static_cast<unsigned char>(text[i]) : 0;
    };
    for (std::size_t i = 0; i < text.size();) {
        const unsigned first = at(i);
        const unsigned second = at(i + 1);
        std::size_t size = 0;
        if (first < 0x80) {
            size = 1;
        } else if (first >= 0xc2 && first < 0xe0) {
            size = 2;
        } else if (first >= 0xe0 && first < 0xf0) {
            if ((first == 0xe0 && second < 0xa0) || (first == 0xed && second >= 0xa0)) return false;
            size = 3;
        } else if (first >= 0xf0 && first < 0xf5) {
            if ((first == 0xf0 && second < 0x90) || (first == 0xf4 && second >= 0x90)) return false;
            size = 4;
        } else {
            return false;
        }
        for (std::size_t k = 1; k < size; ++k) {
            if ((at(i + k) & 0xc0) != 0x80) return false;
        }
        i += size;
    }
    return true;
}

}  // namespace

bool is_ascii(std::string_view text) noexcept {
    return std::all_of(text.begin(), text.end(), [](unsigned char c) { return c < 0x80; });
}

std::string in_lower_case(std::string host) {
    for (char& c : host) {
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    }
    return host;
}

bool is_localhost(std::string_view host) noexcept {
    constexpr std::string_view name = "localhost";
    if (host.ends_with('.')) host.remove_suffix(1);
    if (host.size() < name.size()) return false;
    const std::size_t before = host.size() - name.size();
    const auto same = [](char a, char b) { return a == (b >= 'A' && b <= 'Z' ? b - 'A' + 'a' : b); };
    return (before == 0 || (before > 1 && host[before - 1] == '.')) &&
           std::equal(name.begin(), name.end(), host.begin() + static_cast<std::ptrdiff_t>(before), same);
}

void check_name(const std::string& host) {
    const std::string_view name =
        host.size() > 1 && host.ends_with('.') ? std::string_view(host).substr(0, host.size() - 1) : host;
    if (name.empty()) refuse(EINVAL, host, "a name has at least one character");
    if (!is_utf8(name)) refuse(EILSEQ, host, "it is not UTF-8");
    const auto cannot_be = [](unsigned char c) { return c < 0x20 || c == 0x7f; };
    if (std::any_of(name.begin(), name.end(), cannot_be)) {
        refuse(EINVAL, host, "a name has no control characters");
    }
    // The limits are those of the IDNA form: that of a name which is not ASCII is not known here.
    const bool ascii = is_ascii(name);
    if (name.size() > longest_host_name && (ascii || name.size() > 4 * longest_host_name)) {
        refuse(EINVAL, host,
               "a name has at most 253 characters, and this one " + std::to_string(name.size()));
    }
    for (std::size_t begin = 0; begin <= name.size();) {
        const std::string_view label = name.substr(begin, name.find('.', begin) - begin);
        if (label.empty())
            refuse(EINVAL, host, "it has an empty label (two dots in a row, or one at its beginning)");
        if (ascii && label.size() > longest_label) {
            refuse(EINVAL, host,
                   "a label has at most 63 characters, and " + shown(label) + " has " +
                       std::to_string(label.size()));
        }
        begin += label.size() + 1;
    }
}

}  // namespace bight::detail
