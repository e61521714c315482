#include "listed_files.hpp"

#include "file_error.hpp"

#include <bight/core/error.hpp>
#include <bight/os/paths.hpp>

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

namespace bight::detail {

namespace {

bool is_shortage(int error) noexcept { return error == EMFILE || error == ENFILE || error == ENOMEM; }

}  // namespace

/// Of a root, while its tree is listed for the first time. One that fails is forgotten.
class listed_files::being_added {
  public:
    being_added(listed_files& in, const node_pointer& of, bool is_new) noexcept
        : in_(in), of_(of), is_new_(is_new) {
        of_->is_being_added = true;
        ++in_.adding_;
        in_.added_.reset();
    }
    being_added(const being_added&) = delete;
    being_added& operator=(const being_added&) = delete;
    ~being_added() {
        of_->is_being_added = false;
        if (--in_.adding_ == 0) in_.added_.set();
        if (has_succeeded_ || !is_new_) return;
        std::erase(in_.roots_, of_);
        in_.forget(*of_);
    }
    void succeeded() const noexcept { has_succeeded_ = true; }

  private:
    listed_files& in_;
    const node_pointer of_;
    bool is_new_;
    mutable bool has_succeeded_ = false;
};

listed_files::~listed_files() {
    while (!roots_.empty()) {
        const node_pointer n = roots_.back();
        forget(*n);
        roots_.pop_back();
    }
}

// What was opened is told of before it is listed, so nothing is missed.
task<> listed_files::add(std::string path, bool recursive) {
    check_path("watch", path);
    if (!source_->is_open()) refuse_closed_watch();
    path = without_slash(std::move(path));
    (void)co_await path_status(path);
    if (!source_->is_open()) refuse_closed_watch();
    auto made = std::make_shared<node>();
    if (const int error = source_->open(AT_FDCWD, path, true, made->file)) {
        throw_file_error(is_shortage(-error) ? "watch (each file takes a descriptor)" : "watch", path, error);
    }
    node_pointer same;
    for (const node_pointer& r : roots_) {
        if (r->file.inode == made->file.inode && r->file.device == made->file.device) {
            same = r;
        } else if (std::erase(r->added_as, path) > 0 && r->added_as.empty()) {
            forget(*r);  // what had the path has gone from it, and nobody has taken the event yet
        }
    }
    std::erase_if(roots_, [](const node_pointer& r) { return r->added_as.empty(); });
    const bool is_tree = recursive && made->file.is_directory;
    if (same) {
        source_->close(made->file.fd);
        if (std::ranges::find(same->added_as, path) == same->added_as.end()) same->added_as.push_back(path);
        if (same->is_recursive || !is_tree) co_return;
        made = same;
        // Those in it become trees of their own, in the place of what they are.
        made->is_recursive = true;
        for (auto& [name, child] : made->children) {
            if (child->file.is_directory && child->file.fd >= 0) child->is_recursive = true;
        }
    } else {
        made->added_as.push_back(path);
        made->is_recursive = is_tree;
        open_[made->file.fd] = made.get();
        roots_.push_back(made);
        if (!made->file.is_directory) co_return;
    }
    // Its changes wait until it has been listed.
    const being_added flag(*this, made, !same);
    std::list<std::weak_ptr<node>> to_list;
    if (same) {
        for (const auto& [name, child] : made->children) {
            if (child->is_recursive) to_list.push_back(child);
        }
    } else {
        to_list.push_back(made);
    }
    while (!to_list.empty()) {
        const node_pointer n = to_list.front().lock();
        to_list.pop_front();
        if (!n || n->file.fd < 0) continue;
        const std::optional<name_list> names = co_await list(n->file.fd);
        if (!source_->is_open()) refuse_closed_watch();
        if (!names || n->is_listed || n->file.fd < 0) continue;
        for (const auto& [name, what] : *names) {
            if (!make({n, name, what}, false)) {
                throw_file_error("watch (each file takes a descriptor)", path_of(*n),
                                 -std::exchange(failed_, 0));
            }
            const auto child = n->children.find(name);
            if (child != n->children.end() && child->second->is_recursive) to_list.push_back(child->second);
        }
        n->is_listed = true;
    }
    flag.succeeded();
}

bool listed_files::remove(const std::string& path) {
    const std::string as = without_slash(path);
    for (auto at = roots_.begin(); at != roots_.end(); ++at) {
        const node_pointer n = *at;
        if (std::erase(n->added_as, as) == 0) continue;
        if (n->added_as.empty()) {
            roots_.erase(at);
            forget(*n);
        }
        return true;
    }
    return false;
}

// Directories of trees, and what was added.
std::size_t listed_files::size() const noexcept {
    return static_cast<std::size_t>(std::ranges::count_if(
        open_, [](const auto& one) { return one.second->is_root() || one.second->is_recursive; }));
}

task<file_event> listed_files::next() {
    const next_in_use flag(in_use_);
    while (ready_.empty()) {
        if (!source_->is_open()) refuse_closed_watch();
        read_source();
        if (!ready_.empty()) break;
        if (has_work()) {
            co_await list_changed();
        } else if (!changed_.empty() && adding_ > 0) {
            co_await added_.wait();
        } else {
            co_await source_->wait();
        }
        if (!source_->is_open()) refuse_closed_watch();
        if (failed_ != 0 && ready_.empty()) {
            for (const auto& weak : std::exchange(to_try_again_, {})) {
                if (const node_pointer n = weak.lock()) dirty(*n);
            }
            const int error = std::exchange(failed_, 0);
            throw_file_error("watch (each file takes a descriptor)", "", -error);
        }
    }
    file_event told = std::move(ready_.front());
    ready_.pop_front();
    co_return told;
}

void listed_files::dirty(const node& n) {
    if (n.file.is_directory && n.file.fd >= 0 && (n.is_root() || n.is_recursive)) changed_.insert(n.file.fd);
}

const listed_files::node& listed_files::root_of(const node& n) noexcept {
    const node* root = &n;
    while (root->parent) root = root->parent;
    return *root;
}

bool listed_files::may_be_listed(int fd) const {
    const auto at = open_.find(fd);
    return at != open_.end() && !root_of(*at->second).is_being_added;
}

bool listed_files::has_work() const {
    return std::ranges::any_of(changed_, [this](int fd) { return may_be_listed(fd); });
}

std::string listed_files::path_of(const node& n) {
    if (n.is_root() || !n.parent) return n.is_root() ? n.added_as.front() : n.name;
    return joined(path_of(*n.parent), n.name);
}

listed_files::node_pointer listed_files::pointer_to(const node& n) const {
    if (n.parent) return n.parent->children.at(n.name);
    const auto at = std::ranges::find(roots_, &n, &node_pointer::get);
    return at == roots_.end() ? nullptr : *at;
}

// All below it is closed, too. By loops: a tree may be deep.
void listed_files::forget(node& top) noexcept {
    std::vector<node_pointer> below;
    for (node* at = &top; at;) {
        if (!at->children.empty()) {
            const auto first = at->children.begin();
            node_pointer child = first->second;
            at->children.erase(first);
            child->parent = at;
            below.push_back(std::move(child));
            at = below.back().get();
            continue;
        }
        if (at->file.fd >= 0) {
            changed_.erase(at->file.fd);
            open_.erase(at->file.fd);
            source_->close(std::exchange(at->file.fd, -1));
        }
        at->parent = nullptr;
        if (below.empty()) return;
        below.pop_back();
        at = below.empty() ? &top : below.back().get();
    }
}

// What was added has gone from its path.
void listed_files::end_root(node& n) {
    const auto at = std::ranges::find(roots_, &n, &node_pointer::get);
    if (at == roots_.end()) return;
    const node_pointer held = *at;
    if (!is_told_elsewhere(n))
        ready_.push_back({file_change::removed, n.added_as.front(), {}, n.file.is_directory});
    roots_.erase(at);
    forget(n);
}

// A root that is a part of another tree is told with that.
bool listed_files::is_told_elsewhere(const node& n) const {
    if (roots_.size() < 2) return false;
    const node& root = root_of(n);
    return std::ranges::any_of(open_, [&](const auto& one) {
        const node& other = *one.second;
        return &other != &root && other.parent && (other.is_listed || &n == &root) &&
               other.file.inode == root.file.inode && other.file.device == root.file.device;
    });
}

void listed_files::tell(const node& in, file_change what, std::string path, bool is_directory,
                        std::string old_path) {
    if (is_told_elsewhere(in)) return;
    const bool again = what == file_change::changed && !ready_.empty() && ready_.back().what == what &&
                       ready_.back().path == path;
    if (!again) ready_.push_back({what, std::move(path), std::move(old_path), is_directory});
}

}  // namespace bight::detail
