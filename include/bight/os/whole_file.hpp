// Reading, writing and replacing whole files.
#pragma once

#include <bight/core/export.hpp>
#include <bight/core/task.hpp>
#include <bight/io/buffer.hpp>

#include <cstddef>
#include <string>

namespace BIGHT_EXPORT bight {

/// All that is in a file. Throws errc::too_long when it is more than `limit` bytes, and what open_file and
/// file::read_at throw. Without a limit (SIZE_MAX) it is memory that ends it: std::bad_alloc. For files whose
/// size is not known before, too, such as those of /proc.
task<std::string> read_file(std::string path, std::size_t limit = std::size_t{64} << 20);

/// Writes a file from its beginning, which is made if it is missing, and emptied if it is not. When it fails
/// or is cancelled, a part is there; nothing is synced. `bytes` must live until the await has ended.
task<> write_file(std::string path, const_buffer bytes, unsigned permissions = 0666);

/// Replaces a file by a new one, in one step: whoever opens it, and whatever happens (an error, cancelling, a
/// crash, a power failure), there are all the old bytes or all the new ones. Writes a file with a random name
/// beside it (.NAME.RANDOM.tmp; of a NAME of more than 233 bytes the beginning), syncs it, renames it, and
/// syncs the directory; completes when the new file is there to stay. The temporary file is removed when this
/// fails or is cancelled; a crash may leave it.
///
/// It is a new file, with `permissions` less the umask, of the user who runs this. A symbolic link is
/// replaced, and not followed; who has the old file open keeps that. When the sync of the directory fails
/// (the error says so), the new file is there, but may be gone after a power failure. So it is in a directory
/// that may be written and not read: it cannot be opened to be synced (EACCES). `bytes` must live until
/// the await has ended. Cancelled before the rename nothing has changed.
task<> replace_file(std::string path, const_buffer bytes, unsigned permissions = 0666);

}  // namespace bight
