// Reactors on io_uring and the memory that the kernel lets each user lock.
#include "support/reactors.hpp"
#include "support/skip.hpp"
#include "support/system_calls.hpp"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

using Catch::Contains;

namespace {

/// In a child: a user whom nobody else is, so that it has all of the limit to itself. Only root can.
bool become_somebody_with(rlim_t bytes) {
    const auto nobody_else = static_cast<uid_t>(1'000'000 + ::getpid());
    if (::setgid(static_cast<gid_t>(nobody_else)) < 0 || ::setuid(nobody_else) < 0) return false;
    const rlimit limit{bytes, bytes};
    return ::setrlimit(RLIMIT_MEMLOCK, &limit) == 0;
}

void need_io_uring_and_root() {
    if (test::demultiplexers().front() != bight::demultiplexer_kind::io_uring)
        test::skip("there is no io_uring");
    if (::geteuid() != 0) test::skip("only root can become another user");
}

}  // namespace

TEST_CASE("sixty-four reactors find the memory that they lock within the usual limit, all on io_uring") {
    need_io_uring_and_root();
    const std::string said = test::in_child([]() -> std::string {
        if (!become_somebody_with(8U << 20)) return "cannot";
        ::unsetenv("BIGHT_REACTOR");
        std::vector<std::unique_ptr<bight::reactor>> all;
        for (int i = 0; i < 64; ++i) all.push_back(std::make_unique<bight::reactor>());
        const auto on_io_uring = std::count_if(all.begin(), all.end(),
                                               [](auto& r) { return r->demultiplexer_name() == "io_uring"; });
        return std::to_string(on_io_uring);
    });
    if (said == "cannot") test::skip("there is no user to become");
    CHECK(said == "64");
}

TEST_CASE(
    "a ring for which the limit of locked memory is too low is not used; the reason names limit and remedy") {
    need_io_uring_and_root();
    const std::string said = test::in_child([]() -> std::string {
        if (!become_somebody_with(4096)) return "cannot";
        ::unsetenv("BIGHT_REACTOR");
        bight::set_log_handler([](bight::log_level, std::string_view, void*) {});
        const bight::reactor r;
        return r.fallback_reason();
    });
    if (said == "cannot") test::skip("there is no user to become");
    if (said.empty()) test::skip("this kernel does not count what rings lock");
    CHECK_THAT(said, Contains("limit of locked memory, 4 KiB") && Contains("ulimit -l"));
}
