// The inputs of the fuzzers (tests/fuzz), on each compiler.
#include "fuzz/checks.hpp"
#include "support/catch.hpp"

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>

namespace {

void replay(const char* name, void (*fuzzed)(std::string_view)) {
    std::size_t inputs = 0;
    for (const auto& file :
         std::filesystem::directory_iterator(std::filesystem::path(BIGHT_FUZZ_CORPUS) / name)) {
        CAPTURE(file.path().string());
        std::ifstream in(file.path(), std::ios::binary);
        const std::string bytes{std::istreambuf_iterator<char>(in), {}};
        CHECK_NOTHROW(fuzzed(bytes));
        ++inputs;
    }
    CHECK(inputs > 5);
}

}  // namespace

TEST_CASE("what the fuzzers have found of each framing holds") {
    replay("lines", fuzz::lines);
    replay("delimited", fuzz::delimited);
    replay("netstrings", fuzz::netstrings);
    replay("prefixed", fuzz::prefixed);
    replay("varint", fuzz::varint);
    replay("records", fuzz::records);
    replay("switching", fuzz::switching);
}
