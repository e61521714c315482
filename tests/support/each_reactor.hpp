// on_each_reactor, on_each_of, on_each_in_virtual_time: one body on every reactor that a test may use.
#pragma once

#include "catch.hpp"
#include "reactors.hpp"

#include <vector>

namespace test {

/// On each demultiplexer, and in the simulation.
template <class F>
void on_each_reactor(F body) {
    for (const auto& kind : reactors()) {
        CAPTURE(kind);
        reactor_fixture on(kind);
        on.run(body);
    }
}

/// Each of these as a run of the test case of its own.
template <class F>
void on_each_of(const std::vector<reactor_choice>& choices, F body) {
    const auto kind = GENERATE_COPY(from_range(choices));
    CAPTURE(kind);
    reactor_fixture on(kind);
    on.run(body);
}

/// The same in virtual time, each as a run of the test case of its own.
template <class F>
void on_each_in_virtual_time(F body) {
    const auto on = GENERATE(from_range(reactors()));
    CAPTURE(on);
    if (on.seed) {
        reactor_fixture(on).run(body);
    } else {
        virtual_fixture(on.kind).run(body);
    }
}

}  // namespace test
