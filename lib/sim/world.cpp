#include <bight/sim/world.hpp>

#include "connection.hpp"
#include "contact.hpp"
#include "world_state.hpp"

#include <bight/core/detail/wait_list.hpp>
#include <bight/io/address.hpp>
#include <bight/sim/allocation_fault.hpp>

#include <algorithm>
#include <exception>
#include <stdexcept>
#include <utility>

namespace bight::sim {

using namespace detail;

world::world(std::uint64_t seed, world_options options)
    : state_(std::make_unique<world_state>(seed, std::move(options))) {}
world::~world() {
    if (std::uncaught_exceptions() > state_->exceptions_before) return;
    if (const std::string forgotten = state_->forgotten(); !forgotten.empty()) {
        bight::detail::abort_misused(forgotten.c_str());
    }
}

namespace {

void must_be_ipv4(const std::string& ip, const char* what) {
    bight::address parsed;
    if (bight::address::parse_ip(ip, 0, parsed) && parsed.family() == bight::address::family_type::ipv4)
        return;
    throw std::invalid_argument(std::string(what) + " is an IPv4 address, unlike \"" + ip + "\"");
}

// The next address of 10.0.0.0/16 that the test has not given to a host.
std::string free_address(const world_state& w) {
    for (std::size_t number = w.hosts.size() + 1;; ++number) {
        std::string ip = "10.0." + std::to_string(number / 250) + "." + std::to_string(number % 250);
        if (!w.find_host(ip)) return ip;
    }
}

}  // namespace

host& world::add(std::string name, std::string ip) {
    world_state& w = *state_;
    const std::size_t index = w.hosts.size();
    if (ip.empty()) ip = free_address(w);
    must_be_ipv4(ip, "a host's address");
    for (const auto& h : w.hosts) {
        if (h->name() == name) throw std::invalid_argument("there are two hosts called \"" + name + "\"");
        if (h->ip() == ip) throw std::invalid_argument("there are two hosts at " + ip);
    }
    w.hosts.push_back(std::unique_ptr<host>(
        new host(std::make_unique<host_state>(w, std::move(name), std::move(ip), index))));
    host& added = *w.hosts.back();
    w.states.push_back(added.state_.get());
    added.state_->boot();
    return added;
}

void world::keep(std::unique_ptr<belonging> b) { state_->owned.all.push_back(std::move(b)); }

host& world::at(std::string_view name) {
    for (const auto& h : state_->hosts) {
        if (h->name() == name) return *h;
    }
    throw std::out_of_range("there is no host called \"" + std::string(name) + "\"");
}

std::vector<host*> world::all_hosts() const {
    std::vector<host*> all;
    all.reserve(state_->hosts.size());
    for (const auto& h : state_->hosts) all.push_back(h.get());
    return all;
}

void world::run() {
    world_state& w = *state_;
    if (w.run_until(saturating_add(w.clock.now(), w.options.limit), false)) return;
    throw stuck("the world has not ended within its limit\n" + w.dump_tasks());
}

bool world::run_for(duration d) { return state_->run_until(saturating_add(state_->clock.now(), d), true); }

void world::fail(std::exception_ptr error) {
    if (!state_->failure) state_->failure = std::move(error);
}

std::uint64_t world::seed() const noexcept { return state_->seed; }
sim::personality world::personality() const noexcept { return state_->personality; }
duration world::elapsed() const noexcept { return state_->clock.elapsed(); }
random_source& world::random() noexcept { return state_->for_tests; }

void world::set_faults(const fault_plan& plan) {
    state_->options.faults = plan;
    if (plan.does_harm()) state_->healed_at.reset();
}

namespace {

// Resets each end that does not know that the other is gone, or that its data does not arrive.
void reset_half_open(world_state& w) {
    const auto is_lost = [](const socket& s) { return s.silent || s.is_gone(); };
    for (std::size_t i = 0; i < w.connections.size(); ++i) {
        const auto one = w.connections[i].lock();
        const auto other = one ? one->peer : nullptr;
        if (!one || !(is_lost(*one) || (other && is_lost(*other)))) continue;
        for (const auto& end : {other, one}) {
            if (!end) continue;
            end->silent = false;
            if (end->is != socket::stage::closed) reset(w, end, ECONNRESET);
        }
    }
}

}  // namespace

void world::heal(half_open_peers half_open) {
    world_state& w = *state_;
    w.record("heal", nullptr);
    w.healed_at = w.clock.elapsed();
    w.options.faults = w.options.faults.without_harm();
    for (auto& [ends, l] : w.links) w.mend(l);
    if (half_open == half_open_peers::reset) reset_half_open(w);
    for (host_state* h : w.states) {
        h->paused_until = {};
        for (host_thread* t : h->awake) t->busy_until = t->timers_late_until = {};
        if (h->up) {
            h->answer_again();
        } else {
            h->handle->restart();
        }
    }
}

std::optional<duration> world::healed_at() const noexcept { return state_->healed_at; }

void world::set_link(const host& a, const host& b, const link_options& options) {
    state_->link(*a.state_, *b.state_).options = options;
    state_->link(*b.state_, *a.state_).options = options;
}

void world::cut_one_way(const host& from, const host& to) {
    state_->record("cut", from.state_.get(), to.state_.get());
    state_->link(*from.state_, *to.state_).cut = true;
    contact_changed(*state_);
}

void world::cut(const host& a, const host& b) {
    cut_one_way(a, b);
    cut_one_way(b, a);
}

void world::mend(const host& a, const host& b) {
    state_->record("mend", a.state_.get(), b.state_.get());
    state_->mend(state_->link(*a.state_, *b.state_));
    state_->mend(state_->link(*b.state_, *a.state_));
}

void world::set_name(std::string name, std::vector<std::string> addresses, name_options options) {
    for (std::string& ip : addresses) {
        bight::address parsed;
        if (!bight::address::parse_ip(ip, 0, parsed)) {
            throw std::invalid_argument("what a name stands for is a numeric address, unlike \"" + ip + "\"");
        }
        ip = parsed.host();
    }
    state_->names.insert_or_assign(std::move(name), detail::set_name{std::move(addresses), options});
}

void world::note(std::string_view text) {
    const not_failing machinery;
    state_->record("note", nullptr, nullptr, 0, 0, text);
}
const trace& world::trace() const noexcept { return state_->happened; }
std::uint64_t world::count(fault f) const noexcept {
    return state_->fault_counts[static_cast<std::size_t>(f)];
}
std::uint64_t world::faults() const noexcept { return state_->faults.size(); }
const std::vector<happened_fault>& world::happened_faults() const noexcept { return state_->faults; }
std::string world::dump_tasks() const { return state_->dump_tasks(); }

bool sometimes(const char* name, double probability) {
    const not_failing machinery;
    auto* const here = dynamic_cast<host_thread*>(bight::detail::platform::current());
    return here &&
           here->host.world.happens(fault::user, probability, here->host, here->chance_of(name), 0, 0, name);
}

}  // namespace bight::sim
