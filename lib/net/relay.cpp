#include <bight/net/relay.hpp>

#include "kept_transport.hpp"

#include "../demux/demultiplexer.hpp"
#include "../demux/splice_calls.hpp"
#include "../io/kernel_write.hpp"
#include "../io/pipe_read.hpp"
#include "../io/write_in_turn.hpp"

#include <bight/core/error.hpp>
#include <bight/core/now.hpp>
#include <bight/core/reactor.hpp>
#include <bight/core/result.hpp>
#include <bight/core/sleep.hpp>
#include <bight/core/when_all.hpp>
#include <bight/core/when_any.hpp>
#include <bight/io/detail/stream.hpp>
#include <bight/sync/event.hpp>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <exception>
#include <string>
#include <system_error>

namespace bight {

namespace {

// A chunk of this size says that bytes come in bulk; below a quarter of it, a splice costs more than it
// saves.
constexpr std::size_t worth_splicing = std::size_t{64} << 10;
constexpr int patience = 8;
// So many bytes are copied before a pipe that could not be had is asked for again.
constexpr std::uint64_t without_a_pipe = std::uint64_t{4} << 20;

// What is to be written to a stream: unless it is said to be done, something is missing, whatever is written
// afterwards, and the stream will end with a reset.
class owed {
  public:
    explicit owed(stream& to, bool& missing) noexcept : to_(to), missing_(missing) { missing_ = true; }
    owed(const owed&) = delete;
    owed& operator=(const owed&) = delete;
    ~owed() {
        if (missing_) to_->write_cut(true);
    }
    void done() noexcept { missing_ = false; }

  private:
    const detail::kept_transport to_;
    bool& missing_;
};

// The streams of a copy, which may have been moved away, or been given other connections, while something was
// awaited.
class streams {
  public:
    streams(stream& from, stream& to) noexcept : from_(from), to_(to), source_(from), target_(to) {}
    bool are_the_same() const noexcept {
        return from_ && to_ && &from_.lower() == &*source_ && &to_.lower() == &*target_;
    }
    void refuse_others() const {
        if (!are_the_same()) detail::throw_stream_error(detail::no_connection(), "copy from or to", nullptr);
    }

  private:
    const stream& from_;
    const stream& to_;
    const detail::kept_transport source_;
    const detail::kept_transport target_;
};

// Before anything is owed to a stream: what is refused here leaves both as they were.
void refuse_what_cannot_be(const stream& a, const stream& b) {
    if (!a || !b) detail::throw_stream_error(detail::no_connection(), "copy from or to", nullptr);
    for (const stream* s : {&a, &b}) {
        if (&s->lower().home() != reactor::current())
            detail::throw_stream_error(errc::wrong_thread, "copy from or to", &s->lower());
    }
}

bool can_splice(const stream& from, const stream& to) noexcept {
    return !from.lower().unread() && from.lower().fills_pipes() && to.lower().writes_in_kernel();
}

// Of what is in a pipe.
class pipe_write final : public detail::kernel_write {
  public:
    pipe_write(transport& to, detail::kernel_pipe& pipe, std::size_t size, std::uint64_t& moved) noexcept
        : kernel_write(to, size, moved), pipe_(pipe) {}
    std::int64_t move_to(int socket) noexcept override {
        return detail::splice_to(socket, pipe_.reading(), left);
    }
    bool socket_refuses() const noexcept override { return true; }

  private:
    detail::kernel_pipe& pipe_;
};

// What a pipe holds when the system refuses to move it on.
task<> write_what_is_left(detail::kernel_pipe& pipe, std::size_t left, stream& to) {
    std::string bytes(left, '\0');
    if (!pipe.take(bytes.data(), left))
        throw std::system_error(EIO, std::system_category(), "copy: what was in a pipe");
    co_await detail::write_bytes_in_turn(to.lower(), const_buffer(bytes));
}

// The pipe of a copy; it goes back to the reactor's when nothing is in it.
class pipe_of_copy {
  public:
    explicit pipe_of_copy(reactor& home) noexcept : home_(home) {}
    pipe_of_copy(const pipe_of_copy&) = delete;
    pipe_of_copy& operator=(const pipe_of_copy&) = delete;
    ~pipe_of_copy() {
        if (!holds_bytes) detail::demultiplexer_of(home_).pipes().give_back(pipe);
    }
    detail::kernel_pipe pipe;
    bool holds_bytes = false;

  private:
    reactor& home_;
};

// Until a plain read is needed (for the end, say), or until little comes several times in a row. False when
// there is no pipe to be had.
task<bool> splice_bulk(stream& from, stream& to, const streams& both, bool& missing, std::uint64_t& bytes) {
    pipe_of_copy own(from.lower().home());
    detail::kernel_pipe& pipe = own.pipe;
    // Asked for each part, because another owner of an adopted socket may make it block again.
    for (int meagre = 0; meagre < patience && both.are_the_same() && can_splice(from, to);) {
        const std::size_t got = co_await detail::pipe_read(from.lower(), pipe);
        if (got == 0) co_return static_cast<bool>(pipe);
        own.holds_bytes = true;
        both.refuse_others();
        owed part(to, missing);
        const std::size_t left = co_await pipe_write(to.lower(), pipe, got, bytes);
        if (left > 0) co_await write_what_is_left(pipe, left, to);
        part.done();
        own.holds_bytes = false;
        bytes += left;
        meagre = got < worth_splicing / 4 ? meagre + 1 : 0;
    }
    co_return true;
}

// `missing`: whether something that was read has not been written.
task<> copy_bytes(stream& from, stream& to, const streams& both, bool& missing, std::uint64_t& bytes) {
    std::uint64_t no_pipe_before = 0;
    for (;;) {
        both.refuse_others();
        std::size_t got = 0;
        // What the target has no room for is not asked for: that little came then does not say that little
        // was there.
        const bool limited = from.lower().receive_for(to.lower());
        {
            const chunk data = co_await from.read_some();
            if (!data) co_return;
            got = data.size();
            both.refuse_others();
            owed part(to, missing);
            co_await detail::write_bytes_in_turn(to.lower(), data);
            part.done();
        }
        bytes += got;
        const std::size_t worth = limited ? worth_splicing / 4 : worth_splicing;
        if (got < worth || bytes < no_pipe_before || !can_splice(from, to)) continue;
        const bool spliced = co_await splice_bulk(from, to, both, missing, bytes);
        if (!spliced) no_pipe_before = bytes + without_a_pipe;
    }
}

// What the two directions of a relay know of each other.
struct directions {
    int copying = 2;
    manual_reset_event none_copies;
    std::exception_ptr failed_write;

    void one_has_ended() noexcept {
        if (--copying == 0) none_copies.set();
    }
};

// Whether an error says that the connection is over, in this direction at least. Others are of this machine,
// which may pass while the connection lives, or of the program's own doing.
bool is_over(std::error_code error) noexcept {
    for (const std::errc of_this_machine :
         {std::errc::not_enough_memory, std::errc::no_buffer_space, std::errc::operation_not_permitted,
          std::errc::message_size, std::errc::invalid_argument, std::errc::bad_address,
          std::errc::bad_file_descriptor, std::errc::io_error}) {
        if (error == of_this_machine) return false;
    }
    return error.category() != make_error_code(errc::closed).category();
}

// A peer that takes no more, and says nothing for so long, will say nothing more.
constexpr std::chrono::seconds patience_for_an_answer{5};

// Until `to`, whose bytes are counted in `said`, was waited for in vain for so long. It is not to blame for
// the time in which the other peer does not take what it says.
task<> silence_of(stream& to, const std::uint64_t& said) {
    constexpr std::chrono::seconds between_looks{1};
    std::uint64_t before = said;
    for (duration silent{}; silent < patience_for_an_answer;) {
        co_await sleep_for(between_looks);
        if (!to) co_return;
        const bool waited = to.lower().reader() && said == before;
        silent = waited ? silent + between_looks : duration{};
        before = said;
    }
}

// Of a peer whose bytes nobody wants any more.
task<> discard_until(manual_reset_event& end, stream& from, const streams& both) {
    while (both.are_the_same()) {
        const auto got = co_await as_result(from.read_some());
        if (!got || got->empty()) break;
    }
    co_await end.wait();
}

// Until its peer has what was written to it, which a reset would destroy; no longer than a close would wait
// for it.
task<> until_delivered(stream& to) {
    constexpr std::chrono::milliseconds longest_pause{50};
    if (!to) co_return;
    const time_point latest = saturating_add(now(), to.lower().close_patience());
    for (std::chrono::milliseconds pause{1};
         to && to.lower().is_open() && !to.lower().delivered() && now() < latest;
         pause = std::min(2 * pause, longest_pause)) {
        co_await sleep_for(pause);
    }
}

// A read that fails ends both directions, when what came before it has arrived. A write that fails because
// the connection is over does not yet: what `to` said before may still have to be read, so the other
// direction goes on to the end that it comes to by that. Meanwhile what `from` sends is discarded, for its
// peer may read only when it has sent all. `answered` counts the other direction.
task<> copy_to_end(stream& from, stream& to, directions& both, std::uint64_t& bytes,
                   const std::uint64_t& answered) {
    const streams both_streams(from, to);
    bool never_ended = false;
    owed end(to, never_ended);
    bool missing = false;
    bool over = false;
    std::exception_ptr failed;
    try {
        co_await copy_bytes(from, to, both_streams, missing, bytes);
        both_streams.refuse_others();
        missing = true;
        end.done();
        co_await to.shutdown_write(duration::max());  // as long as its outboxes need
        both.one_has_ended();
        co_return;
    } catch (const std::system_error& e) {
        failed = std::current_exception();
        over = is_over(e.code());
    }
    if (!both_streams.are_the_same()) std::rethrow_exception(failed);
    if (over && !missing) co_await until_delivered(to);
    if (!over || !missing) std::rethrow_exception(failed);
    if (!both.failed_write) both.failed_write = failed;
    both.one_has_ended();
    co_await race(discard_until(both.none_copies, from, both_streams), both.none_copies.wait(),
                  silence_of(to, answered));
    if (both.copying > 0) std::rethrow_exception(failed);
}

}  // namespace

task<> copy(stream& from, stream& to, std::uint64_t& so_far) {
    so_far = 0;
    refuse_what_cannot_be(from, to);
    const detail::kept_transport target(to);
    const streams both(from, to);
    bool missing = false;
    try {
        co_await copy_bytes(from, to, both, missing, so_far);
    } catch (const std::system_error&) {
        if (so_far > 0) target->write_cut(true);  // what has come is a part, and must not look whole
        throw;
    }
}

task<std::uint64_t> copy(stream& from, stream& to) {
    std::uint64_t bytes = 0;
    co_await copy(from, to, bytes);
    co_return bytes;
}

task<> relay(stream& a, stream& b, relayed& so_far) {
    so_far = relayed();
    refuse_what_cannot_be(a, b);
    directions both;
    std::exception_ptr other;
    try {
        co_await when_all(copy_to_end(a, b, both, so_far.from_a, so_far.from_b),
                          copy_to_end(b, a, both, so_far.from_b, so_far.from_a));
        if (!both.failed_write) co_return;
    } catch (
        const aggregate_error& all) {  // a reset, say, that the read and the write of one stream learn of
        other = all.errors().front();
    } catch (const std::system_error&) {
        other = std::current_exception();
    }
    std::rethrow_exception(both.failed_write ? both.failed_write : other);
}

task<relayed> relay(stream& a, stream& b) {
    relayed bytes;
    co_await relay(a, b, bytes);
    co_return bytes;
}

}  // namespace bight
