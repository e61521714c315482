#include <bight/core/error.hpp>
#include <bight/core/group.hpp>
#include <bight/core/reactor.hpp>
#include <bight/core/sleep.hpp>
#include <bight/core/task.hpp>
#include <bight/core/timeout.hpp>
#include <bight/core/when_all.hpp>

#include "support/reactors.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <exception>
#include <memory>
#include <optional>
#include <source_location>
#include <stdexcept>
#include <string>
#include <system_error>
#include <vector>

using bight::task;
using bight::detail::describe_location;
using namespace std::chrono_literals;

namespace {

using test::any_demultiplexer;

task<> innermost() {
    co_await bight::yield();
    throw std::runtime_error("deep down");
}
task<> in_all() { co_await bight::when_all(innermost(), bight::sleep_for(1h)); }
task<> in_group() {
    co_await bight::with_group([](bight::group& g) { g.spawn(in_all()); });
}
task<> in_timeout() { co_await bight::with_timeout(in_group(), 1h); }
task<> outermost() { co_await in_timeout(); }

class located {
  public:
    task<std::optional<std::vector<int>>> member(std::source_location& where) const {
        where = std::source_location::current();
        co_return std::nullopt;
    }
};
template <class T>
task<T> templated(std::source_location& where, T value) {
    where = std::source_location::current();
    co_return value;
}

task<> nested(int depth) {
    co_await bight::yield();
    if (depth == 0) throw std::runtime_error("at the bottom");
    co_await nested(depth - 1);
}

std::exception_ptr error(const char* what) { return std::make_exception_ptr(std::runtime_error(what)); }

// What a child process that runs `body` writes to standard error.
template <class F>
std::string standard_error_of(F body) {
    int ends[2];
    REQUIRE(::pipe(ends) == 0);
    const pid_t pid = ::fork();
    REQUIRE(pid >= 0);
    if (pid == 0) {
        ::alarm(30);
        ::dup2(ends[1], 2);
        ::close(ends[0]);
        ::close(ends[1]);
        body();
        ::_exit(0);
    }
    ::close(ends[1]);
    std::string all;
    char buffer[4096];
    for (ssize_t n = 0; (n = ::read(ends[0], buffer, sizeof buffer)) > 0;) {
        all.append(buffer, static_cast<std::size_t>(n));
    }
    ::close(ends[0]);
    int status = 0;
    ::waitpid(pid, &status, 0);
    CHECK(status == 0);
    return all;
}

}  // namespace

TEST_CASE("a trace names the function and line of each coroutine, innermost first, through scopes") {
    test::reactor_fixture on(any_demultiplexer);
    CHECK(on.reactor().run_to_status(outermost()) == 1);
    const auto reports = on.take_errors();
    REQUIRE(reports.size() == 1);
    INFO(reports[0]);
    CHECK(reports[0].find("deep down") != std::string::npos);
    std::size_t at = 0;
    for (const char* name : {"innermost", "in_all", "in_group", "in_timeout", "outermost"}) {
        at = reports[0].find(std::string(name) + " at ", at);
        INFO(name);
        REQUIRE(at != std::string::npos);
        const std::string line = reports[0].substr(at, reports[0].find('\n', at) - at);
        CHECK(line.find("error_test.cpp:") != std::string::npos);
    }
    CHECK(reports[0].find("Frame*") == std::string::npos);
}

TEST_CASE("the trace of an error is its own, not that of one that was caught before") {
    test::reactor_fixture on(any_demultiplexer);
    auto first = []() -> task<> {
        co_await bight::yield();
        throw std::runtime_error("caught");
    };
    auto second = []() -> task<> {
        co_await bight::yield();
        throw std::runtime_error("not caught");
    };
    auto both = [&]() -> task<> {
        try {
            co_await first();
        } catch (const std::runtime_error&) {  // and forgotten
        }
        co_await second();
    };
    CHECK(on.reactor().run_to_status(both()) == 1);
    const auto reports = on.take_errors();
    REQUIRE(reports.size() == 1);
    INFO(reports[0]);
    CHECK(reports[0].find("not caught") != std::string::npos);
    CHECK(std::count(reports[0].begin(), reports[0].end(), '\n') >=
          3);  // the error, and where it came through
}

TEST_CASE("a trace of many coroutines has an end") {
    test::reactor_fixture on(any_demultiplexer);
    CHECK(on.reactor().run_to_status(nested(500)) == 1);
    const auto reports = on.take_errors();
    REQUIRE(reports.size() == 1);
    const auto lines = std::count(reports[0].begin(), reports[0].end(), '\n');
    CHECK(lines > 10);
    CHECK(lines < 100);
}

TEST_CASE("the name of a location is its function's, qualified, on every compiler") {
    test::reactor_fixture on(any_demultiplexer);
    on.run([&]() -> task<> {
        std::source_location where;
        const located here;
        co_await here.member(where);
        const auto member = describe_location(where);
        CHECK(member.find("located::member at ") != std::string::npos);
        CHECK(member.find("task") == std::string::npos);
        CHECK(member.find("Frame*") == std::string::npos);
        co_await templated<std::string>(where, "text");
        const auto in_template = describe_location(where);
        CHECK(in_template.find("templated at ") != std::string::npos);
        CHECK(in_template.find("Frame*") == std::string::npos);
    });
}

TEST_CASE("an aggregate_error has its errors in order, says them all, and its copies share them") {
    const std::vector<std::exception_ptr> both{error("one"), std::make_exception_ptr(2)};
    auto first = std::make_unique<bight::aggregate_error>(both);
    const bight::aggregate_error copy(*first);
    const bight::aggregate_error copy_of_copy(copy);
    CHECK(first->what() == copy.what());
    first.reset();
    CHECK(std::string(copy_of_copy.what()) ==
          "2 tasks failed: [one] [an exception that is no std::exception]");
    REQUIRE(copy.errors().size() == 2);
    CHECK(copy.errors()[0] == both[0]);
    CHECK(copy.errors()[1] == both[1]);
}

TEST_CASE("the error handler gets the report and its context; null puts back standard error") {
    std::vector<std::string> got;
    bight::set_error_handler(
        [](const bight::error_report& report, void* to) {
            static_cast<std::vector<std::string>*>(to)->push_back(report.to_string());
        },
        &got);
    bight::detail::report_error({error("to the handler"), "a test", {}});
    bight::set_error_handler(nullptr);
    CHECK(got == std::vector<std::string>{"error in a test: to the handler\n"});
    const auto text =
        standard_error_of([] { bight::detail::report_error({error("to stderr"), "a test", {}}); });
    CHECK(text == "bight: error in a test: to stderr\n");
    CHECK(got.size() == 1);
}

TEST_CASE("an error handler that throws is survived, and said so") {
    const auto text = standard_error_of([] {
        bight::set_error_handler([](const bight::error_report&, void*) { throw 1; });
        bight::detail::report_error({error("x"), "a test", {}});
    });
    CHECK(text.find("could not be reported") != std::string::npos);
}

TEST_CASE("the log handler gets every message; without one, warnings go to standard error") {
    std::vector<std::string> got;
    bight::set_log_handler(
        [](bight::log_level, std::string_view message, void* to) {
            static_cast<std::vector<std::string>*>(to)->emplace_back(message);
        },
        &got);
    bight::detail::log(bight::log_level::info, "calm");
    bight::detail::log(bight::log_level::warning, "alarm");
    bight::set_log_handler(nullptr);
    CHECK(got == std::vector<std::string>{"calm", "alarm"});
    const auto text = standard_error_of([] {
        bight::detail::log(bight::log_level::info, "calm");
        bight::detail::log(bight::log_level::warning, "alarm");
        bight::detail::log(bight::log_level::requested, "answer");
    });
    CHECK(text == "bight: warning: alarm\nbight: answer\n");
}

TEST_CASE(
    "on standard error the peer of a server that went away is one line; any other error has its trace") {
    const auto reset = [] {
        throw std::system_error(ECONNRESET, std::system_category(), "read from 127.0.0.1:1");
    };
    const auto bug = [] { throw std::logic_error("a bug"); };
    const auto report_of = [](auto fail) {
        return standard_error_of([&] {
            auto failing = [&]() -> task<> {
                co_await bight::yield();
                fail();
            };
            bight::reactor r;
            (void)r.run_to_status(failing());
        });
    };
    const auto one_line = standard_error_of([&] {
        try {
            reset();
        } catch (...) {
            const std::array trace{std::source_location::current()};
            bight::detail::report_error(
                {std::current_exception(), "connection 7 from 127.0.0.1:1", trace, true});
        }
    });
    CHECK(one_line.find("connection 7") != std::string::npos);
    CHECK(one_line.find("read from 127.0.0.1:1") != std::string::npos);
    CHECK(std::count(one_line.begin(), one_line.end(), '\n') == 1);
    for (const auto& traced : {report_of(reset), report_of(bug)}) {
        CHECK(traced.find("\n  in ") != std::string::npos);
        CHECK(traced.find("error_test.cpp:") != std::string::npos);
    }
}

TEST_CASE("of peers that go away one line a second is written, with the number of the others") {
    const auto text = standard_error_of([] {
        bight::virtual_clock time;
        bight::reactor_options options;
        options.clock = &time;
        bight::reactor r(options);
        auto lose = [](int peers) -> task<> {
            const auto reset = std::make_exception_ptr(
                std::system_error(ECONNRESET, std::system_category(), "read from a peer"));
            auto* const job = bight::detail::reactor_access::running_job(*bight::reactor::current());
            for (int i = 0; i < peers; ++i) bight::detail::report_connection_error(*job, reset);
            co_return;
        };
        r.run([](auto lost) -> task<> {
            co_await lost(3);
            co_await bight::sleep_for(999ms);
            co_await lost(2);
            co_await bight::sleep_for(1ms);
            co_await lost(1);
            co_await bight::sleep_for(1s);
            co_await lost(1);
        }(lose));
        std::fprintf(stderr, "%d\n", static_cast<int>(r.statistics().peers_gone));
    });
    const std::string line =
        "bight: error in the task given to run(): read from a peer: Connection reset by peer";
    CHECK(text ==
          line + "\n" + line + " (4 more peers went away since the last such line)\n" + line + "\n7\n");
}

TEST_CASE("every errc has a message of its own, and those with an equivalent equal it") {
    std::vector<std::string> messages;
    for (int code = 1; code <= static_cast<int>(bight::errc::not_accepted); ++code) {
        messages.push_back(std::error_code(code, bight::error_category()).message());
        CHECK(messages.back().find("unknown") == std::string::npos);
    }
    std::sort(messages.begin(), messages.end());
    CHECK(std::adjacent_find(messages.begin(), messages.end()) == messages.end());
    CHECK(std::error_code(999, bight::error_category()).message() == "unknown error 999");
    CHECK(std::string(bight::error_category().name()) == "bight");
    const auto code = [](bight::errc e) { return make_error_code(e); };
    CHECK(code(bight::errc::busy) == std::errc::device_or_resource_busy);
    CHECK(code(bight::errc::closed) == std::errc::not_connected);
    CHECK(code(bight::errc::aborted) == std::errc::connection_aborted);
    CHECK(code(bight::errc::timed_out) == std::errc::timed_out);
    CHECK(code(bight::errc::bad_endpoint) == std::errc::invalid_argument);
    CHECK(code(bight::errc::end_of_stream) != std::errc::timed_out);
}
