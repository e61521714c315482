// find_program: which file a command names.
#pragma once

#include <bight/os/command.hpp>

#include <string>

namespace bight::detail {

struct program_file {
    std::wstring path;  ///< absolute
    bool is_batch;      ///< cmd.exe runs it
};

/// As command's constructor says, with the extensions of PATHEXT that can be run. `directory` is where the
/// child begins, empty: as this process. Throws std::system_error (ENOENT, EACCES of a directory), which
/// names what was looked for.
program_file find_program(const command& c, const std::wstring& directory);

}  // namespace bight::detail
