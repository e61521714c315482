#include <bight/net/relay.hpp>

#include "../demux/demultiplexer.hpp"
#include "../demux/splice_calls.hpp"
#include "../io/pipe_transfer.hpp"
#include "../io/write_in_turn.hpp"

#include <bight/core/error.hpp>
#include <bight/core/reactor.hpp>
#include <bight/core/result.hpp>
#include <bight/core/when_all.hpp>
#include <bight/core/when_any.hpp>
#include <bight/io/detail/stream.hpp>
#include <bight/sync/event.hpp>

#include <cerrno>
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
    explicit owed(stream& to, bool& missing) noexcept : to_(to.lower()), missing_(missing) {
        missing_ = true;
    }
    owed(const owed&) = delete;
    owed& operator=(const owed&) = delete;
    ~owed() {
        if (missing_) to_.write_cut(true);
    }
    void done() noexcept { missing_ = false; }

  private:
    transport& to_;
    bool& missing_;
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
    return !from.lower().unread() && from.lower().fills_pipes() && to.lower().empties_pipes();
}

// What a pipe holds when the system refuses to move it on.
task<> write_what_is_left(detail::kernel_pipe& pipe, std::size_t left, stream& to) {
    std::string bytes(left, '\0');
    if (!pipe.take(bytes.data(), left))
        throw std::system_error(EIO, std::system_category(), "copy: what was in a pipe");
    co_await detail::write_bytes_in_turn(to.lower(), const_buffer(bytes));
}

// Until a plain read is needed (for the end, say), or until little comes several times in a row: the pipe,
// two descriptors, is held no longer than it is of use. False when there is none.
task<bool> splice_bulk(stream& from, stream& to, bool& missing, std::uint64_t& bytes) {
    detail::kernel_pipe pipe;
    if (!pipe.open(detail::demultiplexer_of(from.lower().home()).watches_below())) co_return false;
    // Asked for each part, because another owner of an adopted socket may make it block again.
    for (int meagre = 0; meagre < patience && can_splice(from, to);) {
        const std::size_t got = co_await detail::pipe_read(from.lower(), pipe.writing(), pipe.room());
        if (got == 0) break;
        owed part(to, missing);
        const std::size_t left = co_await detail::pipe_write(to.lower(), pipe.reading(), got, bytes);
        if (left > 0) co_await write_what_is_left(pipe, left, to);
        part.done();
        bytes += left;
        meagre = got < worth_splicing / 4 ? meagre + 1 : 0;
    }
    co_return true;
}

// `missing`: whether something that was read has not been written.
task<> copy_bytes(stream& from, stream& to, bool& missing, std::uint64_t& bytes) {
    std::uint64_t no_pipe_before = 0;
    for (;;) {
        std::size_t got = 0;
        // What the target has no room for is not asked for: that little came then does not say that little was there.
        const bool limited = from.lower().receive_for(to.lower());
        {
            const chunk data = co_await from.read_some();
            if (!data) co_return;
            got = data.size();
            owed part(to, missing);
            co_await detail::write_bytes_in_turn(to.lower(), data);
            part.done();
        }
        bytes += got;
        const std::size_t worth = limited ? worth_splicing / 4 : worth_splicing;
        if (got < worth || bytes < no_pipe_before || !can_splice(from, to)) continue;
        const bool spliced = co_await splice_bulk(from, to, missing, bytes);
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

// Until its end, or an error: that of a peer whose bytes nobody wants any more.
task<> discard(stream& from) {
    for (;;) {
        const auto got = co_await as_result(from.read_some());
        if (!got || got->empty()) co_return;
    }
}

// A write that fails says that `to` has gone. What it said before may still have to be read: the other
// direction goes on to the end that it comes to by that. Meanwhile what `from` sends is discarded, for its
// peer may read only when it has sent all. Any other failure ends both directions.
task<> copy_to_end(stream& from, stream& to, directions& both, std::uint64_t& bytes) {
    bool never_ended = false;
    owed end(to, never_ended);
    bool missing = false;
    try {
        co_await copy_bytes(from, to, missing, bytes);
        missing = true;
        end.done();
        co_await to.shutdown_write(duration::max());  // as long as its outboxes need
        both.one_has_ended();
        co_return;
    } catch (const std::system_error&) {
        if (!missing) throw;
        if (!both.failed_write) both.failed_write = std::current_exception();
    }
    both.one_has_ended();
    co_await race(discard(from), both.none_copies.wait());
}

}  // namespace

task<> copy(stream& from, stream& to, std::uint64_t& so_far) {
    so_far = 0;
    refuse_what_cannot_be(from, to);
    bool missing = false;
    co_await copy_bytes(from, to, missing, so_far);
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
        co_await when_all(copy_to_end(a, b, both, so_far.from_a), copy_to_end(b, a, both, so_far.from_b));
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
