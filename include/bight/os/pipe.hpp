// make_pipe, open_fifo, descriptor_stream: pipes, and descriptors that are open already, as streams.
#pragma once

#include <bight/core/detail/refused.hpp>
#include <bight/core/export.hpp>
#include <bight/core/task.hpp>
#include <bight/io/stream.hpp>
#include <bight/net/owned_descriptor.hpp>

#include <cstdint>
#include <string>

namespace BIGHT_EXPORT bight {

/// Both ends of a pipe.
struct pipe_streams {
    stream reader;  ///< ends when the writer, and every duplicate of it, is closed; writes fail with EBADF
    stream writer;  ///< EPIPE, and no signal, when nobody has the reader open any more; reads fail with EBADF
};

/// A pipe of the system (pipe(2)), between tasks of this process, or with a child that inherits an end of it.
/// Both are close-on-exec and non-blocking. The system keeps some bytes (64 KiB on Linux); when it is full a
/// write waits.
///
/// Throws std::system_error: EMFILE, ENFILE; errc::wrong_thread without a reactor on this thread;
/// errc::unavailable on a simulated host (sim::memory_pipe is there) and on Windows. Thread: the reactor's.
pipe_streams make_pipe();

/// Which end of a FIFO is opened.
enum class fifo_end : std::uint8_t { reader, writer };

/// Options of open_fifo.
struct fifo_options {
    /// Whether a writer waits until somebody has the FIFO open for reading. If not, and nobody has, opening
    /// fails with ENXIO.
    bool waits_for_reader = true;
};

/// Opens a FIFO (a pipe with a name: mkfifo(1), mkfifo(3)) without holding up the reactor.
///
/// A reader is there at once, and lets in writers that wait; its first read waits until somebody has written,
/// or has opened the FIFO and closed it again (the end of the stream). When all writers have gone the stream
/// has ended, and does not begin anew with the next writer: open the FIFO again for that.
///
/// A writer waits for a reader. The system tells nobody when one comes, so bight looks after 1 ms, then at
/// growing intervals of at most 50 ms.
///
/// Throws std::system_error with the path: ENOENT, EACCES, EMFILE, …; EINVAL for what is no FIFO; ENXIO of a
/// writer that does not wait; errc::unavailable on a simulated host and on Windows. Cancelling leaves nothing
/// open. Thread: the reactor's. See fifo(7).
task<stream> open_fifo(std::string path, fifo_end end, fifo_options options = {});

/// Makes a stream of a descriptor that is open: an end of a pipe or a FIFO, a terminal, a regular file at its
/// position, a device. It takes the descriptor over, and reads or writes (or both) as that was opened.
///
/// Others may share the open file: as with standard_input, they do not find it non-blocking. An end of a pipe
/// gives its end to the other side when all who share it have closed it. A regular file, and a device without
/// readiness (/dev/zero), is read and written by the reactor's threads for files (io_uring: by the kernel), where it
/// stands.
///
/// Throws std::system_error, and then closes it: EBADF for none; EINVAL for a socket, which is for
/// connect(std::move(d)); errc::wrong_thread without a reactor on this thread; errc::unavailable on a
/// simulated host and on Windows. Thread: the reactor's.
stream descriptor_stream(owned_descriptor open);
// What no other overload takes.
template <class Here = decltype([] {}), bool fits = false>
auto descriptor_stream(detail::anything) {
    static_assert(fits,
                  "descriptor_stream takes over an owned_descriptor: "
                  "descriptor_stream(bight::owned_descriptor(fd)); fd is closed with the stream, so that of "
                  "somebody else is to be duplicated: owned_descriptor(dup(fd))");
    return detail::refused_operation();
}

}  // namespace bight
