#include "pipes.hpp"

#include "connection.hpp"
#include "host_state.hpp"
#include "world_state.hpp"

#include "../io/socket_headers.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <utility>

namespace bight::sim::detail {

namespace {

bool is_buffer(const socket& s) noexcept { return s.pipe->is == simulated_pipe::medium::buffer; }

// Those that wait at one side look again.
void tell_side(const simulated_pipe& of, bool writers) {
    for (socket* const end : of.ends) {
        if (end->writes_pipe != writers) continue;
        tell_reader(*end);  // a writer may wait for the end of the other side
        tell_writer(*end);
    }
}

}  // namespace

bool simulated_pipe::has_reader() const noexcept {
    return std::ranges::any_of(ends, [](const socket* s) { return !s->writes_pipe; });
}

bool simulated_pipe::has_writer() const noexcept {
    return std::ranges::any_of(ends, [](const socket* s) { return s->writes_pipe; });
}

int open_end(host_state& on, std::shared_ptr<simulated_pipe> of, bool writes, keyed_chance by) {
    auto made = std::make_shared<socket>(on, AF_UNSPEC, by);
    made->pipe = std::move(of);
    made->writes_pipe = writes;
    made->pipe->ends.push_back(made.get());
    const int fd = on.add(made);
    if (fd < 0) std::erase(made->pipe->ends, made.get());
    return fd;
}

std::int64_t read_end(world_state& w, socket& from, char* to, std::size_t size) {
    if (!is_buffer(from)) return 0;
    if (from.writes_pipe) return -EBADF;
    std::string& bytes = from.pipe->bytes;
    if (bytes.empty()) return from.pipe->has_writer() ? -EAGAIN : 0;
    std::size_t count = std::min(size, bytes.size());
    if (count > 1 && w.happens(fault::short_read, from, from.read)) {
        count = static_cast<std::size_t>(w.amount(fault::short_read).between(1, count - 1));
    }
    std::copy_n(bytes.data(), count, to);
    bytes.erase(0, count);
    from.read += count;
    w.turns_at_once = 0;
    tell_side(*from.pipe, true);
    return static_cast<std::int64_t>(count);
}

std::size_t write_end(world_state& w, socket& to, std::string_view bytes) {
    simulated_pipe& into = *to.pipe;
    if (into.is == simulated_pipe::medium::output)
        w.record("says", to.home, nullptr, 0, bytes.size(), bytes.substr(0, 200));
    if (into.is == simulated_pipe::medium::buffer) {
        bytes = bytes.substr(0, into.room());
        into.bytes += bytes;
    }
    to.written += bytes.size();
    if (!bytes.empty()) tell_side(into, false);
    return bytes.size();
}

bool write_end(world_state& w, bight::detail::send_operation& op, const std::shared_ptr<socket>& to) {
    op.advance(0);
    op.underway = true;
    while (op.piece_count > 0) {
        if (is_buffer(*to) && !to->pipe->has_reader()) {
            op.result = -EPIPE;
            return true;
        }
        std::size_t size = op.pieces->size;
        if (is_buffer(*to)) size = std::min(size, to->pipe->room());
        if (size == 0) return false;
        const bool in_part = size > 1 && w.happens(fault::short_write, *to, to->written);
        if (in_part) {
            size = static_cast<std::size_t>(w.amount(fault::short_write).between(1, size - 1));
        }
        op.advance(write_end(w, *to, {static_cast<const char*>(op.pieces->data), size}));
        if (!in_part) continue;
        const std::chrono::microseconds rest(w.amount(fault::short_write).between(1, 1000));
        w.events.at(saturating_add(w.clock.now(), rest), [to] { tell_writer(*to); });
        return false;
    }
    return true;
}

bool is_readable(const socket& s) noexcept {
    return !is_buffer(s) || s.writes_pipe || !s.pipe->bytes.empty() || !s.pipe->has_writer();
}

bool is_writable(const socket& s) noexcept {
    return !is_buffer(s) || !s.writes_pipe || s.pipe->room() > 0 || !s.pipe->has_reader();
}

bool hung_up(const socket& s) noexcept {
    if (!is_buffer(s)) return false;
    return s.writes_pipe ? !s.pipe->has_reader() : !s.pipe->has_writer();
}

void let_go_of_end(socket& s) {
    s.is = socket::stage::closed;
    if (!s.pipe) return;
    std::erase(s.pipe->ends, &s);
    const bool last = s.writes_pipe ? !s.pipe->has_writer() : !s.pipe->has_reader();
    if (last && is_buffer(s)) tell_side(*s.pipe, !s.writes_pipe);
}

}  // namespace bight::sim::detail
