// standard_input, standard_output, standard_error: descriptors 0, 1 and 2 as streams.
#pragma once

#include <bight/core/export.hpp>
#include <bight/io/stream.hpp>

#include <cstdint>

namespace BIGHT_EXPORT bight {

/// What becomes of descriptor 0, 1 or 2 when its stream is closed, aborted or destroyed.
enum class standard_descriptor : std::uint8_t {
    /// It stays as it is, for whatever else uses it: std::cout, libraries, child processes. The other side of
    /// a pipe sees its end when this process ends.
    stays,
    /// /dev/null takes its place, so that the other side of a pipe sees the end now (unless another process
    /// has it open, too). shutdown_write does so as well.
    becomes_null,
};

/// Standard input as a stream, whatever it is: a terminal, a pipe, a socket, a regular file, /dev/null. There
/// is one stream of it at a time, and another one when that was closed. It is read only: writes fail with
/// EBADF.
///
/// Other processes that have the same terminal, pipe or file do not find it non-blocking, neither meanwhile
/// nor afterwards. Bytes of a regular file are read from where the descriptor stands, which moves on for all
/// who share it. What was read and not used is lost to others: do not mix with std::cin.
///
/// A terminal gives a line at a time, unless its mode is another one (terminal_mode); ^D at the beginning of
/// a line is the end of the stream.
///
/// Throws std::system_error: EBADF when the descriptor is not open, or not for reading; errc::busy when there
/// is a stream of it; errc::wrong_thread without a reactor on this thread; errc::unavailable on a simulated
/// host, and on Windows.
///
/// Cancelling a read loses no bytes. Thread: that of the reactor, as of each stream. See
/// docs/os/standard_streams.md for what each kind of descriptor does.
stream standard_input(standard_descriptor then = standard_descriptor::stays);
/// Standard output; the same, to be written: reads fail with EBADF. A write completes when the system has the
/// bytes: then they are not lost when the process ends. An outbox of this stream that still holds some is
/// waited for by bight::run. A reader that has gone is EPIPE, never a signal. What std::cout and printf hold
/// in their buffers comes when those are flushed.
stream standard_output(standard_descriptor then = standard_descriptor::stays);
/// The same for standard error.
stream standard_error(standard_descriptor then = standard_descriptor::stays);

}  // namespace bight
