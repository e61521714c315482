// send_file: writes a part of a file to a stream.
#pragma once

#include <bight/core/detail/refused.hpp>
#include <bight/core/export.hpp>
#include <bight/core/task.hpp>
#include <bight/io/native_file.hpp>
#include <bight/io/stream.hpp>

#include <cstdint>

namespace BIGHT_EXPORT bight {

/// Writes `size` bytes of `file`, from the byte at `offset`, to `to`. On Linux a socket gets them from the
/// page cache, without a copy in the process (sendfile(2)); they are read into memory of 64 KiB where that
/// cannot be: on other systems and streams, of files without pages (those of /proc), or when a filter refuses
/// the call. The disk is not waited for on the reactor's thread: what is not in the page cache is read first,
/// 64 KiB at a time, as all is that is copied, by one of the demultiplexer's four threads for files, or by
/// the kernel (io_uring). Before Linux 6.5, and of another user's file, only both ends of each part of 256
/// KiB are looked for there. The position of `file` is neither used nor (but on Windows) changed, so that one
/// open file serves any number of streams at once. It stays the caller's, and open until the await has ended.
///
/// It is one write: what outboxes and buffered_writers of `to` hold goes out before it, what others send
/// meanwhile goes out behind it (another send_file, too), a stream::write beside it is refused with
/// errc::busy, and a close waits for it until its deadline. A peer that does not read holds up the reading.
/// The stream may be moved or destroyed meanwhile: its connection gets the file.
///
/// Throws errc::end_of_stream when the file ends before `size` bytes, and std::system_error with the error of
/// the read (a directory: EISDIR, a pipe: ESPIPE) or of the write. When it fails or is cancelled after a part
/// was written, `to` ends with a reset, however it is ended, for its peer would take the part for the whole.
/// When it fails before, the stream is as it was; cancelled before, as after any cancelled write. When the
/// file is changed meanwhile, its peer gets old bytes or new ones (sendfile(2), NOTES).
///
/// Cancelling waits until a read of the file that has begun is over. `to` must belong to the reactor of the
/// task. A simulated host reads its own file (one that open_file has opened there), or the real one, on the
/// reactor's thread, in no simulated time.
task<> send_file(stream& to, native_file file, std::uint64_t offset, std::uint64_t size);
/// The same, and counts in `so_far`, from 0: the bytes that have been written, also when it ends with an
/// error or is cancelled, and for others to look at while it goes on. Of a part that is copied and not done,
/// at most 64 KiB, nothing is counted.
task<> send_file(stream& to, native_file file, std::uint64_t offset, std::uint64_t size,
                 std::uint64_t& so_far);
// What no other overload takes.
template <class Here = decltype([] {}), bool fits = false>
auto send_file(detail::anything = {}, detail::anything = {}, detail::anything = {}, detail::anything = {},
               detail::anything = {}) {
    static_assert(
        fits,
        "send_file(to, file, offset, size) takes a stream that has a name, is not const, and outlives it, an "
        "open file (a descriptor; on Windows a HANDLE), and two numbers of bytes; send_file(to, file, "
        "offset, size, so_far) counts in a std::uint64_t that has a name");
    return detail::refused_operation();
}

}  // namespace bight
