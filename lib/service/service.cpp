#include <bight/service/service.hpp>

#include "shutdown_step.hpp"

#include <bight/core/detail/awaiter.hpp>
#include <bight/core/error.hpp>
#include <bight/core/group.hpp>
#include <bight/core/timeout.hpp>

#include <algorithm>
#include <functional>
#include <new>
#include <stdexcept>
#include <system_error>

namespace bight {

namespace detail {

/// Runs the task of a service once. It can be cancelled separately, and its errors are handled here.
class service_scope final : public scope, public awaiter_base<service_scope> {
  public:
    explicit service_scope(service& s) noexcept : service_(s) {}
    /// True when the service is to be restarted.
    bool await_resume() const noexcept { return again_; }

    void cancel() noexcept override { child_.request_cancel(); }
    void describe(std::string& out) const override { out += "the service " + service_.name(); }
    void visit_jobs(void (*visit)(const job&, void*), void* context) const override {
        visit(child_, context);
    }

  private:
    friend awaiter_base<service_scope>;
    std::coroutine_handle<> suspend(promise_base& p) {
        child_.give(begin_body(service_));  // may throw, and nothing may from begin on
        begin_regardless(p);
        service_.scope_ = this;
        return child_.launch_now(*this, home(), owner());
    }
    // A separate coroutine, so that an exception of the call itself is an error like any other.
    static task<> begin_body(service& s) {
        task<> begun = s.body_->begin(s);
        co_await std::move(begun);
    }
    std::coroutine_handle<> child_finished(job&) noexcept override {
        service_.scope_ = nullptr;
        if (child_.result() == outcome::error)
            again_ = service_.tree_.failed(service_, child_, child_.error());
        return conclude(false);
    }

    service& service_;
    child_job<void> child_;
    bool again_ = false;
};

/// The controller waits here for something to change.
class change_awaiter final : public waiter, public awaiter_base<change_awaiter> {
  public:
    explicit change_awaiter(service_tree& tree) noexcept : tree_(tree) {}
    void await_resume() const noexcept {}
    void cancel() noexcept override {
        tree_.waiting_ = nullptr;
        confirm_cancel();
    }
    void describe(std::string& out) const override { out += "its services"; }
    void wake() noexcept { ready(); }

  private:
    friend awaiter_base<change_awaiter>;
    bool suspend(promise_base& p) noexcept {
        if (begin(p)) tree_.waiting_ = this;
        return true;
    }
    service_tree& tree_;
};

bool stopping_awaiter::suspend(promise_base& p) noexcept {
    if (!begin(p)) return true;
    if (service_->stop_requested_) return finish_now();
    service_->waiting_for_stop_.push_back(*this);
    return true;
}

void stopping_awaiter::cancel() noexcept {
    service_->waiting_for_stop_.remove(*this);
    confirm_cancel();
}

void stopping_awaiter::describe(std::string& out) const {
    out += "the stop of the service " + service_->name();
}

namespace {

task<> refuse() {
    throw std::logic_error("this tree of services runs already");
    co_return;
}

}  // namespace

void tree_awaiter::prepare() { child_.give(tree_.controller_ ? refuse() : tree_.control()); }

std::coroutine_handle<> tree_awaiter::start() noexcept {
    if (!tree_.controller_) tree_.controller_ = &child_;
    return child_.launch_now(*this, home(), owner());
}

void tree_awaiter::cancel() noexcept { tree_.stop(); }

void tree_awaiter::describe(std::string& out) const {
    out += "a tree of " + std::to_string(tree_.services_.size()) + " services";
    if (tree_.stop_requested_) out += " (stopping)";
}

std::coroutine_handle<> tree_awaiter::child_finished(job&) noexcept {
    if (tree_.controller_ == &child_) tree_.controller_ = nullptr;
    owner().adopt_trace(child_);
    return conclude(child_.result() == outcome::value);
}

}  // namespace detail

// service

void service::ready() noexcept {
    if (state_ != service_state::starting) return;
    state_ = service_state::running;
    tree_.changed();
}

// service_tree

service& service_tree::add_service(service* parent, std::string_view name,
                                   std::unique_ptr<detail::service_body> body,
                                   const service_options& options) {
    if (controller_) throw std::logic_error("a service is added to a tree before the tree runs");
    const std::size_t depth = parent ? parent->depth_ + 1 : 0;
    std::string full = parent ? parent->name_ + "/" : std::string();
    full += name;
    auto at = services_.end();
    if (parent) {  // after its existing children
        at = std::find_if(services_.begin(), services_.end(), [&](auto& s) { return s.get() == parent; });
        do ++at;
        while (at != services_.end() && (*at)->depth_ >= depth);
    }
    std::unique_ptr<service> made(new service(*this, std::move(full), depth, std::move(body), options));
    return **services_.insert(at, std::move(made));
}

void service_tree::changed() noexcept {
    if (detail::change_awaiter* w = std::exchange(waiting_, nullptr)) w->wake();
}

void service_tree::stop() noexcept {
    stop_requested_ = true;
    changed();
}

namespace {

void report(const service& s, const detail::job& child, const std::exception_ptr& error) noexcept {
    try {
        detail::report_job_error(child, error, "the service \"" + s.name() + "\"");
    } catch (const std::bad_alloc&) {
        detail::report_job_error(child, error, s.name());
    }
}

}  // namespace

// Handles the failure of a service. True when it is to be restarted.
bool service_tree::failed(service& s, detail::job& child, const std::exception_ptr& error) noexcept {
    if (shutting_down_) {
        report(s, child, error);
        return false;
    }
    if (s.options_.on_failure == service_failure::restart && !stop_requested_ &&
        s.restarts_ < s.options_.restarts) {
        report(s, child, error);
        ++s.restarts_;
        return true;
    }
    try {
        detail::log(log_level::warning, "the service \"" + s.name() + "\" failed, and all are stopped: " +
                                            detail::describe_error(error));
    } catch (const std::bad_alloc&) {
        detail::log(log_level::warning, "a service failed, and all are stopped");
    }
    if (!errors_.add(error)) report(s, child, error);  // out of memory: report it instead
    controller_->adopt_trace(child);
    stop();
    return false;
}

task<> service_tree::main() { co_await run(); }

task<> service_tree::control() {
    struct made_new {
        service_tree& tree;
        ~made_new() {
            tree.stop_requested_ = tree.shutting_down_ = false;
            tree.running_ = 0;
            tree.errors_ = {};
        }
    } const at_end{*this};
    auto services = [this](group& g) -> task<> {
        co_await start_all(g);
        while (!stop_requested_ && running_ > 0) co_await detail::change_awaiter(*this);
        co_await stop_all();
    };
    try {
        co_await with_group(services);
    } catch (...) {  // out of memory: the services that began have ended; the hooks still run
        const std::exception_ptr error = std::current_exception();
        if (!errors_.add(error)) detail::report_error({error, "a tree of services", {}});
    }
    shutting_down_ = true;
    co_await phases_.run(shutdown_phase::before, deadlines_.before);  // nothing, unless that was cut short
    co_await phases_.run(shutdown_phase::during, deadlines_.during);
    co_await phases_.run(shutdown_phase::after, deadlines_.after);
    errors_.throw_all();
}

task<> service_tree::start_all(group& g) {
    for (auto& s : services_) {
        s->state_ = service_state::idle;
        s->stop_requested_ = false;
        s->restarts_ = 0;
    }
    for (auto& s : services_) {
        if (stop_requested_) co_return;
        s->state_ = service_state::starting;
        ++running_;
        g.spawn(supervise(*s));
        const bool in_time = co_await try_with_timeout(until_started(*s), s->options_.start_deadline);
        if (in_time) continue;
        const std::system_error late(errc::timed_out, "the service \"" + s->name() + "\" was not ready");
        errors_.add(std::make_exception_ptr(late));
        stop();
    }
}

task<> service_tree::stop_all() {
    stop_requested_ = shutting_down_ = true;
    co_await phases_.run(shutdown_phase::before, deadlines_.before);
    for (auto at = services_.rbegin(); at != services_.rend(); ++at) co_await stop_one(**at);
}

task<> service_tree::stop_one(service& s) {
    if (s.state_ == service_state::idle || s.state_ == service_state::ended) co_return;
    s.state_ = service_state::stopping;
    s.stop_requested_ = true;
    const bool told = !s.waiting_for_stop_.empty();
    while (auto* w = s.waiting_for_stop_.pop_front()) w->ready();
    if (!told && s.scope_) s.scope_->cancel();
    const bool in_time = co_await detail::bounded_step(until_ended(s), s.options_.stop_deadline, s.name_);
    if (in_time) co_return;
    const std::system_error late(errc::timed_out, told ? "it did not stop when it was told to: cancelled"
                                                       : "it takes long to end after it was cancelled");
    detail::report_error({std::make_exception_ptr(late), "the service \"" + s.name() + "\"", {}});
    if (s.scope_) s.scope_->cancel();
    co_await until_ended(s);
}

task<> service_tree::supervise(service& s) {
    for (;;) {
        const bool again = co_await detail::service_scope(s);
        if (!again) break;
        s.state_ = service_state::starting;
        const bool stops = co_await try_with_timeout(s.stopping(), s.options_.restart_delay);
        if (stops || stop_requested_) break;
    }
    s.state_ = service_state::ended;
    --running_;
    changed();
}

task<> service_tree::until_started(service& s) {
    while (s.state_ == service_state::starting && !stop_requested_) co_await detail::change_awaiter(*this);
}

task<> service_tree::until_ended(service& s) {
    while (s.state_ != service_state::ended) co_await detail::change_awaiter(*this);
}

std::string service_tree::to_string() const {
    static constexpr std::string_view states[] = {"idle", "starting", "running", "stopping", "ended"};
    std::string out;
    for (const auto& s : services_) {
        out += std::string(states[static_cast<std::size_t>(s->state_)]) + " " + s->name_ + "\n";
    }
    return out;
}

}  // namespace bight
