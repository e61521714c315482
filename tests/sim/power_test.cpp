// A host that loses its power: nothing of what ran on it does anything more.
#include "faulty.hpp"

#include "support/catch.hpp"
#include "support/connections.hpp"
#include "support/echo.hpp"

#include <bight/bight.hpp>
#include <bight/core/detail/frame_pool.hpp>
#include <bight/sim/world.hpp>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

using namespace std::chrono_literals;
using bight::stream;
using bight::task;
using test::echo;
namespace sim = bight::sim;

namespace {

// What survives a crash.
using notebook = std::vector<std::string>;

struct writes_when_destroyed {
    notebook& into;
    ~writes_when_destroyed() { into.emplace_back("a destructor"); }
};

task<> wait_and_write(notebook& into) {
    const writes_when_destroyed guard{into};
    into.emplace_back("begun");
    co_await bight::sleep_for(1h);
    into.emplace_back("after the wait");
}

task<> read_and_write(notebook& into, stream peer) {
    try {
        while (auto data = co_await peer.read_some()) co_await peer.write(data);
        into.emplace_back("the end");
    } catch (const std::exception& e) {
        into.emplace_back(e.what());
    }
}

task<> ask_for_ever() {
    for (;;) {
        try {
            stream peer = co_await bight::connect("tcp:server:7000");
            for (int i = 0; i < 20; ++i) {
                co_await peer.write("hello");
                auto answer = co_await bight::try_with_timeout(peer.read_some(), 1s);
            }
        } catch (const std::exception&) {
        }
        co_await bight::sleep_for(10ms);
    }
}

}  // namespace

TEST_CASE(
    "a crash runs no destructor and no clean-up; the end of the world does, and gives all frames back") {
    const long frames_before = bight::detail::live_frames();
    notebook disk;
    std::optional<sim::world> w(std::in_place, 1);
    sim::host& server = w->add("server");
    server.on_boot([&]() -> task<> {
        auto clean_up = [&]() -> task<> {
            disk.emplace_back("a clean-up");
            co_return;
        };
        co_await bight::finally(wait_and_write(disk), clean_up);
    });
    w->run_for(1s);
    server.crash();
    w->run_for(2h);
    CHECK(disk == notebook{"begun"});
    server.restart();
    w->run_for(1s);
    CHECK(disk == notebook{"begun", "begun"});
    w.reset();
    CHECK(disk.size() == 6);
    CHECK(bight::detail::live_frames() == frames_before);
}

TEST_CASE(
    "no catch block of a crashed host runs, whatever its tasks were at, and no error of its is reported") {
    std::vector<std::string> reported;
    bight::set_error_handler(
        [](const bight::error_report& report, void* to) {
            static_cast<std::vector<std::string>*>(to)->push_back(report.to_string());
        },
        &reported);
    for (std::uint64_t seed = 1; seed <= 60; ++seed) {
        CAPTURE(seed);
        notebook disk;
        sim::world_options options;
        options.faults = sim::fault_plan::storm();
        options.faults.set(sim::fault::crash, 0);
        sim::world w(seed, options);
        sim::host& server = w.add("server");
        server.on_boot([&] {
            return bight::serve("tcp:7000",
                                [&](stream peer) { return read_and_write(disk, std::move(peer)); });
        });
        for (const char* name : {"a", "b", "c"}) w.add(name).on_boot(ask_for_ever);
        w.run_for(std::chrono::milliseconds(300 + 7 * seed));
        const notebook before = disk;
        reported.clear();
        server.crash();
        w.run_for(10s);
        REQUIRE(disk == before);
        REQUIRE(reported.empty());
    }
    CHECK(reported.empty());  // nor as the last world ended
    bight::set_error_handler(nullptr);
}

TEST_CASE("a program that was writing when its host crashed has not failed") {
    sim::world w(1);
    sim::host& writer = w.add("writer");
    writer.on_boot([]() -> task<> {
        stream peer = co_await bight::connect("tcp:reader:7000");
        for (;;) co_await peer.write("x");
    });
    w.add("reader").on_boot([] {
        return bight::serve("tcp:7000", [](stream peer) -> task<> {
            while (auto data = co_await peer.read_some()) {
            }
        });
    });
    w.run_for(10ms);
    writer.crash();
    CHECK(w.run_for(10s));
}

TEST_CASE("a task of another host may crash and restart a host, and loses nothing by it") {
    sim::world w(1);
    int boots = 0;
    int answers = 0;
    sim::host& server = w.add("server");
    server.on_boot([&] {
        ++boots;
        return bight::serve("tcp:7000", echo);
    });
    w.add("operator").run([&]() -> task<> {
        for (int i = 0; i < 3; ++i) {
            stream peer = co_await bight::connect("tcp:server:7000");
            co_await peer.write("x");
            auto answer = co_await peer.read_some();
            if (answer) ++answers;
            if (i == 1) {
                server.crash();
                co_await bight::sleep_for(1s);
            }
            server.restart();
            co_await peer.write("x");
            const auto end = co_await bight::as_result(peer.read_some());
            CHECK(end.error() == std::errc::connection_reset);
        }
    });
    w.run();
    CHECK(boots == 4);
    CHECK(answers == 3);
}

TEST_CASE("a task that would crash or restart its own host is told so, and goes on") {
    sim::world w(1);
    sim::host& host = w.add("host");
    std::string refused;
    bool ended = false;
    host.run([&]() -> task<> {
        CHECK_THROWS_AS(host.restart(), std::logic_error);
        try {
            host.crash();
        } catch (const std::logic_error& e) {
            refused = e.what();
        }
        co_await bight::sleep_for(1s);
        ended = true;
    });
    w.run();
    CHECK(refused.find("host \"host\"") != std::string::npos);
    CHECK(host.is_up());
    CHECK(ended);
}

namespace {

// What happens in a world whose server crashes all the time, with something else on the heap or not.
std::uint64_t many_lives(std::uint64_t seed, std::size_t on_the_heap) {
    std::vector<std::unique_ptr<char[]>> blocks;
    const auto fill_the_heap = [&] {
        for (std::size_t i = 0; i < on_the_heap; ++i) {
            blocks.push_back(std::make_unique<char[]>(64 + (i * 16) % 2000));
        }
    };
    sim::world_options options = test::with(sim::fault::slow_completion);
    options.faults.set(sim::fault::false_readiness, 0.5).set(sim::fault::late_cancel, 0.5);
    sim::world w(seed, options);
    sim::host& server = w.add("server");
    server.on_boot([] { return bight::serve("tcp:7000", echo); });
    w.add("client").on_boot(ask_for_ever);
    for (int i = 0; i < 20; ++i) {
        w.run_for(17ms);
        fill_the_heap();
        server.crash();
        fill_the_heap();
        server.restart();
    }
    w.run_for(10s);
    return w.trace().digest();
}

}  // namespace

TEST_CASE("what was under way in a former life of a host does nothing in its next one") {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        CAPTURE(seed);
        REQUIRE(many_lives(seed, 0) == many_lives(seed, 400));
    }
}

TEST_CASE("the file of a Unix socket survives a crash, without a listener; an abstract name does not") {
    sim::world w(1);
    sim::host& host = w.add("host");
    host.run([]() -> task<> {
        auto file = bight::listen("unix:/run/service");
        std::optional<bight::listener> abstract;
        if (test::has_abstract_names()) abstract.emplace(bight::listen("unix:@service"));
        co_await bight::sleep_for(1h);
    });
    w.run_for(1s);
    host.restart();
    host.run([]() -> task<> {
        const auto at_file = co_await bight::as_result(bight::connect("unix:/run/service"));
        CHECK(at_file.error() == std::errc::connection_refused);
        if (test::has_abstract_names()) {
            const auto at_name = co_await bight::as_result(bight::connect("unix:@service"));
            CHECK(at_name.error() == std::errc::connection_refused);
        }
        auto again = bight::listen("unix:/run/service");  // it is taken for what it is: left over
        stream peer = co_await bight::connect("unix:/run/service");
    });
    w.run();
}
