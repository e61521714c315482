// What needs no library of a DNS message.
#include "dns_message.hpp"

#include "../io/socket_headers.hpp"

#include <algorithm>
#include <cstddef>
#include <cstring>

namespace bight::detail {

namespace {

constexpr std::size_t header_size = 12;
constexpr unsigned cut_off = 0x02;  // TC
constexpr unsigned format_error = 1;
constexpr unsigned not_implemented = 4;
constexpr unsigned bad_version = 16;
constexpr unsigned opt_record = 41;

unsigned byte(std::string_view message, std::size_t at) noexcept {
    return static_cast<unsigned char>(message[at]);
}

unsigned number_at(std::string_view message, std::size_t at) noexcept {
    return byte(message, at) << 8 | byte(message, at + 1);
}

// Where what follows the name at `at` begins; npos where there is no whole name.
std::size_t end_of_name(std::string_view message, std::size_t at) noexcept {
    while (at < message.size()) {
        const unsigned length = byte(message, at);
        if (length == 0) return at + 1;
        if (length >= 0xc0) return at + 2;  // the rest is elsewhere
        if (length > 63) break;
        at += length + 1;
    }
    return std::string_view::npos;
}

// Of a record, behind its name.
constexpr std::size_t place_of_size = 8;
constexpr std::size_t fixed_size = 10;

// Where the OPT record has what it has in place of a time to live, whose first byte are the upper bits of the
// code; npos where there is none, or a record before it is not whole.
std::size_t place_of_opt(std::string_view answer) noexcept {
    constexpr std::size_t none = std::string_view::npos;
    if (answer.size() < header_size) return none;
    std::size_t at = header_size;
    for (unsigned i = number_at(answer, 4); i > 0; --i) {
        at = end_of_name(answer, at);
        if (at == none) return none;
        at += 4;
    }
    const unsigned before = number_at(answer, 6) + number_at(answer, 8);
    const unsigned all = before + number_at(answer, 10);
    for (unsigned i = 0; i < all; ++i) {
        at = end_of_name(answer, at);
        if (at == none || at + fixed_size > answer.size()) return none;
        if (i >= before && number_at(answer, at) == opt_record) return at + 4;
        at += fixed_size + number_at(answer, at + place_of_size);
    }
    return none;
}

// Names are the same in upper and lower case. Lengths of labels are below 'A', as the types and classes that
// are asked for.
char folded(char c) noexcept { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

// The question of a query that was made here: a name, a type and a class.
std::string_view question_of(std::string_view query) noexcept {
    std::size_t end = header_size;
    while (end < query.size() && query[end] != 0) end += byte(query, end) + 1;
    return query.substr(header_size, end + 5 - header_size);
}

}  // namespace

bool is_dns_answer(std::string_view message, std::string_view query) noexcept {
    if (message.size() < header_size || query.size() < header_size) return false;
    const bool same_id = message.substr(0, 2) == query.substr(0, 2);
    const bool response = (byte(message, 2) & 0x80) != 0;
    const bool standard = (byte(message, 2) & 0x78) == 0;
    if (!same_id || !response || !standard) return false;
    const bool failed = dns_code_of(message) != 0;
    if (failed && has_no_question(message)) return true;
    const bool one_question = byte(message, 4) == 0 && byte(message, 5) == 1;
    const std::string_view question = question_of(query);
    return one_question && message.size() >= header_size + question.size() &&
           std::equal(question.begin(), question.end(), message.begin() + header_size,
                      [](char a, char b) { return folded(a) == folded(b); });
}

bool has_no_question(std::string_view answer) noexcept {
    return byte(answer, 4) == 0 && byte(answer, 5) == 0;
}

bool is_cut_off(std::string_view answer) noexcept { return (byte(answer, 2) & cut_off) != 0; }

unsigned dns_code_of(std::string_view answer) noexcept {
    const std::size_t more = place_of_opt(answer);
    const unsigned upper = more == std::string_view::npos ? 0 : byte(answer, more);
    return upper << 4 | (byte(answer, 3) & 15);
}

bool has_edns(std::string_view answer) noexcept { return place_of_opt(answer) != std::string_view::npos; }

bool refuses_edns(std::string_view answer) noexcept {
    const unsigned code = dns_code_of(answer);
    return code == format_error || code == not_implemented || code == bad_version;
}

void mark_cut_off(std::string& answer) noexcept { answer[2] = static_cast<char>(byte(answer, 2) | cut_off); }

std::string reverse_dns_name(const address& of) {
    constexpr const char* digits = "0123456789abcdef";
    std::string name;
    if (of.family() == address::family_type::ipv4) {
        sockaddr_in native;
        std::memcpy(&native, of.native(), sizeof native);
        unsigned char bytes[4];
        std::memcpy(bytes, &native.sin_addr, sizeof bytes);
        for (int i = 3; i >= 0; --i) name += std::to_string(bytes[i]) + ".";
        return name + "in-addr.arpa";
    }
    sockaddr_in6 native;
    std::memcpy(&native, of.native(), sizeof native);
    unsigned char bytes[16];
    std::memcpy(bytes, &native.sin6_addr, sizeof bytes);
    for (int i = 15; i >= 0; --i) {
        const unsigned both = bytes[i];
        for (const unsigned nibble : {both & 15, both >> 4}) {
            name += digits[nibble];
            name += '.';
        }
    }
    return name + "ip6.arpa";
}

}  // namespace bight::detail
