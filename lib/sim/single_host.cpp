// BIGHT_REACTOR=sim:SEED: a world with one host, for a program that does not know that it is simulated.
#include "simulated_demultiplexer.hpp"
#include "world_state.hpp"

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
    explicit single_host(std::uint64_t seed)
        : world_(seed, {}, virtual_clock::mode::automatic), host_(world_, "localhost", "10.0.0.1", 0) {
        world_.states.push_back(&host_);
        thread_ = &host_.begin_life(0);
        host_.up = true;
    }
    // The world's destructor looks at its hosts, and this one is destroyed before it.
    ~single_host() override {
        host_.crash();
        world_.states.clear();
    }

    std::unique_ptr<bight::detail::event_port> make_event_port(bight::reactor& home) override {
        return thread_->make_event_port(home);
    }
    virtual_clock& time() noexcept override { return world_.clock; }
    bool delays_timers() noexcept override { return thread_->delays_timers(); }
    time_point timers_from() const noexcept override { return thread_->timers_from(); }
    std::uint64_t random() noexcept override { return thread_->random(); }
    std::chrono::system_clock::time_point wall_time() noexcept override { return host_.wall_time(); }
    duration time_on_a_thread() noexcept override { return thread_->time_on_a_thread(); }
    std::string description() const override { return thread_->description(); }
    std::error_code refuse(const char* what) override { return host_.refuse(what); }
    task<std::vector<address>> look_up(std::string host, std::uint16_t port, bool only_ipv6) override {
        return thread_->look_up(std::move(host), port, only_ipv6);
    }
    bight::detail::socket_calls& sockets() noexcept override { return thread_->sockets(); }

  private:
    world_state world_;
    host_state host_;
    host_thread* thread_ = nullptr;
};

constexpr std::string_view prefix = "sim:";

// BIGHT_REACTOR=sim:SEED: the only host, called "localhost", of a world with this seed.
std::unique_ptr<bight::detail::platform> make_single_host(std::string_view variable) {
    std::string_view text = variable;
    text.remove_prefix(prefix.size());
    std::uint64_t seed = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seed);
    if (error != std::errc() || end != text.data() + text.size()) {
        throw std::system_error(errc::unavailable,
                                "BIGHT_REACTOR is \"" + std::string(variable) +
                                    "\": after \"sim:\" comes a seed, a number below 2^64");
    }
    return std::make_unique<single_host>(seed);
}

constexpr bight::detail::named_platform offered{prefix, make_single_host};

}  // namespace

}  // namespace bight::sim::detail

// Named by the linker's command line in programs that are linked with bight-sim (meson.build).
extern "C" BIGHT_EXPORT const bool bight_offers_simulation =
    (bight::detail::offer_platform(bight::sim::detail::offered), true);
