// Catch2, and how it prints what bight's tests compare. Include this, not Catch2's own header.
#pragma once

#include <catch2/catch.hpp>

#include <string>
#include <system_error>

template <>
struct Catch::StringMaker<std::error_code> {
    static std::string convert(const std::error_code& error) {
        return std::string(error.category().name()) + ":" + std::to_string(error.value()) + " (" +
               error.message() + ")";
    }
};
