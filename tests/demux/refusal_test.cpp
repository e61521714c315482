// System calls that the kernel does not have, or that a filter refuses with whatever error it likes.
#include "support/child.hpp"
#include "support/reactors.hpp"
#include "support/skip.hpp"
#include "support/system_calls.hpp"

#include <bight/bight.hpp>

#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <exception>
#include <string>
#include <string_view>
#include <system_error>

using namespace std::chrono_literals;
using bight::demultiplexer_kind;
using bight::task;
using Catch::Contains;

namespace {

/// A connection, with a timer armed while each side waits for bytes; and a wake by another thread.
task<std::string> converse() {
    auto l = bight::listen("tcp:0:interface=127.0.0.1");
    auto client = co_await bight::connect("tcp:127.0.0.1:" + std::to_string(l.local().port()));
    auto server = co_await l.accept();
    auto write_later = [&client]() -> task<> {
        co_await bight::sleep_for(1ms);
        co_await client.write("hello");
    };
    auto read = [&server]() -> task<std::string> {
        const auto bytes = co_await bight::with_timeout(server.read_some(), 20s);
        co_return bytes.to_string();
    };
    auto [nothing, got] = co_await bight::when_all(write_later(), read());
    auto job = [] { return std::string(" from a thread"); };
    got += co_await bight::offload(job);
    co_return got;
}

std::string converse_on(demultiplexer_kind kind) {
    bight::reactor_options options;
    options.demultiplexer = kind;
    bight::reactor r(options);
    return std::string(r.demultiplexer_name()) + ": " + r.run(converse());
}

}  // namespace

TEST_CASE("each demultiplexer does without the newer system calls, whatever the error that refuses them") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    const int error = GENERATE(ENOSYS, EPERM, EACCES, EINVAL);
    CAPTURE(kind, error);
    const std::string said = test::in_child([=] {
        test::refuse_system_calls({SYS_epoll_pwait2, SYS_ppoll, SYS_eventfd2}, error);
        // EINVAL is an answer of these calls themselves.
        if (error != EINVAL) test::refuse_system_calls({SYS_accept4, SYS_pwritev2}, error);
        return converse_on(kind);
    });
    CHECK(said == std::string(test::name_of(kind)) + ": hello from a thread");
}

TEST_CASE("poll says so when the limit of descriptors was lowered below what it waits for") {
    test::child c([](const test::witness_pipe&) {
        std::set_terminate([] {
            try {
                std::rethrow_exception(std::current_exception());
            } catch (const std::system_error& e) {
                const std::string_view said = e.what();
                ::_exit(said.find("3 descriptors are waited for, and RLIMIT_NOFILE is 1 now") != said.npos
                            ? 42
                            : 43);
            }
        });
        bight::reactor r(test::options_on(demultiplexer_kind::poll));
        auto wait = []() -> task<> {
            auto l = bight::listen("tcp:0:interface=127.0.0.1");
            auto client = co_await bight::connect("tcp:127.0.0.1:" + std::to_string(l.local().port()));
            auto server = co_await l.accept();
            auto lower = []() -> task<> {
                const rlimit one{1, 1};
                ::setrlimit(RLIMIT_NOFILE, &one);
                co_return;
            };
            co_await bight::when_all(client.read_some(), server.read_some(), lower());
        };
        r.run(wait());
        return 1;
    });
    CHECK(c.exit_status() == 42);
}

TEST_CASE("an io_uring of which any call is refused is not used, and the reason names the call") {
    const auto& there = test::demultiplexers();
    if (there.front() != demultiplexer_kind::io_uring) test::skip("there is no io_uring");
    const int error = GENERATE(ENOSYS, EPERM, EACCES);
    const long call = GENERATE(SYS_io_uring_setup, SYS_io_uring_enter, SYS_io_uring_register);
    CAPTURE(error, call);
    const std::string said = test::in_child([=] {
        ::unsetenv("BIGHT_REACTOR");
        bight::set_log_handler([](bight::log_level, std::string_view, void*) {});
        test::refuse_system_calls({call}, error);
        const bight::reactor r;
        return r.fallback_reason() + " " + converse_on(demultiplexer_kind::automatic);
    });
    CHECK_THAT(said, Contains("epoll: hello from a thread"));
    CHECK_THAT(said, Contains(call == SYS_io_uring_setup   ? "io_uring_setup: "
                              : call == SYS_io_uring_enter ? "io_uring_enter: "
                                                           : "io_uring_register"));
    CHECK_THAT(said, Contains(std::system_category().message(error)));
}
