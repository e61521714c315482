// Tests that cannot run on this machine are counted as skipped, never as passed.
#pragma once

#include "catch.hpp"

#include <cstdio>
#include <map>
#include <set>
#include <string>

namespace test {

/// The names of the test cases that were skipped, by the reason; main() prints them.
inline std::map<std::string, std::set<std::string>>& skipped_cases() {
    static std::map<std::string, std::set<std::string>> all;
    return all;
}

/// Ends the test case, on its own thread, because something that it needs is missing; `why` says what.
[[noreturn]] inline void skip(const std::string& why) {
    skipped_cases()[why].insert(Catch::getResultCapture().getCurrentTestName());
#ifdef SKIP  // of Catch2, since 3.3
    SKIP(why);
#else
    SUCCEED("skipped: " << why);  // a case without an assertion is an error
    throw Catch::TestFailureException();
#endif
}

/// Reports that one of the alternatives on which cases run is missing: the cases run on the others.
inline void leave_out(const std::string& what_and_why) {
    std::fprintf(stderr, "left out: %s\n", what_and_why.c_str());
}

}  // namespace test
