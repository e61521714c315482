// Several reactors on a host: a main function with a runtime, as on a machine.
#include "faulty.hpp"

#include "support/catch.hpp"
#include "support/death.hpp"
#include "support/echo.hpp"

#include <bight/bight.hpp>
#include <bight/sim/world.hpp>

#include <algorithm>
#include <chrono>
#include <memory>
#include <set>
#include <stdexcept>
#include <string>
#include <system_error>
#include <vector>

using namespace std::chrono_literals;
using bight::runtime;
using bight::sharded_listener;
using bight::stream;
using bight::task;
using test::echo;
namespace sim = bight::sim;

namespace {

bight::runtime_options three() {
    bight::runtime_options options;
    options.reactors = 3;
    return options;
}

bight::serve_options spread(bight::sharding how) {
    bight::serve_options options;
    options.listen.sharding = how;
    return options;
}

task<> ask(std::string what) {
    stream s = co_await bight::connect("tcp:server:7000");
    co_await s.write(what);
    std::string answer(what.size(), '\0');
    co_await s.read_exactly(answer);
    CHECK(answer == what);
}

task<> nap() { co_await bight::sleep_for(1ms); }

// Says which reactor of its runtime it runs on.
struct names_reactor {
    runtime& all;
    task<> operator()(stream peer) const {
        const std::string name = std::to_string(all.index_here());
        co_await peer.write(name);
        co_await peer.read_some();
    }
};

}  // namespace

TEST_CASE("a server for a runtime runs on the reactors of a simulated host, unchanged") {
    const auto how = GENERATE(bight::sharding::reuse_port, bight::sharding::hand_over);
    std::set<std::string> seen;
    std::size_t reactors = 0;
    sim::world_options options;
    options.processors = 3;
    sim::world w(1, options);
    w.add("server").on_boot([&] {
        runtime cores;
        reactors = cores.size();
        return bight::serve_on(cores, "tcp:7000", spread(how), names_reactor{cores});
    });
    w.add("client").run([&]() -> task<> {
        for (int i = 0; i < 20; ++i) {
            stream s = co_await bight::connect("tcp:server:7000");
            const auto name = co_await s.read_some();
            seen.insert(name.to_string());
        }
    });
    w.run();
    CHECK(reactors == 3);
    CHECK(seen == std::set<std::string>{"0", "1", "2"});
    CHECK(w.at("server").reactors().size() == 4);
}

TEST_CASE("a main function of bight::run runs on a simulated host, unchanged") {
    sim::world w(1);
    w.add("server").on_boot([] { return bight::run(bight::serve("tcp:7000", echo)); });
    w.add("client").run([] { return bight::run(ask("hello")); });
    w.run();
    CHECK(w.elapsed() > 0s);
}

namespace {

// On each of three reactors a task that says its number to a list, three times over.
std::vector<std::size_t> order_of(std::uint64_t seed) {
    std::vector<std::size_t> order;
    sim::world w(seed);
    w.add("host").run([&] {
        runtime cores(three());
        return cores.run([&](std::size_t index) -> task<> {
            for (int i = 0; i < 3; ++i) {
                order.push_back(index);
                co_await bight::sleep_for(1ms);
            }
        });
    });
    w.run();
    return order;
}

}  // namespace

TEST_CASE("the seed decides in which order the reactors of a host have their turns") {
    std::set<std::vector<std::size_t>> orders;
    for (std::uint64_t seed = 1; seed <= 100; ++seed) {
        const auto order = order_of(seed);
        REQUIRE(order.size() == 9);
        orders.insert(std::vector(order.begin(), order.begin() + 3));
        CHECK(order == order_of(seed));
    }
    CHECK(orders.size() == 6);  // all there are
}

TEST_CASE("calls that one reactor posts to another keep their order, and are noticed soon, sooner or later") {
    std::set<bight::duration> delays;
    for (std::uint64_t seed = 1; seed <= 50; ++seed) {
        std::vector<int> came;
        sim::world w(seed);
        w.add("host").run([&] {
            runtime cores(three());
            return cores.run([&](std::size_t index) -> task<> {
                if (index > 0) co_return;
                const bight::duration posted_at = w.elapsed();
                for (int i = 0; i < 4; ++i) {
                    cores.reactor(1).post([&, i, posted_at] {
                        CHECK(cores.index_here() == 1);
                        came.push_back(i);
                        delays.insert(w.elapsed() - posted_at);
                    });
                }
                while (came.size() < 4) co_await bight::sleep_for(1ms);
            });
        });
        w.run();
        CHECK(came == std::vector{0, 1, 2, 3});
    }
    CHECK(delays.size() > 10);
    CHECK(*delays.begin() == 0s);
    CHECK(*delays.rbegin() > 100us);
    CHECK(*delays.rbegin() < 1ms);
}

TEST_CASE("a reactor that sleeps hears of a stop that another one asks for") {
    int ended = 0;
    sim::world w(1);
    w.add("host").run([&] {
        runtime cores(three());
        const int status = cores.run([&](std::size_t index) -> task<> {
            struct counted {
                int& ends;
                ~counted() { ++ends; }
            };
            const counted until_the_end{ended};
            if (index == 2) {
                co_await bight::sleep_for(1s);
                cores.stop();
            }
            co_await bight::sleep_for(1h);
        });
        CHECK(status == 1);
        CHECK(ended == 3);
        return 0;
    });
    w.run();
    CHECK(w.elapsed() < 2s);
}

TEST_CASE("values go through a concurrent_channel from reactor to reactor, in order, with back-pressure") {
    for (std::uint64_t seed = 1; seed <= 30; ++seed) {
        std::vector<int> got;
        sim::world w(seed);
        w.add("host").run([&] {
            runtime cores(three());
            bight::concurrent_channel<int> values(2);
            return cores.run([&](std::size_t index) -> task<> {
                if (index == 0) {
                    for (int i = 0; i < 20; ++i) co_await values.send(i);
                    values.close();
                } else if (index == 1) {
                    while (auto v = co_await values.receive()) got.push_back(*v);
                }
            });
        });
        w.run();
        REQUIRE(got.size() == 20);
        CHECK(std::is_sorted(got.begin(), got.end()));
    }
}

namespace {

// Two reactors take from a stock that a third one has. Who looks with one message, and takes with the next,
// may take what is not there any more.
int stock_after(std::uint64_t seed, bool in_one_message) {
    int stock = 1;  // for the first reactor
    sim::world w(seed);
    w.add("host").run([&] {
        runtime cores(three());
        return cores.run([&](std::size_t index) -> task<> {
            if (index == 0) {
                co_await bight::sleep_for(1s);
                co_return;
            }
            bight::reactor& home = *bight::reactor::current();
            bight::manual_reset_event answered;
            int seen = 0;
            cores.reactor(0).post([&] {
                seen = stock;
                if (in_one_message && stock > 0) --stock;
                home.post([&] { answered.set(); });
            });
            co_await answered.wait();
            if (in_one_message || seen == 0) co_return;
            answered.reset();
            cores.reactor(0).post([&] {
                --stock;
                home.post([&] { answered.set(); });
            });
            co_await answered.wait();
        });
    });
    w.run();
    return stock;
}

}  // namespace

TEST_CASE("a race between two reactors is in some seeds, and not in others") {
    int broken = 0;
    for (std::uint64_t seed = 1; seed <= 100; ++seed) {
        const int left = stock_after(seed, false);
        CHECK(left == stock_after(seed, false));
        broken += left < 0;
        CHECK(stock_after(seed, true) == 0);
    }
    CHECK(broken > 0);
    CHECK(broken < 100);
}

TEST_CASE("one seed gives one trace, with the reactors of a host in it") {
    const auto run = [](std::uint64_t seed) {
        sim::world_options options;
        options.faults = sim::fault_plan::storm();
        sim::world w(seed, options);
        w.add("server").on_boot([] {
            runtime cores(three());
            return bight::serve_on(cores, "tcp:7000", echo);
        });
        for (int i = 0; i < 4; ++i) {
            w.add("client" + std::to_string(i)).run([]() -> task<> {
                for (int times = 0; times < 5; ++times) {
                    const auto asked = co_await bight::as_result(ask("hello, reactor"));
                    (void)asked;
                    co_await bight::sleep_for(1s);
                }
            });
        }
        w.run_for(20s);
        w.heal();
        w.run();
        return std::pair(w.trace().digest(), w.trace().to_json_lines());
    };
    std::set<std::uint64_t> digests;
    for (std::uint64_t seed = 1; seed <= 10; ++seed) {
        const auto first = run(seed);
        const auto second = run(seed);
        CHECK(first.second == second.second);
        CHECK(first.first == second.first);
        digests.insert(first.first);
        CHECK(first.second.find(R"("reactor":2)") != std::string::npos);
    }
    CHECK(digests.size() == 10);
}

namespace {

// Notes when it is made and destroyed, and on which reactor.
class noted {
  public:
    explicit noted(std::vector<std::string>& in) : notes_(in), home_(bight::reactor::current()) {
        notes_.push_back("made");
    }
    noted(const noted&) = delete;
    ~noted() { notes_.push_back(bight::reactor::current() == home_ ? "gone at home" : "gone elsewhere"); }

  private:
    std::vector<std::string>& notes_;
    bight::reactor* home_;
};

}  // namespace

TEST_CASE("a crash stops all reactors of a host, and what ran there ends with the world, each task at home") {
    std::vector<std::string> notes;
    std::vector<std::string> ends;
    {
        sim::world w(1);
        sim::host& server = w.add("server");
        server.on_boot([&] {
            runtime cores(three());
            const int status = cores.run([&](std::size_t) -> task<> {
                const noted here(notes);
                co_await bight::sleep_for(1h);
            });
            ends.push_back("status " + std::to_string(status));
            return status;
        });
        w.run_for(1s);
        CHECK(notes == std::vector<std::string>(3, "made"));
        server.crash();
        CHECK(server.reactors().empty());
        w.run_for(1s);
        CHECK(notes.size() == 3);
        server.restart();
        w.run_for(1s);
        CHECK(notes == std::vector<std::string>(6, "made"));
        CHECK(server.reactors().size() == 4);
        CHECK(ends.empty());
    }
    CHECK(notes.size() == 12);
    CHECK(std::count(notes.begin(), notes.end(), "gone at home") == 6);
    CHECK(ends == std::vector<std::string>(2, "status 1"));
}

TEST_CASE("clients of a sharded server outlive its crash, and find it again") {
    const auto how = GENERATE(bight::sharding::reuse_port, bight::sharding::hand_over);
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        int failed = 0;
        int answered = 0;
        sim::world w(seed);
        sim::host& server = w.add("server");
        server.on_boot([&] {
            runtime cores(three());
            return bight::serve_on(cores, "tcp:7000", spread(how), echo);
        });
        auto client = [&]() -> task<> {
            for (int i = 0; i < 10; ++i) {
                try {
                    co_await bight::with_timeout(ask("hello"), 2s);
                    ++answered;
                } catch (const std::system_error&) {
                    ++failed;
                }
                co_await bight::sleep_for(500ms);
            }
        };
        for (int i = 0; i < 3; ++i) w.add("client" + std::to_string(i)).run(client);
        w.run_for(2200ms);
        server.crash();
        w.run_for(100ms);
        server.restart();
        w.run();
        CHECK(answered + failed == 30);
        CHECK(answered >= 20);
    }
}

TEST_CASE("a pause holds up all reactors of a host, and its main functions") {
    std::vector<bight::duration> ticks;
    sim::world w(1);
    sim::host& a = w.add("a");
    a.run([&] {
        runtime cores(three());
        return cores.run([&](std::size_t) -> task<> {
            co_await bight::sleep_for(1s);
            ticks.push_back(w.elapsed());
        });
    });
    a.pause(10s);
    w.run();
    REQUIRE(ticks.size() == 3);
    for (const auto at : ticks) CHECK(at >= 10s);
}

TEST_CASE("what one reactor's thread may not do to another is refused, as on a machine") {
    sim::world w(1);
    std::error_code started;
    w.add("host").run([&] {
        runtime cores(three());
        return cores.run([&](std::size_t index) -> task<> {
            if (index == 0) {
                try {
                    cores.reactor(1).start([]() -> task<> { co_return; });
                } catch (const std::system_error& e) {
                    started = e.code();
                }
            }
            co_await bight::sleep_for(1ms);
        });
    });
    w.run();
    CHECK(started == bight::errc::wrong_thread);
}

TEST_CASE("a mutex of one reactor that another one uses is found out") {
    const std::string said = test::dying_words([] {
        sim::world w(1);
        bight::mutex ours;
        w.add("host").run([&] {
            runtime cores(three());
            return cores.run([&](std::size_t) -> task<> {
                const auto hold = co_await ours.lock();
                co_await bight::sleep_for(1ms);
            });
        });
        w.run();
    });
    CHECK_THAT(said, Catch::Contains("a mutex was used from another thread"));
}

TEST_CASE("what would block a thread that the world does not know is refused, and says so") {
    sim::world w(1);
    std::string block;
    std::string receive;
    std::string turn;
    w.add("host").run([&] {
        bight::concurrent_channel<int> values(1);
        runtime cores(three());
        bight::reactor own;
        const auto error_of = [](auto f) {
            try {
                f();
            } catch (const std::exception& e) {
                return std::string(e.what());
            }
            return std::string("none");
        };
        block = error_of([&] { bight::block_on(cores.reactor(0), []() -> task<> { co_return; }); });
        receive = error_of([&] { (void)values.receive_blocking(); });
        turn = error_of([&] { own.run_once(); });
        return 0;
    });
    w.run();
    CHECK_THAT(block, Catch::Contains("block_on is not simulated"));
    CHECK_THAT(receive, Catch::Contains("concurrent_channel::receive_blocking is not simulated"));
    CHECK_THAT(turn, Catch::Contains("reactor::run_once is not simulated"));
}

TEST_CASE("a main function that fails fails the world") {
    const auto error_of = [](auto main) {
        sim::world w(1);
        w.add("a").run(main);
        try {
            w.run();
        } catch (const std::exception& e) {
            return std::string(e.what());
        }
        return std::string("none");
    };
    CHECK(error_of([] { return 0; }) == "none");
    CHECK(error_of([] { return 3; }) == "host a: its main function gave the exit status 3");
    CHECK(error_of([]() -> int { throw std::runtime_error("no luck"); }) == "no luck");
}

TEST_CASE("the seed decides what a main function draws, looks at and binds") {
    const auto run = [](std::uint64_t seed) {
        std::uint64_t drawn = 0;
        std::string where;
        std::chrono::system_clock::time_point date;
        sim::world w(seed);
        w.add("host").run([&] {
            drawn = bight::random();
            date = bight::wall_clock_now();
            runtime cores(three());
            where = sharded_listener(cores, "tcp:0").local().to_string();
            return 0;
        });
        w.run();
        CHECK(w.at("host").sockets() == 0);
        CHECK(date == sim::world_options().date);
        return std::pair(drawn, where);
    };
    CHECK(run(1) == run(1));
    CHECK(run(1).first != run(2).first);
    CHECK(run(1).second == "0.0.0.0:32768");
}

TEST_CASE("a deadlock names the reactors of a host, and the main function") {
    sim::world w(1);
    w.add("host").run([] {
        runtime cores(three());
        return cores.run([](std::size_t) -> task<> {
            bight::manual_reset_event never;
            co_await never.wait();
        });
    });
    try {
        w.run();
        FAIL("it ended");
    } catch (const bight::deadlock& e) {
        CHECK_THAT(e.what(), Catch::Contains("host host, reactor 3:"));
        CHECK_THAT(e.what(), Catch::Contains("a main function: it waits for its reactors"));
    }
}

TEST_CASE("a connection that is handed over to another reactor has what had come before") {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        std::vector<std::string> got(6);
        std::set<std::size_t> served_by;
        sim::world w(seed, test::with(sim::fault::small_segment, 0.5));
        w.add("server").on_boot([&] {
            runtime cores(three());
            return bight::serve_on(cores, "tcp:7000", spread(bight::sharding::hand_over),
                                   [&](stream peer) -> task<> {
                                       served_by.insert(cores.index_here());
                                       co_await bight::sleep_for(100ms);  // all of it has come
                                       std::string first(5, ' ');
                                       co_await peer.read_exactly(first);
                                       co_await peer.write(first);
                                       while (auto more = co_await peer.read_some())
                                           co_await peer.write(more);
                                   });
        });
        for (std::size_t i = 0; i < got.size(); ++i) {
            w.add("client" + std::to_string(i)).run([&, i]() -> task<> {
                stream s = co_await bight::connect("tcp:server:7000");
                co_await s.write("hello");
                co_await s.write(", reactor");
                co_await s.shutdown_write();
                while (auto data = co_await s.read_some()) got[i] += data.view();
            });
        }
        w.run();
        CHECK(served_by.size() == 3);
        for (const std::string& one : got) CHECK(one == "hello, reactor");
    }
}

TEST_CASE("a main function may not run a reactor of another place, and may destroy one") {
    auto outside = std::make_unique<bight::reactor>();
    bool began = false;
    outside->start([](bool& b) -> task<> {
        b = true;
        co_return;
    }(began));
    std::unique_ptr<bight::reactor> of_a;
    std::vector<std::string> said;
    {
        sim::world w(1);
        auto tries_to_run = [&](bight::reactor& r) {
            try {
                r.run(nap());
            } catch (const std::system_error& e) {
                said.push_back(e.what());
            }
        };
        w.add("a").run([&] {
            of_a = std::make_unique<bight::reactor>();
            of_a->run(nap());
            tries_to_run(*outside);
            outside.reset();
            return 0;
        });
        w.run();
        w.add("b").run([&] {
            tries_to_run(*of_a);
            return 0;
        });
        w.run();
        of_a.reset();
    }
    CHECK_FALSE(began);
    REQUIRE(said.size() == 2);
    for (const std::string& text : said) {
        CHECK(text.find("on a simulated host: the reactor was not made there") != std::string::npos);
    }
}

TEST_CASE("a reactor of a main function that outlives its world ends the process, with the host's name") {
    const std::string said = test::dying_words([] {
        std::unique_ptr<bight::reactor> kept;
        sim::world w(1);
        w.add("keeper").run([&] {
            kept = std::make_unique<bight::reactor>();
            kept->run(nap());
            return 0;
        });
        w.run();
    });
    CHECK(said.find("a reactor that was made on the simulated host \"keeper\" outlives its world") !=
          std::string::npos);
}

TEST_CASE("a task of a simulated host is told that it cannot have reactors of its own") {
    std::vector<std::string> said;
    sim::world w(1);
    w.add("a").run([&]() -> task<> {
        for (const bool several : {false, true}) {
            try {
                if (several) {
                    runtime all;
                } else {
                    bight::reactor one;
                }
            } catch (const std::system_error& e) {
                said.push_back(e.what());
            }
        }
        co_return;
    });
    w.run();
    REQUIRE(said.size() == 2);
    for (const std::string& text : said) {
        CHECK(text.find("a task in the simulation cannot have a reactor of its own") != std::string::npos);
    }
}
