#include "host_thread.hpp"

#include "process_table.hpp"
#include "simulated_demultiplexer.hpp"
#include "world_state.hpp"

#include "../core/reactor_state.hpp"
#include "../core/signal_receiver.hpp"
#include "../io/socket_headers.hpp"

#include <bight/core/detail/wait_list.hpp>
#include <bight/core/sleep.hpp>
#include <bight/net/resolver.hpp>
#include <bight/sim/allocation_fault.hpp>

#include <algorithm>
#include <chrono>
#include <string>
#include <string_view>
#include <utility>

namespace bight::sim::detail {

std::unique_ptr<bight::detail::event_port> host_thread::make_event_port(bight::reactor& home) {
    return std::make_unique<simulated_demultiplexer>(*this, home);
}

virtual_clock& host_thread::time() noexcept { return host.world.clock; }

bool host_thread::delays_timers() noexcept {
    const not_failing machinery;
    world_state& world = host.world;
    if (timers_late_until > world.clock.now()) return true;
    const bool were_late = std::exchange(timers_late_until, {}) != time_point{};
    if (were_late || !world.happens(fault::late_timers, *this)) return false;
    const std::chrono::microseconds late(world.amount(fault::late_timers).between(1, 20'000));
    timers_late_until = saturating_add(world.clock.now(), late);
    return true;
}

std::uint64_t host_thread::random() noexcept { return chance.draw(purpose::program).next(); }

std::chrono::system_clock::time_point host_thread::wall_time() noexcept { return host.wall_time(); }

task<resolved_host> host_thread::look_up(std::string name, address::family_type family) {
    co_await sleep_for(time_of_look_up(name));
    co_return found(name, family);
}

task<std::string> host_thread::look_up_name(address of) {
    co_await sleep_for(time_of_look_up(of.host()));
    co_return found_name(of);
}

duration host_thread::time_of_look_up(const std::string& name) {
    const not_failing machinery;
    using std::chrono::microseconds;
    world_state& world = host.world;
    keyed_chance& of_name = chance_of(name);
    const microseconds usual(of_name.draw(purpose::look_up).between(100, 5000));
    const auto set = world.names.find(name);
    const duration takes =
        set != world.names.end() && set->second.options.takes ? *set->second.options.takes : usual;
    if (!world.happens(fault::slow_name, host, of_name)) return takes;
    const microseconds slow(world.amount(fault::slow_name).between(5000, 20'000'000));
    return std::max<duration>(takes, slow);
}

// Throws std::system_error.
resolved_host host_thread::found(const std::string& name, address::family_type family) {
    const not_failing machinery;
    world_state& world = host.world;
    std::vector<std::string> ips;
    resolved_host answer;
    if (const auto set = world.names.find(name); set != world.names.end()) {
        ips = set->second.ips;
        answer.ttl = set->second.options.ttl;
    } else {
        for (const host_state* h : world.states) {
            if (is_same_name(h->name, name)) ips = {h->ip};
        }
    }
    world.record("look up", &host, nullptr, 0, 0, name);
    keyed_chance& of_name = chance_of(name);
    const bool fails = world.happens(fault::unknown_name, host, of_name);
    if (!ips.empty() && !fails && family != address::family_type::ipv6 &&
        world.happens(fault::stale_name, host, of_name)) {
        ips = {"192.0.2.1"};  // of RFC 5737: no host has it
    }
    for (const std::string& ip : ips) {
        const address a = address::from_ip(ip, 0);
        if (family == address::family_type::none || a.family() == family) answer.addresses.push_back(a);
    }
    if (answer.addresses.empty() || fails) {
        throw std::system_error(EAI_NONAME, resolver_category(), "look-up of " + name);
    }
    return answer;
}

// Throws std::system_error.
std::string host_thread::found_name(const address& of) {
    const not_failing machinery;
    world_state& world = host.world;
    const std::string ip = of.host();
    world.record("look up", &host, nullptr, 0, 0, ip);
    if (!world.happens(fault::unknown_name, host, chance_of(ip))) {
        if (const host_state* const h = world.find_host(ip)) return h->name;
        for (const auto& [name, set] : world.names) {
            if (std::find(set.ips.begin(), set.ips.end(), ip) != set.ips.end()) return name;
        }
    }
    throw std::system_error(EAI_NONAME, resolver_category(), "look-up of the name of " + ip);
}

duration host_thread::time_on_a_thread() noexcept {
    const not_failing machinery;
    using std::chrono::microseconds;
    world_state& world = host.world;
    const microseconds usual(chance.draw(purpose::thread, cause).between(10, 1000));
    if (!world.happens(fault::slow_thread, *this)) return usual;
    return microseconds(world.amount(fault::slow_thread).between(1, 30'000'000));
}

host_thread::~host_thread() {
    if (!runs) return;
    const std::string text =
        "a reactor that was made on the simulated host \"" + host.name +
        "\" outlives its world: it must be destroyed before, as by the function that made it";
    bight::detail::abort_misused(text.c_str());
}

std::error_code host_thread::refuse(const char* what) { return host.refuse(what); }

bool host_thread::has_crashed() const noexcept { return !host.up; }

keyed_chance& host_thread::chance_of(std::string_view thing) {
    const auto known = chances_of_things_.find(thing);
    if (known != chances_of_things_.end()) return known->second;
    return chances_of_things_.emplace(thing, chance.child(thing)).first->second;
}

std::uint64_t host_thread::place_in_order() noexcept {
    if (!place_) place_ = chance.draw(purpose::turn, cause).next();
    return *place_;
}

// A sleeping thread wakes within some microseconds, or when a processor is free. If it has a turn before
// that, it finds the calls then.
void host_thread::notice_calls() noexcept {
    if (wakes_at_ || !bight::detail::reactor_state::has_posted(*runs)) return;
    random_source drawn = chance.draw(purpose::wake, cause);
    std::uint64_t most = 1;
    for (std::uint64_t figures = drawn.below(4); figures > 0; --figures) most *= 10;
    const std::chrono::microseconds takes(drawn.below(most));
    wakes_at_ = saturating_add(host.world.clock.now(), takes);
}

bool host_thread::signal(int which) noexcept {
    bool watched = false;
    for (bight::detail::signal_receiver& r : signal_receivers) {
        if (r.number() != which) continue;
        watched = true;
        r.note(0);
        bight::detail::reactor_access::poll_soon(*runs);  // a turn that looks at nothing would not see it
    }
    return watched;
}

bool host_thread::has_work() const noexcept {
    return woken_ || runs->has_ready() || (demux && demux->has_news()) ||
           (wakes_at_ && *wakes_at_ <= host.world.clock.now());
}

bool host_thread::can_run() const noexcept {
    const time_point now = host.world.clock.now();
    return now >= next_turn() && (has_work() || runs->next_deadline() <= now);
}

time_point host_thread::next_work() const noexcept {
    if (has_work()) return host.world.clock.now();
    const time_point deadline = runs->next_deadline();
    return wakes_at_ ? std::min(deadline, *wakes_at_) : deadline;
}

time_point host_thread::next_turn() const noexcept {
    if (process && process->stopped) return time_point::max();
    return std::max(host.paused_until, busy_until);
}

void host_thread::begin_turn() noexcept {
    place_.reset();
    if (std::exchange(turn_is_put_off, false)) return;
    wakes_at_.reset();
    woken_ = false;
    cause = demux && demux->has_news() ? demux->first_news() : cause + 1;
}

// A program that does not know that it is simulated has no host that it could have given programs to.
bight::detail::process_calls* host_thread::processes() noexcept {
    return host.handle ? &process_calls_ : nullptr;
}

int host_thread::opened(int fd) {
    if (process && fd >= 0) process->opened.insert(fd);
    return fd;
}

void host_thread::closed(bight::detail::native_handle fd) noexcept {
    if (process) process->opened.erase(static_cast<int>(fd));
}

std::string host_thread::description() const {
    if (process) return host.name + ", " + process->name();
    return number == 0 ? host.name : host.name + ", reactor " + std::to_string(number);
}

}  // namespace bight::sim::detail
