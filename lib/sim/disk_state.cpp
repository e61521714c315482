#include "disk_state.hpp"

#include "host_state.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <string>
#include <string_view>
#include <utility>

namespace bight::sim::detail {

using bight::detail::file_operation;
using change = bight::detail::path_change::kind;

namespace {

// The prefix of the paths in a directory.
std::string inside(const std::string& directory) { return directory == "/" ? directory : directory + "/"; }

std::string parent_of(const std::string& path) {
    const std::size_t end = path.rfind('/');
    return end == 0 || end == path.npos ? "/" : path.substr(0, end);
}

bool lies_in(const std::string& directory, const std::string& path) {
    return path != "/" && parent_of(path) == directory;
}

}  // namespace

bool file_node::is_directory() const noexcept { return S_ISDIR(status.mode); }

disk_state::disk_state(const host_state& of) : home_(of), root_(std::make_shared<file_node>()) {
    root_->status.mode = S_IFDIR | 0755U;
    root_->status.links = 2;
    root_->status.inode = 1;
    (void)make_directories("/tmp");
    sync_all();
}

disk_state::moment disk_state::now() const {
    const auto since = home_.wall_time().time_since_epoch();
    const auto seconds = std::chrono::floor<std::chrono::seconds>(since);
    return {seconds.count(), static_cast<std::uint32_t>(std::chrono::nanoseconds(since - seconds).count())};
}

// Paths

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

// Walks it as a kernel does: what it leads through must be there.
int disk_state::resolve(std::string_view path, std::string& into, const handle_state* root) const {
    if (path.empty()) return -ENOENT;
    if (root && path.starts_with('/')) return -EXDEV;
    if (root && is_removed(*root)) return -ENOENT;
    const std::string start = root ? root->directory : "/";
    std::string at = start;
    while (!path.empty()) {
        const std::string_view name = path.substr(0, path.find('/'));
        path.remove_prefix(std::min(name.size() + 1, path.size()));
        if (const node_ptr here = named(at); !here) {
            return -ENOENT;
        } else if (!here->is_directory()) {
            return -ENOTDIR;
        }
        if (name == "..") {
            if (root && at == start) return -EXDEV;
            at = parent_of(at);
        } else if (!name.empty() && name != ".") {
            at = inside(at) + std::string(name);
        }
    }
    into = std::move(at);
    return 0;
}

// Another directory may have its name.
bool disk_state::is_removed(const handle_state& directory) const {
    return named(directory.directory) != directory.file;
}

disk_state::node_ptr disk_state::named(const std::string& path) const {
    if (path == "/") return root_;
    const auto at = names_.find(path);
    return at == names_.end() ? nullptr : at->second;
}

disk_state::node_ptr disk_state::find(const std::string& path) const {
    node_ptr found = named(path);
    return found && found->is_directory() ? nullptr : found;
}

bool disk_state::is_directory(const std::string& path) const {
    const node_ptr found = named(path);
    return found && found->is_directory();
}

// Why nothing can have this name: its directory is not there, or is none. 0: it is.
int disk_state::why_not_in(const std::string& path) const {
    for (std::string at = path; at != "/";) {
        at = parent_of(at);
        const node_ptr found = named(at);
        if (found && !found->is_directory()) return -ENOTDIR;
        if (found) return parent_of(path) == at ? 0 : -ENOENT;
    }
    return 0;
}

bool disk_state::has_names_in(const std::string& directory) const {
    const std::string start = inside(directory);
    const auto at = names_.lower_bound(start);
    return at != names_.end() && at->first.starts_with(start);
}

disk_state::name_map disk_state::names_in(const std::string& directory) const {
    name_map there;
    const std::size_t start = inside(directory).size();
    for (const auto& [path, node] : names_) {
        if (lies_in(directory, path)) there.emplace(path.substr(start), node);
    }
    return there;
}

std::vector<std::string> disk_state::files() const {
    std::vector<std::string> paths;
    for (const auto& [path, node] : names_) {
        if (!node->is_directory()) paths.push_back(path);
    }
    return paths;
}

int disk_state::find(const std::string& path, std::string& whole, bool& is_directory) const {
    if (const int error = resolve(path, whole)) return error;
    const node_ptr found = named(whole);
    if (!found) return -ENOENT;
    is_directory = found->is_directory();
    return 0;
}

std::vector<bight::detail::change_feed::entry> disk_state::below(const std::string& directory) const {
    std::vector<bight::detail::change_feed::entry> all;
    const std::string start = inside(directory);
    for (auto at = names_.lower_bound(start); at != names_.end() && at->first.starts_with(start); ++at) {
        all.push_back({at->first, at->second->is_directory()});
    }
    return all;
}

// Who follows them

void disk_state::tell(bight::detail::path_change::kind what, const std::string& path, bool is_directory,
                      const std::string& old_path) const {
    for (bight::detail::change_listener* const to : listeners_) {
        to->changed({what, path, old_path, is_directory});
    }
}

// What has no name any more is nobody's.
void disk_state::tell_changed(const node_ptr& file) const {
    if (listeners_.empty()) return;
    const auto at = std::ranges::find(names_, file, &name_map::value_type::second);
    if (at != names_.end()) tell(change::changed, at->first, file->is_directory());
}

// Names

void disk_state::touch(file_node& file) const {
    ++file.changes;
    file.status.modified = file.status.changed = now();
    file.status.size = file.bytes.size();
}

disk_state::node_ptr disk_state::add(const std::string& path, std::uint32_t mode) {
    auto made = std::make_shared<file_node>();
    made->status.mode = mode;
    made->status.links = S_ISDIR(mode) ? 2 : 1;
    made->status.inode = ++last_inode_ + 1;  // the root's is 1
    made->status.accessed = now();
    touch(*made);
    names_[path] = made;
    ++name_changes_;
    tell(change::created, path, made->is_directory());
    return made;
}

int disk_state::find_or_make(const std::string& path, unsigned mode, node_ptr& into) {
    if (const int error = why_not_in(path)) return error;
    if (is_directory(path)) return -EISDIR;
    into = named(path);
    if (!into) into = add(path, S_IFREG | (mode & 07777U));
    return 0;
}

int disk_state::make_directories(const std::string& path) {
    if (path == "/") return 0;
    if (const node_ptr found = named(path)) return found->is_directory() ? 0 : -ENOTDIR;
    if (const int error = make_directories(parent_of(path))) return error;
    add(path, S_IFDIR | 0755U);
    return 0;
}

int disk_state::remove(const std::string& path) {
    const auto at = names_.find(path);
    if (at == names_.end()) return path == "/" ? -EISDIR : why_not_in(path) == 0 ? -ENOENT : why_not_in(path);
    if (at->second->is_directory()) return -EISDIR;
    at->second->status.links = 0;
    at->second->status.changed = now();
    ++name_changes_;
    names_.erase(at);
    tell(change::removed, path, false);
    return 0;
}

std::int64_t disk_state::make_directory(const std::string& path, unsigned mode) {
    if (named(path)) return -EEXIST;
    if (const int error = why_not_in(path)) return error;
    add(path, S_IFDIR | (mode & 07777U));
    return 0;
}

std::int64_t disk_state::remove_directory(const std::string& path) {
    if (path == "/") return -EBUSY;
    const node_ptr found = named(path);
    if (!found) return why_not_in(path) == 0 ? -ENOENT : why_not_in(path);
    if (!found->is_directory()) return -ENOTDIR;
    if (has_names_in(path)) return -ENOTEMPTY;
    found->status.links = 0;
    ++name_changes_;
    names_.erase(path);
    tell(change::removed, path, true);
    return 0;
}

namespace {

using name_map = std::map<std::string, disk_state::node_ptr>;

// Removes a name and all below it.
void erase_tree(name_map& names, const std::string& path) {
    const std::string start = inside(path);
    names.erase(path);
    std::erase_if(names, [&start](const auto& entry) { return entry.first.starts_with(start); });
}

// Gives a name, and all below it, another place.
void move_tree(name_map& names, const std::string& from, const std::string& to) {
    name_map moved;
    const std::string start = inside(from);
    for (const auto& [path, node] : names) {
        if (path == from) moved.emplace(to, node);
        if (path.starts_with(start)) moved.emplace(inside(to) + path.substr(start.size()), node);
    }
    erase_tree(names, from);
    erase_tree(names, to);
    names.merge(moved);
}

}  // namespace

std::int64_t disk_state::rename(const std::string& from, const std::string& to) {
    const node_ptr what = named(from);
    if (from == "/" || to == "/") return -EBUSY;
    if (!what) return why_not_in(from) == 0 ? -ENOENT : why_not_in(from);
    if (const int error = why_not_in(to)) return error;
    if (from == to) return 0;
    if (what->is_directory() && to.starts_with(inside(from))) return -EINVAL;
    if (const node_ptr replaced = named(to)) {
        if (replaced->is_directory() && !what->is_directory()) return -EISDIR;
        if (!replaced->is_directory() && what->is_directory()) return -ENOTDIR;
        if (replaced->is_directory() && has_names_in(to)) return -ENOTEMPTY;
        replaced->status.links = 0;
    }
    move_tree(names_, from, to);
    what->status.changed = now();
    renames_.push_back({from, to, what, ++name_changes_, directories_above(to)});
    // Who has it, or a directory below it, open is there now.
    for (auto& [number, opened] : open_) {
        if (opened.directory == from) opened.directory = to;
        if (opened.directory.starts_with(inside(from)))
            opened.directory = inside(to) + opened.directory.substr(inside(from).size());
    }
    tell(change::moved, to, what->is_directory(), from);
    return 0;
}

std::int64_t disk_state::list(bight::detail::list_operation& op, const std::string& path) const {
    const node_ptr found = named(path);
    if (!found) return -ENOENT;
    if (!found->is_directory()) return -ENOTDIR;
    for (const auto& [name, node] : names_in(path)) {
        if (op.names.size() == op.most) return -EOVERFLOW;
        op.names.push_back({name, node->status.mode & std::uint32_t{S_IFMT}, node->status.inode});
    }
    return static_cast<std::int64_t>(op.names.size());
}

// What survives a crash

disk_state::name_map disk_state::directories_above(const std::string& path) const {
    name_map above;
    for (std::string at = parent_of(path); at != "/"; at = parent_of(at)) above.emplace(at, named(at));
    return above;
}

// How many of the renames must last for this path to do so: those of what it names and leads through, and
// those that gave one of its names to something, or took it from something.
std::size_t disk_state::renames_before(const std::string& path) const {
    std::size_t count = 0;
    for (std::string at = path; at != "/"; at = parent_of(at)) {
        const node_ptr here = named(at);
        for (std::size_t i = count; i < renames_.size(); ++i) {
            const done_rename& r = renames_[i];
            if (r.what == here || r.from == at || r.to == at) count = i + 1;
        }
    }
    return count;
}

// What had the name before, and all below it, is gone.
void disk_state::keep_name(const std::string& path, const node_ptr& node) {
    const auto at = synced_names_.find(path);
    if (at != synced_names_.end() && at->second != node) erase_tree(synced_names_, path);
    synced_names_[path] = node;
}

void disk_state::keep_path(const std::string& path) {
    commit_renames(renames_before(path));
    for (const auto& [above, node] : directories_above(path)) keep_name(above, node);
    if (path != "/") keep_name(path, named(path));
}

// Renames survive in their order, each in whole, as by the journal of a file system.
void disk_state::commit_renames(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
        const done_rename& r = renames_[i];
        for (const auto& [above, node] : r.above) keep_name(above, node);
        const auto old = synced_names_.find(r.from);
        if (old != synced_names_.end() && old->second == r.what) {
            move_tree(synced_names_, r.from, r.to);
        } else {  // it is new, or was made in the place of something
            erase_tree(synced_names_, r.from);
            erase_tree(synced_names_, r.to);
        }
        synced_names_[r.to] = r.what;
    }
    renames_.erase(renames_.begin(), renames_.begin() + static_cast<std::ptrdiff_t>(count));
}

// This also makes the name of a new file permanent, as on Linux's file systems.
void disk_state::sync(const node_ptr& file, const snapshot* covered) {
    const std::uint64_t changes = covered ? covered->changes : file->changes;
    if (changes >= file->changes_synced) {  // unless another sync has covered more meanwhile
        file->synced = covered ? covered->bytes : file->bytes;
        file->changes_synced = changes;
    }
    std::size_t renames = 0;
    for (std::size_t i = 0; i < renames_.size(); ++i) {
        if (renames_[i].what == file && (!covered || renames_[i].place <= covered->name_changes))
            renames = i + 1;
    }
    commit_renames(renames);
    const bool was_renamed =
        std::any_of(renames_.begin(), renames_.end(), [&](const auto& r) { return r.what == file; });
    if (was_renamed) return;  // meanwhile: its old name is there, or none
    const auto at =
        std::find_if(names_.begin(), names_.end(), [&](const auto& entry) { return entry.second == file; });
    if (at != names_.end()) keep_path(at->first);
}

void disk_state::sync_directory(const std::string& path, const snapshot* covered) {
    const node_ptr here = named(path);
    const std::uint64_t changes = covered ? covered->name_changes : name_changes_;
    if (changes < std::max(here->names_synced, all_name_changes_synced_))
        return;  // another has covered more meanwhile
    here->names_synced = changes;
    std::size_t renames = 0;
    for (std::size_t i = 0; i < renames_.size(); ++i) {
        const bool is_here = lies_in(path, renames_[i].from) || lies_in(path, renames_[i].to);
        if (is_here && renames_[i].place <= changes) renames = i + 1;
    }
    commit_renames(renames);
    keep_path(path);
    const auto first_rename = [this](const node_ptr& node) {
        return std::find_if(renames_.begin(), renames_.end(), [&](const auto& r) { return r.what == node; });
    };
    // A name that a sync of its file has made permanent meanwhile stays.
    std::vector<std::string> gone;
    for (const auto& [name, node] : synced_names_) {
        if (lies_in(path, name) && named(name) != node) gone.push_back(name);
    }
    for (const std::string& name : gone) {
        const bool renamed_meanwhile = std::any_of(
            renames_.begin(), renames_.end(), [&](const auto& r) { return r.from == name || r.to == name; });
        if (!renamed_meanwhile) erase_tree(synced_names_, name);
    }
    // What was renamed meanwhile still has its old name, unless that rename lasts already.
    for (const auto& [name, node] : covered ? covered->names : names_in(path)) {
        const std::string whole = inside(path) + name;
        const auto rename = first_rename(node);
        const bool has_it = rename == renames_.end() ? named(whole) == node : rename->from == whole;
        if (has_it) synced_names_.emplace(whole, node);
    }
}

void disk_state::sync_all() {
    for (const auto& [path, file] : names_) {
        if (!file->is_directory()) sync(file);
    }
    synced_names_ = names_;
    renames_.clear();
    all_name_changes_synced_ = name_changes_;
}

disk_state::snapshot disk_state::begin_sync(const file_operation& op) const {
    const auto at = open_.find(op.file);
    if (at == open_.end()) return {};
    const handle_state& opened = at->second;
    if (!opened.file->is_directory()) return {opened.file->bytes, {}, opened.file->changes, name_changes_};
    if (is_removed(opened)) return {};
    return {{}, names_in(opened.directory), 0, name_changes_};
}

namespace {

// Blocks that the disk had written before it was told to.
constexpr std::size_t torn_unit = 512;

void tear(file_node& file, random_source& random) {
    std::string left = file.synced;
    if (random.chance(0.5)) left.resize(file.bytes.size());
    for (std::size_t at = 0; at < left.size() && at < file.bytes.size(); at += torn_unit) {
        if (!random.chance(0.5)) continue;
        const std::size_t size = std::min({torn_unit, left.size() - at, file.bytes.size() - at});
        left.replace(at, size, file.bytes, at, size);
    }
    file.bytes = std::move(left);
}

}  // namespace

void disk_state::lose_power(random_source* torn) {
    open_.clear();
    listeners_.clear();
    renames_.clear();
    names_ = synced_names_;
    for (const auto& [path, file] : names_) {
        if (file->is_directory()) continue;
        if (torn && file->bytes != file->synced) {
            tear(*file, *torn);
        } else {
            file->bytes = file->synced;
        }
        // What is there now stays there.
        file->synced = file->bytes;
        file->changes_synced = ++file->changes;
        file->status.size = file->bytes.size();
        file->status.links = 1;
    }
}

}  // namespace bight::sim::detail
