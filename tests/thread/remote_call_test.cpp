// A call from another thread that allocates nothing.
#include <bight/thread/detail/remote_call.hpp>

#include "support/catch.hpp"
#include "support/reactors.hpp"

#include <bight/core/deferred.hpp>

#include <atomic>
#include <optional>
#include <thread>

using bight::task;

namespace {

class call final : public bight::detail::remote_call {
  public:
    explicit call(bight::deferred<>* tells = nullptr) : tells_(tells) {}
    int arrivals = 0;
    int releases = 0;
    int lost = 0;  // of the releases
    std::thread::id arrived_on;

  private:
    void arrived() noexcept override {
        ++arrivals;
        arrived_on = std::this_thread::get_id();
    }
    void released(bool has_arrived) noexcept override {
        ++releases;
        lost += has_arrived ? 0 : 1;
        if (tells_) tells_->set_value();
    }
    bight::deferred<>* tells_;
};

}  // namespace

TEST_CASE("a remote_call arrives once on the reactor's thread, is released then, and may be sent again") {
    test::reactor_fixture on(GENERATE(from_range(test::demultiplexers())));
    on.run([&]() -> task<> {
        for (int round = 1; round <= 100; ++round) {
            bight::deferred<> released;
            call one(&released);
            std::thread other([&] { one.send(on.reactor()); });
            co_await released;
            CHECK(one.arrivals == 1);
            CHECK(one.releases == 1);
            CHECK(one.lost == 0);
            CHECK(one.arrived_on == std::this_thread::get_id());
            other.join();
            bight::deferred<> again;
            call two(&again);
            two.send(on.reactor());
            CHECK(two.arrivals == 0);  // not from within send
            co_await again;
            CHECK(two.arrivals == 1);
        }
    });
}

TEST_CASE("a remote_call that the reactor's end overtakes is released without having arrived") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    call one;
    {
        test::reactor_fixture on(kind);
        one.send(on.reactor());
        CHECK(one.releases == 0);
    }
    CHECK(one.arrivals == 0);
    CHECK(one.releases == 1);
    CHECK(one.lost == 1);
}
