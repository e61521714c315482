// world, host: a deterministic simulation of several hosts on a network, in virtual time, from one seed.
#pragma once

#include <bight/core/export.hpp>
#include <bight/core/reactor.hpp>
#include <bight/core/task.hpp>
#include <bight/sim/child.hpp>
#include <bight/sim/disk.hpp>
#include <bight/sim/faults.hpp>
#include <bight/sim/link.hpp>
#include <bight/sim/personality.hpp>
#include <bight/sim/random.hpp>
#include <bight/sim/trace.hpp>

#include <chrono>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace BIGHT_EXPORT bight {
namespace sim {

class world;

/// What world::heal does about half-open connections: those that have gone silent, or of which one end has
/// crashed or given up without the knowledge of the other.
enum class half_open_peers : std::uint8_t {
    /// Both ends are reset at once. For tests of programs whose own time-outs are shorter than TCP's, or that
    /// have none.
    reset,
    /// Only TCP ends them: a sender gives up on a silent peer after 15 min; a side that only reads does so
    /// after 2 h 11 min with keep-alive, and never without. Healthy machines have such peers too.
    stay,
};

namespace detail {
struct world_access;
struct world_state;
struct host_state;

// A program of a host, kept for as long as it may run: a callable that makes a task, or one that is called on
// a plain thread of the host.
class program {
  public:
    virtual ~program() = default;
};
class task_program : public program {
  public:
    virtual task<> start() = 0;
};
class main_program : public program {
  public:
    virtual int call() = 0;
};
template <class F>
class task_program_of final : public task_program {
  public:
    explicit task_program_of(F f) : call_(std::move(f)) {}
    task<> start() override { return call_(); }

  private:
    F call_;
};
template <class F>
class main_program_of final : public main_program {
  public:
    explicit main_program_of(F f) : call_(std::move(f)) {}
    int call() override { return call_(); }

  private:
    F call_;
};

// What children of a host run.
class child_program {
  public:
    virtual ~child_program() = default;
    virtual task<int> play(child& self) = 0;
};
template <class F>
class child_program_of final : public child_program {
  public:
    explicit child_program_of(F f) : call_(std::move(f)) {}
    task<int> play(child& self) override { return call_(self); }

  private:
    F call_;
};

template <class F>
concept main_function = std::is_same_v<std::invoke_result_t<F&>, int>;

// An object made by world::own.
class belonging {
  public:
    virtual ~belonging() = default;
};
template <class T>
class belonging_of final : public belonging {
  public:
    template <class... Args>
    explicit belonging_of(Args&&... args) : value(std::forward<Args>(args)...) {}
    T value;
};
}  // namespace detail

/// What world::set_name says of a name beyond its addresses.
struct name_options {
    /// How long an answer may be kept (resolved_host::ttl); empty: nothing is said.
    std::optional<duration> ttl = {};
    /// How long a look-up that begins from now on takes, for resolvers that answer late; empty: up to 5 ms,
    /// as the seed draws, unless fault::slow_name makes it longer.
    std::optional<duration> takes = {};
};

struct world_options {
    fault_plan faults;
    /// Which system's demultiplexer that of every host behaves like.
    sim::personality personality = sim::personality::plain;
    /// The options of all links until world::set_link changes one.
    link_options link;
    /// The date at which the world begins.
    std::chrono::system_clock::time_point date =
        std::chrono::system_clock::time_point(std::chrono::seconds(1'767'225'600));  // 2026-01-01 00:00 UTC
    /// The limit of virtual time: a run that has not ended by then has failed.
    duration limit = std::chrono::hours(24);
    /// Whether hosts take themselves to have IPv6: connections to its addresses, which no other host has, are
    /// never answered, as where a router loses them. Without it they fail at once (ENETUNREACH).
    bool ipv6_black_hole = false;
    /// How many sockets a host may have open (EMFILE beyond); 0: as many as it likes.
    std::size_t sockets_per_host = 0;
    /// The number of processors of a host: so many reactors a runtime has by default
    /// (runtime_options::reactors).
    unsigned processors = 4;
    /// How many of the last events the trace keeps, roughly (trace::keep_last); 0: all.
    std::size_t trace_events = 1'000'000;
};

/// A run did not end: its hosts still run after world_options::limit, or have taken a million turns in which
/// no time passed and no stream was read.
class stuck : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

/// A host used the clock, the network, random numbers or a thread of the real machine (detected by
/// bight/sim/guard.hpp).
class escaped : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

/// A simulated machine with a name, an address and a reactor on which ordinary bight code runs. Main
/// functions make more reactors of their own.
class host {
  public:
    host(const host&) = delete;
    host& operator=(const host&) = delete;
    ~host();

    const std::string& name() const noexcept;
    /// Its address: "10.0.0.1".
    const std::string& ip() const noexcept;

    /// For servers: starts the task that `make` gives now, and again whenever the host restarts. world::run
    /// does not wait for it, but throws an error that leaves it.
    template <class F>
        requires std::is_invocable_r_v<task<>, F&>
    void on_boot(F make) {
        add(std::make_unique<detail::task_program_of<F>>(std::move(make)), true);
    }
    /// For clients and tests: starts the task once, now or when the host, if it is down, restarts. world::run
    /// ends when all these tasks have ended, and throws the first error that leaves one.
    template <class F>
        requires std::is_invocable_r_v<task<>, F&>
    void run(F make) {
        add(std::make_unique<detail::task_program_of<F>>(std::move(make)), false);
    }

    /// The same with a main function: a callable that gives an exit status, and that may block like main(),
    /// in runtime::run, serve_on or bight::run. It is called on a plain thread of the host:
    ///
    ///     server.on_boot([] {
    ///         bight::runtime cores;  // world_options::processors reactors
    ///         return bight::serve_on(cores, "tcp:7000", echo);
    ///     });
    ///
    /// The reactors that it makes belong to the host, and have their turns on the world's thread like all
    /// others. The seed decides in which order the reactors of one host run, and how long it takes until a
    /// posted call is noticed. The function itself is suspended during these turns, until what it waits for
    /// has come. world::run throws an error if the exit status is not 0. A crash leaves the function where it
    /// waits. At the end of the world runtime::run returns 1 there, or throws run_cancelled, and the function
    /// continues to its end. A reactor made here can only run on this host; one that outlives its world ends
    /// the process. Tasks cannot make reactors: the constructor throws.
    template <class F>
        requires detail::main_function<F>
    void on_boot(F main) {
        add(std::make_unique<detail::main_program_of<F>>(std::move(main)), true);
    }
    template <class F>
        requires detail::main_function<F>
    void run(F main) {
        add(std::make_unique<detail::main_program_of<F>>(std::move(main)), false);
    }

    /// A program that process::spawn, run_process and pipelines find on this host at `path`; a name without a
    /// slash is in /usr/bin, where they look for it. For each child `play` gives the task that plays it:
    ///
    ///     server.program("sort", [](bight::sim::child& self) -> bight::task<int> {
    ///         …  // reads self.standard_input(), writes self.standard_output()
    ///         co_return 0;
    ///     });
    ///
    /// The callable is kept as long as the host and called once for each child, which may live side by side.
    /// A path that has a program gets this one. Throws std::invalid_argument for a path that ends in a slash.
    /// A host without programs finds none (ENOENT).
    template <class F>
        requires std::is_invocable_r_v<task<int>, F&, child&>
    void program(std::string path, F play) {
        add_program(std::move(path), std::make_unique<detail::child_program_of<F>>(std::move(play)));
    }

    /// Simulates a power failure: the contents of memory are lost, and peers are told nothing. The host's
    /// tasks stop where they wait and do nothing more: no destructor and no `catch` block runs, and no error
    /// is reported. Their memory is freed at the end of the world, whose destructor unwinds them. Tasks given
    /// to run() count as ended. The disk keeps what was synced. Files of Unix sockets stay, but nobody
    /// listens there. Does nothing while the host is down. Throws std::logic_error when called by a task of
    /// the host itself; tasks of other hosts may call it.
    void crash();
    /// Restarts the host, after a crash() unless it is down: starts the programs given to on_boot. Packets of
    /// old connections are answered with a reset. Throws what crash() throws.
    void restart();
    bool is_up() const noexcept;
    /// Suspends the host and its network for this time: nothing runs and nothing is answered; afterwards
    /// everything is late. Of two pauses the one that ends last counts.
    void pause(duration d);
    /// Sends a signal to the host's programs, as kill(1) does: some microseconds later, as the seed draws, it
    /// is told to every signal_watch of this number on its reactors, but for those of its children, which
    /// process::kill reaches. Two of one number may be told as one. A host has no default actions: without a
    /// watch nothing happens, and `run` and `serve` are not stopped. Does nothing while the host is down, and
    /// is lost if it crashes before. Throws std::invalid_argument for a number that no signal_watch takes.
    void signal(int number);
    /// Sets the host's date (bight::wall_clock_now); timers are not affected.
    void set_date(std::chrono::system_clock::time_point now) noexcept;

    /// The number of sockets that are open now: connections and listeners.
    std::size_t sockets() const noexcept;
    /// The disk, which survives crashes.
    sim::disk disk() noexcept;
    /// The reactor of the host's tasks; only while it is up.
    bight::reactor& reactor() noexcept;
    /// All reactors of the host: first that of its tasks, then those of main functions and of children, in
    /// the order in which they were made. Empty while it is down.
    std::vector<bight::reactor*> reactors() const;

  private:
    friend class world;
    explicit host(std::unique_ptr<detail::host_state> state) noexcept;
    void add(std::unique_ptr<detail::program> p, bool boots);
    void add_program(std::string path, std::unique_ptr<detail::child_program> p);
    std::unique_ptr<detail::host_state> state_;
};

/// Hosts, the network between them, and time. Everything is simulated on the thread that calls run: sockets,
/// names, time, dates and bight::random, all decided by the seed. The same program with the same seed does
/// exactly the same.
///
///     bight::sim::world w(seed);
///     auto& server = w.add("server");
///     server.on_boot([]() -> bight::task<> { co_await bight::serve("tcp:7000", echo); });
///     w.add("client").run([]() -> bight::task<> {
///         auto s = co_await bight::connect("tcp:server:7000");
///         …
///     });
///     w.run();
///
/// Time stands still while anything can run on any host, then jumps to the next thing that happens. Where the
/// order of things is open (which of two hosts goes first, how long a packet takes, where a stream is cut),
/// the seed decides it; where bight promises an order, it is kept.
///
/// Objects to which the programs refer must outlive the world, whose destructor unwinds their tasks; so check
/// what they left behind before that. Thread: one.
class world {
  public:
    explicit world(std::uint64_t seed, world_options options = {});
    world(const world&) = delete;
    world& operator=(const world&) = delete;
    /// Crashes every host, and unwinds all tasks that have not ended; meanwhile there is no network, and no
    /// time passes. If hosts have programs and neither run nor run_for was ever called, the test has tested
    /// nothing: unless an exception has ended it before, this ends the process with a message that says so
    /// (in a test given to sim::explore the seed fails).
    ~world();

    /// Adds a host, which is up. Others reach it by its name and by `ip` (an IPv4 address that no other host
    /// has; empty: the next of 10.0.0.0/16). Throws std::invalid_argument. The reference is valid as long as
    /// the world.
    host& add(std::string name, std::string ip = {});
    /// Makes a T that lives until the tasks of all hosts have ended (the last one made is destroyed first).
    /// For objects to which programs and a test refer, when the world outlives the test function (a test
    /// given to sim::explore).
    template <class T, class... Args>
    T& own(Args&&... args) {
        auto made = std::make_unique<detail::belonging_of<T>>(std::forward<Args>(args)...);
        T& value = made->value;
        keep(std::move(made));
        return value;
    }
    /// The host of this name. Throws std::out_of_range.
    host& at(std::string_view name);
    /// All hosts, in the order in which they were added.
    std::vector<host*> all_hosts() const;

    /// Runs until every task given to host::run has ended. Throws an error that leaves one of them, or a
    /// server; `deadlock` (with the tree of tasks of each host) when nothing can ever happen again; `stuck`
    /// when the run does not end.
    void run();
    /// The same for at most `d` of virtual time; if there is no task given to host::run, the servers run for
    /// all of it. True when no such task is left. It is no error when nothing can happen any more: the rest
    /// of the time passes.
    bool run_for(duration d);

    /// Makes the run fail: `run` and `run_for` throw `error`, unless there is an earlier one, as soon as the
    /// current turn has ended. For places where an exception would be handled by the program itself: in a
    /// server, where it ends one connection, or in a client that tolerates errors.
    void fail(std::exception_ptr error);

    std::uint64_t seed() const noexcept;
    duration elapsed() const noexcept;
    /// The one that the options name, or that the seed has chosen.
    sim::personality personality() const noexcept;
    /// A random source for the test's own choices.
    random_source& random() noexcept;
    /// Changes the faults that are injected from now on, also after heal(). Faults that the world's initial
    /// plan excludes (fault_plan::leave_out, suppress, allow_only) stay excluded.
    void set_faults(const fault_plan& plan);
    /// Ends all harm: from now on only variation is injected (fault_plan::without_harm of the plan), all
    /// links are mended, paused hosts go on, crashed ones restart; half-open connections are reset, or stay.
    /// After this a correct program must recover, in every order of events that is possible on healthy
    /// machines. What is under way (a packet, a look-up, a job on a thread, a repeated connection attempt)
    /// still takes the time that was drawn for it. To end variation too, call `set_faults({})` after it.
    void heal(half_open_peers half_open = half_open_peers::reset);
    /// The time of the last heal, as elapsed() gives it; empty when there was none, or set_faults has made
    /// harm possible again since.
    std::optional<duration> healed_at() const noexcept;

    // The network. These apply to both directions, except cut_one_way.
    void set_link(const host& a, const host& b, const link_options& options);
    /// Cuts the link: packets wait until `mend` (TCP sends them again).
    void cut(const host& a, const host& b);
    void cut_one_way(const host& from, const host& to);
    void mend(const host& a, const host& b);
    /// Sets the result of look-ups of `name` from now on: numeric addresses in this order, whether or not a
    /// host has them; with none, the name is not found. A look-up gives what is so when it ends. The name
    /// takes precedence over that of a host, and an address of no host has it as its name
    /// (resolver::reverse). Throws std::invalid_argument, and changes nothing, when one is not an address.
    void set_name(std::string name, std::vector<std::string> addresses, name_options options = {});

    /// Adds a note of the test to the trace.
    void note(std::string_view text);
    const sim::trace& trace() const noexcept;
    /// How many faults of this kind have happened.
    std::uint64_t count(fault f) const noexcept;
    /// How many faults of all kinds have happened.
    std::uint64_t faults() const noexcept;
    /// The faults that have happened, in order.
    const std::vector<happened_fault>& happened_faults() const noexcept;

    /// The trees of tasks of all hosts.
    std::string dump_tasks() const;

  private:
    friend struct detail::world_access;
    void keep(std::unique_ptr<detail::belonging> b);
    std::unique_ptr<detail::world_state> state_;
};

/// True with this probability, multiplied by that of fault::user, in a simulated world whose plan enables
/// fault::user; false everywhere else, at the cost of one load. Use it where a program could be unlucky:
///
///     if (bight::sim::sometimes("cache is empty", 0.1)) cache.clear();
bool sometimes(const char* name, double probability = 1);

}  // namespace sim
}  // namespace bight

/// The same as a macro, which a build can remove by defining it as (false).
#ifndef BIGHT_SOMETIMES
#define BIGHT_SOMETIMES(...) (::bight::sim::sometimes(__VA_ARGS__))
#endif
