// memory_pair: two streams connected in memory, for unit tests of a protocol.
#pragma once

#include <bight/core/detail/timer.hpp>
#include <bight/core/error.hpp>
#include <bight/core/export.hpp>
#include <bight/io/address.hpp>
#include <bight/io/stream.hpp>
#include <bight/sim/random.hpp>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <system_error>
#include <utility>
#include <vector>

namespace BIGHT_EXPORT bight {
namespace sim {

/// How many of the bytes that have arrived one read returns. A stream guarantees only one, so a protocol must
/// work with any of these. A read into the caller's memory returns no more than fits.
class chunking {
  public:
    /// The bytes of one write, as far as they fitted into the buffer at once.
    static chunking as_written() noexcept { return chunking(kind::as_written, 0); }
    /// Everything that is there.
    static chunking merged() noexcept { return chunking(kind::merged, 0); }
    static chunking one_byte() noexcept { return at_most(1); }
    /// At most `most` bytes.
    static chunking at_most(std::size_t most) noexcept { return chunking(kind::at_most, most); }
    /// 1 to `most` bytes, drawn for each read.
    static chunking random(random_source from, std::size_t most) noexcept {
        chunking c(kind::random, most);
        c.source_ = from;
        return c;
    }
    static chunking random(std::uint64_t seed, std::size_t most) noexcept {
        return random(random_source(seed), most);
    }
    /// No read crosses one of these places, counted in bytes from the beginning of the stream.
    static chunking split_at(std::vector<std::uint64_t> places);

    /// How many of the `there` bytes that have arrived (at least 1) to return. The first of them is byte
    /// `position` of the stream, and the first `written` are of one write. May draw a random number.
    std::size_t next(std::uint64_t position, std::size_t written, std::size_t there) noexcept;

  private:
    enum class kind : std::uint8_t { as_written, merged, at_most, random, split };
    chunking(kind k, std::size_t most) noexcept : kind_(k), most_(most > 0 ? most : 1) {}

    kind kind_;
    std::size_t most_;
    random_source source_{0};
    std::vector<std::uint64_t> places_;
};

/// Options and faults of one direction of a memory pair.
class memory_direction {
  public:
    static constexpr std::uint64_t never = std::numeric_limits<std::uint64_t>::max();

    memory_direction() noexcept {}  // NOLINT(*-use-equals-default): never an aggregate

    /// At most this many bytes may be written but not yet read: a write that finds no room waits. At least 1.
    std::size_t capacity = 65536;
    chunking reads = chunking::as_written();
    /// The time from a write, an end or an abort until the other end can see it.
    duration latency = duration::zero();

    // Faults. Places are counted in bytes from the beginning, operations from 0.

    /// The connection breaks after this many bytes in this direction: they still arrive, and from then on
    /// reads and writes at both ends fail with `reset_error`. 0: it is broken from the beginning.
    std::uint64_t reset_at = never;
    std::error_code reset_error{ECONNRESET, bight::detail::errno_category()};
    /// Bytes after this many never arrive, nor does the end of the stream, and neither end is told.
    std::uint64_t silent_from = never;
    /// The number of the read (at the reading end of this direction) or write that fails with the given
    /// error, without effect. After ENOMEM and ENOBUFS later operations work again; after any other error all
    /// later ones fail with it too.
    std::uint64_t failing_read = never;
    std::error_code read_error{ECONNRESET, bight::detail::errno_category()};
    std::uint64_t failing_write = never;
    std::error_code write_error{ECONNRESET, bight::detail::errno_category()};
};

class memory_options {
  public:
    memory_options();
    /// The same for both directions.
    memory_options(const memory_direction& both);
    memory_options(memory_direction forth, memory_direction back);

    memory_direction first_to_second;
    memory_direction second_to_first;
    /// stream::local of each end, and stream::peer of the other. By default "unix:memory-first" and
    /// "unix:memory-second".
    address first;
    address second;
};

/// Two connected streams in memory: no descriptor, no thread, no real time. They behave as documented for
/// bight::stream, as over TCP:
///
/// - abort: what the peer has not read is read first, then it reads ECONNRESET, and so do its writes.
/// - close: the peer reads everything and then the end. Its next write goes nowhere (nobody has told it yet);
///   those after that, and one that waits for room, fail with EPIPE.
/// - cancelling a read loses no bytes; a cancelled write may have sent a part; what is done already is done.
/// - what arrives ends a pending operation in the next turn, or after the latency, by the reactor's clock.
///
/// With the same seed and options a test does the same each time. native_handle() is -1, and socket options
/// do nothing. Throws std::bad_alloc. Both streams belong to `home` and must not outlive it: make them in a
/// task, or with a reactor that outlives them.
std::pair<stream, stream> memory_pair(reactor& home, const memory_options& options = {});
/// The same on the reactor that runs on this thread. Throws std::system_error (errc::wrong_thread) when there
/// is none.
std::pair<stream, stream> memory_pair(const memory_options& options = {});

}  // namespace sim
}  // namespace bight
