// decimal_comma: a locale whose numbers have a comma, as in most of Europe.
#pragma once

#include "connections.hpp"
#include "reactors.hpp"
#include "skip.hpp"

#include <clocale>
#include <cstdlib>
#include <optional>
#include <string>

namespace test {

/// The program has such a locale while it lives: one of this machine's, or one made for the test. Skips the
/// test case where there is none and none can be made.
class decimal_comma {
  public:
    decimal_comma() {
        if (const char* now = std::setlocale(LC_NUMERIC, nullptr)) before_ = now;
        for (const char* const name : {"de_DE.UTF-8", "de_DE", "fr_FR.UTF-8", "fr_FR", "da_DK.UTF-8"}) {
            if (std::setlocale(LC_NUMERIC, name)) return;
        }
        const std::string made = made_here_.file("de_DE.UTF-8");
        if (std::system(("localedef -i de_DE -f UTF-8 '" + made + "' >/dev/null 2>&1").c_str()) == 0) {
            place_.emplace("LOCPATH", made_here_.file(""));
            if (std::setlocale(LC_NUMERIC, "de_DE.UTF-8")) return;
        }
        skip("there is no locale with a decimal comma, and localedef makes none (Debian: locales)");
    }
    decimal_comma(const decimal_comma&) = delete;
    decimal_comma& operator=(const decimal_comma&) = delete;
    ~decimal_comma() { std::setlocale(LC_NUMERIC, before_.c_str()); }

  private:
    std::string before_ = "C";
    temporary_directory made_here_;
    std::optional<environment_variable> place_;
};

}  // namespace test
