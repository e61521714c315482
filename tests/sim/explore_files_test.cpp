// Where the trace of a failure is written to, and what the report says where it cannot be.
#include "support/catch.hpp"

#include <bight/bight.hpp>
#include <bight/sim/explore.hpp>

#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>

using namespace std::chrono_literals;
using Catch::Contains;
namespace sim = bight::sim;
namespace fs = std::filesystem;

namespace {

// Why a directory cannot be opened as a file; Windows: learn.microsoft.com/cpp/c-runtime-library/reference/open-wopen
#ifdef _WIN32
constexpr const char* is_a_directory = "Permission denied";
#else
constexpr const char* is_a_directory = "Is a directory";
#endif

class scratch {
  public:
    scratch() { REQUIRE(::mkdtemp(path_.data())); }
    scratch(const scratch&) = delete;
    scratch& operator=(const scratch&) = delete;
    ~scratch() { fs::remove_all(path_); }
    const std::string& path() const noexcept { return path_; }

  private:
    std::string path_ = (fs::temp_directory_path() / "bight-traces-XXXXXX").string();
};

sim::exploration third_seed_fails(const std::string& directory) {
    sim::explore_options options;
    options.seeds = 10;
    options.jobs = 2;
    options.quiet = true;
    options.name = "sum";
    options.directory = directory;
    return sim::explore(
        [](sim::world& w) {
            w.note("the accounts are read");
            if (w.seed() == 3) throw std::runtime_error("the sum has changed");
        },
        options);
}

}  // namespace

TEST_CASE("the directory of traces is made, with those above it") {
    const scratch here;
    const std::string directory = here.path() + "/build/traces";
    const auto result = third_seed_fails(directory);
    REQUIRE_FALSE(result.ok());
    INFO(result.failure->report);
    for (const char* const ending : {".jsonl", ".html"}) {
        const std::string file = directory + "/sum-seed-3" + ending;
        CHECK(fs::exists(file));
        CHECK(fs::file_size(file) > 0);
        CHECK_THAT(result.failure->report, Contains(file));
    }
    CHECK_THAT(result.failure->report, !Contains("could not be written"));
}

TEST_CASE("a failure whose trace cannot be written is reported all the same, with the reason") {
    const scratch here;
    const std::string file = here.path() + "/file";
    std::ofstream(file) << "no directory";
    const auto check = [](const sim::exploration& result, const char* reason) {
        REQUIRE_FALSE(result.ok());
        INFO(result.failure->report);
        CHECK(result.failure->seed == 3);
        CHECK_THAT(result.failure->report, Contains("the sum has changed") && Contains("BIGHT_SIM_SEED=3") &&
                                               Contains("could not be written") && Contains(reason));
        CHECK_THAT(result.failure->report, !Contains("the whole trace is in"));
    };
    SECTION("a file is in the way") { check(third_seed_fails(file), "Not a directory"); }
    SECTION("a file is in the way of one above it") {
        check(third_seed_fails(file + "/traces"), "Not a directory");
    }
    SECTION("there are directories where the files should be") {
        fs::create_directories(here.path() + "/sum-seed-3.jsonl");
        fs::create_directories(here.path() + "/sum-seed-3.html");
        check(third_seed_fails(here.path()), is_a_directory);
    }
    SECTION("the page is the only one") {
        fs::create_directories(here.path() + "/sum-seed-3.html");
        const auto result = third_seed_fails(here.path());
        REQUIRE_FALSE(result.ok());
        INFO(result.failure->report);
        CHECK_THAT(result.failure->report,
                   Contains("the whole trace is in " + here.path() + "/sum-seed-3.jsonl\n") &&
                       Contains(std::string("sum-seed-3.html could not be written: ") + is_a_directory));
    }
}

TEST_CASE(
    "a seed that runs again by itself is reported where nothing can be written, and names what it wrote") {
    const scratch here;
    const auto again = [](const std::string& directory) {
        REQUIRE(::setenv("BIGHT_SIM_SEED", "3", 1) == 0);
        auto result = third_seed_fails(directory);
        ::unsetenv("BIGHT_SIM_SEED");
        return result;
    };
    const std::string file = here.path() + "/file";
    std::ofstream(file) << "no directory";
    const auto nowhere = again(file);
    REQUIRE_FALSE(nowhere.ok());
    CHECK_THAT(nowhere.failure->report, Contains("the sum has changed") && Contains("could not be written"));

    const auto there = again(here.path() + "/new");
    REQUIRE_FALSE(there.ok());
    CHECK_THAT(there.failure->report,
               Contains("the whole trace is in " + here.path() + "/new/sum-seed-3.jsonl"));
    CHECK(fs::exists(here.path() + "/new/sum-seed-3.html") ==
          (there.failure->report.find(".html") != std::string::npos));
}
