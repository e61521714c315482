#include "connection_hub.hpp"

#include "listening_socket.hpp"

#include "../core/reactor_state.hpp"

#include <bight/core/detail/awaiter.hpp>
#include <bight/core/error.hpp>
#include <bight/core/shield.hpp>

#include <new>
#include <utility>

namespace bight::detail {

travelling_connection::~travelling_connection() {
    if (fd_ >= 0) calls_.close(fd_);
}

// intake

intake::intake(reactor& home, std::shared_ptr<connection_hub> hub, std::size_t index) noexcept
    : acceptor(home), calls_(sockets_here()), hub_(std::move(hub)), index_(index) {}

bool intake::start(accept_awaiter& waiting) noexcept {
    if (!open_ || waiting_) {
        waiting.error_ = open_ ? errc::busy : errc::closed;
        return true;
    }
    if (count_ > 0) {
        waiting.fd_ = queue_[first_];
        first_ = (first_ + 1) % capacity;
        --count_;
        hub_->taken(index_);
        return true;
    }
    if (error_) {
        waiting.error_ = error_;
        return true;
    }
    waiting_ = &waiting;
    return false;
}

void intake::cancel_accept() noexcept { std::exchange(waiting_, nullptr)->confirm_cancel(); }

void intake::close() noexcept {
    if (!std::exchange(open_, false)) return;
    for (; count_ > 0; --count_) {
        calls_.close(queue_[first_]);
        first_ = (first_ + 1) % capacity;
    }
    if (accept_awaiter* w = std::exchange(waiting_, nullptr)) {
        w->error_ = errc::closed;
        w->ready();
    }
    hub_->closed(index_);
}

address intake::local() const { return open_ ? hub_->local() : address(); }

void intake::describe(std::string& out) const {
    const address here = local();
    out += here ? here.to_string() + " (handed over)" : "a closed listener";
}

void intake::arrived(travelling_connection connection) noexcept {
    if (accept_awaiter* w = std::exchange(waiting_, nullptr)) {
        w->fd_ = connection.release();
        hub_->taken(index_);
        w->ready();
    } else if (count_ < capacity) {
        queue_[(first_ + count_++) % capacity] = connection.release();
    } else {
        hub_->taken(index_);
    }
}

void intake::failed(std::error_code error) noexcept {
    error_ = error;
    if (accept_awaiter* w = std::exchange(waiting_, nullptr)) {
        w->error_ = error;
        w->ready();
    }
}

// hub_source

/// Waits until an intake wants a connection, or the socket is to be closed.
class hub_source::room_awaiter final : public waiter, public awaiter_base<room_awaiter> {
  public:
    room_awaiter(connection_hub& hub, hub_source& source) noexcept : hub_(hub), source_(source) {}
    void await_resume() const noexcept {}
    void cancel() noexcept override {
        source_.wants_room = nullptr;
        confirm_cancel();
    }
    void describe(std::string& out) const override { out += "a listener that has room"; }
    void there_is_room() noexcept { ready(); }

  private:
    friend awaiter_base<room_awaiter>;
    bool suspend(promise_base& p) noexcept {
        if (!begin(p)) return true;
        const std::lock_guard hold(hub_.lock_);
        if (hub_.source_.get() != &source_ || hub_.has_room()) return finish_now();
        source_.stalled = true;
        source_.wants_room = this;
        return true;
    }
    connection_hub& hub_;
    hub_source& source_;
};

void hub_source::look_soon(connection_hub& hub) noexcept {
    if (asked_by_) return;  // the call that is on its way will look at what is wanted
    asked_by_ = hub.shared_from_this();
    self_ = shared_from_this();
    send(*home);
}

// Here and not in `arrived`, because look_soon may be called again meanwhile, and by now the call is free.
void hub_source::released(bool arrived) noexcept {
    std::shared_ptr<hub_source> self;
    std::shared_ptr<connection_hub> hub = asked_by_;
    const std::lock_guard hold(hub->lock_);
    self = std::move(self_);
    asked_by_.reset();
    if (arrived) hub->look_at(*this);
}

void hub_source::go_on() noexcept {
    if (room_awaiter* w = std::exchange(wants_room, nullptr)) w->there_is_room();
}

void hub_source::close() noexcept {
    from.close();
    go_on();
}

/// Held by the accepting task: cleans up when that task ends, however it ends.
class connection_hub::running_source {
  public:
    running_source(std::shared_ptr<connection_hub> hub, std::shared_ptr<hub_source> source) noexcept
        : hub_(std::move(hub)), source_(std::move(source)) {}
    running_source(running_source&&) noexcept = default;
    running_source& operator=(running_source&&) = delete;
    ~running_source() {
        if (!source_) return;
        source_->from.close();
        if (!source_->home) return;  // the task could not be started: `open` holds the lock
        const std::lock_guard hold(hub_->lock_);
        source_->home = nullptr;
        if (hub_->source_ == source_) hub_->source_.reset();
    }
    connection_hub& hub() const noexcept { return *hub_; }
    hub_source& operator*() const noexcept { return *source_; }

  private:
    std::shared_ptr<connection_hub> hub_;
    std::shared_ptr<hub_source> source_;
};

namespace {

struct accepted {
    int fd;
    std::error_code error;
};

/// Accepts a connection without making a stream here.
class descriptor_awaiter {
  public:
    using bight_awaitable = void;
    explicit descriptor_awaiter(acceptor& from) noexcept : accept_(&from) {}
    bool await_ready() const noexcept { return false; }
    template <class P>
    BIGHT_AWAIT_SUSPEND bool await_suspend(std::coroutine_handle<P> h) noexcept {
        return accept_.await_suspend(h);
    }
    accepted await_resume() noexcept {
        accepted got{-1, {}};
        got.fd = accept_.take_descriptor(got.error);
        return got;
    }

  private:
    accept_awaiter accept_;
};

/// False when memory is exhausted: the call is lost, and the caller decides what that means.
template <class F>
bool try_post(reactor& to, F&& call) noexcept {
    try {
        to.post(std::forward<F>(call));
        return true;
    } catch (const std::bad_alloc&) {
        return false;
    }
}

}  // namespace

task<> connection_hub::accept_all(running_source source) {
    connection_hub& hub = source.hub();
    for (;;) {
        co_await hub_source::room_awaiter(hub, *source);
        const accepted got = co_await descriptor_awaiter((*source).from);
        if (got.fd < 0) {
            if (got.error != errc::closed) hub.accept_failed(got.error);
            break;
        }
        hub.deliver(*source, travelling_connection(got.fd, sockets_here()));
    }
}

task<> connection_hub::accept_until_stopped(running_source source) {
    co_await shield(accept_all(std::move(source)), duration::max());
}

// connection_hub

listener connection_hub::open(std::size_t index) {
    reactor& home = *reactor::current();
    const std::lock_guard hold(lock_);
    slot& here = slots_[index];
    if (here.home) {
        throw std::system_error(errc::busy, "this reactor has a listener at " + local_.to_string());
    }
    auto* made = new intake(home, shared_from_this(), index);
    listener result(*made);
    auto notice = std::make_unique<failure_notice>();
    if (!source_) {
        if (!socket_) socket_ = bound_socket(endpoint_, options_);
        listening_socket& from = std::move(socket_).listen(endpoint_, options_);
        auto source = std::make_shared<hub_source>(from);
        running_source running(shared_from_this(), source);
        home.start(accept_until_stopped(std::move(running)));
        source->home = &home;
        source_ = std::move(source);
    }
    here.in = made;
    here.home = &home;
    here.notice = std::move(notice);
    here.waiting = 0;
    ++here.opened;
    ++open_;
    made->opened();
    room_was_made();
    return result;
}

bool connection_hub::has_room() const noexcept {
    for (const slot& s : slots_) {
        if (s.home && s.waiting < intake::wanted) return true;
    }
    return false;
}

void connection_hub::deliver(const hub_source& source, travelling_connection connection) noexcept {
    std::unique_lock hold(lock_);
    slot* to = nullptr;
    for (std::size_t i = 0; i < slots_.size(); ++i) {
        slot& s = slots_[(next_ + i) % slots_.size()];
        if (!s.home || (to && s.waiting >= intake::wanted)) continue;
        to = &s;
        if (s.waiting < intake::wanted) break;
    }
    if (!to) return;  // all intakes have closed meanwhile
    const auto index = static_cast<std::size_t>(to - slots_.data());
    next_ = (index + 1) % slots_.size();
    ++to->waiting;
    if (to->home == source.home) {
        hold.unlock();
        to->in->arrived(std::move(connection));
        return;
    }
    const bool sent = try_post(*to->home, [hub = shared_from_this(), index, opened = to->opened,
                                           owned = std::move(connection)]() mutable {
        const slot& here = hub->slots_[index];
        if (here.in && here.opened == opened) here.in->arrived(std::move(owned));
    });
    if (!sent) --to->waiting;
}

void connection_hub::accept_failed(std::error_code error) noexcept {
    const std::lock_guard hold(lock_);
    for (std::size_t i = 0; i < slots_.size(); ++i) {
        slot& s = slots_[i];
        if (!s.home || !s.notice) continue;  // told already
        failure_notice* const notice = s.notice.release();
        notice->hub = shared_from_this();
        notice->index = i;
        notice->opened = s.opened;
        notice->error = error;
        reactor_state::post(*s.home, *notice);
    }
}

void connection_hub::failure_notice::call() {
    const slot& here = hub->slots_[index];
    if (here.in && here.opened == opened) here.in->failed(error);
}

void connection_hub::taken(std::size_t index) noexcept {
    const std::lock_guard hold(lock_);
    --slots_[index].waiting;
    room_was_made();
}

void connection_hub::room_was_made() noexcept {
    if (!source_ || !std::exchange(source_->stalled, false)) return;
    source_->look_soon(*this);
}

void connection_hub::closed(std::size_t index) noexcept {
    const std::lock_guard hold(lock_);
    slot& here = slots_[index];
    here.in = nullptr;
    here.home = nullptr;
    if (--open_ > 0 || !source_) return;
    if (source_->home == reactor::current()) {
        close_source();
        return;
    }
    // Until then it goes on listening, for an intake that opens meanwhile, since two sockets could not be
    // bound at once.
    source_->look_soon(*this);
}

void connection_hub::look_at(hub_source& source) noexcept {
    if (open_ == 0 && source_.get() == &source) {
        close_source();
    } else if (!source.stalled) {
        source.go_on();
    }
}

void connection_hub::close_source() noexcept { std::exchange(source_, nullptr)->close(); }

}  // namespace bight::detail
