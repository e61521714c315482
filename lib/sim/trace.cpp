#include <bight/sim/trace.hpp>

#include <cstdio>

namespace bight::sim {

namespace {

void append_quoted(std::string& out, std::string_view text) {
    out += '"';
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (c == '"' || c == '\\') {
            out += '\\';
            out += c;
        } else if (byte < 0x20 || byte >= 0x7f) {  // bytes of a stream are no text: each is shown as U+00xx
            char code[8];
            std::snprintf(code, sizeof code, "\\u%04x", byte);
            out += code;
        } else {
            out += c;
        }
    }
    out += '"';
}

void append_member(std::string& out, const char* name, std::string_view text) {
    if (text.empty()) return;
    out += ",\"";
    out += name;
    out += "\":";
    append_quoted(out, text);
}

void append_member(std::string& out, const char* name, std::uint64_t number) {
    if (number == 0) return;
    out += ",\"";
    out += name;
    out += "\":" + std::to_string(number);
}

void append_line(std::string& out, const trace_event& e) {
    const auto ns = std::chrono::duration_cast<std::chrono::nanoseconds>(e.at).count();
    char at[48];
    std::snprintf(at, sizeof at, "{\"at\":%lld.%09lld", static_cast<long long>(ns / 1'000'000'000),
                  static_cast<long long>(ns % 1'000'000'000));
    out += at;
    append_member(out, "what", e.what);
    append_member(out, "from", e.from);
    append_member(out, "to", e.to);
    append_member(out, "link", e.link);
    append_member(out, "bytes", e.bytes);
    append_member(out, "text", e.text);
    out += "}\n";
}

}  // namespace

std::string trace::to_json_lines() const {
    std::string out;
    for (const trace_event& e : events_) append_line(out, e);
    return out;
}

// FNV-1a, of 64 bits.
std::uint64_t trace::digest() const noexcept {
    std::uint64_t hash = 0xcbf29ce484222325;
    const auto mix = [&hash](const void* data, std::size_t size) {
        for (std::size_t i = 0; i < size; ++i) {
            hash = (hash ^ static_cast<const unsigned char*>(data)[i]) * 0x100000001b3;
        }
    };
    for (const trace_event& e : events_) {
        const auto at = e.at.count();
        mix(&at, sizeof at);
        mix(&e.link, sizeof e.link);
        mix(&e.bytes, sizeof e.bytes);
        for (const std::string* s : {&e.what, &e.from, &e.to, &e.text}) mix(s->c_str(), s->size() + 1);
    }
    return hash;
}

}  // namespace bight::sim
