// The poetry sample, with slow servers in a simulated world.
#include "samples.hpp"

#include "support/catch.hpp"

#include <bight/sim/explore.hpp>
#include <bight/sim/world.hpp>

#include <chrono>
#include <stdexcept>
#include <string>
#include <vector>

using namespace std::chrono_literals;
using bight::task;
using poetry_sample::poem;
namespace sim = bight::sim;

namespace {

std::string verse(int poet, int number) {
    return "verse " + std::to_string(number) + " of poet " + std::to_string(poet) + "\n";
}

std::string whole_poem(int poet, int verses) {
    std::string text;
    for (int i = 0; i < verses; ++i) text += verse(poet, i);
    return text;
}

// A verse each second, for whoever connects.
task<> recite(int poet, int verses, bight::stream to) {
    for (int i = 0; i < verses; ++i) {
        co_await to.write(verse(poet, i));
        co_await bight::sleep_for(1s);
    }
}

void add_poet(sim::world& w, int poet, int verses) {
    w.add("poet" + std::to_string(poet)).on_boot([=] {
        return bight::serve("tcp:10000", recite, poet, verses);
    });
}

std::vector<std::string> poets(int count) {
    std::vector<std::string> at;
    for (int i = 1; i <= count; ++i) at.push_back("tcp:poet" + std::to_string(i) + ":10000");
    return at;
}

}  // namespace

TEST_CASE(
    "poetry: ten slow servers take as long as the slowest, and the poems come in the order of the tasks") {
    sim::world_options options;
    options.link = {0ns, 0ns, 0ns, 0};
    std::vector<poem> got;
    sim::world w(1, options);
    for (int i = 1; i <= 10; ++i) add_poet(w, i, 11 - i);
    w.add("reader").run([&]() -> task<> { got = co_await poetry_sample::read_all(poets(10)); });
    w.run();
    CHECK(w.elapsed() >= 10s);
    CHECK(w.elapsed() < 10s + 50ms);
    REQUIRE(got.size() == 10);
    for (int i = 1; i <= 10; ++i) {
        const poem& p = got[static_cast<std::size_t>(i - 1)];
        CHECK(p.text == whole_poem(i, 11 - i));
        CHECK(p.trouble.empty());
    }
}

TEST_CASE(
    "poetry: a server that falls silent is given up after thirty seconds, and costs the others nothing") {
    std::vector<poem> got;
    sim::world w(1);
    w.add("poet1").on_boot([] {
        return bight::serve("tcp:10000", [](bight::stream to) -> task<> {
            co_await to.write("half a ver");
            co_await bight::sleep_for(24h);
        });
    });
    add_poet(w, 2, 60);
    w.add("reader").run([&]() -> task<> { got = co_await poetry_sample::read_all(poets(2)); });
    w.run();
    REQUIRE(got.size() == 2);
    CHECK(got[0].text == "half a ver");
    CHECK_THAT(got[0].trouble, Catch::Contains("deadline"));
    CHECK(got[1].text == whole_poem(2, 60));
    CHECK(got[1].trouble.empty());
    CHECK(w.elapsed() < 62s);
}

TEST_CASE("poetry: in a storm each poem is whole, or has its trouble told, and none is in another's place") {
    sim::explore_options options;
    options.seeds = 100;
    options.name = "poetry";
    // A server that has no descriptor for a reader ends its poem in good order, before the beginning.
    options.world.faults = sim::fault_plan::storm().leave_out(sim::fault::accept_error);
    const auto result = sim::explore(
        [](sim::world& w) {
            auto& got = w.own<std::vector<poem>>();
            constexpr int count = 5;
            for (int i = 1; i <= count; ++i) add_poet(w, i, 2 * i);
            w.add("reader").run([&got]() -> task<> { got = co_await poetry_sample::read_all(poets(count)); });
            w.run();
            if (got.size() != count) throw std::runtime_error("a task has no result");
            for (int i = 1; i <= count; ++i) {
                const poem& p = got[static_cast<std::size_t>(i - 1)];
                const std::string whole = whole_poem(i, 2 * i);
                if (!whole.starts_with(p.text)) throw std::runtime_error("what no poet has said");
                if (p.trouble.empty() && p.text != whole)
                    throw std::runtime_error("half a poem without trouble");
            }
        },
        options);
    CHECK(result.ok());
}
