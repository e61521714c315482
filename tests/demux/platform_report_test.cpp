// What probe_platform says of the machine.
#include "support/reactors.hpp"

#include <bight/core/platform_report.hpp>

#include <system_error>
#include <vector>

TEST_CASE("probe_platform finds what reactors find here, best first, and leaves nothing open") {
    const int before = test::open_descriptors();
    const bight::platform_report report = bight::probe_platform();
    CHECK(test::open_descriptors() == before);
    std::vector<bight::demultiplexer_kind> there;
    for (const auto& d : report.demultiplexers) {
        CHECK(d.name == test::name_of(d.kind));
        if (!d.refusal.empty()) continue;
        there.push_back(d.kind);
        CHECK(!d.error);
    }
    CHECK(there == test::demultiplexers());
    for (const auto& f : report.features) {
        CAPTURE(f.name);
        CHECK_FALSE(f.since.empty());
        CHECK_FALSE(f.otherwise.empty());
    }
}

TEST_CASE("probe_platform does not look at BIGHT_REACTOR") {
    const test::environment_variable set("BIGHT_REACTOR", GENERATE("nonsense", "sim:1", "select", "wfmo"));
    CHECK(bight::probe_platform().demultiplexers.back().refusal.empty());
}

TEST_CASE("in a simulated world probe_platform is refused, for there is no kernel") {
    const test::environment_variable set("BIGHT_REACTOR", "sim:1");
    bight::reactor r;
    auto probe = []() -> bight::task<std::error_code> {
        try {
            bight::probe_platform();
        } catch (const std::system_error& e) {
            co_return e.code();
        }
        co_return std::error_code();
    };
    CHECK(r.run(probe()) == std::errc::not_supported);
}
