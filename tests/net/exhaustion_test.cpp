// Servers that run out of descriptors: each case is a process of its own with a low limit.
#include "support/catch.hpp"
#include "support/connections.hpp"
#include "support/reactors.hpp"

#include <bight/bight.hpp>

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <cerrno>
#include <chrono>
#include <functional>
#include <string>
#include <vector>

using bight::stream;
using bight::task;

namespace {

// Runs `body` in a child process; gives what it returns, or -1 when it does not end by itself.
int in_child(const std::function<int()>& body) {
    const pid_t pid = ::fork();
    if (pid == 0) {
        ::alarm(60);
        int status = 99;
        try {
            status = body();
        } catch (const std::exception& e) {
            std::fprintf(stderr, "in the child: %s\n", e.what());
        } catch (...) {
            std::fprintf(stderr, "in the child: an assertion failed\n");
        }
        std::_Exit(status);
    }
    int status = 0;
    ::waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

void limit_descriptors(rlim_t number) {
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = std::min(number, limit.rlim_max);
    ::setrlimit(RLIMIT_NOFILE, &limit);
}

// Takes every descriptor that is left.
std::vector<test::raw_socket> take_all_descriptors() {
    std::vector<test::raw_socket> taken;
    for (;;) {
        const int fd = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
        if (fd < 0) return taken;
        taken.emplace_back(fd);
    }
}

double cpu_seconds() {
    rusage used{};
    ::getrusage(RUSAGE_SELF, &used);
    const auto seconds = [](const timeval& t) { return double(t.tv_sec) + double(t.tv_usec) / 1e6; };
    return seconds(used.ru_utime) + seconds(used.ru_stime);
}

// Everything until the end of the stream or an error; the server, on this thread, runs meanwhile.
task<std::string> receive_beside(const test::raw_socket& from) {
    std::string all;
    char buffer[64];
    for (;;) {
        const auto got = ::recv(from.get(), buffer, sizeof buffer, MSG_DONTWAIT);
        if (got > 0) {
            all.append(buffer, static_cast<std::size_t>(got));
        } else if (got < 0 && errno == EAGAIN) {
            co_await bight::sleep_for(std::chrono::milliseconds(1));
        } else {
            co_return all;
        }
    }
}

task<> greet(stream peer) { co_await peer.write("hello"); }

// The number of the first expectation that does not hold, or 0.
int exhausted_server(bight::demultiplexer_kind kind, bight::exhaustion_policy policy) {
    int failed = 0;
    int checks = 0;
    const auto expect = [&](bool holds) {
        ++checks;
        if (!holds && failed == 0) failed = checks;
    };
    bight::set_log_handler([](bight::log_level, std::string_view, void*) {});
    limit_descriptors(64);
    bight::reactor_options options;
    options.demultiplexer = kind;
    bight::reactor r(options);
    auto root = [&]() -> task<> {
        bight::serve_options serving;
        serving.listen.when_exhausted = policy;
        bight::listener l = bight::listen("tcp:0:interface=127.0.0.1", serving.listen);
        const auto where = l.local();
        std::vector<test::raw_socket> clients;
        for (int i = 0; i < 3; ++i) clients.emplace_back(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
        auto body = [&]() -> task<> {
            auto taken = take_all_descriptors();
            for (const auto& c : clients) {
                expect(::connect(c.get(), static_cast<const sockaddr*>(where.native()),
                                 static_cast<socklen_t>(where.native_size())) == 0);
            }
            const double before = cpu_seconds();
            co_await bight::sleep_for(std::chrono::milliseconds(400));
            expect(cpu_seconds() - before < 0.1);  // it does not spin
            if (policy == bight::exhaustion_policy::shed) {
                for (const auto& c : clients) {
                    const std::string got = co_await receive_beside(c);
                    expect(got.empty());
                }
            }
            taken.clear();
            if (policy == bight::exhaustion_policy::wait) {
                for (const auto& c : clients) {
                    const std::string got = co_await receive_beside(c);
                    expect(got == "hello");
                }
            }
            stream later = co_await bight::connect(test::endpoint_to(where));
            const std::string all = co_await test::read_all(later);
            expect(all == "hello");
        };
        co_await bight::when_any(body(), bight::serve(std::move(l), serving, greet));
    };
    r.run(root());
    return failed;
}

}  // namespace

TEST_CASE("out of descriptors, shed: clients are closed at once, and later ones are served") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    CAPTURE(kind);
    CHECK(in_child([&] { return exhausted_server(kind, bight::exhaustion_policy::shed); }) == 0);
}

TEST_CASE("out of descriptors, wait: clients wait, and are served when descriptors are free") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    CAPTURE(kind);
    CHECK(in_child([&] { return exhausted_server(kind, bight::exhaustion_policy::wait); }) == 0);
}

TEST_CASE("select refuses descriptor 1,024 with a clear error, and the server goes on") {
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_max < 1100) {
        test::skip("a process may have " + std::to_string(limit.rlim_max) + " descriptors at most");
    }
    const int failed = in_child([] {
        int checks = 0;
        int first_failed = 0;
        const auto expect = [&](bool holds) {
            ++checks;
            if (!holds && first_failed == 0) first_failed = checks;
        };
        static std::string log;
        bight::set_log_handler([](bight::log_level, std::string_view text, void*) { log += text; });
        limit_descriptors(1100);
        bight::reactor_options options;
        options.demultiplexer = bight::demultiplexer_kind::select;
        bight::reactor r(options);
        auto root = [&]() -> task<> {
            bight::listener l = bight::listen("tcp:0:interface=127.0.0.1");
            const auto where = l.local();
            stream early = co_await bight::connect(test::endpoint_to(where));
            auto body = [&]() -> task<> {
                std::string hello(5, '\0');
                co_await early.read_exactly(hello);
                expect(hello == "hello");
                std::vector<test::raw_socket> fill;
                for (;;) {
                    fill.emplace_back(::open("/dev/null", O_RDONLY | O_CLOEXEC));
                    if (fill.back().get() >= 1024) break;
                }
                const auto error = co_await test::error_of(bight::connect(test::endpoint_to(where)));
                expect(error == std::errc::too_many_files_open);
                auto high = test::raw_connect(where);
                const std::string got = co_await receive_beside(high);
                expect(got.empty());
                auto another = test::raw_connect(where);
                const std::string none = co_await receive_beside(another);
                expect(none.empty());
                const auto said = log.find("refused a connection");  // once, however many are refused
                expect(said != std::string::npos && log.find("refused a connection", said + 1) == std::string::npos);
                fill.clear();
                stream later = co_await bight::connect(test::endpoint_to(where));
                const std::string all = co_await test::read_all(later);
                expect(all == "hello");
            };
            bight::serve_options serving;
            co_await bight::when_any(body(), bight::serve(std::move(l), serving, greet));
        };
        r.run(root());
        return first_failed;
    });
    CHECK(failed == 0);
}
