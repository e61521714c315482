// What probe_platform says of filters that refuse a part of the machine.
#include "demux/waker.hpp"

#include "support/reactors.hpp"
#include "support/system_calls.hpp"

#include <bight/core/platform_report.hpp>

#include <sys/syscall.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <string>
#include <string_view>

using bight::demultiplexer_kind;
using Catch::Contains;

namespace {

/// "io_uring", or "(io_uring)" for one that is refused; "+ppoll", or "-ppoll"
std::string summary(const bight::platform_report& report) {
    std::string text;
    for (const auto& d : report.demultiplexers) {
        const std::string name(d.name);
        text += d.refusal.empty() ? name + " " : "(" + name + ") ";
    }
    for (const auto& f : report.features) text += (f.works ? "+" : "-") + std::string(f.name) + " ";
    return text;
}

const bight::demultiplexer_report& report_of(const bight::platform_report& all, demultiplexer_kind kind) {
    return *std::find_if(all.demultiplexers.begin(), all.demultiplexers.end(),
                         [kind](auto& d) { return d.kind == kind; });
}

}  // namespace

TEST_CASE("probe_platform names the call that a filter refuses io_uring by, and its error") {
    test::need(demultiplexer_kind::io_uring);
    const int error = GENERATE(EPERM, ENOSYS, EACCES);
    const long call = GENERATE(SYS_io_uring_setup, SYS_io_uring_enter, SYS_io_uring_register);
    const std::string said = test::in_child([=] {
        test::refuse_system_calls({call}, error);
        const auto all = bight::probe_platform();
        const auto& of = report_of(all, demultiplexer_kind::io_uring);
        return std::to_string(of.error.value()) + "|" + of.refusal + "|" + summary(all);
    });
    CHECK_THAT(said, Catch::Matchers::StartsWith(std::to_string(error) + "|io_uring_"));
    CHECK_THAT(said, Contains("(io_uring) epoll poll select "));
    CHECK_THAT(said, !Contains("multishot"));
}

TEST_CASE("probe_platform says which calls bight does without") {
    const std::string all_there = test::in_child([] { return summary(bight::probe_platform()); });
    const std::string said = test::in_child([] {
        test::refuse_system_calls({SYS_epoll_pwait2, SYS_ppoll, SYS_eventfd2, SYS_accept4}, EPERM);
        return summary(bight::probe_platform());
    });
    for (const std::string name : {"epoll_pwait2", "ppoll", "eventfd2", "accept4"}) {
        CHECK_THAT(said, Contains("-" + name + " "));
        if (name != "epoll_pwait2")
            CHECK_THAT(all_there, Contains("+" + name + " "));  // that is Linux 5.11's
    }
}

TEST_CASE("probe_platform reports a machine on which nothing works, and does not fail") {
    const std::string said = test::in_child([] {
        test::refuse_system_calls({425, 426, 427, SYS_epoll_create1, SYS_eventfd2, SYS_pipe2}, EPERM);
        return summary(bight::probe_platform());
    });
    CHECK_THAT(said, Contains("(io_uring) (epoll) (poll) (select)"));
}
