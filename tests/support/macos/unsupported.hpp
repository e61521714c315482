// What tests call of Linux and macOS has not at all: the test case that calls it is skipped, by name and with the reason.
// support/catch.hpp includes it.
#pragma once

#include "support/processor_sets.hpp"
#include "support/skip.hpp"

[[noreturn]] inline int gettid() { test::skip("macOS has no threads in /proc"); }

#define MFD_CLOEXEC 1
[[noreturn]] inline int memfd_create(const char*, unsigned) {
    test::skip("only Linux has memfd_create()");
}
