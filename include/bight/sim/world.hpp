// world: several hosts on one simulated network, in one thread, in virtual time, decided by one seed.
#pragma once

#include <bight/core/export.hpp>
#include <bight/core/reactor.hpp>
#include <bight/core/task.hpp>
#include <bight/sim/disk.hpp>
#include <bight/sim/faults.hpp>
#include <bight/sim/link.hpp>
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

/// What world::heal does about connections that are half open: they are silent, or one end has crashed or
/// given up, and the other does not know.
enum class half_open_peers : std::uint8_t {
    /// Both ends are told at once. For tests of programs whose own bounds are shorter than TCP's, or that
    /// have none.
    reset,
    /// Nothing ends them but TCP: who sends waits 15 min for a peer that is silent, who only reads 2 h 11 min
    /// with keep-alive, and for ever without. A machine in good health has such peers, too.
    stay,
};

namespace detail {
struct world_state;
struct host_state;

// What a host was given to run, kept for as long as it may run: a callable that makes a task, or one that is
// called on a plain thread of the host.
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

template <class F>
concept main_function = std::is_same_v<std::invoke_result_t<F&>, int>;

// What a world keeps for its test.
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

struct world_options {
    fault_plan faults;
    /// What links are until world::set_link changes one.
    link_options link;
    /// The date at which the world begins.
    std::chrono::system_clock::time_point date =
        std::chrono::system_clock::time_point(std::chrono::seconds(1'767'225'600));  // 2026-01-01 00:00 UTC
    /// A run that has not ended by then (virtual time) has failed.
    duration limit = std::chrono::hours(24);
    /// How many sockets a host may have open (EMFILE beyond); 0: as many as it likes.
    std::size_t sockets_per_host = 0;
    /// How many reactors a runtime has there that is not told how many (runtime_options::reactors).
    unsigned processors = 4;
    /// About how many events its trace keeps, the last ones (trace::keep_last); 0: all.
    std::size_t trace_events = 1'000'000;
};

/// A run did not end: its hosts are still at it after world_options::limit, or they turn (a million times)
/// without time passing or a stream being read.
class stuck : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

/// A host used the clock, the network, the chance or a thread of the machine (with bight/sim/guard.hpp, which
/// notices).
class escaped : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

/// A machine in the world: a name, an address, and a reactor of its own, on which ordinary bight code runs;
/// more of them for main functions, which make their own.
class host {
  public:
    host(const host&) = delete;
    host& operator=(const host&) = delete;
    ~host();

    const std::string& name() const noexcept;
    /// Its address: "10.0.0.1".
    const std::string& ip() const noexcept;

    /// A server: `make` (a callable that gives a task<>) is started now, and again whenever the host starts
    /// anew. Nobody waits for it; an error that leaves it is thrown by world::run.
    template <class F>
        requires std::is_invocable_r_v<task<>, F&>
    void on_boot(F make) {
        add(std::make_unique<detail::task_program_of<F>>(std::move(make)), true);
    }
    /// A client, or a test: started once, now or, where the host is down, when it starts; world::run ends
    /// when all of these have, and throws the first error that leaves one.
    template <class F>
        requires std::is_invocable_r_v<task<>, F&>
    void run(F make) {
        add(std::make_unique<detail::task_program_of<F>>(std::move(make)), false);
    }

    /// The same with a main function: a callable that gives an exit status, and that may block as main() may,
    /// in runtime::run, serve_on or bight::run. It is called on a plain thread of the host:
    ///
    ///     server.on_boot([] {
    ///         bight::runtime cores;  // world_options::processors reactors
    ///         return bight::serve_on(cores, "tcp:7000", echo);
    ///     });
    ///
    /// The reactors that it makes are the host's, and have their turns on the world's thread like all others;
    /// the seed decides in which order those of one host run, and how long a call that one posts to another
    /// takes to be noticed. Between the turns, and while nothing that the function waits for has come, it
    /// stands still. An exit status that is not 0 is an error, thrown by world::run. A crash leaves the
    /// function where it waits; when the world ends, runtime::run gives 1 there, or throws run_cancelled, and
    /// the function goes on from there to its end. A reactor that it makes runs on its host alone, and one
    /// that is kept longer than the world ends the process. Tasks cannot make reactors: that throws.
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

    /// The power fails: whatever it had in memory is gone, and its peers hear nothing. Its tasks stop where
    /// they wait and do nothing more: no destructor runs, no `catch` block, no error of theirs is reported.
    /// Their memory is given back when the world ends, whose destructor unwinds them. What run() was given
    /// counts as ended. Of its disk what was synced stays. Files of Unix sockets stay, and nobody listens
    /// there. Without effect while it is down. Throws std::logic_error within one of the host's own tasks;
    /// those of others may call it.
    void crash();
    /// It comes back: what on_boot was given starts; connections of before are answered with a reset. Crashes
    /// before, unless it is down. Throws what crash() throws.
    void restart();
    bool is_up() const noexcept;
    /// It stands still, its network too: nothing runs, nothing is answered, and then everything is late. Of
    /// two pauses the one that ends last counts.
    void pause(duration d);
    /// Sets its date (bight::wall_clock_now); timers do not notice.
    void set_date(std::chrono::system_clock::time_point now) noexcept;

    /// Sockets open now, as the program has them: connections and listeners.
    std::size_t sockets() const noexcept;
    /// What it keeps when its power fails.
    sim::disk disk() noexcept;
    /// That of its tasks; only while it is up.
    bight::reactor& reactor() noexcept;
    /// All that have turns now: that one first, then those of main functions, in the order in which they were
    /// made. Empty while it is down.
    std::vector<bight::reactor*> reactors() const;

  private:
    friend class world;
    explicit host(std::unique_ptr<detail::host_state> state) noexcept;
    void add(std::unique_ptr<detail::program> p, bool boots);
    std::unique_ptr<detail::host_state> state_;
};

/// Hosts, the network between them, and time. Everything happens on the thread that calls run, and nothing of
/// it outside: sockets, names, time, dates and bight::random come from here, and the seed decides them all.
/// The same program with the same seed does the same, to the byte.
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
/// What the programs refer to must outlive the world, whose end runs their destructors: look at what they
/// left behind before. Thread: one.
class world {
  public:
    explicit world(std::uint64_t seed, world_options options = {});
    world(const world&) = delete;
    world& operator=(const world&) = delete;
    /// Crashes every host, and unwinds all tasks that have not ended: without a network, and without time.
    ~world();

    /// A host that is up. Others reach it by its name, and by `ip` (an IPv4 address that no other has; empty:
    /// the next of 10.0.0.0/16). Throws std::invalid_argument. Valid until the world goes.
    host& add(std::string name, std::string ip = {});
    /// Makes a T that lives until the tasks of all hosts have ended (what was made last goes first): for what
    /// programs refer to and what a test looks at, where the world lives longer than the function (a test
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
    /// All of them, in the order in which they were added.
    std::vector<host*> all_hosts() const;

    /// Runs until every task given to host::run has ended. Throws what left one, or what left a server;
    /// `deadlock` (with the tree of tasks of each host) when nothing can ever happen again, `stuck` when the
    /// limit of the options is over.
    void run();
    /// The same, for `d` of virtual time at most; where no task given to host::run is under way, the servers
    /// run for all of it. True when no such task is left. That nothing can happen is no error here: the rest
    /// of the time passes.
    bool run_for(duration d);

    /// This run has failed: `run` and `run_for` throw `error` as soon as the turn that is under way has
    /// ended, unless there is an earlier one. For what is found out where an exception would be somebody
    /// else's: in a server, whose connections fail one by one, or in a client that endures errors.
    void fail(std::exception_ptr error);

    std::uint64_t seed() const noexcept;
    duration elapsed() const noexcept;
    /// For the test's own choices.
    random_source& random() noexcept;
    /// Changes what is injected from now on, also after heal(). What the plan that the world was made with
    /// leaves out (fault_plan::leave_out, suppress, allow_only) stays out.
    void set_faults(const fault_plan& plan);
    /// Ends everything that does harm: no more faults but those that are variation (fault_plan::without_harm
    /// of the plan), all links whole, paused hosts go on, crashed ones restart; connections that are half
    /// open are reset, or stay. What is right must come right after this, in every order of things that a
    /// machine in good health knows. What is on its way (a packet, a look-up, a job on a thread, a connection
    /// attempt that is repeated) takes the time that it was going to take. For a run without variation, too:
    /// `set_faults({})` after it.
    void heal(half_open_peers half_open = half_open_peers::reset);
    /// When that was called last, as elapsed() had it; empty when it never was, or set_faults has brought
    /// harm back since.
    std::optional<duration> healed_at() const noexcept;

    // The network. Both directions, unless it says one way.
    void set_link(const host& a, const host& b, const link_options& options);
    /// Packets wait at the cut (TCP: they are sent again) until `mend`.
    void cut(const host& a, const host& b);
    void cut_one_way(const host& from, const host& to);
    void mend(const host& a, const host& b);
    /// What a look-up of `name` gives from now on, in this order: IPv4 addresses, whether or not a host has
    /// them; none: the name is not found. It goes before the name of a host. Throws std::invalid_argument for
    /// what is no address, and changes nothing then.
    void set_name(std::string name, std::vector<std::string> addresses);

    /// Adds a line of the test's own to the trace.
    void note(std::string_view text);
    const sim::trace& trace() const noexcept;
    /// How many faults of this kind have happened.
    std::uint64_t count(fault f) const noexcept;
    /// How many of all kinds.
    std::uint64_t faults() const noexcept;
    /// Which, in the order in which they happened.
    const std::vector<happened_fault>& happened_faults() const noexcept;

    /// The trees of tasks of all hosts.
    std::string dump_tasks() const;

  private:
    void keep(std::unique_ptr<detail::belonging> b);
    std::unique_ptr<detail::world_state> state_;
};

/// True, with this probability, in a simulated world whose plan has fault::user on (its probability
/// multiplies this one); false everywhere else, at the price of one load. Write it where a program could be
/// unlucky:
///
///     if (bight::sim::sometimes("cache is empty", 0.1)) cache.clear();
bool sometimes(const char* name, double probability = 1);

}  // namespace sim
}  // namespace BIGHT_EXPORT bight

/// The same as an expression that a build can take out: define it before as (false).
#ifndef BIGHT_SOMETIMES
#define BIGHT_SOMETIMES(...) (::bight::sim::sometimes(__VA_ARGS__))
#endif
