// The main function of every test program, and Catch2's runner: the one file that compiles it.
#define CATCH_CONFIG_RUNNER
#include "catch.hpp"

int main(int argc, char** argv) {
    // Catch2 returns the number of failed assertions; 77 of them would tell Meson that the test was skipped.
    return Catch::Session().run(argc, argv) == 0 ? 0 : 1;
}
