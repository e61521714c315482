// Decides which failures count as the same.
#include "explore_attempt.hpp"

#include <algorithm>
#include <cctype>
#include <set>
#include <string>
#include <string_view>
#include <utility>

namespace bight::sim::detail {

namespace {

std::string_view line_at_front(std::string_view text) { return text.substr(0, text.find('\n')); }

std::string without_numbers(std::string_view text) {
    std::string out;
    bool in_number = false;
    for (const char c : text) {
        const bool digit = std::isdigit(static_cast<unsigned char>(c)) != 0;
        if (!digit) out += c;
        if (digit && !in_number) out += '#';
        in_number = digit;
    }
    return out;
}

// A name (name_task) may be anything: `task "request 17": waits for …`.
std::string without_name(std::string line) {
    const std::size_t begin = line.find(" \"");
    const std::size_t end = line.rfind("\": ");
    if (begin != line.npos && end != line.npos && begin < end) line.erase(begin, end + 1 - begin);
    return line;
}

// That of a timer depends on when the run ended.
std::string without_time_left(std::string line) {
    for (const std::string_view last : {" left)", " (due)"}) {
        const std::size_t end = line.find(last);
        if (end != line.npos)
            line.erase(line.rfind(" (", end), line.find(')', end) + 1 - line.rfind(" (", end));
    }
    return line;
}

}  // namespace

std::string places_in(std::string_view tree) {
    std::set<std::string> places;
    std::string host;
    std::string place;
    const auto end_place = [&] {
        if (!place.empty()) places.insert(host + std::exchange(place, {}));
    };
    while (!tree.empty()) {
        std::string_view line = line_at_front(tree);
        tree.remove_prefix(std::min(line.size() + 1, tree.size()));
        if (line.starts_with("host ")) {
            end_place();
            host = without_numbers(line) + "\n";
            continue;
        }
        line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
        if (line.starts_with("in ") || line.starts_with("through ")) {
            place += std::string(line) + "\n";
            continue;
        }
        end_place();
        line = line.substr(0, line.rfind(" (age "));
        if (line.find(": waits for ") != line.npos) line = line.substr(0, line.rfind(", "));
        place = without_numbers(without_name(without_time_left(std::string(line)))) + "\n";
    }
    end_place();
    std::string out;
    for (const std::string& one : places) out += one;
    return out;
}

std::string attempt::signature() const {
    if (!failed) return {};
    const std::string out = std::to_string(static_cast<int>(kind)) + type + ":";
    if (kind == failure_kind::leak) return out;
    return out + without_numbers(line_at_front(message)) + "\n" + waits;
}

}  // namespace bight::sim::detail
