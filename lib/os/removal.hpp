// remove_if_made: a clean-up that needs no memory when its time comes.
#pragma once

#include "file_call.hpp"
#include "file_error.hpp"

#include "../demux/file_operation.hpp"

#include <bight/core/task.hpp>

#include <cerrno>
#include <cstdint>
#include <string>
#include <utility>

namespace bight::detail {

/// Removes what `path` names, if `made` says by then that it may be there. It is to be made before that: then
/// it removes it without memory, too. Both are there until it has ended.
inline task<> remove_if_made(const std::string& path, const bool& made) {
    file_call<> call(operation_kind::remove_path, "a removal of", path.c_str());
    if (!made) co_return;
    const std::int64_t result = co_await std::move(call);
    if (result < 0 && errno_of(static_cast<int>(-result)) == ENOENT) co_return;
    check_file_result(result, "remove", path);
}

}  // namespace bight::detail
