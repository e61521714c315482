// Failing allocations while children are started, and waited for.
#include "children.hpp"

#include "support/allocation_faults.hpp"

#include <bight/os/run_process.hpp>
#include <bight/sim/failing_new.hpp>

#include <sys/wait.h>

#include <cerrno>
#include <string>
#include <system_error>

using namespace test;
using bight::command;
using bight::process;

TEST_CASE("without memory a child is not started, or is whole; nothing is left of it") {
    const auto kind = GENERATE(from_range(demultiplexers()));
    const bool pidfd = GENERATE(true, false);
    CAPTURE(kind, pidfd);
    const switched with(bight::detail::uses_pidfd, pidfd);
    const fault_tally tally =
        fail_each_allocation_on(kind, [](reactor_fixture&, allocation_fault& fault) -> bight::task<> {
            command c = shell("cat; echo err >&2; exit 3");
            c.pipe_to(0).pipe_from(1).pipe_from(2);
            {
                const failing now(fault);
                process child = process::spawn(c);
                co_await child.standard_input().write("some");
                co_await child.standard_input().close();
                const auto part = co_await child.standard_output().read_some();
                CHECK(part.view() == "some");
                const auto how = co_await child.wait();
                CHECK(how.code() == 3);
            }
        });
    CHECK(tally.allocations > 10);
    CHECK((::waitpid(-1, nullptr, WNOHANG) < 0 && errno == ECHILD));
}

TEST_CASE("without memory run_process ends with an error, or well") {
    const auto kind = GENERATE(from_range(demultiplexers()));
    CAPTURE(kind);
    const fault_tally tally =
        fail_each_allocation_on(kind, [](reactor_fixture&, allocation_fault& fault) -> bight::task<> {
            command c = shell("cat");
            bight::run_process_options options;
            options.input = "some";
            const failing now(fault);
            const auto ran = co_await bight::run_process(c, options);
            CHECK(ran.output == "some");
        });
    CHECK(tally.allocations > 10);
    CHECK((::waitpid(-1, nullptr, WNOHANG) < 0 && errno == ECHILD));
}
