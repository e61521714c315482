// Answers of look-ups that are kept, where memory is out.
#include "support/allocation_faults.hpp"
#include "support/catch.hpp"
#include "support/reactors.hpp"

#include <bight/bight.hpp>
#include <bight/net/caching_resolver.hpp>

#include <chrono>
#include <exception>
#include <string>
#include <utility>

using bight::address;
using bight::task;
using test::allocation_fault;
using test::fail_each_allocation_on;
using test::failing;
using test::reactor_fixture;
using namespace std::chrono_literals;

namespace {

/// Another address each time, to be kept for 10 s.
class changing_names final : public bight::resolver {
  public:
    int asked = 0;

  protected:
    task<bight::resolved_host> look_up(std::string, address::family_type) override {
        bight::resolved_host found;
        found.ttl = 10s;
        found.addresses.push_back(address::from_ip("192.0.2." + std::to_string(++asked), 0));
        co_return found;
    }
};

}  // namespace

TEST_CASE("an answer that is too old is replaced, or gone, when memory is out") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    CAPTURE(kind);
    const auto tally = fail_each_allocation_on(kind, [](reactor_fixture&, allocation_fault& fault) -> task<> {
        changing_names origin;
        bight::caching_resolver names(origin);
        const auto found = [&names]() -> task<std::string> {
            const bight::resolved_host host = co_await names.resolve("name.test");
            co_return host.addresses.front().host();
        };
        const std::string first = co_await found();
        CHECK(first == "192.0.2.1");
        CHECK(names.statistics().entries == 1);
        co_await bight::sleep_for(11s);
        std::string second;
        std::exception_ptr error;
        {
            const failing now(fault);
            try {
                second = co_await found();
            } catch (...) {
                error = std::current_exception();
            }
        }
        // The old one is never given again, and what is kept now is whole.
        CHECK(names.statistics().entries <= 1);
        if (!error) CHECK(second == "192.0.2.2");
        const int asked = origin.asked;
        const std::string third = co_await found();
        CHECK(third == "192.0.2." + std::to_string(origin.asked));
        CHECK(origin.asked <= asked + 1);
        const std::string fourth = co_await found();
        CHECK(fourth == third);
        CHECK(names.statistics().entries == 1);
        if (error) std::rethrow_exception(error);
    });
    CHECK(tally.allocations > 3);
}
