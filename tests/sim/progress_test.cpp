// Turns of which time knows nothing: when they are progress, and when a world is stuck.
#include "faulty.hpp"

#include "support/catch.hpp"
#include "support/echo.hpp"

#include "sim/world_state.hpp"

#include <bight/bight.hpp>

#include <memory>
#include <utility>

using bight::task;
using Catch::Contains;
using test::echo;
namespace sim = bight::sim;

namespace {

// Two hosts without latency between them, and few turns at once.
class world_at_one_moment {
  public:
    world_at_one_moment() : inside_(1, instant()) {
        inside_.most_turns_at_once = 1000;
        inside_.states = {&server_, &client_};
    }
    world_at_one_moment(const world_at_one_moment&) = delete;
    world_at_one_moment& operator=(const world_at_one_moment&) = delete;
    ~world_at_one_moment() {
        for (sim::detail::host_state* h : std::exchange(inside_.states, {})) h->crash();
    }

    template <class Server, class Client>
    void run(Server server, Client client) {
        give(server_, std::move(server));
        give(client_, [this, client]() -> task<> {
            co_await client();
            --client_.running;
        });
        ++client_.running;
        server_.boot();
        client_.boot();
        inside_.run_until(bight::time_point::max(), false);
    }

  private:
    static sim::world_options instant() {
        sim::world_options options;
        options.link = test::always(bight::duration::zero());
        return options;
    }
    template <class F>
    static void give(sim::detail::host_state& to, F program) {
        to.at_boot.push_back(std::make_unique<sim::detail::task_program_of<F>>(std::move(program)));
    }

    sim::detail::world_state inside_;
    sim::detail::host_state server_{inside_, "server", "10.0.0.1", 0};
    sim::detail::host_state client_{inside_, "client", "10.0.0.2", 1};
};

task<> ping(const char* where) {
    bight::stream peer = co_await bight::connect(where);
    for (int i = 0; i < 3000; ++i) {
        co_await peer.write("x");
        const auto answer = co_await peer.read_some();
        if (!answer) co_return;
    }
}

}  // namespace

TEST_CASE("any number of answers without latency is progress, over a network and on one host") {
    CHECK_NOTHROW(world_at_one_moment().run([] { return bight::serve("tcp:7000", echo); },
                                            [] { return ping("tcp:server:7000"); }));
    CHECK_NOTHROW(world_at_one_moment().run(
        []() -> task<> { co_return; },
        []() -> task<> { co_await bight::race(bight::serve("unix:/echo", echo), ping("unix:/echo")); }));
}

TEST_CASE("turns in which nothing is received are none") {
    CHECK_THROWS_WITH(world_at_one_moment().run([] { return bight::serve("tcp:7000", echo); },
                                                []() -> task<> {
                                                    for (;;) co_await bight::yield();
                                                }),
                      Contains("1000 turns without time passing") && Contains("never stops yielding"));
}
