// Where a body of tests runs: on this machine, over each demultiplexer and family, and in simulated worlds.
// The server's half and the client's half are two tasks: on one reactor, or on two simulated hosts.
//
//     TEST_CASE("what is promised") {
//         test::place_fixture on(GENERATE(from_range(test::places())));
//         on.run_pair([&](bight::stream& peer) -> bight::task<> { … },    // the server's end
//                     [&](bight::stream& peer) -> bight::task<> { … });   // the client's end
//     }
#pragma once

#include "connections.hpp"
#include "reactors.hpp"

#include <bight/core/detail/frame_pool.hpp>
#include <bight/core/sleep.hpp>
#include <bight/core/when_all.hpp>
#include <bight/sim/world.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace test {

struct place {
    enum class kind : std::uint8_t { machine, one_host, two_hosts };

    kind where = kind::machine;
    test::family family = test::family::tcp;
    bight::demultiplexer_kind demultiplexer = bight::demultiplexer_kind::automatic;  ///< machine
    std::uint64_t seed = 0;
    /// Simulated: with everything that a network and a kernel may do without affecting a correct program.
    bool rough = false;
    bight::sim::personality as = bight::sim::personality::plain;  ///< simulated

    bool simulated() const { return where != kind::machine; }
    std::string name() const {
        const std::string over = Catch::StringMaker<test::family>::convert(family);
        if (!simulated()) return std::string(name_of(demultiplexer)) + ", " + over;
        return std::string(where == kind::one_host ? "one simulated host" : "two simulated hosts") +
               (rough ? ", rough" : "") + ", " + std::string(bight::sim::name_of(as)) + ", seed " +
               std::to_string(seed) + ", " + over;
    }
};

inline std::vector<place> places_of(const std::vector<family>& wanted) {
    std::vector<place> all;
    for (const family f : wanted) {
        // A simulated host has all, but for names that addresses of this system cannot have.
        const bool here = !those_here({f}).empty();
        if (f == family::unix_abstract && !has_abstract_names()) continue;
        for (const auto kind : demultiplexers()) {
            if (here) all.push_back({place::kind::machine, f, kind, 0, false});
        }
        for (std::uint64_t seed = 1; seed <= 5; ++seed) {
            const bool rough = seed > 2;
            all.push_back({place::kind::one_host, f, {}, seed, rough});
            if (f == family::tcp) all.push_back({place::kind::two_hosts, f, {}, seed, rough});
        }
        for (const auto as : personalities_tried()) {
            if (as == bight::sim::personality::plain) continue;
            all.push_back({place::kind::one_host, f, {}, 6, false, as});
            if (f == family::tcp) all.push_back({place::kind::two_hosts, f, {}, 7, true, as});
        }
    }
    return all;
}

inline const std::vector<place>& places() {
    static const std::vector<place> all =
        places_of({family::tcp, family::tcp6, family::unix_path, family::unix_abstract});
    return all;
}
/// Those of `all` where a connection does what Linux has it do in every step. Sockets of Windows do not: a
/// write to a peer that has gone is a reset there each time, and never a broken pipe; a connection that was
/// reset is not accepted; and there is no reuse_port.
inline std::vector<place> as_on_linux(std::vector<place> all) {
#ifdef _WIN32
    std::erase_if(all, [](const place& p) { return !p.simulated(); });
    leave_out("sockets of Windows do not end as those of Linux");
#endif
    return all;
}
inline const std::vector<place>& tcp_places() {
    static const std::vector<place> all = places_of({family::tcp, family::tcp6});
    return all;
}
inline const std::vector<place>& unix_places() {
    static const std::vector<place> all = places_of({family::unix_path, family::unix_abstract});
    return all;
}

/// One place, for one body. At the end it checks that no frames, descriptors, sockets or untaken errors are
/// left.
class place_fixture {
  public:
    explicit place_fixture(place at) : place_(at) {
        if (place_.simulated()) {
            bight::sim::world_options options;
            options.limit = std::chrono::hours(1);
            begin_world(options);
        } else {
            machine_.emplace(place_.demultiplexer);
        }
    }
    /// The same with options of the world, which are ignored on the machine.
    place_fixture(place at, const bight::sim::world_options& options) : place_(at) {
        if (place_.simulated()) {
            begin_world(options);
        } else {
            machine_.emplace(place_.demultiplexer);
        }
    }
    place_fixture(const place_fixture&) = delete;
    place_fixture& operator=(const place_fixture&) = delete;
    ~place_fixture() { finish(); }

    const place& at() const { return place_; }
    bool is_tcp() const { return test::is_tcp(place_.family); }

    /// An endpoint on which the server may listen; each call gives another.
    std::string new_endpoint() {
        if (place_.where == place::kind::two_hosts) return "tcp:0:interface=10.0.0.1";
        // In a world the name influences what happens, so it must be the same in each process.
        if (place_.simulated() && place_.family == family::unix_path) {
            return "unix:/run/" + std::to_string(++endpoints_);
        }
        if (place_.simulated() && place_.family == family::unix_abstract) {
            return "unix:@" + std::to_string(++endpoints_);
        }
        return test::new_endpoint(place_.family, directory_);
    }
    const temporary_directory& directory() const { return directory_; }

    /// More bytes than all buffers between the two ends hold.
    std::size_t more_than_buffers() const { return (place_.simulated() ? 1U : 16U) << 20; }

    /// Long enough for everything that is on its way to arrive.
    bight::duration moment() const {
        if (place_.simulated()) return std::chrono::seconds(3);
        return std::chrono::milliseconds(10) * slowness_;
    }
    /// What is played here is played so many times slower: a machine with much to do is late. Nothing is in a
    /// world.
    void slow_down(int times) { slowness_ = times; }
    bight::task<> settle() const { co_await bight::sleep_for(moment()); }
    /// Waits until the other half has made the condition true.
    template <class Condition>
    bight::task<> until(Condition holds) const {
        while (!holds()) co_await bight::sleep_for(std::chrono::milliseconds(1));
    }

    /// Runs both halves to their ends.
    template <class Server, class Client>
    void run(Server server, Client client) {
        INFO("in " << place_.name());
        if (machine_) {
            machine_->run([&]() -> bight::task<> {
                auto halves = bight::when_all(server(), client());
                co_await std::move(halves);
            });
            return;
        }
        server_->run(std::move(server));
        client_->run(std::move(client));
        world_->run();
    }
    /// Runs one task that is both halves.
    template <class Body>
    void run(Body body) {
        INFO("in " << place_.name());
        if (machine_) {
            machine_->run(std::move(body));
            return;
        }
        server_->run(std::move(body));
        world_->run();
    }
    /// Runs both halves with the ends of one connection.
    template <class Server, class Client>
    void run_pair(Server server, Client client) {
        std::string where;
        auto serving = [&, server]() -> bight::task<> {
            bight::listener l = bight::listen(new_endpoint());
            where = endpoint_to(l.local());
            bight::stream peer = co_await l.accept();
            l.close();
            co_await server(peer);
        };
        auto connecting = [&, client]() -> bight::task<> {
            co_await until([&] { return !where.empty(); });
            bight::stream peer = co_await bight::connect(where);
            co_await client(peer);
        };
        run(std::move(serving), std::move(connecting));
    }

    std::vector<std::string> take_errors() {
        return machine_ ? machine_->take_errors() : std::exchange(errors_, {});
    }
    std::vector<std::string> take_log() { return machine_ ? machine_->take_log() : std::exchange(log_, {}); }
    /// Null on the machine.
    bight::sim::world* world() { return world_ ? &*world_ : nullptr; }

    void finish() {
        if (machine_) machine_->finish();
        if (!world_) return;
        INFO("in " << place_.name());
        CHECK(server_->sockets() == 0);
        CHECK(client_->sockets() == 0);
        world_.reset();
        bight::set_error_handler(nullptr);
        bight::set_log_handler(nullptr);
        CHECK(bight::detail::live_frames() == frames_before_);
        CHECK(errors_ == std::vector<std::string>{});
    }

  private:
    void begin_world(bight::sim::world_options options) {
        using bight::sim::fault;
        options.personality = place_.as;
        if (place_.rough) {
            options.faults.set(fault::short_read, 0.3).set(fault::small_segment, 0.3);
            options.faults.set(fault::slow_completion, 0.1).set(fault::late_cancel, 0.3);
            options.faults.set(fault::short_write, 0.3).set(fault::false_readiness, 0.3);
            options.faults.set(fault::interrupted_wait, 0.1).set(fault::slow_packet, 0.05);
            options.faults.set(fault::slow_turn, 0.1);
        }
        bight::set_error_handler(
            [](const bight::error_report& report, void* self) {
                static_cast<place_fixture*>(self)->errors_.push_back(std::string(report.task) + ": " +
                                                                     report.to_string());
            },
            this);
        bight::set_log_handler(
            [](bight::log_level, std::string_view message, void* self) {
                static_cast<place_fixture*>(self)->log_.emplace_back(message);
            },
            this);
        frames_before_ = bight::detail::live_frames();
        world_.emplace(place_.seed, options);
        server_ = &world_->add("server", "10.0.0.1");
        client_ = place_.where == place::kind::two_hosts ? &world_->add("client", "10.0.0.2") : server_;
    }

    place place_;
    temporary_directory directory_;
    int endpoints_ = 0;
    int slowness_ = 1;
    long frames_before_ = 0;
    std::vector<std::string> errors_;
    std::vector<std::string> log_;
    std::optional<reactor_fixture> machine_;
    std::optional<bight::sim::world> world_;
    bight::sim::host* server_ = nullptr;
    bight::sim::host* client_ = nullptr;
};

}  // namespace test

template <>
struct Catch::StringMaker<test::place> {
    static std::string convert(const test::place& p) { return p.name(); }
};
