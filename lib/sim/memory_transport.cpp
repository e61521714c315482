#include "memory_transport.hpp"

#include <bight/core/error.hpp>
#include <bight/core/reactor.hpp>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>
#include <memory>
#include <utility>

namespace bight::sim {

namespace detail {

namespace {

std::error_code from_errno(int error) noexcept { return {error, bight::detail::errno_category()}; }

}  // namespace

// Without latency nothing depends on time.
time_point memory_transport::now() const noexcept {
    return connection_->takes_time ? home().now() : time_point();
}

void memory_transport::unused() noexcept {
    if (is_open()) {
        retain();
        close_now();
        release();  // comes back here
        return;
    }
    connection_->ends[which_] = nullptr;
    if (!connection_->ends[1 - which_]) delete connection_;
    delete this;
}

void memory_transport::describe(std::string& out) const {
    out += peer().to_string();
    out += is_open() ? " (in memory)" : " (in memory, closed)";
}

// Reading

bool memory_transport::read(read_request& request) noexcept {
    request.count = 0;
    if (const std::error_code error = in().injected_read_error()) {
        request.set_error(error);
        return true;
    }
    if (try_read(request)) {
        wake_peer();  // there is room now
        return true;
    }
    reading_ = &request;
    set_timer();
    return false;
}

// True when the request has its answer.
bool memory_transport::try_read(read_request& request) noexcept {
    memory_pipe& from = in();
    const time_point time = now();
    const char* at = nullptr;
    const std::size_t most = request.into.data ? request.into.size : std::numeric_limits<std::size_t>::max();
    const std::size_t size = from.readable(most, time, at);
    if (size == 0) {
        const auto ending = from.arrived_ending(time);
        if (ending == memory_pipe::ending::reset) request.set_error(from.reset_error());
        return ending != memory_pipe::ending::none;
    }
    if (request.into.data) {
        std::memcpy(request.into.data, at, size);
    } else {
        try {
            request.data = chunk::copy_of({at, size});
        } catch (...) {
            request.set_error(from_errno(ENOMEM));
            return true;
        }
    }
    request.count = size;
    from.consume(size);
    return true;
}

// Data that has arrived by now, even if the timer has not fired yet, is a result.
void memory_transport::cancel_read() noexcept {
    look_for_input();
    if (!reading_) return;
    read_request& request = *std::exchange(reading_, nullptr);
    set_timer();
    request.complete_cancelled();
}

void memory_transport::look_for_input() noexcept {
    if (!reading_ || !try_read(*reading_)) return;
    read_request& request = *std::exchange(reading_, nullptr);
    set_timer();
    request.complete(request.error());
    wake_peer();
}

// Writing

bool memory_transport::write(write_request& request) noexcept {
    request.begun = false;
    if (const std::error_code error = out().injected_write_error()) {
        if (memory_pipe::passes(error)) write_cut(request.begun);
        request.set_error(error);
        return true;
    }
    out().begin_write();
    if (work_off(request)) return true;
    writing_ = &request;
    set_timer();
    return false;
}

// Takes as much as there is room for. True when the request has its answer.
bool memory_transport::take(write_request& request) noexcept {
    for (;;) {
        while (request.count > 0 && request.pieces->size == 0) {
            ++request.pieces;
            --request.count;
        }
        if (request.count == 0) return true;
        const time_point time = now();
        if (out().writes_fail_from() <= time) {
            request.set_error(out().writes_fail_with());
            return true;
        }
        const_buffer& piece = *request.pieces;
        const std::size_t size = out().room(piece.size);
        if (size == 0) return false;
        const char* const data = static_cast<const char*>(piece.data);
        try {
            out().add(data, size, time);
        } catch (...) {
            write_cut(request.begun);
            request.set_error(from_errno(ENOMEM));
            return true;
        }
        request.begun = true;
        piece = const_buffer(data + size, piece.size - size);
        break_if_due();
    }
}

// The peer's read may make room, and so on. Waking others may lead back here, so this loops instead of
// recursing.
bool memory_transport::work_off(write_request& request) noexcept {
    working_ = true;
    bool done = take(request);
    for (;;) {
        if (memory_transport* const other = connection_->ends[1 - which_]) other->look_again();
        if (done || out().room(1) == 0) break;
        done = take(request);
    }
    working_ = false;
    look_for_end();
    look_for_input();  // the connection may have broken
    return done;
}

void memory_transport::cancel_write() noexcept {
    if (!writing_) return;
    write_request& request = *std::exchange(writing_, nullptr);
    set_timer();
    request.complete_cancelled();
}

void memory_transport::go_on_writing() noexcept {
    if (!writing_ || working_ || !work_off(*writing_)) return;
    write_request& request = *std::exchange(writing_, nullptr);
    request.complete(request.error());
}

// Waiting for the peer's end

bool memory_transport::peer_has_gone(peer_ending& how) const noexcept {
    const auto ending = in().ending_by(now());
    how = ending == memory_pipe::ending::end ? peer_ending::ended : peer_ending::failed;
    return ending != memory_pipe::ending::none;
}

bool memory_transport::watch(watch_request& request) noexcept {
    if (peer_has_gone(request.ending)) return true;
    watching_ = &request;
    set_timer();
    return false;
}

void memory_transport::look_for_end() noexcept {
    if (!watching_ || !peer_has_gone(watching_->ending)) return;
    std::exchange(watching_, nullptr)->complete({});
}

void memory_transport::cancel_watch() noexcept {
    look_for_end();
    if (!watching_) return;
    watch_request& request = *std::exchange(watching_, nullptr);
    set_timer();
    request.complete_cancelled();
}

// The end

bool memory_transport::shutdown_write(end_request&) noexcept {
    out().put_end(now());
    wake_peer();
    return true;
}

bool memory_transport::close(end_request&) noexcept {
    close_now();
    return true;
}

// A peer that waits to write fails at once; one that writes later learns then that nobody reads.
void memory_transport::close_now() noexcept {
    const time_point time = now();
    const memory_transport* const other = connection_->ends[1 - which_];
    const bool answers = !out().silent();
    out().put_end(time);
    in().stop_reading(answers, other && other->writing_, time);
    end(errc::closed);
}

// A peer that has already had an end learns of the abort only when it writes.
void memory_transport::abort(std::error_code reason) noexcept {
    if (!is_open()) return;
    const time_point time = now();
    const int error = out().ended() ? EPIPE : ECONNRESET;
    const time_point arrives = out().put_reset(from_errno(error), time);
    in().stop_reading(false, false, time);
    in().fail_writes(from_errno(error), arrives);
    end(reason ? reason : make_error_code(errc::aborted));
}

void memory_transport::end(std::error_code why) noexcept {
    retain();
    set_closed(why);
    read_request* const read = std::exchange(reading_, nullptr);
    write_request* const write = std::exchange(writing_, nullptr);
    watch_request* const watch = std::exchange(watching_, nullptr);
    set_timer();
    if (watch) watch->complete(why);
    if (read) read->complete(why);
    if (write) write->complete(why);
    wake_peer();
    release();
}

void memory_transport::break_if_due() noexcept {
    if (!out().breaks_here()) return;
    const time_point time = now();
    const std::error_code error = out().break_error();
    out().set_broken();
    in().fail_writes(error, out().put_reset(error, time));
    in().break_off(error, time);
    out().fail_writes(error, time);
}

// Whoever waits

void memory_transport::wake_peer() const noexcept {
    if (memory_transport* const other = connection_->ends[1 - which_]) other->look_again();
}

void memory_transport::expired() noexcept { look_again(); }

// A request that gets its answer may release this end.
void memory_transport::look_again() noexcept {
    retain();
    look_for_end();
    look_for_input();
    go_on_writing();
    set_timer();
    release();
}

// No timer is armed while no request waits for something with latency.
void memory_transport::set_timer() noexcept {
    time_point next = reading_ ? in().next_arrival() : time_point::max();
    if (writing_) next = std::min(next, out().writes_fail_from());
    if (watching_) next = std::min(next, in().ending_arrival());
    if (next != time_point::max()) {
        bight::detail::reactor_access::arm(home(), *this, next);
    } else if (armed()) {
        bight::detail::reactor_access::disarm(home(), *this);
    }
}

}  // namespace detail

memory_options::memory_options() : memory_options(memory_direction()) {}

memory_options::memory_options(const memory_direction& both) : memory_options(both, both) {}

memory_options::memory_options(memory_direction forth, memory_direction back)
    : first_to_second(std::move(forth)),
      second_to_first(std::move(back)),
      first(address::from_path("memory-first")),
      second(address::from_path("memory-second")) {}

std::pair<stream, stream> memory_pair(reactor& home, const memory_options& options) {
    auto connection = std::make_unique<detail::memory_connection>(options);
    auto* const one = new detail::memory_transport(home, *connection, 0);
    (void)connection.release();  // its ends keep it
    stream first(*one);
    auto* const other = new detail::memory_transport(home, one->connection(), 1);
    stream second(*other);
    one->break_if_due();
    other->break_if_due();
    return {std::move(first), std::move(second)};
}

std::pair<stream, stream> memory_pair(const memory_options& options) {
    reactor* const here = reactor::current();
    if (!here)
        throw std::system_error(errc::wrong_thread,
                                "a memory pair needs a reactor: none runs on this thread");
    return memory_pair(*here, options);
}

}  // namespace bight::sim
