#include "world_state.hpp"

#include "../io/socket_headers.hpp"

#include <chrono>
#include <memory>
#include <stdexcept>
#include <utility>
#include <vector>

namespace bight::sim {

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
bight::reactor& host::reactor() noexcept { return *state_->own; }
std::vector<bight::reactor*> host::reactors() const {
    std::vector<bight::reactor*> all;
    all.reserve(state_->awake.size());
    for (const host_thread* t : state_->awake) all.push_back(t->runs);
    return all;
}

void host::add(std::unique_ptr<detail::program> p, bool boots) {
    detail::program& added = *p;
    (boots ? state_->at_boot : state_->once).push_back(std::move(p));
    if (!boots) ++state_->running;
    if (!state_->up) {
        if (!boots) state_->waiting.push_back(&added);
        return;
    }
    state_->start(added, boots);
}

void host::add_program(std::string path, std::unique_ptr<child_program> p) {
    state_->processes.add(std::move(path), std::move(p));
}

void host::crash() { state_->crash(); }

void host::restart() {
    crash();
    state_->world.record("restart", state_.get());
    state_->boot();
}

void host::pause(duration d) { state_->pause(d); }

void host::signal(int number) { state_->signal(number); }

void host::set_date(std::chrono::system_clock::time_point now) noexcept {
    state_->wall_offset += now - state_->wall_time();
}

}  // namespace bight::sim
