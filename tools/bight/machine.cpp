#include "machine.hpp"

#include <charconv>
#include <cstddef>
#include <system_error>

namespace doctor {

std::optional<std::uint64_t> read_number(const machine& m, const std::string& path) {
    const auto text = m.read(path);
    if (!text) return std::nullopt;
    std::uint64_t number = 0;
    const auto read = std::from_chars(text->data(), text->data() + text->size(), number);
    if (read.ec != std::errc()) return std::nullopt;
    return number;
}

// Number by number; what is missing counts as 0.
bool at_least(const std::string& release, const std::string& version) {
    const char* a = release.data();
    const char* b = version.data();
    const char* const a_end = a + release.size();
    const char* const b_end = b + version.size();
    while (b != b_end) {
        unsigned left = 0;
        unsigned right = 0;
        a = std::from_chars(a, a_end, left).ptr;
        b = std::from_chars(b, b_end, right).ptr;
        if (left != right) return left > right;
        if (a != a_end && *a == '.') ++a;
        if (b != b_end) ++b;
    }
    return true;
}

}  // namespace doctor
