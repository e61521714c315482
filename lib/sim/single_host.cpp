// BIGHT_REACTOR=sim:SEED, sim:SEED:PERSONALITY: a world with one host, for a program that does not know that
// it is simulated.
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
    single_host(std::uint64_t seed, const world_options& options)
        : on_(seed, options, virtual_clock::mode::automatic) {}

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
    task<resolved_host> look_up(std::string host, address::family_type family) override {
        return on_.thread().look_up(std::move(host), family);
    }
    task<std::string> look_up_name(address of) override { return on_.thread().look_up_name(of); }
    bight::detail::socket_calls& sockets() noexcept override { return on_.thread().sockets(); }

  private:
    lone_host on_;
};

constexpr std::string_view prefix = "sim:";

struct chosen_world {
    std::uint64_t seed = 0;
    world_options options;
};

[[noreturn]] void refuse(std::string_view variable, const std::string& why) {
    throw std::system_error(errc::unavailable, "BIGHT_REACTOR is \"" + std::string(variable) + "\": " + why);
}

std::string list_of_personalities() {
    std::string names;
    for (const personality p : personalities) names += std::string(name_of(p)) + ", ";
    return names + std::string(name_of(personality::by_seed));
}

// Of sim:SEED and sim:SEED:PERSONALITY. Throws std::system_error.
chosen_world parse(std::string_view variable) {
    chosen_world chosen;
    std::string_view text = variable;
    text.remove_prefix(prefix.size());
    const std::size_t colon = text.find(':');
    const std::string_view number = text.substr(0, colon);
    const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), chosen.seed);
    if (error != std::errc() || end != number.data() + number.size()) {
        refuse(variable, "after \"sim:\" comes a seed, a number below 2^64");
    }
    if (colon == std::string_view::npos) return chosen;
    const auto named = personality_called(text.substr(colon + 1));
    if (!named) refuse(variable, "after the seed comes a personality: " + list_of_personalities());
    chosen.options.personality = *named;
    return chosen;
}

std::unique_ptr<bight::detail::platform> make_single_host(std::string_view variable) {
    const chosen_world chosen = parse(variable);
    return std::make_unique<single_host>(chosen.seed, chosen.options);
}

std::unique_ptr<bight::detail::simulated_machine> make_single_machine(std::string_view variable) {
    const chosen_world chosen = parse(variable);
    return std::make_unique<single_machine>(chosen.seed, chosen.options);
}

constexpr bight::detail::named_platform offered{prefix, make_single_host, make_single_machine};

}  // namespace

}  // namespace bight::sim::detail

// Named by the linker's command line in programs that are linked with bight-sim (meson.build).
extern "C" BIGHT_EXPORT const bool bight_offers_simulation =
    (bight::detail::offer_platform(bight::sim::detail::offered), true);
