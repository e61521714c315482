#include <bight/os/paths.hpp>

#include "file_call.hpp"
#include "file_error.hpp"
#include "file_status_of.hpp"

#include <bight/os/file.hpp>

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <string>
#include <utility>

namespace bight {

using detail::file_call;
using detail::operation_kind;

namespace {

task<std::int64_t> remove_name(std::string path, int flags) {
    file_call<> call(operation_kind::remove_path, "a removal of", path.c_str());
    call.op.flags = flags;
    co_return co_await std::move(call);
}

// "a/b" of "a" and "b".
std::string name_in(const std::string& directory, const std::string& name) {
    return directory.ends_with('/') ? directory + name : directory + "/" + name;
}

bool is_missing(std::int64_t result) noexcept {
    return result < 0 && detail::errno_of(static_cast<int>(-result)) == ENOENT;
}
bool is_there(std::int64_t result) noexcept {
    return result < 0 && detail::errno_of(static_cast<int>(-result)) == EEXIST;
}

// What is left of a tree; of a directory with many names a part at a time is known.
struct tree_part {
    std::string path;
    bool is_known = false;
};
constexpr std::size_t names_at_a_time = 1000;

task<std::int64_t> make_one(std::string path, unsigned permissions) {
    file_call<> call(operation_kind::make_directory, "the making of", path.c_str());
    call.op.mode = permissions;
    co_return co_await std::move(call);
}

}  // namespace

task<file_status> path_status(std::string path, bool follow_link) {
    detail::check_path("status of", path);
    file_call<detail::status_operation> call(operation_kind::stat_path, "the status of", path.c_str());
    call.op.flags = follow_link ? 0 : AT_SYMLINK_NOFOLLOW;
    const std::int64_t result = co_await std::move(call);
    detail::check_file_result(result, "status of", path);
    co_return detail::file_status_of(call.op.status);
}

task<bool> path_exists(std::string path) {
    detail::check_path("status of", path);
    file_call<detail::status_operation> call(operation_kind::stat_path, "the status of", path.c_str());
    call.op.flags = AT_SYMLINK_NOFOLLOW;
    const std::int64_t result = co_await std::move(call);
    const bool missing =
        is_missing(result) || (result < 0 && detail::errno_of(static_cast<int>(-result)) == ENOTDIR);
    if (!missing) detail::check_file_result(result, "status of", path);
    co_return !missing;
}

task<> rename_path(std::string from, std::string to) {
    detail::check_path("rename", from);
    detail::check_path("rename to", to);
    file_call<> call(operation_kind::rename_path, "a rename of", from.c_str());
    call.op.new_path = to.c_str();
    const std::int64_t result = co_await std::move(call);
    if (result < 0) detail::throw_file_error("rename " + detail::printable(from) + " to", to, result);
}

task<> remove_file(std::string path) {
    detail::check_path("remove", path);
    const std::int64_t result = co_await remove_name(path, 0);
    detail::check_file_result(result, "remove", path);
}

task<> remove_directory(std::string path) {
    detail::check_path("remove directory", path);
    const std::int64_t result = co_await remove_name(path, AT_REMOVEDIR);
    detail::check_file_result(result, "remove directory", path);
}

task<std::vector<directory_entry>> list_directory(std::string path, std::size_t most) {
    detail::check_path("list", path);
    file_call<detail::list_operation> call(operation_kind::list_directory, "a list of", path.c_str());
    call.op.most = most;
    const std::int64_t result = co_await std::move(call);
    if (result == -EOVERFLOW) {
        detail::refuse_file(
            EOVERFLOW, "list " + detail::printable(path) + ": more than " + std::to_string(most) + " names");
    }
    detail::check_file_result(result, "list", path);
    std::vector<directory_entry> entries;
    entries.reserve(call.op.names.size());
    for (detail::directory_name& found : call.op.names) {
        entries.push_back({std::move(found.name), detail::type_of_mode(found.type)});
    }
    std::sort(entries.begin(), entries.end(),
              [](const directory_entry& a, const directory_entry& b) { return a.name < b.name; });
    co_return entries;
}

task<> create_directory(std::string path, unsigned permissions) {
    detail::check_path("create directory", path);
    const std::int64_t result = co_await make_one(path, permissions);
    detail::check_file_result(result, "create directory", path);
}

// From the end: mostly all but the last is there. What is missing on the way back is not looked for once
// more: where nothing can be made (in /proc, in a directory that was removed) the way up ends at something
// that is there.
task<bool> create_directories(std::string path, unsigned permissions) {
    detail::check_path("create directory", path);
    while (path.size() > 1 && path.ends_with('/')) path.pop_back();
    std::vector<std::string> missing;
    bool made = false;
    bool goes_up = true;
    for (std::string at = path;;) {
        const std::int64_t result = co_await make_one(at, permissions);
        goes_up = goes_up && is_missing(result) && !at.empty() && directory_of(at) != at;
        if (goes_up) {
            missing.push_back(at);
            at = directory_of(at);
            continue;
        }
        if (is_there(result)) {
            const file_status there = co_await path_status(at);
            if (there.type != file_type::directory) {
                detail::throw_file_error("create directory", at, -ENOTDIR);
            }
        } else {
            detail::check_file_result(result, "create directory", at);
        }
        made = at == path && !is_there(result);
        if (missing.empty()) co_return made;
        // Others may have made it meanwhile: then it is there, too.
        at = std::move(missing.back());
        missing.pop_back();
    }
}

// Depth first, without a frame for each level.
task<std::size_t> remove_tree(std::string path) {
    detail::check_path("remove", path);
    std::size_t removed = 0;
    std::vector<tree_part> left;
    left.push_back({path, false});
    while (!left.empty()) {
        const std::string at = left.back().path;
        const std::int64_t as_file = co_await remove_name(at, 0);
        const int error = as_file < 0 ? detail::errno_of(static_cast<int>(-as_file)) : 0;
        if (error == 0 || error == ENOENT) {
            if (error == 0) ++removed;
            left.pop_back();
            continue;
        }
        if (error != EISDIR && error != EPERM) detail::check_file_result(as_file, "remove", at);
        const std::int64_t as_directory = co_await remove_name(at, AT_REMOVEDIR);
        const int why = as_directory < 0 ? detail::errno_of(static_cast<int>(-as_directory)) : 0;
        if (why == 0 || why == ENOENT) {
            if (why == 0) ++removed;
            left.pop_back();
            continue;
        }
        if (why == ENOTDIR) detail::check_file_result(as_file, "remove", at);
        if (why != ENOTEMPTY && why != EEXIST) detail::check_file_result(as_directory, "remove", at);
        // What others have put there since is theirs.
        if (left.back().is_known) detail::check_file_result(as_directory, "remove", at);
        file_call<detail::list_operation> list(operation_kind::list_directory, "a list of", at.c_str());
        list.op.most = names_at_a_time;
        const std::int64_t listed = co_await std::move(list);
        const bool are_more = listed == -EOVERFLOW;
        if (!are_more) detail::check_file_result(listed, "list", at);
        left.back().is_known = !are_more;
        for (const auto& entry : list.op.names) left.push_back({name_in(at, entry.name), false});
    }
    co_return removed;
}

task<> sync_directory(std::string path) {
#if defined(_WIN32)
    const file_status there = co_await path_status(path);
    if (there.type != file_type::directory) detail::throw_file_error("sync", path, -ENOTDIR);
#else
    file directory = co_await open_file(path);
    co_await directory.sync();
    co_await directory.close();
#endif
}

std::string directory_of(std::string_view path) {
    while (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
    const std::size_t end = path.rfind('/');
    if (end == path.npos) return ".";
    path = path.substr(0, end);
    while (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
    return path.empty() ? "/" : std::string(path);
}

}  // namespace bight
