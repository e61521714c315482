#include "windows_watch.hpp"

#include "file_call.hpp"
#include "file_error.hpp"

#include "../core/system_error.hpp"
#include "../demux/windows_files.hpp"

#include <bight/core/error.hpp>
#include <bight/core/reactor.hpp>
#include <bight/core/result.hpp>
#include <bight/core/timeout.hpp>
#include <bight/os/paths.hpp>

#include <sys/stat.h>

#include <algorithm>
#include <chrono>
#include <iterator>
#include <limits>
#include <string_view>
#include <system_error>
#include <utility>

namespace bight::detail {

namespace {

// A name that goes and one that comes are told one after the other, but not always in one piece.
constexpr std::chrono::milliseconds until_other_half{10};
// The other half of a move is among so many after the first one.
constexpr std::size_t most_between = 256;

class event_descriptor final : public change_descriptor {
    using change_descriptor::change_descriptor;
};

task<> wait_for(change_descriptor& queue) { co_await change_wait(queue); }

bool lies_in_tree(const std::string& path, const std::string& directory) noexcept {
    return path.size() > directory.size() && path.starts_with(directory) &&
           (directory.ends_with('/') || path[directory.size()] == '/');
}

// Windows takes both, but only one of them after \\?\.
std::wstring with_backslashes(const std::string& path) {
    std::wstring wide = to_utf16(path.c_str());
    std::replace(wide.begin(), wide.end(), L'/', L'\\');
    return wide;
}

std::string without_separator(std::string path) {
    while (path.size() > 1 && (path.ends_with('/') || path.ends_with('\\'))) path.pop_back();
    return path;
}

}  // namespace

void windows_watch::close() noexcept {
    is_closed_ = true;
    for (const root_pointer& r : roots_) {
        r->gone = true;
        r->own.reset();
        r->around.reset();
    }
    roots_.clear();
    pending_.clear();
    if (change_descriptor* const queue = std::exchange(queue_, nullptr)) queue->close();
}

HANDLE windows_watch::event_handle() const noexcept {
    return reinterpret_cast<HANDLE>(queue_->fd);  // NOLINT(performance-no-int-to-ptr)
}

// It stays set until it is reset here, or by the next call of a reader.
void windows_watch::need_queue() {
    reactor& here = *reactor::current();
    if (is_closed_ || (queue_ && !queue_->is_open())) refuse_closed_watch();
    if (!queue_) {
        const HANDLE made = ::CreateEventW(nullptr, TRUE, FALSE, nullptr);
        if (!made) throw std::system_error(system_error_code(last_error()), "file_watch: CreateEvent");
        auto* const queue = new event_descriptor(here);
        queue->fd = reinterpret_cast<native_handle>(made);
        try {
            demultiplexer_of(here).attach(*queue);
        } catch (...) {
            ::CloseHandle(made);
            queue->drop();
            throw;
        }
        queue_ = queue;
    }
    if (&queue_->home() != &here) {
        throw std::system_error(errc::wrong_thread,
                                "file_watch: it belongs to the reactor whose task called add first");
    }
}

task<> windows_watch::add(std::string path, bool recursive) {
    check_path("watch", path);
    need_queue();
    path = without_separator(std::move(path));
    const bight::file_status status = co_await path_status(path);
    need_queue();
    auto made = std::make_shared<root>();
    made->is_directory = status.type == file_type::directory;
    made->is_recursive = recursive && made->is_directory;
    if (made->is_directory) {
        made->own = std::make_unique<directory_reader>(native_path(path.c_str()), recursive, event_handle());
        made->whole = made->own->whole_path();
    } else {
        const std::size_t name = path.find_last_of("/\\") + 1;
        const std::string in = name == 0 ? "." : path.substr(0, name);
        made->around = std::make_unique<directory_reader>(native_path(in.c_str()), false, event_handle());
        made->name = path.substr(name);
        made->whole = joined(made->around->whole_path(), made->name);
    }
    root_pointer same;
    for (const root_pointer& r : roots_) {
        std::erase(r->added_as, path);  // it may be another directory by now
        if (r->whole == made->whole) same = r;
    }
    if (same) same->added_as.push_back(path);
    std::erase_if(roots_, [](const root_pointer& r) { return r->added_as.empty(); });
    if (same && (same->is_recursive || !made->is_recursive)) co_return;
    if (made->is_directory) {
        const std::size_t name = made->whole.rfind('/') + 1;
        if (name < made->whole.size()) {  // no drive
            made->name = made->whole.substr(name);
            const std::wstring in = with_backslashes(made->whole.substr(0, name));
            made->around = std::make_unique<directory_reader>(in, false, event_handle());
        }
        // What happens from here on is told by the reader.
        made->names = co_await list(path, recursive);
        need_queue();
    }
    if (!same) {
        made->added_as.push_back(std::move(path));
        roots_.push_back(std::move(made));
        co_return;
    }
    // Of what was told by the former reader nothing is lost; what both tell is told once.
    if (same->gone) co_return;
    scan();
    same->own = std::move(made->own);
    same->is_recursive = true;
    for (const auto& [name, what] : made->names.all()) {
        if (name.find('/') != name.npos) (void)same->names.add(name, what);
    }
}

bool windows_watch::remove(const std::string& path) {
    const std::string as = without_separator(path);
    for (const root_pointer& r : roots_) {
        if (std::erase(r->added_as, as) == 0) continue;
        if (r->added_as.empty()) {
            r->gone = true;
            std::erase(roots_, r);
        }
        return true;
    }
    return false;
}

std::size_t windows_watch::size() const noexcept {
    std::size_t all = 0;
    for (const root_pointer& r : roots_) {
        if (is_told_by_another(*r)) continue;
        ++all;
        if (!r->is_recursive) continue;
        for (const auto& [name, what] : r->names.all()) all += what.is_directory ? 1 : 0;
    }
    return all;
}

// A reader that goes on resets the event of all: so until none has anything.
void windows_watch::scan() {
    ::ResetEvent(event_handle());
    for (bool again = true; again;) {
        again = false;
        for (const root_pointer& r : roots_) {
            again |= scan(r, true);
            again |= scan(r, false);
        }
    }
}

bool windows_watch::scan(const root_pointer& r, bool around) {
    std::unique_ptr<directory_reader>& reader = around ? r->around : r->own;
    if (!reader) return false;
    std::vector<directory_reader::change> told;
    const directory_reader::news news = reader->take(told);
    for (directory_reader::change& c : told) {
        // What else is around it is not its business.
        if (around && c.name != r->name) continue;
        pending_.push_back({r, around, directory_reader::news::some, c.action, std::move(c.name), false, {}});
    }
    if (news == directory_reader::news::overflow || news == directory_reader::news::gone) {
        pending_.push_back({r, around, news, 0, {}, false, {}});
    }
    if (news == directory_reader::news::gone) reader.reset();
    return news == directory_reader::news::some || news == directory_reader::news::overflow;
}

task<file_event> windows_watch::next() {
    const next_in_use flag(in_use_);
    need_queue();
    while (ready_.empty()) {
        if (!is_open()) refuse_closed_watch();
        if (!pending_.empty()) {
            co_await take_one();
            continue;
        }
        scan();
        if (pending_.empty()) co_await change_wait(*queue_);
    }
    if (!is_open()) refuse_closed_watch();
    file_event told = std::move(ready_.front());
    ready_.pop_front();
    co_return told;
}

// An event stays the first until all that it does has been done: so a cancellation loses nothing.
task<> windows_watch::take_one() {
    const event e = pending_.front();
    const root_pointer r = e.of.lock();
    if (!r || r->gone) {
        pending_.pop_front();
        co_return;
    }
    if (e.news == directory_reader::news::overflow) {
        co_await take_overflow(r);
    } else if (e.news == directory_reader::news::gone) {
        if (!e.is_around) end(*r, false);
        pending_.pop_front();
    } else if (e.is_around) {
        told_around(*r, e.action);
        pending_.pop_front();
    } else {
        switch (e.action) {
            case FILE_ACTION_ADDED:
            case FILE_ACTION_RENAMED_NEW_NAME: co_await take_added(r, e.name); break;
            case FILE_ACTION_REMOVED: co_await take_removed(r, e.name); break;
            case FILE_ACTION_RENAMED_OLD_NAME: co_await take_renamed(r, e.name); break;
            default: {
                // Of a directory it only says that something in it has changed.
                const known* const what = r->names.find(e.name);
                if (what && !what->is_directory && !is_silent(*r))
                    tell_changed(joined(r->added_as.front(), e.name));
                pending_.pop_front();
            }
        }
    }
}

task<> windows_watch::take_added(root_pointer r, std::string name) {
    // A list has told it, or its directory has left the tree.
    const std::size_t end = name.rfind('/');
    const bool is_known_place = end == name.npos || r->names.find(name.substr(0, end));
    if (r->names.find(name) || !is_known_place) {
        pending_.pop_front();
        co_return;
    }
    const std::string path = joined(r->added_as.front(), name);
    const auto status = co_await as_result(path_status(path, false));
    if (!is_open() || r->gone) co_return;
    // One that is gone again is told all the same: its end follows.
    known what;
    known_names in_it;
    if (status) what = {status->type == file_type::directory, status->inode};
    // Of a move from one directory to another the new name may be told first.
    if (const std::string old = r->names.same_file(name, what.inode); !old.empty()) {
        if (const auto at = find_pending(*r, FILE_ACTION_REMOVED, old)) {
            co_await moved(r, old, name, *at);
            co_return;
        }
        if (pending_.size() == 1 && !pending_.front().was_waited_for) {
            co_await wait_for_more();
            co_return;
        }
    }
    if (what.is_directory && r->is_recursive) in_it = co_await list_if_there(path);
    if (!is_open() || r->gone) co_return;
    tell(*r, file_change::created, name, what.is_directory);
    (void)r->names.add(name, what);
    for (const auto& [deeper, found] : in_it.all()) {
        const std::string below = joined(name, deeper);
        if (r->names.add(below, found)) tell(*r, file_change::created, below, found.is_directory);
    }
    pending_.pop_front();
}

std::optional<std::size_t> windows_watch::find_pending(const root& r, DWORD action,
                                                       const std::string& name) const {
    for (std::size_t i = 1; i < std::min(pending_.size(), most_between); ++i) {
        const event& e = pending_[i];
        if (!e.is_around && e.action == action && e.name == name && e.of.lock().get() == &r) return i;
    }
    return std::nullopt;
}

// From one directory to another it is told as removed here and added there: the number tells.
task<> windows_watch::take_removed(root_pointer r, std::string name) {
    const known* const found = r->names.find(name);
    if (!found) {
        pending_.pop_front();
        co_return;
    }
    const known what = *found;
    const bool has_number = what.inode != 0;
    if (has_number && pending_.size() == 1 && !pending_.front().was_waited_for) {
        co_await wait_for_more();
        co_return;
    }
    for (std::size_t i = 1; has_number && i < std::min(pending_.size(), most_between); ++i) {
        event& other = pending_[i];
        if (other.is_around || other.action != FILE_ACTION_ADDED || other.of.lock() != r) continue;
        if (!other.inode) {
            const std::string path = joined(r->added_as.front(), other.name);
            const auto status = co_await as_result(path_status(path, false));
            if (!is_open() || r->gone || i >= pending_.size()) co_return;
            pending_[i].inode = status ? status->inode : 0;
        }
        if (*pending_[i].inode != what.inode) continue;
        const std::string to = pending_[i].name;
        co_await moved(r, name, to, i);
        co_return;
    }
    tell(*r, file_change::removed, name, what.is_directory);
    r->names.erase(name);
    pending_.pop_front();
}

task<> windows_watch::take_renamed(root_pointer r, std::string name) {
    for (std::size_t i = 1; i < std::min(pending_.size(), most_between); ++i) {
        const event& other = pending_[i];
        if (other.is_around || other.action != FILE_ACTION_RENAMED_NEW_NAME || other.of.lock() != r) continue;
        if (!r->names.find(name)) break;  // its new name is told as that of something new
        const std::string to = other.name;
        co_await moved(r, name, to, i);
        co_return;
    }
    if (pending_.size() == 1 && !pending_.front().was_waited_for) {
        co_await wait_for_more();
        co_return;
    }
    if (const known* const what = r->names.find(name)) {
        tell(*r, file_change::removed, name, what->is_directory);
        r->names.erase(name);
    }
    pending_.pop_front();
}

// The first event has brought one of the names, and that one the other. A directory may have been moved
// before what is in it was listed.
task<> windows_watch::moved(root_pointer r, std::string from, std::string to, std::size_t event_to_drop) {
    const known what = *r->names.find(from);
    known_names in_it;
    if (what.is_directory && r->is_recursive) {
        in_it = co_await list_if_there(joined(r->added_as.front(), to));
        if (!is_open() || r->gone) co_return;
    }
    r->names.move(from, to);
    tell(*r, file_change::moved, to, what.is_directory, from);
    for (const auto& [deeper, found] : in_it.all()) {
        const std::string below = joined(to, deeper);
        if (r->names.add(below, found)) tell(*r, file_change::created, below, found.is_directory);
    }
    pending_.erase(pending_.begin() + static_cast<std::ptrdiff_t>(event_to_drop));
    pending_.pop_front();
}

// All is known again before it is told.
task<> windows_watch::take_overflow(root_pointer r) {
    if (r->is_directory) {
        auto names = co_await as_result(list(r->added_as.front(), r->is_recursive));
        if (!is_open() || r->gone) co_return;
        if (names) r->names = std::move(*names);
    }
    const bool is_there = (co_await as_result(path_status(r->added_as.front()))).has_value();
    if (!is_open() || r->gone) co_return;
    if (!is_there) end(*r, false);
    if (ready_.empty() || ready_.back().what != file_change::overflow) ready_.emplace_back();
    pending_.pop_front();
}

task<> windows_watch::wait_for_more() {
    (void)co_await try_with_timeout(wait_for(*queue_), until_other_half);
    if (!is_open() || pending_.empty()) co_return;
    pending_.front().was_waited_for = true;
    scan();
}

// What is below a directory; what goes meanwhile is left out.
task<windows_watch::known_names> windows_watch::list(std::string top, bool recursive) {
    known_names all;
    std::vector<std::string> directories(1);
    while (!directories.empty()) {
        const std::string directory = std::move(directories.back());
        directories.pop_back();
        const std::string path = directory.empty() ? top : joined(top, directory);
        file_call<list_operation> call(operation_kind::list_directory, "a list of", path.c_str());
        call.op.most = std::numeric_limits<std::size_t>::max();
        const std::int64_t result = co_await std::move(call);
        if (result < 0 && directory.empty()) throw_file_error("watch", path, result);
        if (result < 0) continue;
        for (const directory_name& found : call.op.names) {
            const bool is_directory = found.type == std::uint32_t{S_IFDIR};
            std::string name = directory.empty() ? found.name : joined(directory, found.name);
            if (is_directory && recursive) directories.push_back(name);
            (void)all.add(name, known{is_directory, found.inode});
        }
    }
    co_return all;
}

task<windows_watch::known_names> windows_watch::list_if_there(std::string top) {
    auto names = co_await as_result(list(std::move(top), true));
    co_return names ? std::move(*names) : known_names();
}

// Of a file all comes from there, of a directory only its end.
void windows_watch::told_around(root& r, DWORD action) {
    if (action == FILE_ACTION_MODIFIED) {
        if (!r.is_directory && !is_told_by_another(r)) tell_changed(r.added_as.front());
    } else if (action != FILE_ACTION_ADDED) {
        end(r, false);
    }
}

// What was added has gone from its path.
void windows_watch::end(root& r, bool is_told) {
    if (!is_told && !is_told_by_another(r)) {
        ready_.push_back({file_change::removed, r.added_as.front(), {}, r.is_directory});
    }
    r.gone = true;
    std::erase_if(roots_, [](const root_pointer& one) { return one->gone; });
}

// A part of a tree is told with that.
bool windows_watch::is_silent(const root& r) const noexcept {
    return std::ranges::any_of(roots_, [&](const root_pointer& other) {
        return other.get() != &r && other->is_recursive && lies_in_tree(r.whole, other->whole);
    });
}

bool windows_watch::is_told_by_another(const root& r) const noexcept {
    return std::ranges::any_of(roots_, [&](const root_pointer& other) {
        if (other.get() == &r || !other->is_directory || !lies_in_tree(r.whole, other->whole)) return false;
        return other->is_recursive || r.whole.find('/', other->whole.size() + 1) == r.whole.npos;
    });
}

const windows_watch::known* windows_watch::known_names::find(const std::string& name) const noexcept {
    const auto at = names_.find(name);
    return at == names_.end() ? nullptr : &at->second;
}

std::string windows_watch::known_names::same_file(const std::string& name, std::uint64_t inode) const {
    if (inode == 0) return {};
    const auto [first, last] = by_inode_.equal_range(inode);
    const auto other = std::find_if(first, last, [&](const auto& one) { return one.second != name; });
    return other == last ? std::string() : other->second;
}

bool windows_watch::known_names::add(const std::string& name, const known& what) {
    if (!names_.emplace(name, what).second) return false;
    if (what.inode != 0) by_inode_.emplace(what.inode, name);
    return true;
}

windows_watch::known_names::map::iterator windows_watch::known_names::erase(map::iterator at) {
    const auto [first, last] = by_inode_.equal_range(at->second.inode);
    const auto same = std::find_if(first, last, [&](const auto& one) { return one.second == at->first; });
    if (same != last) by_inode_.erase(same);
    return names_.erase(at);
}

// With all that is below it.
void windows_watch::known_names::erase(const std::string& name) {
    for (auto at = names_.lower_bound(name); at != names_.end() && at->first.starts_with(name);) {
        at = at->first == name || lies_in_tree(at->first, name) ? erase(at) : std::next(at);
    }
}

void windows_watch::known_names::move(const std::string& from, const std::string& to) {
    map moving;
    for (auto at = names_.lower_bound(from); at != names_.end() && at->first.starts_with(from);) {
        if (at->first != from && !lies_in_tree(at->first, from)) {
            ++at;
            continue;
        }
        moving.emplace(to + at->first.substr(from.size()), at->second);
        at = erase(at);
    }
    erase(to);
    for (const auto& [name, what] : moving) (void)add(name, what);
}

// A write is told several times.
void windows_watch::tell_changed(std::string path) {
    const bool again =
        !ready_.empty() && ready_.back().what == file_change::changed && ready_.back().path == path;
    if (!again) ready_.push_back({file_change::changed, std::move(path), {}, false});
}

void windows_watch::tell(const root& r, file_change what, const std::string& name, bool is_directory,
                         const std::string& old_name) {
    if (is_silent(r)) return;
    const std::string& in = r.added_as.front();
    ready_.push_back(
        {what, joined(in, name), old_name.empty() ? std::string() : joined(in, old_name), is_directory});
}

std::unique_ptr<file_watcher> make_system_watcher() { return std::make_unique<windows_watch>(); }

}  // namespace bight::detail
