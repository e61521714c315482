// BIGHT_REACTOR=sim:SEED: a world with one host, for a program that does not know that it is simulated.
#include "lone_host.hpp"
#include "simulated_demultiplexer.hpp"
#include "single_machine.hpp"

#include <bight/core/error.hpp>
#include <bight/core/export.hpp>

#include <charconv>
#include <string>
#include <string_view>
#include <system_error>

namespace bight::sim::detail {

namespace {

class single_host final : public bight::detail::platform, public bight::detail::network_platform {
  public:
    explicit single_host(std::uint64_t seed) : on_(seed, virtual_clock::mode::automatic) {}

    std::unique_ptr<bight::detail::event_port> make_event_port(bight::reactor& home) override {
        return on_.thread().make_event_port(home);
    }
    virtual_clock& time() noexcept override { return on_.world().clock; }
    bool delays_timers() noexcept override { return on_.thread().delays_timers(); }
    time_point timers_from() const noexcept override { return on_.thread().timers_from(); }
    std::uint64_t random() noexcept override { return on_.thread().random(); }
    std::chrono::system_clock::time_point wall_time() noexcept override { return on_.host().wall_time(); }
    duration time_on_a_thread() noexcept override { return on_.thread().time_on_a_thread(); }
    std::string description() const override { return on_.thread().description(); }
    std::error_code refuse(const char* what) override { return on_.host().refuse(what); }
    task<std::vector<address>> look_up(std::string host, std::uint16_t port, bool only_ipv6) override {
        return on_.thread().look_up(std::move(host), port, only_ipv6);
    }
    bight::detail::socket_calls& sockets() noexcept override { return on_.thread().sockets(); }

  private:
    lone_host on_;
};

constexpr std::string_view prefix = "sim:";

// The seed of sim:SEED. Throws std::system_error.
std::uint64_t seed_in(std::string_view variable) {
    std::string_view text = variable;
    text.remove_prefix(prefix.size());
    std::uint64_t seed = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seed);
    if (error != std::errc() || end != text.data() + text.size()) {
        throw std::system_error(errc::unavailable,
                                "BIGHT_REACTOR is \"" + std::string(variable) +
                                    "\": after \"sim:\" comes a seed, a number below 2^64");
    }
    return seed;
}

std::unique_ptr<bight::detail::platform> make_single_host(std::string_view variable) {
    return std::make_unique<single_host>(seed_in(variable));
}

std::unique_ptr<bight::detail::simulated_machine> make_single_machine(std::string_view variable) {
    return std::make_unique<single_machine>(seed_in(variable));
}

constexpr bight::detail::named_platform offered{prefix, make_single_host, make_single_machine};

}  // namespace

}  // namespace bight::sim::detail

// Named by the linker's command line in programs that are linked with bight-sim (meson.build).
extern "C" BIGHT_EXPORT const bool bight_offers_simulation =
    (bight::detail::offer_platform(bight::sim::detail::offered), true);
