#include "watched_files.hpp"

#include "file_error.hpp"

#include <bight/core/error.hpp>
#include <bight/core/reactor.hpp>
#include <bight/os/paths.hpp>

#include <algorithm>
#include <system_error>
#include <utility>

namespace bight::detail {

watched_files::~watched_files() {
    close();
    while (!added_.empty()) {
        const node_pointer n = added_.begin()->second;
        node* top = n.get();
        while (top->parent) top = top->parent;
        forget(*top, false);
    }
}

void watched_files::close() noexcept {
    closed_ = true;
    if (inotify_queue* const queue = std::exchange(queue_, nullptr)) queue->close();
}

void watched_files::need_queue() {
    reactor& here = *reactor::current();
    if (closed_ || (queue_ && !queue_->is_open())) refuse_closed_watch();
    if (!queue_) queue_ = &inotify_queue::make(here);
    if (&queue_->home() != &here) {
        throw std::system_error(errc::wrong_thread,
                                "file_watch: it belongs to the reactor whose task called add first");
    }
}

task<> watched_files::add(std::string path, bool recursive) {
    check_path("watch", path);
    need_queue();
    path = without_slash(std::move(path));
    const bight::file_status status = co_await path_status(path);
    need_queue();
    const int number = watch(path, false);
    if (number < 0) throw_file_error("watch", path, number);
    node* const known = at_number(number);
    node_pointer n;
    if (const auto same = added_.find(path); same != added_.end() && same->second.get() != known) {
        // What had the path has gone from it, and nobody has taken the event yet.
        const node_pointer old = same->second;
        unlist_added(*old);
        old->added = old->added_recursively = false;
        if (!old->parent) forget(*old, true);
    }
    if (known) {
        n = pointer_to(*known);
    } else {
        n = std::make_shared<node>();
        n->is_directory = status.type == file_type::directory;
    }
    const std::string as = path;
    added_.try_emplace(as, n);
    if (!n->added) n->added_as = as;
    n->added = true;
    if (!known) give_number(n, number);
    if (!recursive || !n->is_directory) co_return;
    n->added_recursively = true;
    line to_list;
    to_list.push_back({n, listing::silent});
    while (!to_list.empty()) {
        need_queue();
        co_await list_one(to_list, false);
    }
}

bool watched_files::remove(const std::string& path) {
    const auto at = added_.find(without_slash(path));
    if (at == added_.end()) return false;
    const node_pointer n = at->second;
    added_.erase(at);
    for (const auto& [other, same] : added_) {
        if (same != n) continue;
        n->added_as = other;
        return true;
    }
    n->added = n->added_recursively = false;
    if (!n->parent) forget(*n, true);
    return true;
}

task<file_event> watched_files::next() {
    const next_in_use flag(in_use_);
    need_queue();
    while (ready_.empty() && is_open()) {
        const node_pointer first = jobs_.empty() ? nullptr : jobs_.front().of.lock();
        if (!jobs_.empty() && !(first && is_blocked(*first))) {
            co_await list_one(jobs_, true);
        } else if (jobs_.empty() && overflowed_) {
            tell(file_change::overflow, {}, false);
            overflowed_ = false;
        } else if (!pending_.empty()) {
            co_await take_one();
        } else if (!looks_.empty()) {
            co_await look_one();
        } else {
            read_queue();
            if (pending_.empty()) co_await change_wait(*queue_);
        }
    }
    if (!is_open()) refuse_closed_watch();
    file_event told = std::move(ready_.front());
    ready_.pop_front();
    co_return told;
}

watched_files::node* watched_files::at_number(int number) const noexcept {
    const auto at = numbers_.find(number);
    return at == numbers_.end() ? nullptr : at->second;
}

watched_files::node_pointer watched_files::pointer_to(node& n) const {
    return n.parent ? n.parent->children.at(n.name) : added_.at(n.added_as);
}

bool watched_files::contains(const node& n, const node& below) noexcept {
    const node* at = &below;
    while (at && at != &n) at = at->parent;
    return at != nullptr;
}

std::string watched_files::path_of(const node& n) {
    std::vector<const node*> way;
    const node* at = &n;
    for (; at->parent; at = at->parent) way.push_back(at);
    std::string path = at->added_as;
    for (auto name = way.rbegin(); name != way.rend(); ++name) path = joined(path, (*name)->name);
    return path;
}

watched_files::node_pointer watched_files::find(const std::string& path) const {
    for (const auto& [root, top] : added_) {
        if (path == root) return top;
        if (top->parent || !path.starts_with(root)) continue;
        std::string_view rest(path);
        rest.remove_prefix(root.size());
        if (!root.ends_with('/')) {
            if (!rest.starts_with('/')) continue;
            rest.remove_prefix(1);
        }
        node_pointer at = top;
        while (at && !rest.empty()) {
            const std::size_t end = std::min(rest.find('/'), rest.size());
            const auto child = at->children.find(std::string(rest.substr(0, end)));
            at = child == at->children.end() ? nullptr : child->second;
            rest.remove_prefix(std::min(end + 1, rest.size()));
        }
        if (at) return at;
    }
    return nullptr;
}

watched_files::node_pointer watched_files::child_of(node& in, const std::string& name) {
    const auto at = in.children.find(name);
    if (at != in.children.end()) return at->second;
    auto made = std::make_shared<node>();
    made->parent = &in;
    made->name = name;
    in.children.emplace(name, made);
    return made;
}

watched_files::line watched_files::checks_of(const node_pointer& top) {
    line all{{top, listing::check}};
    for (const job& one : all) {
        const node_pointer n = one.of.lock();
        for (const auto& [name, child] : n->children) all.push_back({child, listing::check});
    }
    return all;
}

void watched_files::drop_child(node& in, const std::string& name) noexcept {
    const auto at = in.children.find(name);
    if (at == in.children.end()) return;
    const node_pointer child = at->second;
    in.children.erase(at);
    child->parent = nullptr;
    forget(*child, false);
}

void watched_files::drop_number(node& n) noexcept {
    const int number = std::exchange(n.number, -1);
    if (number < 0) return;
    numbers_.erase(number);
    if (queue_) queue_->remove(number);
}

void watched_files::unlist_added(const node& n) noexcept {
    if (!n.added) return;
    for (auto at = added_.begin(); at != added_.end();) {
        at = at->second.get() == &n ? added_.erase(at) : std::next(at);
    }
}

// All below it goes, too, but for what was added by itself, if that is kept. By loops: a tree may be deep.
void watched_files::forget(node& top, bool keeps_added) noexcept {
    for (node* at = &top;;) {
        node* const up = at == &top ? nullptr : at->parent;
        const bool stays = keeps_added && at->added;
        if (!(stays && at->added_recursively && up) && !at->children.empty()) {
            at = at->children.begin()->second.get();
            continue;
        }
        // Its name is that of the first child of its parent, and nobody else may hold it.
        const node_pointer held = up ? up->children.begin()->second : nullptr;
        if (stays) {
            at->parent = nullptr;
        } else {
            drop_number(*at);
            at->gone = true;
            at->parent = nullptr;
            at->told.clear();
        }
        if (up) up->children.erase(up->children.begin());
        if (!stays) unlist_added(*at);
        if (!up) return;
        at = up;
    }
}

void watched_files::tell(file_change what, std::string path, bool is_directory, std::string old_path) {
    ready_.push_back({what, std::move(path), std::move(old_path), is_directory});
}

std::unique_ptr<file_watcher> make_system_watcher() { return std::make_unique<watched_files>(); }

}  // namespace bight::detail
