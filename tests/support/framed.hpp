// framed: what a frame_parser makes of bytes, however they are cut, to be compared.
#pragma once

#include <bight/io/frame_parser.hpp>
#include <bight/io/framing.hpp>
#include <bight/io/framing_error.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <ostream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace test {

/// An error, to be compared.
struct fault_at {
    bight::framing_fault fault{};
    std::uint64_t at = 0;
    std::uint64_t missing = 0;
    bool operator==(const fault_at&) const = default;

    static fault_at of(const bight::framing_error& e) { return {e.fault(), e.at(), e.missing()}; }
    friend std::ostream& operator<<(std::ostream& to, const fault_at& f) {
        return to << "fault " << static_cast<int>(f.fault) << " at " << f.at << ", missing " << f.missing;
    }
};

/// The frames, the error behind them, and the bytes that no frame took.
struct framed {
    std::vector<std::string> frames;
    std::optional<fault_at> error;
    std::string left;
    bool operator==(const framed&) const = default;

    friend std::ostream& operator<<(std::ostream& to, const framed& f) {
        for (const std::string& frame : f.frames) to << '"' << frame << "\" ";
        if (f.error) to << *f.error;
        return to << " left " << f.left.size();
    }
};

/// Of pieces that are fed one by one, and are gone when the next one is. `ends`: nothing comes after them.
inline framed frames_in(const bight::framing& how, const std::vector<std::string_view>& pieces,
                        bool ends = false) {
    framed got;
    bight::frame_parser parser(how);
    std::string rest;
    try {
        for (const std::string_view piece : pieces) {
            if (got.error) {
                rest += piece;
                continue;
            }
            const std::string own(piece);
            try {
                parser.feed(own);
                while (const auto frame = parser.next()) got.frames.emplace_back(*frame);
            } catch (const bight::framing_error& e) {
                got.error = fault_at::of(e);
                rest = parser.take_buffered();
            }
        }
        if (ends && !got.error) parser.finish();
    } catch (const bight::framing_error& e) {
        got.error = fault_at::of(e);
    }
    got.left = got.error && rest.size() > 0 ? rest : parser.take_buffered();
    return got;
}

/// Cut before each of these places, which ascend.
inline std::vector<std::string_view> cut_at(std::string_view text, const std::vector<std::size_t>& places) {
    std::vector<std::string_view> pieces;
    std::size_t from = 0;
    for (const std::size_t place : places) {
        pieces.push_back(text.substr(from, place - from));
        from = place;
    }
    pieces.push_back(text.substr(from));
    return pieces;
}

inline std::vector<std::string_view> byte_by_byte(std::string_view text) {
    std::vector<std::string_view> pieces;
    for (std::size_t i = 0; i < text.size(); ++i) pieces.push_back(text.substr(i, 1));
    return pieces;
}

/// Calls `check(pieces)` for the whole, byte by byte, each cut in two, and, of a text of 12 bytes at most,
/// each division that there is.
template <class F>
void each_cut(std::string_view text, F check) {
    check(std::vector<std::string_view>{text});
    check(byte_by_byte(text));
    for (std::size_t place = 0; place <= text.size(); ++place) check(cut_at(text, {place}));
    if (text.empty() || text.size() > 12) return;
    for (unsigned divisions = 0; divisions < 1U << (text.size() - 1); ++divisions) {
        std::vector<std::size_t> places;
        for (std::size_t i = 1; i < text.size(); ++i) {
            if (divisions >> (i - 1) & 1) places.push_back(i);
        }
        check(cut_at(text, places));
    }
}

}  // namespace test
