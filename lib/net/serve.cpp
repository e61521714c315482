#include "serving.hpp"

#include "../core/reactor_state.hpp"
#include "../core/stop_signal.hpp"
#include "../core/time_words.hpp"
#include "../io/closer.hpp"

#include <bight/core/error.hpp>
#include <bight/core/reactor.hpp>
#include <bight/io/address.hpp>
#include <bight/io/detail/idle_timeout.hpp>

#include <new>
#include <stdexcept>
#include <string>
#include <utility>

namespace bight::detail {

// Waits until a server with a limit may accept again.
class serving::room_awaiter final : public waiter {
  public:
    explicit room_awaiter(serving& s) noexcept : server_(s) {}
    bool await_ready() const noexcept {
        return server_.options_.max_connections == 0 ||
               server_.connections_.size() < server_.options_.max_connections;
    }
    template <class P>
    BIGHT_AWAIT_SUSPEND bool await_suspend(std::coroutine_handle<P> h) noexcept {
        if (!begin(h.promise())) return true;
        server_.waiting_for_room_ = this;
        server_.make_room();
        return true;
    }
    void await_resume() const noexcept {}
    void cancel() noexcept override {
        server_.waiting_for_room_ = nullptr;
        confirm_cancel();
    }
    void describe(std::string& out) const override { out += "one of its connections to end"; }
    void there_is_room() noexcept { ready(); }

  private:
    serving& server_;
};

task<> serving::accept_all() {
    for (;;) {
        co_await room_awaiter(*this);
        auto accepted = co_await as_result(listener_.accept());
        if (accepted) {
            warned_ = false;
            begin_connection(std::move(*accepted));
            continue;
        }
        // A connection that cannot be used (with select, when its descriptor is too high) is refused; the
        // server goes on.
        if (accepted.error() == std::errc::too_many_files_open ||
            accepted.error() == std::errc::not_enough_memory) {
            refused(accepted.error());
            continue;
        }
        throw std::system_error(accepted.error(), "accept on " + listener_.local().to_string());
    }
}

// Said once, until a connection is accepted again: there may be thousands.
void serving::refused(std::error_code why) noexcept {
    if (std::exchange(warned_, true)) return;
    try {
        log(log_level::warning,
            "refused a connection to " + listener_.local().to_string() + ": " + why.message());
    } catch (const std::bad_alloc&) {  // no memory for the message
    }
}

void serving::begin_connection(stream peer) noexcept {
    transport& t = peer.lower();
    connection_job* c = nullptr;
    try {
        c = new connection_job(*this, t, ++accepted_);
        if (options_.idle_timeout != duration::max()) c->limit_idleness(options_.idle_timeout);
    } catch (const std::bad_alloc&) {
        delete c;
        refused(std::make_error_code(std::errc::not_enough_memory));
        t.abort(errc::aborted);
        return;
    }
    try {
        if (!c->give(protocol_.begin(std::move(peer)))) misused_task();
    } catch (...) {  // the coroutine could not be created
        t.abort(errc::aborted);
        report_job_error(*c, std::current_exception());
        delete c;
        return;
    }
    promise_base& root = connections_.add(*c);
    c->start(home(), &owner(), root);
}

void serving::connection_ended(connection_job& c) noexcept {
    connections_.one_over();
    connections_.remove(c);
    delete &c;
    if (waiting_for_room_) std::exchange(waiting_for_room_, nullptr)->there_is_room();
    if (connections_.empty() && !accepting_running_) {
        detail::reactor_access::disarm_grace(home(), *this);
        conclude_here(accepting_.result() == outcome::cancelled);
    }
}

void serving::cancel() noexcept {
    if (accepting_running_) accepting_.request_cancel();
}

// Accepting has ended: the remaining connections drain.
std::coroutine_handle<> serving::child_finished(job&) noexcept {
    accepting_running_ = false;
    owner().adopt_trace(accepting_);
    if (!connections_.empty() && options_.drain > duration::zero()) say_that_it_drains();
    listener_.close();
    if (connections_.empty()) return conclude(accepting_.result() == outcome::cancelled);
    detail::reactor_access::arm_grace(home(), *this, options_.drain);
    make_room();
    drain_.begin();
    return std::noop_coroutine();
}

// Who has pressed Ctrl-C sees what keeps the program.
void serving::say_that_it_drains() noexcept {
    const bool by_signal = received_stop_signal() != 0;
    try {
        std::string text = "draining " + std::to_string(connections_.size()) + " connection" +
                           (connections_.size() == 1 ? "" : "s") + " of the server at " +
                           listener_.local().to_string();
        const std::string& on = reactor_state::name_of(home());
        if (!on.empty()) text += ", on " + on;
        if (by_signal && first_to_answer_stop_signal())
            text += "; a second signal (Ctrl-C) ends them at once";
        log(by_signal ? log_level::requested : log_level::info, text);
    } catch (const std::bad_alloc&) {  // the drain goes on all the same
    }
}

void serving::say_that_the_drain_is_over() const noexcept {
    try {
        const std::string text = "the drain is over: " + std::to_string(connections_.size()) + " connection" +
                                 (connections_.size() == 1 ? " is" : "s are") +
                                 " cut off (serve_options::drain is " + to_a_tenth(options_.drain) + ")";
        log(log_level::warning, text);
    } catch (const std::bad_alloc&) {
    }
}

void serving::connection_closes(connection_job& c) noexcept {
    if (cancelling_) {
        c.end_now();
    } else if (!accepting_running_ || waiting_for_room_) {
        c.hurry();
    }
}

// Hurries connections that have sent everything, so that others can be accepted.
void serving::make_room() noexcept {
    for (connection_job& c : connections_) c.hurry();
}

void serving::expired() noexcept {
    if (!cancelling_ && options_.drain > duration::zero()) say_that_the_drain_is_over();
    cancelling_ = true;
    for (connection_job& c : connections_) {
        c.request_cancel();
        c.end_now();
    }
}

void serving::describe(std::string& out) const {
    out += "a server";
    if (listener_) out += " at " + listener_.local().to_string();
    out += " with " + std::to_string(connections_.size()) + " connections";
    if (!accepting_running_) out += cancelling_ ? " (stopping)" : " (draining)";
    append_time_left(out, *this, home().now());
}

void serving::visit_jobs(void (*visit)(const job&, void*), void* context) const {
    if (accepting_running_) visit(accepting_, context);
    connections_.visit(visit, context);
}

// idle_limit

idle_limit::idle_limit(connection_job& c, transport& t, duration limit) noexcept : connection_(c), watch_(t) {
    watch_.begin(*this, limit);
    start(t.home(), saturating_add(t.home().now(), limit));
}

idle_limit::~idle_limit() {
    stop();
    watch_.end();
}

void idle_limit::overdue() noexcept {
    if (watch_.write_advances()) {
        reactor& home = watch_.watched().home();
        start(home, saturating_add(home.now(), watch_.limit()));
        return;
    }
    try {
        std::string text;
        connection_.describe(text);
        log(log_level::info, text + ": " + idle_for(watch_.limit()) + ", so it is ended");
    } catch (const std::bad_alloc&) {  // it is ended all the same
    }
    connection_.request_cancel();
}

// connection_job

connection_job::connection_job(serving& server, transport& t, std::uint64_t number) noexcept
    : server_(server), transport_(t), number_(number & ~(std::uint64_t{1} << 63)) {
    t.retain();
    t.set_close_patience(server.options_.close_deadline);
}

connection_job::~connection_job() { transport_.release(); }

const void* connection_job::find_local(const void* key) const noexcept { return server_.drain_.find(key); }

void connection_job::describe(std::string& out) const {
    out += "connection " + std::to_string(number_) + " from ";
    transport_.describe(out);
}

std::coroutine_handle<> connection_job::finished() noexcept {
    idle_.reset();
    if (result() == outcome::error) report_connection_error(*this, task_.promise().error());
    return reap_later();
}

// Called when the coroutine has ended, and again when its connection is over, whether the coroutine has
// closed or dropped it. A stream that was moved elsewhere no longer concerns this server.
void connection_job::reap() noexcept {
    task_.reset();
    if (detail::closer* const c = transport_.closer(); c && !closing_ && c->tell(*this)) {
        closing_ = true;
        server_.connection_closes(*this);
    } else {
        server_.connection_ended(*this);
    }
}

void connection_job::hurry() noexcept {
    if (closing_ && transport_.closer()) transport_.closer()->hurry();
}

void connection_job::end_now() noexcept {
    if (closing_ && transport_.closer()) transport_.closer()->limit(home().now());
}

// serve

namespace {

void check_serve_options(const serve_options& options) {
    if (options.idle_timeout <= duration::zero()) {
        throw std::invalid_argument("serve_options::idle_timeout is zero or less: no connection would live");
    }
}

}  // namespace

task<> serve_listener(listener l, serve_options options, protocol_handle p) {
    check_serve_options(options);
    co_await serving(l, options, *p);
}

task<> serve_endpoint(std::string where, serve_options options, protocol_handle p) {
    check_serve_options(options);
    listener l = listen(endpoint::parse(where), options.listen);
    co_await serving(l, options, *p);
}

}  // namespace bight::detail
