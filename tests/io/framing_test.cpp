// What frames are written as, and what cannot be written.
#include "support/catch.hpp"
#include "support/framed.hpp"

#include <bight/io/framing.hpp>

#include <bit>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

using bight::framing;
using bight::framing_error;
using bight::framing_fault;
using bight::length_prefix;
using bight::line_end;
using namespace std::string_literals;

namespace {

std::optional<test::fault_at> not_encoded(const framing& how, std::string_view payload) {
    std::string to = "before";
    try {
        how.encode(to, payload);
    } catch (const framing_error& e) {
        CHECK(to == "before");
        return test::fault_at::of(e);
    }
    return std::nullopt;
}

std::string why_not_encoded(const framing& how, std::string_view payload) {
    try {
        (void)how.encode(payload);
    } catch (const framing_error& e) {
        return e.what();
    }
    return {};
}

}  // namespace

TEST_CASE("frames are written as their specifications have them") {
    CHECK(framing::lines().encode("hello") == "hello\r\n");
    CHECK(framing::lines(line_end::lf).encode("hello") == "hello\n");
    CHECK(framing::lines(line_end::either).encode("hello") == "hello\r\n");
    CHECK(framing::delimited("END").encode("hello") == "helloEND");
    CHECK(framing::netstrings().encode("") == "0:,");
    CHECK(framing::netstrings().encode("hello world!") == "12:hello world!,");
    CHECK(framing::prefixed(length_prefix::uint8).encode("hi") == "\x02hi");
    CHECK(framing::prefixed(length_prefix::uint16).encode("hi") == "\0\x02hi"s);
    CHECK(framing::prefixed(length_prefix::uint32).encode("hi") == "\0\0\0\x02hi"s);
    CHECK(framing::prefixed(length_prefix::uint16, 9, std::endian::little).encode("hi") == "\x02\0hi"s);
    CHECK(framing::prefixed(length_prefix::uint32, 9, std::endian::little).encode("hi") == "\x02\0\0\0hi"s);
    const framing varint = framing::prefixed(length_prefix::varint);
    CHECK(varint.encode("hi") == "\x02hi");
    CHECK(varint.encode(std::string(127, 'x')).substr(0, 2) == "\x7fx");
    CHECK(varint.encode(std::string(128, 'x')).substr(0, 3) == "\x80\x01x");
    CHECK(varint.encode(std::string(300, 'x')).substr(0, 3) == "\xac\x02x");
    CHECK(varint.encode(std::string(99999, 'x')).substr(0, 4) == "\x9f\x8d\x06x");
    CHECK(framing::records(2).encode("hi") == "hi");
    std::string gathered = "so far ";
    framing::netstrings().encode(gathered, "a");
    framing::netstrings().encode(gathered, "bc");
    CHECK(gathered == "so far 1:a,2:bc,");
}

TEST_CASE("what would be read as something else is not written") {
    const auto at = [](std::uint64_t byte) { return test::fault_at{framing_fault::no_frame, byte, 0}; };
    CHECK(not_encoded(framing::lines(), "evil\r\nQUIT") == at(4));
    CHECK_FALSE(not_encoded(framing::lines(), "a\rb\nc\r"));
    CHECK(not_encoded(framing::lines(line_end::lf), "a\nb") == at(1));
    CHECK(not_encoded(framing::lines(line_end::either), "a\nb") == at(1));
    CHECK_FALSE(not_encoded(framing::lines(line_end::either), "a\rb\r"));
    // Its last bytes would make an end with the first of the end.
    CHECK(not_encoded(framing::delimited("aba"), "xab") == at(1));
    CHECK(not_encoded(framing::delimited("aa"), "xa") == at(1));
    CHECK_FALSE(not_encoded(framing::delimited("aab"), "xa"));
    CHECK_FALSE(not_encoded(framing::delimited("END"), "EN"));
    CHECK(not_encoded(framing::records(3), "ab") == at(2));
    CHECK(not_encoded(framing::records(3), "abcd") == at(3));
    CHECK_THAT(why_not_encoded(framing::lines(), "a\r\nb"),
               Catch::Contains("write a line: at its byte 1 it would be read as ended"));
    CHECK_THAT(why_not_encoded(framing::records(3), "ab"),
               Catch::Contains("write a record of 3 bytes: it has 2 bytes"));
}

TEST_CASE("a payload of exactly the limit is written, and one byte more is not") {
    for (const framing& how :
         {framing::lines(line_end::crlf, 5), framing::delimited(";", 5), framing::netstrings(5),
          framing::prefixed(length_prefix::uint8, 5), framing::prefixed(length_prefix::uint16, 5),
          framing::prefixed(length_prefix::uint32, 5), framing::prefixed(length_prefix::varint, 5)}) {
        CAPTURE(how.to_string());
        CHECK_FALSE(not_encoded(how, "12345"));
        CHECK(not_encoded(how, "123456") == test::fault_at{framing_fault::too_long, 5, 0});
    }
    CHECK_FALSE(not_encoded(framing::prefixed(length_prefix::uint8), std::string(255, 'x')));
    CHECK(not_encoded(framing::prefixed(length_prefix::uint8), std::string(256, 'x')) ==
          test::fault_at{framing_fault::too_long, 255, 0});
    CHECK_THAT(why_not_encoded(framing::netstrings(5), "123456"),
               Catch::Contains("write a netstring: it has 6 bytes, and the limit is 5"));
}

TEST_CASE("whatever is written is read as it was") {
    std::string every_byte;
    for (int i = 0; i < 256; ++i) every_byte += static_cast<char>(i);
    for (const framing& how :
         {framing::delimited("no such bytes"), framing::netstrings(),
          framing::prefixed(length_prefix::uint16), framing::prefixed(length_prefix::uint32),
          framing::prefixed(length_prefix::varint), framing::records(256)}) {
        CAPTURE(how.to_string());
        std::string payload = every_byte;
        const std::string written = how.encode(payload) + how.encode(payload);
        test::each_cut(written, [&](const std::vector<std::string_view>& pieces) {
            const test::framed got = test::frames_in(how, pieces, true);
            CHECK((got == test::framed{{payload, payload}, {}, ""}));
        });
    }
}
