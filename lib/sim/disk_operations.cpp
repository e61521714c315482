// What programs do with the files of a simulated disk.
#include "disk_state.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <string_view>
#include <utility>

namespace bight::sim::detail {

using bight::detail::file_operation;
using bight::detail::operation_kind;
using bight::detail::status_operation;

namespace {

bool may_read(int flags) noexcept { return (flags & O_ACCMODE) != O_WRONLY; }
bool may_write(int flags) noexcept { return (flags & O_ACCMODE) != O_RDONLY; }

constexpr std::uint64_t largest_file = std::uint64_t{1} << 32;

bool opens(operation_kind kind) noexcept {
    return kind == operation_kind::open_file || kind == operation_kind::open_beneath;
}

// What ends in a slash must name a directory, and is not made as a file.
int refuses_slash(std::string_view path, const disk_state::node_ptr& there, const file_operation& op) {
    if (!path.ends_with('/')) return 0;
    if (opens(op.kind) && (op.flags & O_CREAT) != 0) return -EISDIR;
    return there && !there->is_directory() ? -ENOTDIR : 0;
}

}  // namespace

std::int64_t disk_state::open(const file_operation& op, const std::string& path, int handle) {
    handle_state opened{named(path), {}, op.flags};
    const bool makes = (op.flags & O_CREAT) != 0;
    if (opened.file && makes && (op.flags & O_EXCL) != 0) return -EEXIST;
    if (opened.file && opened.file->is_directory()) {
        if (makes || may_write(op.flags)) return -EISDIR;
        opened.directory = path;
    } else {
        if (!opened.file && !makes) return why_not_in(path) == 0 ? -ENOENT : why_not_in(path);
        if ((op.flags & O_DIRECTORY) != 0) return -ENOTDIR;
        if (const int made = find_or_make(path, op.mode, opened.file); made < 0) return made;
        if ((op.flags & O_TRUNC) != 0 && may_write(op.flags)) {
            const bool is_cut = !std::exchange(opened.file->bytes, {}).empty();
            touch(*opened.file);
            if (is_cut) tell_changed(opened.file);
        }
    }
    open_.emplace(handle, std::move(opened));
    return handle;
}

std::int64_t disk_state::open_beneath(const file_operation& op, const handle_state& root, int handle) {
    if (!root.file->is_directory()) return -ENOTDIR;
    std::string path;
    if (const int error = resolve(op.path, path, &root)) return error;
    if (const int error = refuses_slash(op.path, named(path), op)) return error;
    return open(op, path, handle);
}

bool disk_state::makes_a_file(const file_operation& op) const {
    if (!opens(op.kind) || (op.flags & O_CREAT) == 0) return false;
    const auto root = open_.find(op.file);
    const bool is_beneath = op.kind == operation_kind::open_beneath;
    if (is_beneath && root == open_.end()) return false;
    std::string path;
    const int error = resolve(op.path, path, is_beneath ? &root->second : nullptr);
    return error == 0 && !named(path) && why_not_in(path) == 0;
}

std::int64_t disk_state::read(const file_operation& op, const handle_state& from, std::size_t most) const {
    if (!may_read(from.flags)) return -EBADF;
    if (from.file->is_directory()) return -EISDIR;
    const std::string& bytes = from.file->bytes;
    from.file->status.accessed = now();
    if (op.offset >= bytes.size()) return 0;
    auto at = static_cast<std::size_t>(op.offset);
    const auto take = [&](const mutable_buffer& into) {
        const std::size_t size = bytes.copy(static_cast<char*>(into.data), std::min(into.size, most), at);
        at += size;
        most -= size;
        return size;
    };
    if (op.piece_count == 0) return static_cast<std::int64_t>(take(op.memory));
    std::size_t all = 0;
    for (std::size_t i = 0; i < op.piece_count && at < bytes.size() && most > 0; ++i) all += take(op.into[i]);
    return static_cast<std::int64_t>(all);
}

std::int64_t disk_state::write(const file_operation& op, const handle_state& to, std::size_t most) {
    if (!may_write(to.flags)) return -EBADF;
    const const_buffer* const pieces = op.piece_count > 0 ? op.from : &op.bytes;
    const std::size_t count = std::max<std::size_t>(op.piece_count, 1);
    std::string text;
    for (std::size_t i = 0; i < count; ++i) {
        text.append(static_cast<const char*>(pieces[i].data), pieces[i].size);
    }
    text.resize(std::min(text.size(), most));
    std::string& bytes = to.file->bytes;
    // As in Linux, O_APPEND also applies to a write at an offset (pwrite(2)).
    const std::uint64_t start = (to.flags & O_APPEND) != 0 ? bytes.size() : op.offset;
    if (start > largest_file || text.size() > largest_file - start) return -EFBIG;
    if (!text.empty()) {
        const auto from = static_cast<std::size_t>(start);
        if (bytes.size() < from + text.size()) bytes.resize(from + text.size());
        bytes.replace(from, text.size(), text);
    }
    touch(*to.file);
    if (!text.empty()) tell_changed(to.file);
    if ((to.flags & O_DSYNC) != 0) sync(to.file);
    return static_cast<std::int64_t>(text.size());
}

std::int64_t disk_state::truncate(const file_operation& op, const handle_state& what) const {
    if (!may_write(what.flags)) return -EINVAL;  // as of ftruncate(2)
    if (op.offset >> 63 != 0) return -EINVAL;
    if (op.offset > largest_file) return -EFBIG;
    what.file->bytes.resize(static_cast<std::size_t>(op.offset));
    touch(*what.file);
    tell_changed(what.file);
    return 0;
}

// Locks of open files (fcntl(2), F_OFD_SETLK).
std::int64_t disk_state::lock(const file_operation& op, handle_state& by) {
    const bool is_exclusive = op.flags == bight::detail::lock_exclusive;
    if (is_exclusive ? !may_write(by.flags) : op.flags != bight::detail::lock_none && !may_read(by.flags))
        return -EBADF;
    for (const auto& [number, other] : open_) {
        if (&other == &by || other.file != by.file || other.lock == bight::detail::lock_none) continue;
        if (op.flags == bight::detail::lock_none) break;
        if (is_exclusive || other.lock == bight::detail::lock_exclusive) return -EAGAIN;
    }
    by.lock = op.flags;
    return 0;
}

std::int64_t disk_state::perform_on_path(file_operation& op, int handle) {
    std::string path;
    if (const int error = resolve(op.path, path)) return error;
    if (const int error = refuses_slash(op.path, named(path), op)) return error;
    switch (op.kind) {
        case operation_kind::open_file: return open(op, path, handle);
        case operation_kind::make_directory: return make_directory(path, op.mode);
        case operation_kind::list_directory:
            return list(static_cast<bight::detail::list_operation&>(op), path);
        case operation_kind::rename_path: {
            std::string to;
            if (const int error = resolve(op.new_path, to)) return error;
            const bool to_directory = std::string_view(op.new_path).ends_with('/');
            if (const node_ptr what = named(path); to_directory && what && !what->is_directory())
                return -ENOTDIR;
            return rename(path, to);
        }
        case operation_kind::remove_path:
            return (op.flags & AT_REMOVEDIR) != 0 ? remove_directory(path) : remove(path);
        default: {  // stat_path
            const node_ptr found = named(path);
            if (!found) return -ENOENT;
            static_cast<status_operation&>(op).status = found->status;
            return 0;
        }
    }
}

std::int64_t disk_state::perform(file_operation& op, int handle, const snapshot* covered, std::size_t most) {
    switch (op.kind) {
        case operation_kind::open_file:
        case operation_kind::stat_path:
        case operation_kind::make_directory:
        case operation_kind::list_directory:
        case operation_kind::rename_path:
        case operation_kind::remove_path: return perform_on_path(op, handle);
        default: break;
    }
    const auto at = open_.find(op.file);
    if (at == open_.end()) return -EBADF;
    handle_state& opened = at->second;
    switch (op.kind) {
        case operation_kind::close_file: open_.erase(at); return 0;
        case operation_kind::read_at: return read(op, opened, most);
        case operation_kind::write_at: return write(op, opened, most);
        case operation_kind::truncate_file: return truncate(op, opened);
        case operation_kind::lock_file: return lock(op, opened);
        case operation_kind::open_beneath: return open_beneath(op, opened, handle);
        case operation_kind::stat_file:
            static_cast<status_operation&>(op).status = opened.file->status;
            return 0;
        case operation_kind::sync_file:
            if (!opened.file->is_directory()) {
                sync(opened.file, covered);
            } else if (!is_removed(opened)) {
                sync_directory(opened.directory, covered);
            }
            return 0;
        default: return -EINVAL;
    }
}

}  // namespace bight::sim::detail
