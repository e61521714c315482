// Catch2, of version 2 or 3, and how it prints what bight's tests compare. Include this, not Catch2's own
// header.
#pragma once

#ifdef _WIN32
#include "windows/posix.hpp"
#endif

#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#elif __has_include(<catch2/catch.hpp>)
#include <catch2/catch.hpp>
#else  // where its directory is given by itself: meson.build
#include <catch.hpp>
#endif

#include <string>
#include <system_error>

template <>
struct Catch::StringMaker<std::error_code> {
    static std::string convert(const std::error_code& error) {
        return std::string(error.category().name()) + ":" + std::to_string(error.value()) + " (" +
               error.message() + ")";
    }
};

// The tests use the names of version 2; this defines those that differ in version 3.
#if __has_include(<catch2/catch_all.hpp>)
namespace Catch {

inline auto Contains(const std::string& part) { return Matchers::ContainsSubstring(part); }

}  // namespace Catch
#endif

#ifdef _WIN32
#include "windows/unsupported.hpp"
#elif defined(__APPLE__)
#include "macos/unsupported.hpp"
#endif
