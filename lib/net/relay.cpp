#include <bight/net/relay.hpp>

#include "../demux/splice_calls.hpp"
#include "../io/pipe_transfer.hpp"
#include "../io/write_in_turn.hpp"

#include <bight/core/error.hpp>
#include <bight/core/when_all.hpp>
#include <bight/io/detail/stream.hpp>

#include <cstddef>
#include <exception>

namespace bight {

namespace {

// A chunk of this size says that bytes come in bulk; below a quarter of it, a splice costs more than it
// saves.
constexpr std::size_t worth_splicing = std::size_t{64} << 10;
constexpr int patience = 8;

// What is to be written to a stream: unless it is said to be done, something is missing, whatever is written
// afterwards, and the stream will end with a reset.
class owed {
  public:
    explicit owed(stream& to) noexcept : to_(to.lower()) {}
    owed(const owed&) = delete;
    owed& operator=(const owed&) = delete;
    ~owed() {
        if (!done_) to_.write_cut(true);
    }
    void done() noexcept { done_ = true; }

  private:
    transport& to_;
    bool done_ = false;
};

void refuse_empty(const stream& a, const stream& b) {
    if (!a || !b) detail::throw_stream_error(detail::no_connection(), "copy from or to", nullptr);
}

bool can_splice(const stream& from, const stream& to) noexcept {
    return !from.lower().unread() && from.lower().fills_pipes() && to.lower().empties_pipes();
}

// Until a plain read is needed (for the end, say), or until little comes several times in a row: the pipe,
// two descriptors, is held no longer than it is of use.
task<std::uint64_t> splice_bulk(stream& from, stream& to) {
    std::uint64_t bytes = 0;
    detail::kernel_pipe pipe;
    if (!pipe.open()) co_return bytes;
    // Asked for each part, because another owner of an adopted socket may make it block again.
    for (int meagre = 0; meagre < patience && can_splice(from, to);) {
        const std::size_t got = co_await detail::pipe_read(from.lower(), pipe.writing(), pipe.room());
        if (got == 0) break;
        owed part(to);
        co_await detail::pipe_write(to.lower(), pipe.reading(), got);
        part.done();
        bytes += got;
        meagre = got < worth_splicing / 4 ? meagre + 1 : 0;
    }
    co_return bytes;
}

task<std::uint64_t> copy_to_end(stream& from, stream& to) {
    owed end(to);
    const std::uint64_t bytes = co_await copy(from, to);
    end.done();
    co_await to.shutdown_write();
    co_return bytes;
}

}  // namespace

task<std::uint64_t> copy(stream& from, stream& to) {
    refuse_empty(from, to);
    std::uint64_t bytes = 0;
    for (;;) {
        std::size_t got = 0;
        {
            const chunk data = co_await from.read_some();
            if (!data) co_return bytes;
            got = data.size();
            owed part(to);
            co_await detail::write_bytes_in_turn(to.lower(), data);
            part.done();
        }
        bytes += got;
        if (got >= worth_splicing && can_splice(from, to)) bytes += co_await splice_bulk(from, to);
    }
}

task<relayed> relay(stream& a, stream& b) {
    refuse_empty(a, b);
    std::exception_ptr first;
    try {
        const auto [from_a, from_b] = co_await when_all(copy_to_end(a, b), copy_to_end(b, a));
        co_return relayed{from_a, from_b};
    } catch (
        const aggregate_error& both) {  // a reset, say, that the read and the write of one stream learn of
        first = both.errors().front();
    }
    std::rethrow_exception(first);
}

}  // namespace bight
