// Connections that are handed from the reactor which accepts to a listener of another one.
#include "support/catch.hpp"
#include "support/connections.hpp"
#include "support/reactors.hpp"
#include "support/runtimes.hpp"

#include <bight/bight.hpp>

#include <atomic>
#include <chrono>
#include <string>
#include <thread>
#include <vector>

using bight::sharded_listener;
using bight::task;
using test::runtime_fixture;
using namespace std::chrono_literals;

namespace {

bight::listen_options handed_over() {
    bight::listen_options options;
    options.sharding = bight::sharding::hand_over;
    return options;
}

}  // namespace

TEST_CASE("a connection on its way to a listener that was closed and opened again is not the new one's") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    CAPTURE(kind);
    runtime_fixture on(kind, 2);
    sharded_listener where(on.runtime(), "tcp:0:interface=127.0.0.1", handed_over());
    std::atomic<int> listening{0};
    std::atomic<bool> one_is_on_its_way{false};
    std::atomic<bool> opened_again{false};
    std::atomic<bool> none_came{false};
    std::atomic<int> accepted_later{0};
    auto accepts = [&](bight::listener l) -> task<> {  // in turn: its own, the other's, its own
        const auto first = co_await l.accept();
        const auto third = co_await l.accept();
        one_is_on_its_way = true;
        while (!none_came) co_await bight::sleep_for(1ms);
        (void)co_await bight::try_with_timeout(l.accept(), 10s);
        while (accepted_later == 0) co_await bight::sleep_for(1ms);
    };
    auto closes = [&](bight::listener l) -> task<> {
        ++listening;
        while (!one_is_on_its_way) std::this_thread::yield();  // its reactor takes no calls meanwhile
        l.close();
        bight::listener again = where.listen();
        const auto nobody = co_await bight::try_with_timeout(again.accept(), 20ms);
        none_came = !nobody.has_value();
        opened_again = true;
        const auto later = co_await bight::try_with_timeout(again.accept(), 10s);
        if (later.has_value()) ++accepted_later;
    };
    auto root = [&]() -> task<> {
        // That of the first reactor opens first, and so is the first to get one.
        while (on.runtime().index_here() == 1 && listening == 0) co_await bight::sleep_for(1ms);
        bight::listener l = where.listen();
        if (on.runtime().index_here() == 0) {
            ++listening;
            co_await accepts(std::move(l));
        } else {
            co_await closes(std::move(l));
        }
    };
    runtime_fixture::background running(on.runtime(), [&] { return on.runtime().run(root); });
    while (listening < 2) std::this_thread::yield();
    std::vector<test::raw_socket> clients;
    for (int i = 0; i < 3; ++i) clients.push_back(test::raw_connect(where.local()));
    while (!opened_again) std::this_thread::yield();
    CHECK(none_came);
    CHECK(clients[1].receive_all().empty());  // it was closed
    for (int i = 0; i < 2; ++i) clients.push_back(test::raw_connect(where.local()));
    CHECK(running.wait() == 0);
    CHECK(accepted_later == 1);
}
