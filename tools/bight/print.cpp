// Findings as text for people, and as JSON for scripts.
#include "doctor.hpp"

#include <algorithm>
#include <cstdio>
#include <string>
#include <string_view>

namespace doctor {

namespace {

constexpr std::size_t width = 80;
constexpr std::size_t indent = 27;

// Words up to `width` columns; further lines begin at `indent`. `column` is where the text begins.
void wrap(std::string& out, std::size_t column, std::string_view text) {
    bool first = true;
    while (!text.empty()) {
        const auto end = std::min(text.find(' '), text.size());
        const std::string_view word = text.substr(0, end);
        text.remove_prefix(std::min(end + 1, text.size()));
        if (!first && column + 1 + word.size() > width) {
            out += "\n" + std::string(indent, ' ');
            column = indent;
        } else if (!first) {
            out += ' ';
            ++column;
        }
        out += word;
        column += word.size();
        first = false;
    }
    out += '\n';
}

std::string padded(std::string_view text, std::size_t to) {
    return std::string(text) + std::string(to > text.size() ? to - text.size() : 1, ' ');
}

void print(std::string& out, const finding& f) {
    const std::string begin = "  " + padded(name_of(f.state), 9) + padded(f.name, indent - 11);
    out += begin;
    wrap(out, begin.size(), f.found);
    if (f.advice.empty()) return;
    out += std::string(indent, ' ') + "do: ";
    wrap(out, indent + 4, f.advice);
}

std::string counted(std::size_t n, const char* what) {
    return std::to_string(n) + " " + what + (n == 1 ? "" : "s");
}

std::string quoted(std::string_view text) {
    std::string out = "\"";
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (c == '"' || c == '\\') {
            out += '\\';
            out += c;
        } else if (byte >= 0x20 && byte < 0x7f) {
            out += c;
        } else {
            char escaped[8];
            std::snprintf(escaped, sizeof escaped, "\\u%04x", byte);
            out += escaped;
        }
    }
    return out + '"';
}

}  // namespace

std::string to_text(const machine& m, const findings& all) {
    std::string out =
        "bight " BIGHT_VERSION " on Linux " + m.kernel() + ", " + counted(m.processors(), "processor") + "\n";
    std::string_view group;
    for (const finding& f : all) {
        if (f.group != group) out += "\n" + f.group + "\n";
        group = f.group;
        print(out, f);
    }
    const std::size_t problems = count(all, state::problem);
    const std::size_t notes = count(all, state::note);
    out += "\n" +
           (problems == 0 && notes == 0 ? "All is fine"
                                        : counted(problems, "problem") + ", " + counted(notes, "note")) +
           ".\n";
    return out;
}

std::string to_json(const machine& m, const findings& all) {
    std::string out = "{\"bight\": " + quoted(BIGHT_VERSION) + ", \"kernel\": " + quoted(m.kernel()) +
                      ", \"state\": " + quoted(name_of(worst(all))) + ", \"findings\": [";
    const char* separator = "\n";
    for (const finding& f : all) {
        out += separator;
        out += " {\"group\": " + quoted(f.group) + ", \"name\": " + quoted(f.name) +
               ", \"state\": " + quoted(name_of(f.state)) + ", \"found\": " + quoted(f.found) +
               ", \"advice\": " + quoted(f.advice) + "}";
        separator = ",\n";
    }
    return out + "\n]}\n";
}

}  // namespace doctor
