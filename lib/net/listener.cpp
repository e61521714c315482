#include <bight/net/listener.hpp>

#include "acceptor.hpp"
#include "socket_transport.hpp"

#include "../demux/socket_calls.hpp"

#include <bight/core/error.hpp>
#include <bight/core/reactor.hpp>
#include <bight/io/address.hpp>

#include <new>
#include <string>
#include <system_error>
#include <utility>

namespace bight {

listener::listener(detail::acceptor& s) noexcept : socket_(&s) { s.retain(); }

void listener::close() noexcept {
    if (auto* s = std::exchange(socket_, nullptr)) {
        s->close();
        s->release();
    }
}

int listener::native_handle() const noexcept { return socket_ ? socket_->handle() : -1; }

address listener::local() const { return socket_ ? socket_->local() : address(); }

}  // namespace bight

namespace bight::detail {

acceptor* acceptor_access::of(const listener& l) noexcept { return l.socket_; }

accept_awaiter::~accept_awaiter() {
    if (fd_ >= 0) sockets_here().close(fd_);
    if (kept_) on_->release();
}

bool accept_awaiter::suspend(promise_base& p) noexcept {
    if (!begin(p)) return true;
    if (!on_) {
        error_ = no_connection();
        return finish_now();
    }
    on_->retain();
    kept_ = true;
    return on_->start(*this) ? finish_now() : true;
}

void accept_awaiter::cancel() noexcept { on_->cancel_accept(); }

void accept_awaiter::describe(std::string& out) const {
    out += "a connection to ";
    on_->describe(out);
}

stream accept_awaiter::take() { return stream(socket_transport::make(on_->home(), std::exchange(fd_, -1))); }

int accept_awaiter::take_descriptor(std::error_code& error) noexcept {
    error = error_;
    return std::exchange(fd_, -1);
}

stream accept_awaiter::await_resume() {
    if (error_) {
        std::string where;
        if (on_) {
            on_->describe(where);
        } else {
            where = "an empty listener, which was closed, moved from, or never opened";
        }
        throw std::system_error(error_, "accept on " + where);
    }
    return take();
}

result<stream> accept_awaiter::take_result() noexcept {
    if (error_) return error_;
    try {
        return take();
    } catch (const std::system_error& e) {
        return e.code();
    } catch (const std::bad_alloc&) {
        return std::make_error_code(std::errc::not_enough_memory);
    }
}

}  // namespace bight::detail
