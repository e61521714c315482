// Programs for tests of children: on this machine each is a script of the shell, in a simulated world a task.
#pragma once

#include "support/catch.hpp"
#include "support/reactors.hpp"

#include <bight/bight.hpp>
#include <bight/os/process.hpp>
#include <bight/os/signal_watch.hpp>
#include <bight/sim/world.hpp>

#include <chrono>
#include <cstdint>
#include <fstream>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace test {

/// Where children are started.
struct child_place {
    bool simulated = false;
    bight::demultiplexer_kind demultiplexer = bight::demultiplexer_kind::automatic;
    std::uint64_t seed = 0;
    bool rough = false;
    bight::sim::personality as = bight::sim::personality::plain;

    std::string name() const {
        if (!simulated) return std::string(name_of(demultiplexer));
        return "simulated" + std::string(rough ? ", rough, " : ", ") + std::string(bight::sim::name_of(as)) +
               ", seed " + std::to_string(seed);
    }
};

inline const std::vector<child_place>& child_places() {
    static const std::vector<child_place> all = [] {
        std::vector<child_place> made;
        for (const auto kind : demultiplexers()) made.push_back({false, kind});
        for (std::uint64_t seed = 1; seed <= 6; ++seed) made.push_back({true, {}, seed, seed > 2});
        for (const auto as : personalities_tried()) {
            if (as == bight::sim::personality::plain) continue;
            made.push_back({true, {}, 7, false, as});
            made.push_back({true, {}, 8, true, as});
        }
        return made;
    }();
    return all;
}

/// A program that both places have.
struct played_program {
    const char* name;
    const char* script;  ///< "$@" are the arguments
    bight::task<int> (*task)(bight::sim::child& self);
};

const std::vector<played_program>& played_programs();

/// One place, for one body.
class child_fixture {
  public:
    explicit child_fixture(child_place at) : at_(at) {
        if (!at.simulated) {
            machine_.emplace(at.demultiplexer);
            return;
        }
        frames_before_ = bight::detail::live_frames();
        bight::sim::world_options options;
        options.personality = at.as;
        options.limit = std::chrono::hours(1);
        if (at.rough) {
            for (std::size_t i = 0; i < bight::sim::fault_kinds; ++i) {
                const auto f = static_cast<bight::sim::fault>(i);
                if (is_variation(f)) options.faults.set(f, 0.2);
            }
            options.faults.set(bight::sim::fault::slow_start, 0.3);
        }
        world_.emplace(at.seed, options);
        host_ = &world_->add("here");
        for (const played_program& p : played_programs()) host_->program(p.name, p.task);
    }
    child_fixture(const child_fixture&) = delete;
    child_fixture& operator=(const child_fixture&) = delete;
    ~child_fixture() {
        if (machine_) {
            machine_->finish();
            return;
        }
        world_.reset();
        INFO(at_.name());
        CHECK(bight::detail::live_frames() == frames_before_);
    }

    /// The program with these arguments (no list of them: g++ 12 does not want one beside a co_await).
    template <class... Arguments>
    bight::command command(std::string_view name, const Arguments&... arguments) const {
        bight::command c = program(name);
        (c.argument(arguments), ...);
        return c;
    }

    template <class Body>
    void run(Body body) {
        INFO(at_.name());
        if (machine_) {
            machine_->run(std::move(body));
            return;
        }
        host_->run(std::move(body));
        world_->run();
    }

    bool simulated() const { return at_.simulated; }
    /// Waits until a child has taken a SIGSTOP: on a machine that takes a moment.
    bight::task<> until_stopped(const bight::process& child) const {
        const std::string file = "/proc/" + std::to_string(child.id()) + "/stat";
        std::string state;
        while (!simulated() && state != "T") {
            std::ifstream from(file);
            std::string number;
            std::string name;
            from >> number >> name >> state;
            co_await bight::sleep_for(std::chrono::milliseconds(1));
        }
    }
    /// Long enough for whatever a child is about to do.
    bight::task<> settle() const {
        co_await bight::sleep_for(simulated() ? std::chrono::milliseconds(20'000)
                                              : std::chrono::milliseconds(100));
    }

  private:
    bight::command program(std::string_view name) const {
        if (at_.simulated) return bight::command(name);
        for (const played_program& p : played_programs()) {
            if (name == p.name) return bight::command("/bin/sh", "-c", p.script, name);
        }
        FAIL("there is no program " << name);
        return bight::command("");
    }

    child_place at_;
    long frames_before_ = 0;
    std::optional<reactor_fixture> machine_;
    std::optional<bight::sim::world> world_;
    bight::sim::host* host_ = nullptr;
};

/// All that comes until the end.
inline bight::task<std::string> all_from(bight::stream& from) {
    std::string all;
    while (auto part = co_await from.read_some()) all.append(part.begin(), part.end());
    co_return all;
}

}  // namespace test

template <>
struct Catch::StringMaker<test::child_place> {
    static std::string convert(const test::child_place& p) { return p.name(); }
};
