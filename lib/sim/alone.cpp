#include "alone.hpp"

#include "simulated_demultiplexer.hpp"
#include "world_state.hpp"

#include <bight/core/error.hpp>

#include <charconv>
#include <cstdlib>
#include <string>
#include <string_view>
#include <system_error>

namespace bight::sim::detail {

namespace {

class alone final : public bight::detail::environment {
  public:
    explicit alone(std::uint64_t seed)
        : world_(seed, {}, virtual_clock::mode::automatic), host_(world_, "localhost", "10.0.0.1", 0) {
        world_.states.push_back(&host_);
        thread_ = &host_.begin_life(0);
        host_.up = true;
    }
    // The world looks at its hosts as it goes, and this one goes first.
    ~alone() override {
        host_.crash();
        world_.states.clear();
    }

    std::unique_ptr<bight::detail::demultiplexer> make_demultiplexer(bight::reactor& home) override {
        return thread_->make_demultiplexer(home);
    }
    virtual_clock& time() noexcept override { return world_.clock; }
    bool delays_timers() noexcept override { return thread_->delays_timers(); }
    time_point timers_from() const noexcept override { return thread_->timers_from(); }
    std::uint64_t random() noexcept override { return thread_->random(); }
    std::chrono::system_clock::time_point wall_time() noexcept override { return host_.wall_time(); }
    task<std::vector<address>> look_up(std::string host, std::uint16_t port, bool only_ipv6) override {
        return thread_->look_up(std::move(host), port, only_ipv6);
    }
    duration time_on_a_thread() noexcept override { return thread_->time_on_a_thread(); }
    std::error_code refuse(const char* what) override { return host_.refuse(what); }
    bight::detail::socket_calls& sockets() noexcept override { return thread_->sockets(); }

  private:
    world_state world_;
    host_state host_;
    host_thread* thread_ = nullptr;
};

}  // namespace

namespace {

constexpr std::string_view world_prefix = "sim:";

std::string_view named_reactor() noexcept {
    const char* const variable = std::getenv("BIGHT_REACTOR");
    return variable ? variable : "";
}

}  // namespace

bool environment_variable_names_a_world() noexcept { return named_reactor().starts_with(world_prefix); }

std::unique_ptr<bight::detail::environment> world_named_by_environment_variable() {
    if (!environment_variable_names_a_world()) return nullptr;
    std::string_view text = named_reactor();
    text.remove_prefix(world_prefix.size());
    std::uint64_t seed = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seed);
    if (error != std::errc() || end != text.data() + text.size()) {
        throw std::system_error(errc::unavailable,
                                "BIGHT_REACTOR is \"" + std::string(named_reactor()) +
                                    "\": after \"sim:\" comes a seed, a number below 2^64");
    }
    return std::make_unique<alone>(seed);
}

}  // namespace bight::sim::detail
