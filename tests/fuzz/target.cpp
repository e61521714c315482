// One function of checks.hpp, FUZZED, as a program of libFuzzer. What it throws is what has been found.
#include "checks.hpp"

#include <cstddef>
#include <cstdint>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    fuzz::FUZZED(std::string_view(reinterpret_cast<const char*>(data), size));
    return 0;
}
