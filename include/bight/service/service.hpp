// service_tree: starts the services of a program in order, and stops them in reverse order.
#pragma once

#include <bight/core/detail/awaiter.hpp>
#include <bight/core/detail/refused.hpp>
#include <bight/core/detail/scope.hpp>
#include <bight/core/detail/wait_list.hpp>
#include <bight/core/export.hpp>
#include <bight/core/task.hpp>
#include <bight/service/shutdown.hpp>

#include <chrono>
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace BIGHT_EXPORT bight {

class group;
class service;
class service_tree;

enum class service_state : std::uint8_t {
    idle,      ///< not started
    starting,  ///< its task runs, and it is not ready
    running,   ///< ready
    stopping,  ///< asked to stop, or cancelled
    ended,
};

/// What happens when a service fails.
enum class service_failure : std::uint8_t {
    stop_all,  ///< the tree shuts down, then throws the error
    restart,   ///< the error is reported, and the service started again; the others go on
};

/// Options of a service.
struct service_options {
    /// How long it may take to become ready, including restarts.
    duration start_deadline = std::chrono::seconds(30);
    /// How long it may take to end after it is asked to stop.
    duration stop_deadline = std::chrono::seconds(10);
    service_failure on_failure = service_failure::stop_all;
    /// For `restart`: how often at most in one run of the tree, and how long after the failure.
    unsigned restarts = 3;
    duration restart_delay = std::chrono::seconds(1);
};

/// How long each shutdown hook may take.
struct shutdown_deadlines {
    duration before = std::chrono::seconds(10);
    duration during = std::chrono::seconds(10);
    duration after = std::chrono::seconds(10);
};

static_assert(std::is_trivially_destructible_v<service_options> &&
              std::is_trivially_destructible_v<shutdown_deadlines>);  // see reactor_options

namespace detail {

class service_scope;
class change_awaiter;

/// The callable of a service.
class service_body {
  public:
    service_body() noexcept = default;
    service_body(const service_body&) = delete;
    service_body& operator=(const service_body&) = delete;
    virtual ~service_body() = default;
    virtual task<> begin(service& self) = 0;
};

class [[nodiscard("co_await it"), gnu::warn_unused]] stopping_awaiter final
    : public listed_waiter,
      public awaiter_base<stopping_awaiter> {
  public:
    explicit stopping_awaiter(service& s) noexcept : service_(&s) {}
    void await_resume() const noexcept {}
    void cancel() noexcept override;
    void describe(std::string& out) const override;

  private:
    friend class bight::service_tree;
    friend awaiter_base<stopping_awaiter>;
    bool suspend(promise_base& p) noexcept;
    service* service_;
};

}  // namespace detail

/// One part of a program. Its task gets a reference to it, which is valid as long as the tree. Thread: the
/// reactor's.
class service {
  public:
    service(const service&) = delete;
    service& operator=(const service&) = delete;

    /// The name, with those of its parents: "web/admin".
    const std::string& name() const noexcept { return name_; }
    service_state state() const noexcept { return state_; }
    service_tree& tree() const noexcept { return tree_; }

    /// Says that this service is ready: the next one starts. Later calls do nothing.
    void ready() noexcept;

    /// Waits until the service is asked to stop. If any of its tasks waits for this when the stop comes, the
    /// service has until its stop_deadline to end by itself; otherwise it is cancelled at once.
    detail::stopping_awaiter stopping() noexcept { return detail::stopping_awaiter{*this}; }
    bool stop_requested() const noexcept { return stop_requested_; }

    /// Adds a child, as service_tree::add. It is started after this service is ready and before the next
    /// sibling of this service, and stopped before this service.
    template <class F>
        requires std::is_invocable_r_v<task<>, std::decay_t<F>&, service&> ||
                 std::is_invocable_r_v<task<>, std::decay_t<F>&>
    service& add(std::string_view name, F&& run, const service_options& options = {});
    // What no other overload takes.
    template <class Here = decltype([] {}), bool fits = false>
    service& add(detail::anything = {}, detail::anything = {}, detail::anything = {}) {
        static_assert(
            fits,
            "add(name, run, options) takes a name, then a function that gives a task<>, and which takes "
            "a service& or nothing: add(\"web\", [&] { return bight::serve(where, web); })");
        return *this;
    }

  private:
    friend class service_tree;
    friend class detail::service_scope;
    friend class detail::stopping_awaiter;
    friend struct std::default_delete<service>;

    service(service_tree& tree, std::string&& name, std::size_t depth,
            std::unique_ptr<detail::service_body> body, const service_options& options)
        : tree_(tree), name_(std::move(name)), depth_(depth), body_(std::move(body)), options_(options) {}
    ~service() = default;

    service_tree& tree_;
    std::string name_;
    std::size_t depth_;
    std::unique_ptr<detail::service_body> body_;
    service_options options_;
    service_state state_ = service_state::idle;
    bool stop_requested_ = false;
    unsigned restarts_ = 0;
    detail::service_scope* scope_ = nullptr;  // while its task runs
    detail::wait_list<detail::stopping_awaiter> waiting_for_stop_;
};

namespace detail {

template <class F>
class stored_service_body final : public service_body {
  public:
    explicit stored_service_body(F&& f) : callable_(std::move(f)) {}
    task<> begin(service& self) override {
        if constexpr (std::is_invocable_r_v<task<>, F&, service&>) {
            return std::invoke(callable_, self);
        } else {
            self.ready();
            return std::invoke(callable_);
        }
    }

  private:
    F callable_;
};

/// Runs a tree. Cancelling it stops the tree.
class [[nodiscard("co_await it"), gnu::warn_unused]] tree_awaiter final : public scope,
                                                                          public awaiter_base<tree_awaiter> {
  public:
    explicit tree_awaiter(service_tree& tree) noexcept : tree_(tree) {}
    void await_resume() { child_.take(); }
    void cancel() noexcept override;
    void describe(std::string& out) const override;
    void visit_jobs(void (*visit)(const job&, void*), void* context) const override {
        visit(child_, context);
    }

  private:
    friend awaiter_base<tree_awaiter>;
    std::coroutine_handle<> suspend(promise_base& p) {
        prepare();  // may throw, and nothing may from begin on
        if (!begin(p)) return std::noop_coroutine();
        return start();
    }
    void prepare();
    std::coroutine_handle<> start() noexcept;
    std::coroutine_handle<> child_finished(job&) noexcept override;

    service_tree& tree_;
    child_job<void> child_;
};

}  // namespace detail

/// Services that start one after the other, each when the one before it is ready, in the order in which they
/// were added, children after their parent. They stop in the reverse order, each when the one after it has
/// ended. A service is a callable that gives a task<>:
///
///     bight::service_tree program;
///     program.add("database", [&](bight::service& self) -> bight::task<> {
///         auto connection = co_await connect_to_database();
///         self.ready();
///         co_await self.stopping();
///         co_await connection.close();
///     });
///     program.add("web", [&] { return bight::serve("tcp:8123", web); });
///     return bight::run(program.main());
///
/// It must outlive its run. Thread: the reactor's.
class service_tree {
  public:
    explicit service_tree(const shutdown_deadlines& deadlines = {}) noexcept : deadlines_(deadlines) {}
    service_tree(const service_tree&) = delete;
    service_tree& operator=(const service_tree&) = delete;

    /// Adds a service. `run(service)` or `run()` gives its task; the callable is stored as long as the tree,
    /// so a lambda that captures is safe. A service whose callable takes no argument is ready as soon as it
    /// has begun; one whose task returns counts as ready, and has ended. Throws std::logic_error while the
    /// tree runs.
    template <class F>
        requires std::is_invocable_r_v<task<>, std::decay_t<F>&, service&> ||
                 std::is_invocable_r_v<task<>, std::decay_t<F>&>
    service& add(std::string_view name, F&& run, const service_options& options = {}) {
        return add_service(nullptr, name, make_body(std::forward<F>(run)), options);
    }
    // What no other overload takes.
    template <class Here = decltype([] {}), bool fits = false>
    service& add(detail::anything = {}, detail::anything = {}, detail::anything = {}) {
        static_assert(
            fits,
            "add(name, run, options) takes a name, then a function that gives a task<>, and which takes "
            "a service& or nothing: add(\"web\", [&] { return bight::serve(where, web); })");
        return *services_.front();
    }

    /// Adds a hook for the shutdown of this tree (see shutdown_phases): `before` runs while all services
    /// still run, `during` when all have ended, `after` at the very end.
    template <class F>
        requires detail::shutdown_callable<std::decay_t<F>>
    shutdown_hook on_shutdown(shutdown_phase phase, std::string_view name, F&& f) {
        return phases_.add(phase, name, std::forward<F>(f));
    }

    /// Starts the services, and returns when all of them have ended, by themselves or after stop. A
    /// cancellation stops the tree in the same way, and is then passed on.
    ///
    /// A shutdown runs the hooks of `before`; stops the services in reverse order, each within its
    /// stop_deadline, after which it is cancelled and errc::timed_out reported; then runs the hooks of
    /// `during` and those of `after`. Errors on the way are reported to the error handler, and the shutdown
    /// goes on. reactor::stop_now ends all deadlines at once.
    ///
    /// The error of a service, or errc::timed_out for one that is not ready in time, shuts the tree down and
    /// is thrown at the end (several as an aggregate_error). The tree may be run again afterwards. Throws
    /// std::logic_error while it runs already.
    detail::tree_awaiter run() noexcept { return detail::tree_awaiter{*this}; }
    /// The same as a task, for bight::run.
    task<> main();

    /// Starts the shutdown and returns at once. A stop before run ends that run. Idempotent.
    void stop() noexcept;
    bool stop_requested() const noexcept { return stop_requested_; }

    /// The state and the name of each service, one a line, in the order of starting.
    std::string to_string() const;

  private:
    friend class service;
    friend class detail::service_scope;
    friend class detail::change_awaiter;
    friend class detail::tree_awaiter;

    template <class F>
    static std::unique_ptr<detail::service_body> make_body(F&& run) {
        using stored = std::decay_t<F>;
        return std::make_unique<detail::stored_service_body<stored>>(stored(std::forward<F>(run)));
    }
    service& add_service(service* parent, std::string_view name, std::unique_ptr<detail::service_body> body,
                         const service_options& options);

    task<> control();
    task<> start_all(group& g);
    task<> stop_all();
    task<> stop_one(service& s);
    task<> supervise(service& s);
    task<> until_started(service& s);
    task<> until_ended(service& s);
    bool failed(service& s, detail::job& child, const std::exception_ptr& error) noexcept;
    void changed() noexcept;

    std::vector<std::unique_ptr<service>> services_;  // in the order of starting
    shutdown_phases phases_;
    shutdown_deadlines deadlines_;
    detail::job* controller_ = nullptr;          // while it runs
    detail::change_awaiter* waiting_ = nullptr;  // the controller
    detail::error_list errors_;
    std::size_t running_ = 0;  // services that have been started and have not ended
    bool stop_requested_ = false;
    bool shutting_down_ = false;
};

template <class F>
    requires std::is_invocable_r_v<task<>, std::decay_t<F>&, service&> ||
             std::is_invocable_r_v<task<>, std::decay_t<F>&>
service& service::add(std::string_view name, F&& run, const service_options& options) {
    return tree_.add_service(this, name, service_tree::make_body(std::forward<F>(run)), options);
}

}  // namespace bight
