#include "replay_command.hpp"

#include <algorithm>
#include <cstddef>
#include <fstream>
#include <iterator>

namespace bight::sim::detail {

namespace {

// A longer one is broken into lines of about this length.
constexpr std::size_t line_length = 80;

bool needs_no_quotes(char c) noexcept {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("_-./:=,+@%").find(c) != std::string_view::npos;
}

std::string shell_word(std::string_view word) {
    if (!word.empty() && std::all_of(word.begin(), word.end(), needs_no_quotes)) return std::string(word);
    std::string out = "'";
    for (const char c : word) out += c == '\'' ? "'\\''" : std::string(1, c);
    return out + "'";
}

// How this program was called; empty where /proc does not say it.
std::string called_as() {
#if defined(_WIN32)
    return {};  // under Wine it would say how Wine was called
#endif
    std::ifstream arguments("/proc/self/cmdline", std::ios::binary);
    const std::string all{std::istreambuf_iterator<char>(arguments), {}};
    std::string command;
    for (std::size_t at = 0; at < all.size();) {
        const std::size_t end = std::min(all.find('\0', at), all.size());
        command += " " + shell_word(std::string_view(all).substr(at, end - at));
        at = end + 1;
    }
    return command;
}

// After a comma or a colon; explore skips the spaces again.
std::string in_lines(std::string_view value) {
    std::string out;
    while (value.size() > line_length) {
        std::size_t end = value.find_last_of(",:", line_length - 1);
        end = end == std::string_view::npos ? value.size() : end + 1;
        out += std::string(value.substr(0, end)) + "\n    ";
        value.remove_prefix(end);
    }
    return "'" + out + std::string(value) + "'";
}

}  // namespace

std::string replay_command(std::string_view value) {
    return std::string(replay_variable) + "=" +
           (value.size() > line_length ? in_lines(value) : std::string(value)) + called_as();
}

std::string without_spaces(std::string_view value) {
    std::string out(value);
    std::erase_if(out, [](char c) { return c == ' ' || c == '\n' || c == '\t' || c == '\r'; });
    return out;
}

}  // namespace bight::sim::detail
