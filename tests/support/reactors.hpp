// A reactor of each kind for tests, with a watchdog, and checks that nothing is left at the end.
//
//     TEST_CASE("what is promised") {
//         test::reactor_fixture on(GENERATE(from_range(test::demultiplexers())));
//         on.run([&]() -> bight::task<> { … });
//     }
#pragma once

#include "catch.hpp"
#include "open_descriptors.hpp"
#include "skip.hpp"

#include <bight/core/detail/frame_pool.hpp>
#include <bight/core/error.hpp>
#include <bight/core/reactor.hpp>
#include <bight/core/task.hpp>
#include <bight/core/virtual_clock.hpp>
#include <bight/sim/personality.hpp>

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

namespace test {

/// For what is the same on all.
inline constexpr auto any_demultiplexer = bight::demultiplexer_kind::automatic;

inline std::string_view name_of(bight::demultiplexer_kind kind) {
    switch (kind) {
        case bight::demultiplexer_kind::io_uring: return "io_uring";
        case bight::demultiplexer_kind::epoll: return "epoll";
        case bight::demultiplexer_kind::kqueue: return "kqueue";
        case bight::demultiplexer_kind::poll: return "poll";
        case bight::demultiplexer_kind::select: return "select";
        case bight::demultiplexer_kind::iocp: return "iocp";
        case bight::demultiplexer_kind::wfmo: return "wfmo";
        default: return "automatic";
    }
}

namespace detail {

struct tried_demultiplexers {
    std::vector<bight::demultiplexer_kind> found;
    std::map<bight::demultiplexer_kind, std::string> refused;  ///< with the reasons
};

inline const tried_demultiplexers& try_demultiplexers() {
    static const tried_demultiplexers all = [] {
        tried_demultiplexers tried;
        for (const auto kind : {bight::demultiplexer_kind::io_uring, bight::demultiplexer_kind::epoll,
                                bight::demultiplexer_kind::kqueue, bight::demultiplexer_kind::poll,
                                bight::demultiplexer_kind::select, bight::demultiplexer_kind::iocp,
                                bight::demultiplexer_kind::wfmo}) {
            try {
                bight::reactor_options options;
                options.demultiplexer = kind;
                const bight::reactor made(options);
                tried.found.push_back(kind);
            } catch (const std::system_error& e) {
                tried.refused.emplace(kind, e.what());
                leave_out(e.what());
            }
        }
        return tried;
    }();
    return all;
}

}  // namespace detail

/// The demultiplexers that work on this machine.
inline const std::vector<bight::demultiplexer_kind>& demultiplexers() {
    return detail::try_demultiplexers().found;
}

/// Skips the test case if this demultiplexer does not work here.
inline void need(bight::demultiplexer_kind kind) {
    const auto& refused = detail::try_demultiplexers().refused;
    if (const auto at = refused.find(kind); at != refused.end()) skip(at->second);
}

/// Those of `wanted` that work on this machine; skips the test case when there is none.
inline std::vector<bight::demultiplexer_kind> those_that_work(std::vector<bight::demultiplexer_kind> wanted) {
    const auto& refused = detail::try_demultiplexers().refused;
    std::erase_if(wanted, [&](bight::demultiplexer_kind kind) { return refused.contains(kind); });
    if (wanted.empty()) skip("none of the demultiplexers that this is about works here");
    return wanted;
}

inline bight::reactor_options options_on(bight::demultiplexer_kind kind) {
    bight::reactor_options options;
    options.demultiplexer = kind;
    return options;
}

/// The kind of reactor of a test: with a demultiplexer of this machine, or on a simulated host.
struct reactor_choice {
    reactor_choice(bight::demultiplexer_kind on) : kind(on) {}
    static reactor_choice simulated(std::uint64_t seed,
                                    bight::sim::personality as = bight::sim::personality::plain) {
        reactor_choice c(bight::demultiplexer_kind::automatic);
        c.seed = seed;
        c.as = as;
        return c;
    }
    std::string name() const {
        if (!seed) return std::string(name_of(kind));
        return "the simulation, " + std::string(bight::sim::name_of(as)) + ", seed " + std::to_string(*seed);
    }
    /// The value of BIGHT_REACTOR for a simulated one.
    std::string variable() const {
        return "sim:" + std::to_string(seed.value()) + ":" + std::string(bight::sim::name_of(as));
    }

    bight::demultiplexer_kind kind;
    std::optional<std::uint64_t> seed;
    bight::sim::personality as = bight::sim::personality::plain;
};

/// Whether a host loop can watch reactor::descriptor there.
inline bool has_descriptor(bight::demultiplexer_kind kind) {
#if !defined(__linux__)  // libkqueue gives the end of a pipe, which is readable at no time
    if (kind == bight::demultiplexer_kind::kqueue) return true;
#endif
    return kind == bight::demultiplexer_kind::io_uring || kind == bight::demultiplexer_kind::epoll;
}

/// The demultiplexers whose descriptor a host loop can watch; skips the test case when there is none.
inline std::vector<bight::demultiplexer_kind> with_descriptor() {
    std::vector<bight::demultiplexer_kind> those = demultiplexers();
    std::erase_if(those, [](bight::demultiplexer_kind kind) { return !has_descriptor(kind); });
    if (those.empty()) skip("no demultiplexer here has a descriptor that a host loop can watch");
    return those;
}

/// The choices with a real demultiplexer.
inline const std::vector<reactor_choice>& real_reactors() {
    static const std::vector<reactor_choice> real(demultiplexers().begin(), demultiplexers().end());
    return real;
}

/// Those of simulated hosts in tests of what is the same on all: the plain one, and with `sh tests/run.sh
/// --full` all of them, which takes as long again. sim/personalities and net/races_anywhere always try all.
inline std::vector<bight::sim::personality> personalities_tried() {
    if (!std::getenv("BIGHT_TEST_ALL_ORDERS")) return {bight::sim::personality::plain};
    return {bight::sim::personalities.begin(), bight::sim::personalities.end()};
}

inline std::vector<reactor_choice> with_simulated(std::span<const bight::sim::personality> wanted) {
    std::vector<reactor_choice> found = real_reactors();
    for (const auto as : wanted) found.push_back(reactor_choice::simulated(1, as));
    return found;
}

/// Also simulated hosts: for tests that use only bight, and so must behave the same on each.
inline const std::vector<reactor_choice>& reactors() {
    static const std::vector<reactor_choice> all = with_simulated(personalities_tried());
    return all;
}

/// With a simulated host of each personality.
inline const std::vector<reactor_choice>& reactors_and_personalities() {
    static const std::vector<reactor_choice> all = with_simulated(bight::sim::personalities);
    return all;
}

/// Sets an environment variable while it lives.
class environment_variable {
  public:
    environment_variable(const char* name, const std::string& value) : name_(name) {
        if (const char* now = std::getenv(name)) before_ = now;
        ::setenv(name, value.c_str(), 1);
    }
    environment_variable(const environment_variable&) = delete;
    environment_variable& operator=(const environment_variable&) = delete;
    ~environment_variable() {
        if (before_) {
            ::setenv(name_, before_->c_str(), 1);
        } else {
            ::unsetenv(name_);
        }
    }

  private:
    const char* name_;
    std::optional<std::string> before_;
};

/// Prints the tasks of a reactor and cancels them when they take too long; ends the process when that does
/// not help.
class watchdog {
  public:
    watchdog(bight::reactor& r, std::chrono::seconds limit)
        : thread_([this, &r, limit] { watch(r, limit); }) {}
    watchdog(const watchdog&) = delete;
    watchdog& operator=(const watchdog&) = delete;
    ~watchdog() { stop(); }

    /// True when the time limit was reached.
    bool stop() {
        {
            const std::lock_guard hold(lock_);
            done_ = true;
        }
        changed_.notify_all();
        if (thread_.joinable()) thread_.join();
        return barked_;
    }

  private:
    void watch(bight::reactor& r, std::chrono::seconds limit) {
        std::unique_lock hold(lock_);
        if (changed_.wait_for(hold, limit, [this] { return done_; })) return;
        barked_ = true;
        r.post([&r] {
            std::fprintf(stderr, "hangs on %s:\n%s", std::string(r.demultiplexer_name()).c_str(),
                         r.dump_tasks().c_str());
            r.stop_now();
        });
        if (changed_.wait_for(hold, std::chrono::seconds(10), [this] { return done_; })) return;
        std::fprintf(stderr, "the reactor takes no calls, or its tasks do not end when they are cancelled\n");
        std::abort();
    }

    std::mutex lock_;
    std::condition_variable changed_;
    bool done_ = false;
    bool barked_ = false;
    std::thread thread_;
};

namespace detail {

struct clock_holder {
    bight::virtual_clock time;
};

}  // namespace detail

/// A reactor on one demultiplexer, or on a simulated host. When it is destroyed, it checks that no chunk
/// holds a receive buffer any more, that as many frames and descriptors are left as before, and that every
/// error which no task took was taken with take_errors().
class reactor_fixture {
  public:
    explicit reactor_fixture(const reactor_choice& on, bight::reactor_options options = {})
        : name_(on.name()),
          frames_before_(bight::detail::live_frames()),
          descriptors_before_(open_descriptors()) {
        bight::set_error_handler(&on_error, this);
        bight::set_log_handler(&on_log, this);
        options.demultiplexer = on.kind;
        if (!options.stall_limit) options.stall_limit = bight::duration::zero();  // its log is compared
        std::optional<environment_variable> simulated;
        if (on.seed) simulated.emplace("BIGHT_REACTOR", on.variable());
        reactor_.emplace(options);
    }
    reactor_fixture(const reactor_fixture&) = delete;
    reactor_fixture& operator=(const reactor_fixture&) = delete;
    ~reactor_fixture() { finish(); }

    bight::reactor& reactor() { return *reactor_; }

    /// Runs a task, or the task that a callable makes, and gives its value or throws its error. The callable
    /// is stored meanwhile, so a lambda with captures is safe.
    template <class T>
    T run(bight::task<T> root, std::chrono::seconds limit = std::chrono::seconds(30)) {
        INFO("on " << name_);
        watchdog guard(*reactor_, limit);
        try {
            return reactor_->run(std::move(root));
        } catch (const bight::run_cancelled&) {
            if (guard.stop()) FAIL("it hangs: see the tree of tasks above");
            throw;
        } catch (const std::exception& e) {
            UNSCOPED_INFO("on " << name_ << ": " << e.what());
            throw;
        }
    }
    template <class F>
        requires std::is_invocable_v<F&>
    auto run(F make, std::chrono::seconds limit = std::chrono::seconds(30)) {
        return run(make(), limit);
    }

    /// The reports of unhandled errors so far; clears the list.
    std::vector<std::string> take_errors() {
        const std::lock_guard hold(lock_);
        return std::exchange(errors_, {});
    }
    /// The messages that bight logged, so far; clears the list.
    std::vector<std::string> take_log() {
        const std::lock_guard hold(lock_);
        return std::exchange(log_, {});
    }

    /// For a test of chunks that outlive their reactor: this many buffers are still held when it is
    /// destroyed.
    void keeps_buffers(std::uint64_t count) { buffers_kept_ = count; }

    /// Destroys the reactor and makes the checks now.
    void finish() {
        if (!reactor_) return;
        INFO("on " << name_);
        CHECK(reactor_->statistics().live_buffers == buffers_kept_);
        reactor_.reset();
        bight::set_error_handler(nullptr);
        bight::set_log_handler(nullptr);
        CHECK(bight::detail::live_frames() == frames_before_);
        wait_for_libkqueue();
        CHECK(open_descriptors() == descriptors_before_);
        const auto untaken = take_errors();
        CHECK(untaken == std::vector<std::string>{});
    }

  private:
    /// It has descriptors of its own, which a thread of its own closes in its own time.
    void wait_for_libkqueue() const {
        if (name_ != "kqueue") return;
        const auto latest = std::chrono::steady_clock::now() + std::chrono::seconds(5);
        while (open_descriptors() != descriptors_before_ && std::chrono::steady_clock::now() < latest) {
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
    }

    static void on_error(const bight::error_report& report, void* self) {
        auto& f = *static_cast<reactor_fixture*>(self);
        std::string text = std::string(report.task) + ": " + report.to_string();
        const std::lock_guard hold(f.lock_);
        f.errors_.push_back(std::move(text));
    }
    static void on_log(bight::log_level, std::string_view message, void* self) {
        auto& f = *static_cast<reactor_fixture*>(self);
        const std::lock_guard hold(f.lock_);
        f.log_.emplace_back(message);
    }

    std::string name_;
    long frames_before_;
    int descriptors_before_;
    std::uint64_t buffers_kept_ = 0;
    std::optional<bight::reactor> reactor_;
    std::mutex lock_;
    std::vector<std::string> errors_;
    std::vector<std::string> log_;
};

/// A reactor in virtual time, on the best demultiplexer of this machine or another.
class virtual_fixture : private detail::clock_holder, public reactor_fixture {
  public:
    explicit virtual_fixture(bight::demultiplexer_kind kind = demultiplexers().front(),
                             bight::reactor_options options = {})
        : reactor_fixture(kind, with_clock(options)) {}
    using detail::clock_holder::time;
    bight::duration elapsed() const { return time.elapsed(); }

  private:
    bight::reactor_options with_clock(bight::reactor_options options) {
        options.clock = &time;
        return options;
    }
};

}  // namespace test

template <>
struct Catch::StringMaker<test::reactor_choice> {
    static std::string convert(const test::reactor_choice& on) { return on.name(); }
};
template <>
struct Catch::StringMaker<bight::demultiplexer_kind> {
    static std::string convert(bight::demultiplexer_kind kind) { return std::string(test::name_of(kind)); }
};
