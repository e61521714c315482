// probe_platform
#include <bight/core/platform_report.hpp>

#include "demultiplexer.hpp"
#include "descriptor_calls.hpp"
#include "tried_calls.hpp"
#if !defined(_WIN32)
#include "waker.hpp"
#endif

#include "../core/platform.hpp"

#include <bight/core/reactor.hpp>

#include <system_error>
#include <vector>

namespace bight {

using namespace detail;

namespace {

void probe_one(demultiplexer_report& about, reactor_options options, std::vector<kernel_feature>& features) {
    options.demultiplexer = about.kind;
    options.clock = nullptr;
    options.platform = nullptr;
    options.stall_limit = duration::zero();  // no thread, and nothing of BIGHT_STALL_LIMIT
    try {
        reactor tried(options);
        demultiplexer& port = demultiplexer_of(tried);
        port.enter_thread();
        port.add_features(features);
    } catch (const refused_demultiplexer& e) {
        about.refusal = e.why.text;
        about.error = e.why.error;
    }
}

#if defined(_WIN32)

void add_calls(std::vector<kernel_feature>&) {}

#else

bool has_eventfd() {
    try {
        return !waker().fills_up();
    } catch (const std::system_error&) {  // out of descriptors
        return false;
    }
}

void add_calls(std::vector<kernel_feature>& to) {
    to.push_back({"eventfd2", "2.6.27", has_eventfd(), "other threads wake a reactor by a pipe"});
    to.push_back(
        {"accept4", "2.6.28", has_accept4(), "accepting takes three system calls, and a fork may inherit"});
    to.push_back({"RWF_NOSIGNAL", "6.18", has_no_signal_flag(),
                  "a write to a pipe or a file takes three more system calls, against SIGPIPE"});
}

#endif

}  // namespace

platform_report probe_platform(const reactor_options& options) {
    if (platform* const simulated = platform::current()) {
        throw std::system_error(simulated->refuse("probe_platform"),
                                "probe_platform in a simulated world, which has no kernel to be looked at");
    }
    platform_report report;
    for (const demultiplexer_choice& c : demultiplexer_choices()) {
        demultiplexer_report& about = report.demultiplexers.emplace_back();
        about.kind = c.kind;
        about.name = c.name;
        probe_one(about, options, report.features);
    }
    add_calls(report.features);
    return report;
}

}  // namespace bight
