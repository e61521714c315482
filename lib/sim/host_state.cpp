#include "connection.hpp"
#include "contact.hpp"
#include "simulated_demultiplexer.hpp"
#include "world_state.hpp"

#include "../core/handled_signals.hpp"
#include "../io/socket_headers.hpp"

#include <bight/core/error.hpp>
#include <bight/os/signal_watch.hpp>
#include <bight/sim/allocation_fault.hpp>

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

// Outside the range of the kernel's descriptors, so that a real system call refuses one that gets there by
// mistake.
constexpr int first_descriptor = bight::detail::first_simulated_descriptor;

task<> run_task(host_state& on, task_program& what, bool boots) {
    try {
        co_await what.start();
    } catch (...) {
        if (!on.world.failure) on.world.failure = std::current_exception();
    }
    if (!boots) --on.running;
}

// A main function that is brought to its end by the end of its world, after a crash, is not a failure.
void run_main(host_state& on, main_program& what, bool boots, std::uint64_t life) noexcept {
    std::exception_ptr error;
    try {
        const int status = what.call();
        if (status != 0) {
            throw std::runtime_error("host " + on.name + ": its main function gave the exit status " +
                                     std::to_string(status));
        }
    } catch (...) {
        error = std::current_exception();
    }
    if (!on.up || on.boots != life) return;
    if (error && !on.world.failure) on.world.failure = std::move(error);
    if (!boots) --on.running;
}

}  // namespace

host_state::host_state(world_state& in, std::string called, std::string at, std::size_t number)
    : world(in),
      name(std::move(called)),
      ip(std::move(at)),
      index(number),
      next_descriptor(first_descriptor + static_cast<int>(number) * (1 << 16)) {
    world.happened.add_host(name, ip);
}

host_state::~host_state() = default;

std::chrono::system_clock::time_point host_state::wall_time() const noexcept {
    return world.options.date + std::chrono::duration_cast<std::chrono::system_clock::duration>(
                                    world.clock.elapsed() + wall_offset);
}

std::error_code host_state::refuse(const char* what) {
    const not_failing machinery;
    world.record("not simulated", this, nullptr, 0, 0, what);
    return {ENOTSUP, bight::detail::errno_category()};
}

// The first thread draws the same random numbers as on a host without other threads.
host_thread& host_state::begin_life(std::uint64_t which) {
    const keyed_chance has =
        which == 0 ? world.chance.child(name) : world.chance.child(name + ", boot " + std::to_string(which));
    threads.push_back(std::make_unique<host_thread>(*this, has, 0));
    first = threads.back().get();
    reactors = mains = 0;
    return *first;
}

host_thread& host_state::add_reactor() {
    const std::size_t number = ++reactors;
    threads.push_back(std::make_unique<host_thread>(
        *this, first->chance.child("reactor " + std::to_string(number)), number));
    return *threads.back();
}

// Numbers that those of main functions do not reach.
host_thread& host_state::add_child_thread(std::shared_ptr<process_state> of, keyed_chance by) {
    constexpr std::size_t lowest = 0x8000;
    const std::size_t number = lowest + static_cast<std::size_t>(of->id) % lowest;
    threads.push_back(std::make_unique<host_thread>(*this, by, number));
    threads.back()->process = std::move(of);
    return *threads.back();
}

bool host_state::has_thread(const bight::detail::platform* of) const noexcept {
    return std::ranges::any_of(threads, [&](const auto& thread) { return thread.get() == of; });
}

void host_state::give_turns(host_thread& to, bool on) noexcept {
    if (std::exchange(to.has_turns, on) == on || !up) return;
    if (on) {
        awake.push_back(&to);
    } else {
        std::erase(awake, &to);
    }
}

void host_state::boot() {
    host_thread& main = begin_life(++boots);
    reactor_options options;
    options.platform = &main;
    own = std::make_unique<bight::reactor>(options);
    main.has_turns = true;
    awake.push_back(&main);
    up = true;
    world.send_again_to(*this);
    for (const auto& p : at_boot) start(*p, true);
    for (program* p : std::exchange(waiting, {})) start(*p, false);
    hear_again();
    world.events.at(world.clock.now(), [this] { answer_again(); });
}

void host_state::hear_again() {
    const auto repeated = std::exchange(missed, {});
    if (repeated.empty() || first->chance.draw(purpose::missed).below(2) == 0) return;
    for (const auto& packet : repeated) packet();
}

void host_state::start(program& p, bool boots_it) {
    if (auto* const given = dynamic_cast<task_program*>(&p)) {
        own->start(run_task(*this, *given, boots_it));
        return;
    }
    auto& main = static_cast<main_program&>(p);
    threads.push_back(
        std::make_unique<host_thread>(*this, first->chance.child("main " + std::to_string(++mains)), 0));
    plain_threads.push_back(std::make_unique<plain_thread>(
        *threads.back(), [this, &main, boots_it, life = boots] { run_main(*this, main, boots_it, life); }));
}

void host_state::pause(duration d) {
    const time_point until = saturating_add(world.clock.now(), d);
    if (until <= paused_until) return;
    paused_until = until;
    world.record_span("pause", this, nullptr, paused_until);
    contact_changed(world);
    world.events.at(until, [this] { answer_again(); });
}

void host_state::signal(int number) {
    if (const auto refused = bight::detail::refusal_of_signal(number); refused.why) {
        throw std::invalid_argument("host::signal: " + signal_name(number) + " " + refused.why);
    }
    if (!up) return;
    const std::chrono::microseconds takes(first->chance_of("signal").draw(purpose::wake).below(100));
    world.events.at(saturating_add(world.clock.now(), takes), [this, number, life = boots] {
        if (!up || boots != life) return;
        world.record("signal", this, nullptr, 0, 0, signal_name(number));
        for (host_thread* const t : awake) {
            if (!t->process) (void)t->signal(number);
        }
    });
}

void host_state::answer_again() {
    if (!up || stands_still(world.clock.now())) return;
    for (const waiting_packet& packet : std::exchange(held, {})) packet.arrival();
    contact_changed(world);
    send_again(*this);
}

void host_state::crash() {
    if (!up) return;
    if (world.acting && &world.acting->host == this) {
        throw std::logic_error(
            "host \"" + name +
            "\" was to crash or restart in one of its own tasks, which would go on: let the "
            "test, or a task of another host, do it");
    }
    world.record("crash", this);
    const bool torn = first && world.happens(fault::torn_write, *this, first->chance);
    up = false;
    for (host_thread* t : std::exchange(awake, {})) t->demux = nullptr;
    former_lives.push_back({std::move(own), std::exchange(plain_threads, {}), processes.crash()});
    // Includes sockets that the program has closed but that still had something to send.
    for (const auto& connection : world.connections) {
        const auto one = connection.lock();
        for (const auto& s : {one, one ? one->peer : nullptr}) {
            if (s && s->home == this) vanish(*s);
        }
    }
    for (const auto& [fd, s] : std::exchange(open, {})) vanish(*s);
    // A socket's file stays, but nobody listens there; an abstract name disappears with its socket.
    std::erase_if(files, [](const auto& file) { return file.first.starts_with('@'); });
    disk.lose_power(torn ? &world.amount(fault::torn_write) : nullptr);
    std::erase_if(held, [](const waiting_packet& packet) { return !packet.from; });
    running = 0;
    paused_until = {};
    contact_changed(world);
}

void host_state::lose_power_for(duration d) {
    crash();
    world.events.at(saturating_add(world.clock.now(), d), [this, boots_before = boots] {
        if (!up && boots == boots_before) handle->restart();
    });
}

void host_state::end_former_lives() noexcept {
    for (life& l : std::exchange(former_lives, {})) {
        l.own.reset();
        l.of_children.clear();
        for (const auto& t : l.plain_threads) t->finish();
    }
}

std::shared_ptr<socket> host_state::find(bight::detail::native_handle fd) const noexcept {
    const auto at = open.find(fd);
    return at == open.end() ? nullptr : at->second;
}

int host_state::add(std::shared_ptr<socket> s) {
    const std::size_t most = world.options.sockets_per_host;
    if (most > 0 && open.size() >= most) return -EMFILE;
    s->fd = new_descriptor();
    ++s->descriptors;
    const int fd = s->fd;
    open.emplace(fd, std::move(s));
    return fd;
}

void host_state::close(bight::detail::native_handle fd) {
    const auto at = open.find(fd);
    if (at == open.end()) {
        (void)disk.close(fd);
        return;
    }
    const std::shared_ptr<socket> s = at->second;
    open.erase(at);
    if (--s->descriptors == 0) let_go(world, s);
}

}  // namespace detail

}  // namespace bight::sim
