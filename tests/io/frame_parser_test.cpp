// Frames out of bytes without any I/O: the edges of each framing, wherever the bytes are cut.
#include "support/catch.hpp"
#include "support/framed.hpp"

#include <bight/core/error.hpp>
#include <bight/io/frame_parser.hpp>
#include <bight/io/framing.hpp>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

using bight::frame_parser;
using bight::framing;
using bight::framing_error;
using bight::framing_fault;
using bight::length_prefix;
using bight::line_end;
using test::each_cut;
using test::fault_at;
using test::framed;
using test::frames_in;
using namespace std::string_literals;

namespace {

using frame_list = std::vector<std::string>;

// What bytes give when nothing comes after them: cut anywhere.
void check_frames(const framing& how, const std::string& bytes, const framed& expected) {
    CAPTURE(how.to_string(), bytes.substr(0, 60), bytes.size());
    each_cut(bytes, [&](const std::vector<std::string_view>& pieces) {
        const framed got = frames_in(how, pieces, true);
        if (got != expected) CHECK(got == expected);
    });
    CHECK(frames_in(how, {bytes}, true) == expected);
}

void check_wrong(const framing& how, const std::string& bytes, fault_at error,
                 const frame_list& before = {}) {
    std::size_t taken = 0;
    for (const std::string& frame : before) taken += how.encode(frame).size();
    check_frames(how, bytes, {before, error, bytes.substr(taken)});
}

fault_at ends_inside(std::uint64_t came, std::uint64_t missing) {
    return {framing_fault::incomplete, came, missing};
}

std::string big_endian(std::uint64_t number, std::size_t width) {
    std::string bytes;
    while (width-- > 0) bytes += static_cast<char>(number >> (8 * width) & 0xff);
    return bytes;
}

std::string printed(const framing& how, std::string_view bytes) {
    frame_parser parser(how);
    try {
        parser.feed(bytes);
        while (parser.next()) {
        }
        parser.finish();
    } catch (const framing_error& e) {
        return e.what();
    }
    return {};
}

}  // namespace

TEST_CASE("lines of CR LF: empty ones are lines, a bare line feed or return is data") {
    check_frames(framing::lines(), "one\r\n\r\ntwo\nthree\rfour\r\r\n",
                 {{"one", "", "two\nthree\rfour\r"}, {}, ""});
    check_frames(framing::lines(), "a\r\n\r\n\r\n", {{"a", "", ""}, {}, ""});
    check_frames(framing::lines(), "", {{}, {}, ""});
    check_wrong(framing::lines(), "a\r\nrest", ends_inside(4, 1), {"a"});
    check_wrong(framing::lines(), "a\r\nr\r", ends_inside(2, 1), {"a"});
}

TEST_CASE("lines of LF, and lines that end with either") {
    check_frames(framing::lines(line_end::lf), "a\r\n\nb\n", {{"a\r", "", "b"}, {}, ""});
    check_frames(framing::lines(line_end::either), "a\r\n\nb\r\r\n\r\n", {{"a", "", "b\r", ""}, {}, ""});
}

TEST_CASE(
    "a line of exactly 16,384 bytes is a line, and one byte more is too long, with or without its end") {
    const std::size_t limit = framing::default_line_limit;
    CHECK(limit == 16384);
    const framing how = framing::lines();
    const std::string line(limit, 'x');
    const fault_at too_long{framing_fault::too_long, limit, 0};
    const auto near_the_end = [&](const std::string& bytes, const framed& expected) {
        for (std::size_t place = limit - 2; place <= bytes.size(); ++place) {
            CHECK(frames_in(how, test::cut_at(bytes, {place}), true) == expected);
        }
        CHECK(frames_in(how, test::byte_by_byte(bytes), true) == expected);
    };
    near_the_end(line + "\r\n", {{line}, {}, ""});
    near_the_end(line + "\r\nmore\r\n", {{line, "more"}, {}, ""});
    near_the_end(line + "x\r\n", {{}, too_long, line + "x\r\n"});
    near_the_end(line + "x\r\nmore\r\n", {{}, too_long, line + "x\r\nmore\r\n"});
    // One byte more than the limit without an end could be half of one; two more can not.
    near_the_end(line + "x", {{}, ends_inside(limit + 1, 1), line + "x"});
    near_the_end(line + "\r", {{}, ends_inside(limit + 1, 1), line + "\r"});
    near_the_end(line + "xx", {{}, too_long, line + "xx"});
    frame_parser parser(how);
    const std::string one_more = line + "x";
    parser.feed(one_more);
    CHECK_FALSE(parser.next());
    parser.feed("x");
    CHECK_THROWS_AS(parser.next(), framing_error);
}

TEST_CASE("the limit of lines is the same to the byte with each end") {
    for (const auto& [ends, end] : {std::pair(line_end::crlf, "\r\n"), std::pair(line_end::lf, "\n"),
                                    std::pair(line_end::either, "\n"), std::pair(line_end::either, "\r\n")}) {
        const framing how = framing::lines(ends, 5);
        check_frames(how, "12345"s + end, {{"12345"}, {}, ""});
        check_wrong(how, "123456"s + end, {framing_fault::too_long, 5, 0});
        check_frames(framing::lines(ends, 0), std::string(end) + end, {{"", ""}, {}, ""});
        check_wrong(framing::lines(ends, 0), "x"s + end, {framing_fault::too_long, 0, 0});
    }
    check_wrong(framing::lines(line_end::either, 5), "12345\rx", {framing_fault::too_long, 5, 0});
    check_wrong(framing::lines(line_end::lf, 5), "123456", {framing_fault::too_long, 5, 0});
}

TEST_CASE("a delimiter may be of any bytes, and overlap itself") {
    check_frames(framing::delimited(";"), "a;b;;", {{"a", "b", ""}, {}, ""});
    check_frames(framing::delimited("\0"s), "a\0\0b\0"s, {{"a", "", "b"}, {}, ""});
    check_frames(framing::delimited("END"),
                 "aEN"
                 "END"
                 "bENEND",
                 {{"aEN", "bEN"}, {}, ""});
    check_frames(framing::delimited("aab"),
                 "aaab"
                 "xaab",
                 {{"a", "x"}, {}, ""});
    check_wrong(framing::delimited("END", 3), "1234END", {framing_fault::too_long, 3, 0});
    check_frames(framing::delimited("END", 3), "123END", {{"123"}, {}, ""});
    CHECK_THROWS_AS(framing::delimited(""), std::invalid_argument);
}

TEST_CASE("netstrings: of no bytes too, of any bytes, one behind the other") {
    const framing how = framing::netstrings();
    CHECK(how.limit() == 99999);
    check_frames(how, "5:hello,", {{"hello"}, {}, ""});
    check_frames(how, "0:,0:,", {{"", ""}, {}, ""});
    check_frames(how, "3:1:,,2:\r\n,"s, {{"1:,", "\r\n"}, {}, ""});
    check_frames(how, "10:0123456789,1:x,", {{"0123456789", "x"}, {}, ""});
}

TEST_CASE("a netstring that is none is named with the byte at which it is none") {
    const framing how = framing::netstrings();
    check_wrong(how, "05:hello,", {framing_fault::leading_zero, 1, 0});
    check_wrong(how, "00:,", {framing_fault::leading_zero, 1, 0});
    check_wrong(how, "-1:,", {framing_fault::bad_length, 0, 0});
    check_wrong(how, "+1:x,", {framing_fault::bad_length, 0, 0});
    check_wrong(how, " 1:x,", {framing_fault::bad_length, 0, 0});
    check_wrong(how, ":x,", {framing_fault::bad_length, 0, 0});
    check_wrong(how, "5hello,", {framing_fault::bad_length, 1, 0});
    check_wrong(how, "aaaaa", {framing_fault::bad_length, 0, 0});
    check_wrong(how, "5:hello5:", {framing_fault::missing_comma, 7, 0});
    check_wrong(how, "0:x", {framing_fault::missing_comma, 2, 0});
    check_wrong(how, "1:a,2:bcd", {framing_fault::missing_comma, 4, 0}, {"a"});
}

TEST_CASE("the length of a netstring is held to its limit while it is still arriving") {
    const framing how = framing::netstrings();
    check_wrong(how, "100000", {framing_fault::too_long, 5, 0});
    check_wrong(how, "100000:", {framing_fault::too_long, 5, 0});
    check_wrong(how, "999999999999999999999999999999", {framing_fault::too_long, 5, 0});
    check_wrong(how, "99999:", ends_inside(6, 100000));
    check_wrong(framing::netstrings(5), "6", {framing_fault::too_long, 0, 0});
    check_frames(framing::netstrings(0), "0:,", {{""}, {}, ""});
    frame_parser parser(how);
    for (const char c : "10000"s) {
        parser.feed({&c, 1});
        CHECK_FALSE(parser.next());
    }
    parser.feed("0");
    CHECK_THROWS_AS(parser.next(), framing_error);
    const std::string most(99999, 'n');
    CHECK(frames_in(how, {"99999:" + most + ","}, true) == framed{{most}, {}, ""});
}

TEST_CASE("frames with a length of 1, 2 and 4 bytes, in both orders of bytes") {
    check_frames(framing::prefixed(length_prefix::uint8), "\x05hello\0\x01x"s, {{"hello", "", "x"}, {}, ""});
    check_frames(framing::prefixed(length_prefix::uint16), "\0\x05hello\0\0\0\x01x"s,
                 {{"hello", "", "x"}, {}, ""});
    check_frames(framing::prefixed(length_prefix::uint32), "\0\0\0\x02hi\0\0\0\0"s, {{"hi", ""}, {}, ""});
    const auto little = std::endian::little;
    check_frames(framing::prefixed(length_prefix::uint16, 99999, little), "\x05\0hello\0\0"s,
                 {{"hello", ""}, {}, ""});
    check_frames(framing::prefixed(length_prefix::uint32, 99999, little), "\x02\0\0\0hi"s, {{"hi"}, {}, ""});
    for (const auto& [prefix, width] :
         {std::pair(length_prefix::uint8, 1U), std::pair(length_prefix::uint16, 2U),
          std::pair(length_prefix::uint32, 4U)}) {
        const std::string most(200, 'p');
        CHECK(frames_in(framing::prefixed(prefix), {big_endian(200, width) + most}, true) ==
              framed{{most}, {}, ""});
        check_wrong(framing::prefixed(prefix), big_endian(3, width) + "ab", ends_inside(width + 2, 1));
        check_wrong(framing::prefixed(prefix, 2), big_endian(3, width),
                    {framing_fault::too_long, width - 1, 0});
        check_frames(framing::prefixed(prefix, 2), big_endian(2, width) + "ab", {{"ab"}, {}, ""});
        if (width > 1) check_wrong(framing::prefixed(prefix), "\0"s, ends_inside(1, width - 1));
    }
}

TEST_CASE("a length of 99,999 waits for its bytes, and one of 100,000 is refused before they come") {
    const framing how = framing::prefixed(length_prefix::uint32);
    check_wrong(how, big_endian(99999, 4), ends_inside(4, 99999));
    check_wrong(how, big_endian(100000, 4), {framing_fault::too_long, 3, 0});
    check_wrong(how, "\x80\0\0\0"s, {framing_fault::too_long, 3, 0});
    check_wrong(how, "\xff\xff\xff\xff", {framing_fault::too_long, 3, 0});
    check_wrong(framing::prefixed(length_prefix::uint32, 99999, std::endian::little), "\0\0\0\x80"s,
                {framing_fault::too_long, 3, 0});
    CHECK(framing::prefixed(length_prefix::uint8).limit() == 255);
    CHECK(framing::prefixed(length_prefix::uint16).limit() == 65535);
    // The limit is what was asked for, and not what the number can say: one with its top bit waits.
    const framing all = framing::prefixed(length_prefix::uint32, std::numeric_limits<std::size_t>::max());
    CHECK(all.limit() == 0xffffffff);
    check_wrong(all, "\x80\0\0\0x"s, ends_inside(5, 0x7fffffff));
    check_wrong(all, "\xff\xff\xff\xffx", ends_inside(5, 0xfffffffe));
}

TEST_CASE("a varint is Protocol Buffers': 7 bits a byte, in as few bytes as it needs, 64 bits at most") {
    const framing how = framing::prefixed(length_prefix::varint);
    check_frames(how, "\x05hello\0\x01x"s, {{"hello", "", "x"}, {}, ""});
    const std::string longer(300, 'v');
    CHECK(frames_in(how, {"\xac\x02" + longer}, true) == framed{{longer}, {}, ""});
    check_wrong(how, "\x9f\x8d\x06", ends_inside(3, 99999));
    check_wrong(how, "\xa0\x8d\x06", {framing_fault::too_long, 2, 0});
    check_wrong(how, "\x80", ends_inside(1, 1));
    check_wrong(how, "\x80\x80\x80", ends_inside(3, 1));
    check_wrong(how, "\x80\0"s, {framing_fault::overlong_number, 1, 0});
    check_wrong(how, "\x85\x80\0hello"s, {framing_fault::overlong_number, 2, 0});
    const std::string nine(9, '\x80');
    check_wrong(how, nine + "\x80", {framing_fault::overlong_number, 9, 0});
    check_wrong(how, nine + "\x02", {framing_fault::overlong_number, 9, 0});
    check_wrong(how, nine + "\x01", {framing_fault::too_long, 9, 0});
    check_wrong(how, nine + "\0"s, {framing_fault::overlong_number, 9, 0});
    check_wrong(how, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", {framing_fault::too_long, 2, 0});
    const framing all = framing::prefixed(length_prefix::varint, std::numeric_limits<std::size_t>::max());
    check_wrong(all, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", {framing_fault::too_long, 8, 0});
    check_wrong(all, "\xff\xff\xff\xff\x0f", ends_inside(5, 0xffffffff));
}

TEST_CASE("records have all the same size") {
    check_frames(framing::records(3), "abcdef", {{"abc", "def"}, {}, ""});
    check_wrong(framing::records(3), "abcde", ends_inside(2, 1), {"abc"});
    check_frames(framing::records(1), "ab", {{"a", "b"}, {}, ""});
    CHECK_THROWS_AS(framing::records(0), std::invalid_argument);
}

TEST_CASE("an error says what is wrong, where, and what the limit is") {
    const auto contains = [](const char* text) { return Catch::Contains(text); };
    CHECK_THAT(printed(framing::netstrings(), "05:"),
               contains("read a netstring, at its byte 1: the length begins with 0"));
    CHECK_THAT(printed(framing::netstrings(), "x"),
               contains("at its byte 0: a length is digits, and ':' after them"));
    CHECK_THAT(printed(framing::netstrings(), "1:ab"), contains("at its byte 3: no ',' after it"));
    CHECK_THAT(printed(framing::netstrings(50), "51:"),
               contains("at its byte 1: a length of at least 51 bytes, and the limit is 50 bytes"));
    CHECK_THAT(printed(framing::lines(line_end::lf, 1), "ab\n"),
               contains("read a line, at its byte 1: the limit is 1 byte"));
    CHECK_THAT(printed(framing::prefixed(length_prefix::uint16), "\0\x05he"s),
               contains("read a frame with a length of 2 bytes, at its byte 4: the stream ended, and at "
                        "least 3 bytes more "
                        "belonged to it"));
    CHECK_THAT(
        printed(framing::prefixed(length_prefix::varint), "\x80\0"s),
        contains(
            "read a frame with a varint of its length, at its byte 1: a length of more bytes than it needs"));
    CHECK_THAT(printed(framing::records(2), "a"), contains("read a record of 2 bytes, at its byte 1"));
    CHECK_THAT(printed(framing::delimited("|"), "a"),
               contains("read an item up to a delimiter, at its byte 1"));

    const auto code = [](framing_fault fault) { return framing_error(fault, 0, 0, "").code(); };
    CHECK(code(framing_fault::too_long) == bight::errc::too_long);
    CHECK(code(framing_fault::incomplete) == bight::errc::end_of_stream);
    CHECK(code(framing_fault::leading_zero) == std::errc::bad_message);
    CHECK(code(framing_fault::no_frame) == std::errc::invalid_argument);
}

TEST_CASE("an error stays, and after a switch the same bytes are read as something else") {
    frame_parser parser(framing::netstrings());
    parser.feed("1:a,xyz\r\n3:b");
    CHECK(parser.next() == "a");
    CHECK_THROWS_AS(parser.next(), framing_error);
    CHECK_THROWS_AS(parser.next(), framing_error);
    CHECK_THROWS_AS(parser.feed("more"), framing_error);
    CHECK_THROWS_AS(parser.finish(), framing_error);
    CHECK(parser.buffered() == 8);
    parser.switch_to(framing::lines());
    CHECK(parser.next() == "xyz");
    parser.switch_to(framing::netstrings());
    CHECK_FALSE(parser.next());
    CHECK(parser.buffered() == 3);
    parser.feed("cd,");
    CHECK(parser.next() == "bcd");
    CHECK_FALSE(parser.next());
    parser.finish();
}

TEST_CASE("the framing is switched between any two frames, and to bytes without any, wherever they are cut") {
    const std::string conversation = "DATA\r\n4:body,\0\x02hi\x03zzzrawNEXT\r\n"s;
    const frame_list expected{"DATA", "body", "hi", "zzz", "raw", "NEXT"};
    each_cut(conversation, [&](const std::vector<std::string_view>& pieces) {
        const std::vector<framing> kinds{framing::lines(),
                                         framing::netstrings(),
                                         framing::prefixed(length_prefix::uint16),
                                         framing::prefixed(length_prefix::varint),
                                         framing::records(3),
                                         framing::lines()};
        frame_list got;
        frame_parser parser(kinds[0]);
        for (const std::string_view piece : pieces) {
            const std::string own(piece);
            parser.feed(own);
            while (const auto frame = parser.next()) {
                got.emplace_back(*frame);
                if (got.size() < kinds.size()) parser.switch_to(kinds[got.size()]);
            }
        }
        if (got != expected) CHECK(got == expected);
        parser.finish();
    });
    // What was fed beyond a line is there as it is.
    frame_parser parser(framing::lines());
    parser.feed("produce 1");
    CHECK_FALSE(parser.next());
    parser.feed("\r\nraw\r\nbytes");
    CHECK(parser.next() == "produce 1");
    CHECK(parser.take_buffered() == "raw\r\nbytes");
    CHECK(parser.buffered() == 0);
    parser.feed("lines again\r\n");
    CHECK(parser.next() == "lines again");
}

TEST_CASE("who stops after a frame goes on with the next, also when more was fed meanwhile") {
    frame_parser parser(framing::lines());
    {
        const std::string gone = "one\r\ntwo\r\nthr";
        parser.feed(gone);
        CHECK(parser.next() == "one");
        parser.feed("ee\r\nfour\r\n");
    }
    CHECK(parser.buffered() == 18);
    CHECK(parser.next() == "two");
    CHECK(parser.next() == "three");
    CHECK(parser.next() == "four");
    CHECK_FALSE(parser.next());
    // A frame whose handling feeds more is no exception.
    frame_list got;
    parser.feed("1\r\n2\r\n");
    while (const auto frame = parser.next()) {
        got.emplace_back(*frame);
        if (got.size() == 1) parser.feed("3\r\n");
    }
    CHECK(got == frame_list{"1", "2", "3"});
}

TEST_CASE("a frame in one piece is a view of that piece") {
    frame_parser parser(framing::netstrings());
    const std::string piece = "1:a,2:bc,";
    parser.feed(piece);
    CHECK(static_cast<const void*>(parser.next()->data()) == piece.data() + 2);
    CHECK(static_cast<const void*>(parser.next()->data()) == piece.data() + 6);
    CHECK_FALSE(parser.next());
    // What is gathered of a frame in two pieces ends with it.
    for (const framing& how :
         {framing::netstrings(), framing::lines(), framing::prefixed(length_prefix::uint16)}) {
        frame_parser parts(how);
        const std::string first = how.encode("halves");
        const std::string rest = first.substr(4) + how.encode("whole");
        parts.feed(std::string_view(first).substr(0, 4));
        CHECK_FALSE(parts.next());
        parts.feed(rest);
        CHECK(parts.next() == "halves");
        const auto whole = parts.next();
        REQUIRE(whole == "whole");
        CHECK(whole->data() > rest.data());
        CHECK(whole->data() < rest.data() + rest.size());
    }
}
