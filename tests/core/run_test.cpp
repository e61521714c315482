#include <bight/core/error.hpp>
#include <bight/core/exit_status.hpp>
#include <bight/core/run.hpp>
#include <bight/core/sleep.hpp>
#include <bight/core/task.hpp>
#include <bight/thread/runtime.hpp>

#include "support/child.hpp"
#include "support/reactors.hpp"
#include "support/thread_sanitizer.hpp"

#include <cstdlib>
#include <memory>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

using bight::task;
using test::child;
using test::witness_pipe;

namespace {

template <class T>
task<T> fail(const char* why) {
    co_await bight::yield();
    throw std::runtime_error(why);
}

struct collected_errors {
    std::vector<std::string> reports;
    collected_errors() {
        bight::set_error_handler(
            [](const bight::error_report& report, void* self) {
                static_cast<collected_errors*>(self)->reports.push_back(report.to_string());
            },
            this);
    }
    collected_errors(const collected_errors&) = delete;
    collected_errors& operator=(const collected_errors&) = delete;
    ~collected_errors() { bight::set_error_handler(nullptr); }
};

}  // namespace

TEST_CASE("run gives an exit status for task<void> and task<int>, and the value for any other") {
    auto nothing = []() -> task<> { co_await bight::yield(); };
    auto status = []() -> task<int> { co_return 42; };
    auto text = []() -> task<std::string> { co_return "text"; };
    auto owned = []() -> task<std::unique_ptr<int>> { co_return std::make_unique<int>(7); };
    CHECK(bight::run(nothing()) == 0);
    CHECK(bight::run(status()) == 42);
    CHECK(bight::run(text()) == "text");
    const auto seven = bight::run(owned());
    CHECK(*seven == 7);
}

TEST_CASE("a task that fails makes the exit status 1 and is reported; with another result type run throws") {
    const collected_errors errors;
    CHECK(bight::run(fail<void>("first")) == 1);
    CHECK(bight::run(fail<int>("second")) == 1);
    REQUIRE(errors.reports.size() == 2);
    CHECK(errors.reports[0].find("error in the task given to run(): first\n") == 0);
    CHECK(errors.reports[0].find("run_test.cpp:") != std::string::npos);
    CHECK(errors.reports[1].find("second") != std::string::npos);
    CHECK_THROWS_WITH(bight::run(fail<std::string>("third")), "third");
    CHECK(errors.reports.size() == 2);
}

TEST_CASE(
    "run reports a reactor that cannot be had, with those that can, and gives 1 without running the task") {
    child c([](const witness_pipe& pipe) {
        ::setenv("BIGHT_REACTOR", "nonsense", 1);
        const collected_errors errors;
        auto never = [&]() -> task<> {
            pipe.say("ran\n");
            co_return;
        };
        const int status = bight::run(never());
        for (const auto& report : errors.reports) pipe.say(report);
        auto text = []() -> task<std::string> { co_return "text"; };
        try {
            (void)bight::run(text());
        } catch (const std::system_error& e) {
            pipe.say(e.code() == bight::errc::unavailable ? "thrown: unavailable\n"
                                                          : "thrown: something else\n");
        }
        return status;
    });
    CHECK(c.exit_status() == 1);
    CHECK(c.said().find("ran") == std::string::npos);
    CHECK(c.said().find("nonsense") != std::string::npos);
    for (const auto kind : test::demultiplexers()) {
        CHECK(c.said().find(test::name_of(kind)) != std::string::npos);
    }
    CHECK(c.said().find("thrown: unavailable") != std::string::npos);
}

TEST_CASE("exit_status_of gives the status of main's body, and reports what it throws") {
    CHECK(bight::exit_status_of([] { return 3; }) == 3);
    const collected_errors errors;
    CHECK(bight::exit_status_of([]() -> int { throw std::runtime_error("port taken"); }) == 1);
    REQUIRE(errors.reports.size() == 1);
    CHECK(errors.reports[0].find("error in main(): port taken") == 0);
}

TEST_CASE("exit_status_of reports a runtime that cannot be had") {
    if (!test::forked_children_have_threads) test::skip("ThreadSanitizer: no threads in a forked child");
    child c([](const witness_pipe& pipe) {
        const collected_errors errors;
        ::setenv("BIGHT_REACTOR", "nonsense", 1);
        const int status = bight::exit_status_of([] {
            bight::runtime cores;
            return cores.run([]() -> task<> { co_return; });
        });
        for (const auto& report : errors.reports) pipe.say(report);
        return status;
    });
    CHECK(c.exit_status() == 1);
    CHECK(c.said().find("error in main(): ") == 0);
    CHECK(c.said().find("nonsense") != std::string::npos);
}

TEST_CASE("what the task given to run holds is closed within the run") {
    bight::reactor r;
    const bight::reactor* closed_in = nullptr;
    struct closer {
        const bight::reactor** in;
        explicit closer(const bight::reactor** where) : in(where) {}
        closer(closer&& other) noexcept : in(std::exchange(other.in, nullptr)) {}
        ~closer() {
            if (in) *in = bight::reactor::current();
        }
    };
    auto root = [](closer) -> task<int> { co_return 4; };
    CHECK(r.run(root(closer(&closed_in))) == 4);
    CHECK(closed_in == &r);
}
