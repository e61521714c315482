// What must be so of any bytes at all: for libFuzzer, and for the test that replays what it has found.
#pragma once

#include "support/framed.hpp"

#include <bight/io/frame_parser.hpp>
#include <bight/io/framing.hpp>
#include <bight/io/framing_error.hpp>

#include <bit>
#include <cstddef>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace fuzz {

/// The first bytes of an input are choices, the rest is what a peer sends.
class input {
  public:
    explicit input(std::string_view bytes) : bytes_(bytes) {}
    unsigned choice() {
        if (bytes_.empty()) return 0;
        const unsigned chosen = static_cast<unsigned char>(bytes_.front());
        bytes_.remove_prefix(1);
        return chosen;
    }
    std::string_view take(std::size_t count) {
        const std::string_view taken = bytes_.substr(0, count);
        bytes_.remove_prefix(taken.size());
        return taken;
    }
    std::string_view rest() const { return bytes_; }

  private:
    std::string_view bytes_;
};

inline void require(bool holds, const char* what) {
    if (!holds) throw std::logic_error(what);
}

/// Pieces of lengths that follow from `seed`, 1 to 16.
inline std::vector<std::string_view> cut_by(unsigned seed, std::string_view text) {
    std::vector<std::size_t> places;
    for (std::size_t at = 0;;) {
        seed = seed * 1664525U + 1013904223U;
        at += 1 + (seed >> 28);
        if (at >= text.size()) break;
        places.push_back(at);
    }
    return test::cut_at(text, places);
}

/// However the bytes are cut, the frames and the error are the same; no byte is lost or doubled; written
/// again, the frames are the bytes that they were (`one_form`: each has one form only). And whatever can be
/// written is read as it was.
inline void check_framing(const bight::framing& how, unsigned seed, std::string_view bytes,
                          bool one_form = true) {
    const test::framed whole = test::frames_in(how, {bytes}, true);
    require(test::frames_in(how, test::byte_by_byte(bytes), true) == whole,
            "byte by byte gives something else");
    require(test::frames_in(how, cut_by(seed, bytes), true) == whole, "cut gives something else");
    require(bytes.ends_with(whole.left), "what is left is not the end of the bytes");
    require(whole.error.has_value() || whole.left.empty(), "bytes are left without an error");
    std::string again;
    for (const std::string& frame : whole.frames) {
        require(frame.size() <= how.limit(), "a frame is longer than the limit");
        how.encode(again, frame);
    }
    if (one_form) {
        require(again == bytes.substr(0, bytes.size() - whole.left.size()),
                "written again it is not the same");
    } else {
        require(test::frames_in(how, {again}, true).frames == whole.frames,
                "written again it reads as something else");
    }
    std::string written;
    try {
        how.encode(written, bytes);
    } catch (const bight::framing_error&) {
        require(written.empty(), "something of what cannot be written was");
        return;
    }
    const test::framed read = test::frames_in(how, cut_by(seed, written), true);
    require(read.frames == std::vector<std::string>{std::string(bytes)} && !read.error,
            "what was written is read as something else");
}

inline std::size_t small_limit(unsigned chosen) { return chosen % 64; }

inline void lines(std::string_view bytes) {
    input in(bytes);
    const unsigned chosen = in.choice();
    const auto ends = static_cast<bight::line_end>(chosen % 3);
    const auto how = bight::framing::lines(ends, small_limit(chosen / 3));
    check_framing(how, in.choice(), in.rest(), ends != bight::line_end::either);
}

inline void delimited(std::string_view bytes) {
    input in(bytes);
    const unsigned chosen = in.choice();
    const unsigned seed = in.choice();
    const std::string_view delimiter = in.take(1 + seed % 4);
    if (delimiter.empty()) return;
    check_framing(bight::framing::delimited(delimiter, small_limit(chosen)), seed, in.rest());
}

inline void netstrings(std::string_view bytes) {
    input in(bytes);
    const unsigned chosen = in.choice();
    check_framing(bight::framing::netstrings(chosen * 4), in.choice(), in.rest());
}

inline void prefixed(std::string_view bytes) {
    input in(bytes);
    const unsigned chosen = in.choice();
    const auto prefix = static_cast<bight::length_prefix>(chosen % 3);
    const auto order = chosen / 3 % 2 == 0 ? std::endian::big : std::endian::little;
    const unsigned seed = in.choice();
    check_framing(bight::framing::prefixed(prefix, chosen * 4, order), seed, in.rest());
}

inline void varint(std::string_view bytes) {
    input in(bytes);
    const unsigned chosen = in.choice();
    // Without a limit, too: numbers of 64 bits are computed.
    const std::size_t limit = chosen == 255 ? static_cast<std::size_t>(-1) : chosen * 4;
    check_framing(bight::framing::prefixed(bight::length_prefix::varint, limit), in.choice(), in.rest());
}

inline void records(std::string_view bytes) {
    input in(bytes);
    const unsigned chosen = in.choice();
    check_framing(bight::framing::records(1 + chosen % 40), in.choice(), in.rest());
}

/// Each frame is of another kind, chosen by the one before, with unframed bytes between some: one parser that
/// is fed pieces gives what one that has it all gives.
inline void switching(std::string_view bytes) {
    input in(bytes);
    const unsigned seed = in.choice();
    const auto kind = [](std::size_t chosen) {
        switch (chosen % 6) {
            case 0: return bight::framing::lines(bight::line_end::crlf, 20);
            case 1: return bight::framing::lines(bight::line_end::either, 20);
            case 2: return bight::framing::netstrings(99);
            case 3: return bight::framing::prefixed(bight::length_prefix::uint16, 99);
            case 4: return bight::framing::prefixed(bight::length_prefix::varint, 99);
            default: return bight::framing::records(3);
        }
    };
    const auto converse = [&](const std::vector<std::string_view>& pieces) {
        test::framed got;
        bight::frame_parser parser(kind(0));
        std::size_t errors = 0;
        for (const std::string_view piece : pieces) {
            const std::string own(piece);
            parser.feed(own);
            for (bool more = true; more;) {
                try {
                    const auto frame = parser.next();
                    more = frame.has_value();
                    if (!frame) continue;
                    got.frames.emplace_back(*frame);
                    parser.switch_to(kind(frame->size() + got.frames.size()));
                } catch (const bight::framing_error& e) {
                    got.error = test::fault_at::of(e);
                    if (++errors > 20) return got;
                    parser.switch_to(kind(errors + 5));  // the same bytes are tried as something else
                }
            }
        }
        got.left = parser.take_buffered();
        return got;
    };
    const test::framed whole = converse({in.rest()});
    require(converse(test::byte_by_byte(in.rest())) == whole, "byte by byte gives something else");
    require(converse(cut_by(seed, in.rest())) == whole, "cut gives something else");
}

}  // namespace fuzz
