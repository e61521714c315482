// Which limit a reactor has for tasks that hold it: by its options, by the environment, by the kind of build.
#include <bight/core/run.hpp>
#include <bight/core/sleep.hpp>

#include "support/reactors.hpp"
#include "support/running_threads.hpp"

#include <chrono>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>

using bight::task;
using Catch::Contains;
using namespace std::chrono_literals;

namespace {

constexpr const char* variable = "BIGHT_STALL_LIMIT";

// Whether a reactor with these options is watched: that takes a thread.
bool is_watched(const bight::reactor_options& options) {
    const int before = test::running_threads();
    const bight::reactor made(options);
    return test::running_threads() > before;
}

bight::reactor_options options_of(bool debug_build, std::optional<bight::duration> limit = {}) {
    bight::reactor_options options;
    options.debug_build = debug_build;
    options.stall_limit = limit;
    return options;
}

// What bight logs while it lives.
class collected_log {
  public:
    collected_log() {
        bight::set_log_handler(
            [](bight::log_level, std::string_view line, void* self) {
                auto& all = *static_cast<collected_log*>(self);
                const std::lock_guard hold(all.lock_);
                all.text_ += std::string(line) + "\n";
            },
            this);
    }
    collected_log(const collected_log&) = delete;
    collected_log& operator=(const collected_log&) = delete;
    ~collected_log() { bight::set_log_handler(nullptr); }
    std::string text() {
        const std::lock_guard hold(lock_);
        return text_;
    }

  private:
    std::mutex lock_;
    std::string text_;
};

// What is logged of a task that holds the reactor until `wanted` is said of it.
std::string logged_of_hog(const bight::reactor_options& options, const std::string& wanted) {
    collected_log log;
    bight::reactor r(options);
    r.run([&]() -> task<> {
        co_await bight::yield();
        const auto end = bight::clock::now() + 20s;
        while (log.text().find(wanted) == std::string::npos && bight::clock::now() < end) {
        }
        co_await bight::yield();
    }());
    return log.text();
}

}  // namespace

TEST_CASE("a debug build watches for tasks that hold the reactor, a release build does not") {
    const test::environment_variable unset(variable, "");
    CHECK(is_watched(options_of(true)));
    CHECK_FALSE(is_watched(options_of(false)));
    CHECK_FALSE(is_watched(options_of(true, 0s)));
    CHECK(is_watched(options_of(false, 1h)));
    CHECK_THAT(logged_of_hog(options_of(true), "more than 1000 ms"), Contains("more than 1000 ms"));
}

TEST_CASE("what is a debug build is decided by how the program is compiled, not the library") {
#if defined(NDEBUG) || defined(__OPTIMIZE__)
    CHECK_FALSE(bight::reactor_options{}.debug_build);
#else
    CHECK(bight::reactor_options{}.debug_build);
#endif
}

TEST_CASE("BIGHT_STALL_LIMIT sets the limit where the options leave it open") {
    {
        const test::environment_variable set(variable, "5ms");
        CHECK_THAT(logged_of_hog(options_of(false), "more than 5 ms"), Contains("more than 5 ms"));
        CHECK_FALSE(is_watched(options_of(false, 0s)));
    }
    for (const char* const on : {"5000us", "2s", "1min"}) {
        const test::environment_variable set(variable, on);
        CAPTURE(on);
        CHECK(is_watched(options_of(false)));
    }
    for (const char* const off : {"0", "0s", "0ms"}) {
        const test::environment_variable set(variable, off);
        CAPTURE(off);
        CHECK_FALSE(is_watched(options_of(true)));
    }
}

TEST_CASE("a BIGHT_STALL_LIMIT that is no time is refused, with what to write") {
    const std::string bad = GENERATE(as<std::string>(), "abc", "5", "-1s", "1.5s", "5 ms", "5msec", "s",
                                     " 1s", "99999999999999999999s");
    const test::environment_variable set(variable, bad);
    CHECK_THROWS_WITH(bight::reactor(options_of(false)),
                      Contains("BIGHT_STALL_LIMIT is \"" + bad + "\"") && Contains("100ms"));
    CHECK_THROWS_AS(bight::reactor(options_of(false)), std::system_error);
    CHECK_NOTHROW(bight::reactor(options_of(false, 1s)));  // the options decide
}

TEST_CASE("bight::run answers a bad BIGHT_STALL_LIMIT with status 1 and a report") {
    const test::environment_variable set(variable, "soon");
    std::string report;
    bight::set_error_handler(
        [](const bight::error_report& r, void* to) { *static_cast<std::string*>(to) = r.to_string(); },
        &report);
    bight::run_options options;
    options.reactor = options_of(false);
    const int status = bight::run([]() -> task<> { co_return; }(), options);
    bight::set_error_handler(nullptr);
    CHECK(status == 1);
    CHECK_THAT(report, Contains("BIGHT_STALL_LIMIT is \"soon\""));
}

TEST_CASE("a simulated host is not watched unless its options say so: time stands still there") {
    const test::environment_variable simulated("BIGHT_REACTOR", "sim:1");
    const test::environment_variable set(variable, "5ms");
    CHECK_FALSE(is_watched(options_of(true)));
    CHECK(is_watched(options_of(true, 1h)));
}

TEST_CASE("a warning names the reactor, if it has a name") {
    bight::reactor_options options = options_of(false, 5ms);
    options.name = "billing";
    const std::string logged = logged_of_hog(options, "has been held for");
    CHECK_THAT(logged, Contains("billing has been held for more than 5 ms by the task that went on from "));
    CHECK_THAT(logged, Contains("billing was held for "));
}
