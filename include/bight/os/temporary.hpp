// Temporary files and directories.
#pragma once

#include <bight/core/export.hpp>
#include <bight/core/task.hpp>
#include <bight/os/file.hpp>

#include <string>

namespace BIGHT_EXPORT bight {

// Names end in 16 random letters and digits, and what they name was not there before: in a directory where
// others may write, nobody has put a link in the way. Permissions are those of the user alone (0600, 0700).
// An empty `directory` is temporary_directory().

/// Where temporary files go: TMPDIR, or /tmp; on Windows what GetTempPath says; /tmp on a simulated host.
std::string temporary_directory();

/// A file for reading and writing without a name, which is gone with its last descriptor. (It has a name for
/// a moment, in which a crash would leave it; an error, or memory that is out, does not.)
task<file> open_temporary_file(std::string directory = {});
/// One that has a name, file::path, and stays until it is removed or renamed.
task<file> create_temporary_file(std::string directory = {}, std::string prefix = "tmp-");
/// Gives the path of a new empty directory, which stays until it is removed: remove_tree.
task<std::string> create_temporary_directory(std::string directory = {}, std::string prefix = "tmp-");

}  // namespace bight
