// file_stream: a file as a stream.
#pragma once

#include <bight/core/export.hpp>
#include <bight/io/stream.hpp>
#include <bight/os/file.hpp>

#include <cstdint>

namespace BIGHT_EXPORT bight {

/// A stream over an open file, which it owns: for line_reader, buffered_reader, buffered_writer, copy and
/// whatever else takes a stream. Reads go from `offset` on to the end of the file, and get more when it has
/// grown since; read_some() gives up to 64 KiB. Writes go from `offset` on, too, with a position of their
/// own, or to the end of a file that was opened with open_options::append. One may read while another writes.
///
/// Cancelling a read loses no bytes. A write that is cancelled or fails in the middle leaves a part in the
/// file; the stream then ends with an error, as streams do. close() closes the file and tells the error of
/// that; nothing is synced. The end of writing (shutdown_write) changes nothing in the file.
///
/// Operations on the file that were made before, and not awaited, act on the stream's file; a close is
/// refused (errc::busy).
///
/// Throws EBADF for an empty file, EINVAL for an offset beyond 2^63 - 1, ESPIPE for a file without offsets (a
/// pipe), errc::wrong_thread outside of a reactor, std::bad_alloc.
stream file_stream(file of, std::uint64_t offset = 0);

}  // namespace bight
