#include "disk_state.hpp"

#include "host_state.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>

namespace bight::sim::detail {

using bight::detail::file_operation;
using bight::detail::operation_kind;

namespace {

// The prefix of the paths in a directory.
std::string inside(const std::string& directory) { return directory == "/" ? directory : directory + "/"; }

bool lies_in(const std::string& directory, const std::string& path) {
    const std::string start = inside(directory);
    return path.starts_with(start) && path.find('/', start.size()) == std::string::npos;
}

bool may_read(int flags) noexcept { return (flags & O_ACCMODE) != O_WRONLY; }
bool may_write(int flags) noexcept { return (flags & O_ACCMODE) != O_RDONLY; }

}  // namespace

disk_state::moment disk_state::now() const {
    const auto since = home_.wall_time().time_since_epoch();
    const auto seconds = std::chrono::floor<std::chrono::seconds>(since);
    return {seconds.count(), static_cast<std::uint32_t>(std::chrono::nanoseconds(since - seconds).count())};
}

std::string disk_state::normal(std::string_view path) {
    std::string text;
    while (!path.empty()) {
        const std::string_view name = path.substr(0, path.find('/'));
        path.remove_prefix(std::min(name.size() + 1, path.size()));
        if (name == "..") {
            text.resize(text.empty() ? 0 : text.rfind('/'));
        } else if (!name.empty() && name != ".") {
            text += '/';
            text += name;
        }
    }
    return text.empty() ? "/" : text;
}

disk_state::node_ptr disk_state::find(const std::string& path) const {
    const auto at = names_.find(path);
    return at == names_.end() ? nullptr : at->second;
}

bool disk_state::is_directory(const std::string& path) const {
    const std::string start = inside(path);
    const auto at = names_.lower_bound(start);
    return path == "/" || (at != names_.end() && at->first.starts_with(start));
}

bool disk_state::is_below_a_file(const std::string& path) const {
    for (auto end = path.rfind('/'); end != path.npos && end > 0; end = path.rfind('/', end - 1)) {
        if (names_.contains(path.substr(0, end))) return true;
    }
    return false;
}

void disk_state::touch(file_node& file) const {
    ++file.changes;
    file.status.modified = file.status.changed = now();
    file.status.size = file.bytes.size();
}

int disk_state::find_or_make(const std::string& path, unsigned mode, node_ptr& into) {
    if (is_below_a_file(path)) return -ENOTDIR;
    if (is_directory(path)) return -EISDIR;
    node_ptr& file = names_[path];
    if (!file) {
        file = std::make_shared<file_node>();
        file->status.mode = S_IFREG | (mode & 07777U);
        file->status.links = 1;
        file->status.inode = ++last_inode_;
        ++name_changes_;
        file->status.accessed = now();
        touch(*file);
    }
    into = file;
    return 0;
}

int disk_state::remove(const std::string& path) {
    const auto at = names_.find(path);
    if (at == names_.end()) return is_below_a_file(path) ? -ENOTDIR : is_directory(path) ? -EISDIR : -ENOENT;
    at->second->status.links = 0;
    at->second->status.changed = now();
    ++name_changes_;
    names_.erase(at);
    return 0;
}

// This also makes the name of a new file permanent, as on Linux's file systems.
void disk_state::sync(const node_ptr& file, const snapshot* covered) {
    const std::uint64_t changes = covered ? covered->changes : file->changes;
    if (changes >= file->changes_synced) {  // unless another sync has covered more meanwhile
        file->synced = covered ? covered->bytes : file->bytes;
        file->changes_synced = changes;
    }
    for (const auto& [path, named] : names_) {
        if (named == file) synced_names_[path] = file;
    }
}

void disk_state::sync_directory(const std::string& path, const snapshot* covered) {
    const std::uint64_t changes = covered ? covered->changes : name_changes_;
    std::uint64_t& synced = name_changes_synced_[path];
    if (changes < std::max(synced, all_name_changes_synced_)) return;  // another has covered more meanwhile
    synced = changes;
    // A name that a sync of its file has made permanent meanwhile stays.
    std::erase_if(synced_names_, [&](const auto& entry) {
        return lies_in(path, entry.first) && find(entry.first) != entry.second;
    });
    synced_names_.merge(covered ? std::map(covered->names) : names_in(path));
}

void disk_state::sync_all() {
    for (const auto& [path, file] : names_) sync(file);
    synced_names_ = names_;
    all_name_changes_synced_ = name_changes_;
}

disk_state::snapshot disk_state::begin_sync(const file_operation& op) const {
    const auto at = open_.find(op.file);
    if (at == open_.end()) return {};
    if (const node_ptr& file = at->second.file) return {file->bytes, {}, file->changes};
    return {{}, names_in(at->second.directory), name_changes_};
}

std::map<std::string, disk_state::node_ptr> disk_state::names_in(const std::string& directory) const {
    std::map<std::string, node_ptr> there;
    std::copy_if(names_.begin(), names_.end(), std::inserter(there, there.end()),
                 [&directory](const auto& entry) { return lies_in(directory, entry.first); });
    return there;
}

void disk_state::lose_power() {
    open_.clear();
    names_ = synced_names_;
    for (const auto& [path, file] : names_) {
        file->bytes = file->synced;
        file->status.size = file->bytes.size();
        file->status.links = 1;
    }
}

std::int64_t disk_state::open(const file_operation& op, int handle) {
    const std::string path = normal(op.path);
    handle_state opened{find(path), path, op.flags};
    const bool makes = (op.flags & O_CREAT) != 0;
    if (is_below_a_file(path)) return -ENOTDIR;
    if (!opened.file && is_directory(path)) {
        if (makes && (op.flags & O_EXCL) != 0) return -EEXIST;
        if (makes || may_write(op.flags)) return -EISDIR;
    } else {
        if (opened.file && makes && (op.flags & O_EXCL) != 0) return -EEXIST;
        if (!opened.file && !makes) return -ENOENT;
        if ((op.flags & O_DIRECTORY) != 0) return -ENOTDIR;
        if (const int made = find_or_make(path, op.mode, opened.file); made < 0) return made;
        if ((op.flags & O_TRUNC) != 0 && may_write(op.flags)) {
            opened.file->bytes.clear();
            touch(*opened.file);
        }
    }
    open_.emplace(handle, std::move(opened));
    return handle;
}

std::int64_t disk_state::read(const file_operation& op, const handle_state& from) const {
    if (!may_read(from.flags)) return -EBADF;
    if (!from.file) return -EISDIR;
    const std::string& bytes = from.file->bytes;
    from.file->status.accessed = now();
    if (op.offset >= bytes.size()) return 0;
    const auto start = static_cast<std::size_t>(op.offset);
    return static_cast<std::int64_t>(bytes.copy(static_cast<char*>(op.memory.data), op.memory.size, start));
}

std::int64_t disk_state::write(const file_operation& op, const handle_state& to) {
    if (!may_write(to.flags) || !to.file) return -EBADF;
    constexpr std::uint64_t largest_file = std::uint64_t{1} << 32;
    std::string& bytes = to.file->bytes;
    // As in Linux, O_APPEND also applies to a write at an offset (pwrite(2)).
    const std::uint64_t start = (to.flags & O_APPEND) != 0 ? bytes.size() : op.offset;
    if (start > largest_file || op.bytes.size > largest_file - start) return -EFBIG;
    const auto end = static_cast<std::size_t>(start) + op.bytes.size;
    if (op.bytes.size > 0 && bytes.size() < end) bytes.resize(end);
    std::copy_n(static_cast<const char*>(op.bytes.data), op.bytes.size,
                bytes.begin() + static_cast<std::ptrdiff_t>(op.bytes.size > 0 ? start : 0));
    touch(*to.file);
    if ((to.flags & O_DSYNC) != 0) sync(to.file);
    return static_cast<std::int64_t>(op.bytes.size);
}

// Directories exist only with files in them, so none can be removed.
std::int64_t disk_state::remove_path(const file_operation& op) {
    const std::string path = normal(op.path);
    if ((op.flags & AT_REMOVEDIR) == 0) return remove(path);
    if (names_.contains(path) || is_below_a_file(path)) return -ENOTDIR;
    return is_directory(path) ? -ENOTEMPTY : -ENOENT;
}

std::int64_t disk_state::tell(file_operation& op, const file_node* file) const {
    op.status = {};
    if (file) {
        op.status = file->status;
    } else {
        op.status.mode = S_IFDIR | 0755U;
        op.status.links = 2;
        op.status.inode = 1;
    }
    return 0;
}

std::int64_t disk_state::perform(file_operation& op, int handle, const snapshot* covered) {
    switch (op.kind) {
        case operation_kind::open_file: return open(op, handle);
        case operation_kind::remove_path: return remove_path(op);
        case operation_kind::stat_path: {
            const std::string path = normal(op.path);
            const node_ptr file = find(path);
            if (!file && is_below_a_file(path)) return -ENOTDIR;
            return file || is_directory(path) ? tell(op, file.get()) : -ENOENT;
        }
        default: break;
    }
    const auto at = open_.find(op.file);
    if (at == open_.end()) return -EBADF;
    const handle_state& opened = at->second;
    switch (op.kind) {
        case operation_kind::close_file: open_.erase(at); return 0;
        case operation_kind::read_at: return read(op, opened);
        case operation_kind::write_at: return write(op, opened);
        case operation_kind::stat_file: return tell(op, opened.file.get());
        case operation_kind::sync_file:
            if (opened.file) {
                sync(opened.file, covered);
            } else {
                sync_directory(opened.directory, covered);
            }
            return 0;
        default: return -EINVAL;
    }
}

}  // namespace bight::sim::detail
