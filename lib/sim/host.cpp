#include "connection.hpp"
#include "contact.hpp"
#include "moved_memory.hpp"
#include "simulated_demultiplexer.hpp"
#include "world_state.hpp"

#include "../core/reactor_state.hpp"
#include "../net/resolve.hpp"

#include <bight/core/sleep.hpp>
#include <bight/sim/allocation_fault.hpp>

#include <netdb.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

namespace bight::sim {

namespace detail {

namespace {

// Out of the range that the kernel gives out, so that one which strays into a system call is refused there.
constexpr int first_descriptor = 1 << 24;

task<> run_program(host_state& on, program& what, bool boots) {
    try {
        co_await what.start();
    } catch (...) {
        if (!on.world.failure) on.world.failure = std::current_exception();
    }
    if (!boots) --on.running;
}

}  // namespace

host_state::host_state(world_state& in, std::string called, std::string at, std::size_t number)
    : world(in),
      name(std::move(called)),
      ip(std::move(at)),
      index(number),
      chance(in.chance.child(name)),
      next_descriptor(first_descriptor + static_cast<int>(number) * (1 << 16)) {
    world.happened.add_host(name, ip);
}

host_state::~host_state() = default;

std::unique_ptr<bight::detail::event_port> host_state::make_event_port(bight::reactor& home) {
    return std::make_unique<simulated_demultiplexer>(*this, home);
}

virtual_clock& host_state::time() noexcept { return world.clock; }

bool host_state::delays_timers() noexcept {
    const not_failing machinery;
    if (timers_late_until > world.clock.now()) return true;
    const bool were_late = std::exchange(timers_late_until, {}) != time_point{};
    if (were_late || !world.happens(fault::late_timers, *this)) return false;
    const std::chrono::microseconds late(world.amount(fault::late_timers).between(1, 20'000));
    timers_late_until = saturating_add(world.clock.now(), late);
    return true;
}

std::uint64_t host_state::random() noexcept { return chance.draw(purpose::program).next(); }

std::chrono::system_clock::time_point host_state::wall_time() noexcept {
    return world.options.date + std::chrono::duration_cast<std::chrono::system_clock::duration>(
                                    world.clock.elapsed() + wall_offset);
}

task<std::vector<address>> host_state::look_up(std::string host, std::uint16_t port, bool only_ipv6) {
    co_await sleep_for(time_of_look_up(host));
    co_return found(host, port, only_ipv6);
}

duration host_state::time_of_look_up(const std::string& name_asked_for) {
    const not_failing machinery;
    using std::chrono::microseconds;
    keyed_chance& of_name = chance_of(name_asked_for);
    const microseconds usual(of_name.draw(purpose::look_up).between(100, 5000));
    if (!world.happens(fault::slow_name, *this, of_name)) return usual;
    return microseconds(world.amount(fault::slow_name).between(5000, 20'000'000));
}

std::vector<address> host_state::found(const std::string& name_asked_for, std::uint16_t port,
                                       bool only_ipv6) {
    const not_failing machinery;
    std::vector<std::string> ips;
    if (const auto set = world.names.find(name_asked_for); set != world.names.end()) {
        ips = set->second;
    } else {
        for (const host_state* h : world.states) {
            if (h->name == name_asked_for) ips = {h->ip};
        }
    }
    world.record("look up", this, nullptr, 0, 0, name_asked_for);
    keyed_chance& of_name = chance_of(name_asked_for);
    const bool fails = world.happens(fault::unknown_name, *this, of_name);
    if (ips.empty() || fails || only_ipv6) {
        throw std::system_error(EAI_NONAME, bight::detail::resolver_category(),
                                "look-up of " + name_asked_for);
    }
    if (world.happens(fault::stale_name, *this, of_name)) ips = {"192.0.2.1"};  // of RFC 5737: no host has it
    std::vector<address> addresses;
    addresses.reserve(ips.size());
    for (const std::string& ip_found : ips) addresses.push_back(address::from_ip(ip_found, port));
    return addresses;
}

duration host_state::time_on_a_thread() noexcept {
    const not_failing machinery;
    using std::chrono::microseconds;
    const microseconds usual(chance.draw(purpose::thread, cause).between(10, 1000));
    if (!world.happens(fault::slow_thread, *this)) return usual;
    return microseconds(world.amount(fault::slow_thread).between(1, 30'000'000));
}

std::error_code host_state::refuse(const char* what) {
    const not_failing machinery;
    world.record("not simulated", this, nullptr, 0, 0, what);
    return {ENOTSUP, std::system_category()};
}

bool host_state::has_work() const noexcept { return runs->has_ready() || (demux && demux->has_news()); }

bool host_state::can_run() const noexcept {
    if (!up || !runs || world.clock.now() < next_turn()) return false;
    return has_work() || runs->next_deadline() <= world.clock.now();
}

keyed_chance& host_state::chance_of(std::string_view thing) {
    const auto known = chances_of_things.find(thing);
    if (known != chances_of_things.end()) return known->second;
    return chances_of_things.emplace(thing, chance.child(thing)).first->second;
}

std::uint64_t host_state::place_in_order() noexcept {
    if (!place) place = chance.draw(purpose::turn, cause).next();
    return *place;
}

void host_state::begin_turn() noexcept {
    place.reset();
    if (std::exchange(turn_is_put_off, false)) return;
    cause = demux && demux->has_news() ? demux->first_news() : cause + 1;
}

void host_state::boot() {
    reactor_options options;
    options.platform = this;
    runs = std::make_unique<bight::reactor>(options);
    up = true;
    ++boots;
    chance = world.chance.child(name + ", boot " + std::to_string(boots));
    chances_of_things.clear();
    cause = 0;
    place.reset();
    turn_is_put_off = waits_anew = false;
    moved_memory::fill(bight::detail::reactor_state::frames_of(*runs));
    for (const auto& p : at_boot) runs->start(run_program(*this, *p, true));
    for (program* p : std::exchange(waiting, {})) runs->start(run_program(*this, *p, false));
    hear_again();
    world.events.at(world.clock.now(), [this] { answer_again(); });
}

void host_state::hear_again() {
    const auto repeated = std::exchange(missed, {});
    if (repeated.empty() || chance.draw(purpose::missed).below(2) == 0) return;
    for (const auto& packet : repeated) packet();
}

void host_state::pause(duration d) {
    const time_point until = saturating_add(world.clock.now(), d);
    if (until <= paused_until) return;
    paused_until = until;
    world.record_span("pause", this, nullptr, paused_until);
    contact_changed(world);
    world.events.at(until, [this] { answer_again(); });
}

void host_state::answer_again() {
    if (!up || stands_still(world.clock.now())) return;
    for (const auto& packet : std::exchange(held, {})) packet();
    contact_changed(world);
    send_again(*this);
}

void host_state::crash() {
    if (!up) return;
    if (runs && bight::detail::reactor_state::runs(*runs)) {
        throw std::logic_error(
            "host \"" + name +
            "\" was to crash or restart in one of its own tasks, which would go on: let the "
            "test, or a task of another host, do it");
    }
    world.record("crash", this);
    up = false;
    demux = nullptr;
    if (runs) former_lives.push_back(std::move(runs));
    // Those that the program has closed, and that still had something to send, too.
    for (const auto& connection : world.connections) {
        const auto one = connection.lock();
        for (const auto& s : {one, one ? one->peer : nullptr}) {
            if (s && s->home == this) vanish(*s);
        }
    }
    for (const auto& [fd, s] : std::exchange(open, {})) vanish(*s);
    // A file stays where it was, and nobody listens there; an abstract name goes with its socket.
    std::erase_if(files, [](const auto& file) { return file.first.starts_with('@'); });
    disk.lose_power();
    running = 0;
    paused_until = busy_until = timers_late_until = {};
    contact_changed(world);
}

void host_state::lose_power_for(duration d) {
    crash();
    world.events.at(saturating_add(world.clock.now(), d), [this, boots_before = boots] {
        if (!up && boots == boots_before) handle->restart();
    });
}

std::shared_ptr<socket> host_state::find(int fd) const noexcept {
    const auto at = open.find(fd);
    return at == open.end() ? nullptr : at->second;
}

int host_state::add(std::shared_ptr<socket> s) {
    const std::size_t most = world.options.sockets_per_host;
    if (most > 0 && open.size() >= most) return -EMFILE;
    s->fd = new_descriptor();
    return open.emplace(s->fd, std::move(s)).first->first;
}

}  // namespace detail

using namespace detail;

host::host(std::unique_ptr<host_state> state) noexcept : state_(std::move(state)) { state_->handle = this; }
host::~host() = default;

const std::string& host::name() const noexcept { return state_->name; }
const std::string& host::ip() const noexcept { return state_->ip; }
bool host::is_up() const noexcept { return state_->up; }
std::size_t host::sockets() const noexcept {
    // A listener keeps a descriptor in reserve, of no family.
    return static_cast<std::size_t>(
        std::count_if(state_->open.begin(), state_->open.end(),
                      [](const auto& s) { return s.second->family != AF_UNSPEC; }));
}
sim::disk host::disk() noexcept { return sim::disk(state_->disk); }
bight::reactor& host::reactor() noexcept { return *state_->runs; }

void host::add(std::unique_ptr<program> p, bool boots) {
    program& added = *p;
    (boots ? state_->at_boot : state_->once).push_back(std::move(p));
    if (!boots) ++state_->running;
    if (!state_->up) {
        if (!boots) state_->waiting.push_back(&added);
        return;
    }
    state_->runs->start(run_program(*state_, added, boots));
}

void host::crash() { state_->crash(); }

void host::restart() {
    crash();
    state_->world.record("restart", state_.get());
    state_->boot();
}

void host::pause(duration d) { state_->pause(d); }

void host::set_date(std::chrono::system_clock::time_point now) noexcept {
    state_->wall_offset += now - state_->wall_time();
}

}  // namespace bight::sim
