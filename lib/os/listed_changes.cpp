// listed_files: what has changed between two lists.
#include "listed_files.hpp"

#include "file_call.hpp"
#include "file_error.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <limits>
#include <set>
#include <utility>

namespace bight::detail {

namespace {

// Directories that change all the time are compared all the same, after so many lists.
constexpr int most_rounds = 16;

bool is_to_be_tried_again(int error) noexcept {
    return error == EMFILE || error == ENFILE || error == ENOMEM;
}

/// Directories that have been listed, and are to be listed again unless what was found has been compared.
class listed_now {
  public:
    explicit listed_now(std::set<int>& changed) noexcept : changed_(changed) {}
    listed_now(const listed_now&) = delete;
    listed_now& operator=(const listed_now&) = delete;
    ~listed_now() { changed_.merge(listed_); }
    void add(int fd) {
        listed_.insert(fd);
        changed_.erase(fd);
    }
    void compared() noexcept { listed_.clear(); }

  private:
    std::set<int>& changed_;
    std::set<int> listed_;
};

}  // namespace

// Nothing for a directory that may not be read any more: what is known of it stays. In one that is gone there
// is nothing.
task<std::optional<listed_files::name_list>> listed_files::list(int fd) {
    name_list all;
    file_call<list_operation> call(operation_kind::list_directory, "a list of", "a directory");
    call.op.path = nullptr;
    call.op.file = fd;
    call.op.most = std::numeric_limits<std::size_t>::max();
    const std::int64_t result = co_await std::move(call);
    if (result == -ENOMEM || result == -EMFILE || result == -ENFILE)
        throw_file_error("watch: list a directory", "", result);
    if (result < 0 && result != -ENOENT && result != -ENOTDIR) co_return std::nullopt;
    for (const directory_name& found : call.op.names) {
        const bool is_directory = found.type == std::uint32_t{S_IFDIR};
        const bool is_known = found.type != 0;
        const bool is_file = found.type == std::uint32_t{S_IFREG};
        all.emplace(found.name,
                    name_in_list{found.inode, is_directory, is_directory || is_file || !is_known});
    }
    co_return all;
}

void listed_files::read_source() {
    std::vector<told_of_file> told;
    source_->take(told);
    for (const told_of_file& one : told) take(one);
}

void listed_files::take(const told_of_file& told) {
    const auto at = open_.find(told.fd);
    if (at == open_.end()) return;
    node& n = *at->second;
    if (told.contents) dirty(n);
    if ((told.status || (told.contents && !n.file.is_directory)) && !told.gone) {
        tell(n, file_change::changed, path_of(n), n.file.is_directory);
    }
    if ((told.gone || told.moved) && n.parent) dirty(*n.parent);
    if ((told.gone || told.moved) && !n.parent) end_root(n);
}

// A name that goes here and comes there is in two lists: those that have changed meanwhile are listed again.
task<> listed_files::list_changed() {
    lists all;
    listed_now done(changed_);
    for (int round = 0; has_work() && round < most_rounds; ++round) {
        const std::set<int> to_list = changed_;
        for (const int fd : to_list) {
            const auto at = open_.find(fd);
            if (at == open_.end() || !may_be_listed(fd)) continue;
            const node_pointer n = pointer_to(*at->second);
            done.add(fd);
            std::optional<name_list> names = co_await list(fd);
            if (!source_->is_open()) co_return;
            if (!names) continue;
            const auto same =
                std::ranges::find_if(all, [&](const auto& one) { return one.first.lock() == n; });
            if (same != all.end()) {
                same->second = std::move(*names);
            } else {
                all.emplace_back(n, std::move(*names));
            }
        }
        read_source();
    }
    compare(all);
    done.compared();
}

void listed_files::compare(lists& all) {
    std::list<gone_node> gone;
    std::list<new_name> come;
    for (auto& [weak, names] : all) {
        const node_pointer n = weak.lock();
        if (!n || n->file.fd < 0) continue;
        for (const auto& [name, child] : n->children) {
            const auto at = names.find(name);
            if (at != names.end() && at->second.inode == child->listed_inode) continue;
            gone.push_back({child, joined(path_of(*n), name), n.get(), name});
        }
        for (const auto& [name, what] : names) {
            const auto at = n->children.find(name);
            const bool is_new = at == n->children.end() || at->second->listed_inode != what.inode;
            if (is_new) come.push_back({n, name, what});
        }
        n->is_listed = true;
    }
    tell_moves(gone, come);
    for (const gone_node& g : gone) {
        if (!g.what->parent) continue;  // with the directory that it was in
        if (is_replaced(g, come)) {
            g.in->children.erase(g.name);
            forget(*g.what);
        } else {
            tell_removed(g);
        }
    }
    for (const new_name& c : come) {
        if (!make(c, true)) to_try_again_.push_back(c.in);
    }
}

// A file in the place of another one is told as created only.
bool listed_files::is_replaced(const gone_node& g, const std::list<new_name>& come) {
    return !g.what->file.is_directory && std::ranges::any_of(come, [&](const new_name& c) {
        return c.in.get() == g.in && c.name == g.name && !c.what.is_directory;
    });
}

// One that takes the place of another that moves comes after that. Where each waits for the next, in a
// circle, one of them is told as removed and created.
void listed_files::tell_moves(std::list<gone_node>& gone, std::list<new_name>& come) {
    std::list<std::pair<std::list<gone_node>::iterator, std::list<new_name>::iterator>> moves;
    for (auto from = gone.begin(); from != gone.end(); ++from) {
        const auto to = std::ranges::find_if(come, [&](const new_name& c) {
            const bool is_taken = std::ranges::any_of(moves, [&](const auto& m) { return &*m.second == &c; });
            // What is moved into itself is another one.
            const node* above = c.in.get();
            while (above && above != from->what.get()) above = above->parent;
            return !is_taken && !above && c.what.inode == from->what->listed_inode &&
                   c.what.is_directory == from->what->file.is_directory;
        });
        if (to != come.end()) moves.emplace_back(from, to);
    }
    const auto waits = [&](const auto& move) {
        return std::ranges::any_of(moves, [&](const auto& other) {
            return &other != &move && other.first->in == move.second->in.get() &&
                   other.first->name == move.second->name;
        });
    };
    while (!moves.empty()) {
        const auto first = std::ranges::find_if(moves, [&](const auto& m) { return !waits(m); });
        if (first == moves.end()) {
            moves.pop_front();
            continue;
        }
        // What had the name, and does not move, is told by that it is taken.
        const auto replaced = std::ranges::find_if(gone, [&](const gone_node& g) {
            return g.in == first->second->in.get() && g.name == first->second->name;
        });
        if (replaced != gone.end() && replaced != first->first) {
            replaced->in->children.erase(replaced->name);
            forget(*replaced->what);
            gone.erase(replaced);
        }
        place_moved(*first->first, *first->second);
        gone.erase(first->first);
        come.erase(first->second);
        moves.erase(first);
    }
}

void listed_files::place_moved(gone_node& from, new_name& to) {
    from.in->children.erase(from.name);
    // The path that it had, after the moves before this one.
    const std::string old_path = joined(path_of(*from.in), from.name);
    const node_pointer n = from.what;
    const bool is_told = !is_told_elsewhere(*to.in);
    n->parent = to.in.get();
    n->name = to.name;
    to.in->children.insert_or_assign(to.name, n);
    if (is_told) {
        ready_.push_back({file_change::moved, path_of(*n), old_path, n->file.is_directory});
    }
    if (!n->file.is_directory || n->is_recursive == to.in->is_recursive) return;
    n->is_recursive = to.in->is_recursive;
    if (n->is_recursive) {
        dirty(*n);
        return;
    }
    for (auto& [name, child] : std::exchange(n->children, {})) forget(*child);
    n->is_listed = false;
}

// With all that was in it, what is deepest first; what has gone elsewhere is told by its own name only.
void listed_files::tell_removed(const gone_node& g) {
    const std::string path = joined(path_of(*g.in), g.name);
    node& in = *g.in;
    in.children.erase(g.name);
    const bool is_removed = g.what->file.fd < 0 || source_->is_removed(g.what->file.fd);
    if (is_removed) {
        std::vector<std::pair<std::string, const node*>> below{{path, g.what.get()}};
        for (std::size_t i = 0; i < below.size(); ++i) {
            const auto [above, n] = below[i];
            for (const auto& [name, child] : n->children)
                below.emplace_back(joined(above, name), child.get());
        }
        for (std::size_t i = below.size(); i > 1; --i) {
            tell(in, file_change::removed, below[i - 1].first, below[i - 1].second->file.is_directory);
        }
    }
    tell(in, file_change::removed, path, g.what->file.is_directory);
    forget(*g.what);
}

// False when it could not be opened, and is to be tried again. One that is gone again is nobody's; one that
// may not be opened is known by its name only.
bool listed_files::make(const new_name& made, bool is_told) {
    node& in = *made.in;
    if (in.file.fd < 0) return true;
    auto n = std::make_shared<node>();
    n->name = made.name;
    n->listed_inode = n->file.inode = made.what.inode;
    n->file.is_directory = made.what.is_directory;
    if (made.what.may_be_opened) {
        const int error = source_->open(in.file.fd, made.name, false, n->file);
        if (is_to_be_tried_again(-error)) {
            failed_ = -error;
            return false;
        }
        if (error == -ENOENT) {
            dirty(in);
            return true;
        }
        // Another one by now, or a mount.
        if (error == 0 && n->file.device == in.file.device) n->listed_inode = n->file.inode;
        if (n->listed_inode != made.what.inode) dirty(in);
    }
    n->parent = &in;
    n->is_recursive = in.is_recursive && n->file.is_directory && n->file.fd >= 0;
    if (n->file.fd >= 0) open_[n->file.fd] = n.get();
    in.children.insert_or_assign(made.name, n);
    if (is_told) tell(in, file_change::created, path_of(*n), n->file.is_directory);
    if (is_told) dirty(*n);
    return true;
}

}  // namespace bight::detail
