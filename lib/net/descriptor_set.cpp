#include "descriptor_set.hpp"

#include "../core/platform.hpp"
#include "../core/system_error.hpp"

#include <bight/core/detail/job.hpp>
#include <bight/core/error.hpp>
#include <bight/core/reactor.hpp>

#include <algorithm>
#include <cerrno>
#include <exception>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>

namespace bight::detail {

namespace {

constexpr const char* an_fd_watch = "an fd_watch";

}  // namespace

void refuse_descriptor(int error, int fd, const char* why) {
    throw std::system_error(system_error_code(error),
                            "fd_watch: fd " + std::to_string(fd) + why + limit_of_watching(errno_of(error)));
}

// The events of a wait that are still to be told: what a handler that throws leaves is given back. A child
// that a handler has forked leaves them to its parent.
class descriptor_set::undelivered {
  public:
    undelivered(const descriptor_set& of, const watch_event* first, std::size_t count) noexcept
        : of_(of), next_(first), end_(first + count) {}
    undelivered(const undelivered&) = delete;
    undelivered& operator=(const undelivered&) = delete;
    ~undelivered() {
        while (const watch_event* const event = next()) {
            if (const auto e = of_.find(*event)) of_.kernel_->put_back(*e, *event);
        }
    }
    const watch_event* next() noexcept { return next_ == end_ || !of_.is_ours() ? nullptr : next_++; }

  private:
    const descriptor_set& of_;
    const watch_event* next_;
    const watch_event* end_;
};

descriptor_set::~descriptor_set() { close(); }

void descriptor_set::refuse_elsewhere() const {
    if (platform::current()) {
        throw std::system_error(errc::unavailable,
                                "fd_watch: a simulated host has no descriptors of other libraries");
    }
    if (!is_ours()) {
        throw std::system_error(
            errc::unavailable,
            "fd_watch: this process was forked, and the watch is its parent's: make another one");
    }
}

watch_kernel& descriptor_set::open() {
    if (!kernel_) kernel_ = make_watch_kernel();
    return *kernel_;
}

void descriptor_set::add(int fd, fd_interest wanted, fd_watch::handler call, std::source_location where) {
    home_.check(an_fd_watch);
    if (!call) {
        throw std::invalid_argument(
            "fd_watch::add: it is given an empty function, and needs one that is called when the descriptor "
            "is ready");
    }
    if (closed_) return;  // a handler that the watch destroys adds it
    refuse_elsewhere();
    const std::shared_ptr<watched_entry> made = open().make_entry();
    made->fd = fd;
    made->generation = ++generation_;
    made->wanted = wanted;
    made->round = round_;
    made->call = std::move(call);
    made->added_at = where;
    const auto [at, is_new] = numbers_.try_emplace(fd);
    try {
        kernel_->enter(*made, at->second.watched.get(), at->second.tainted);
    } catch (...) {
        if (is_new) numbers_.erase(at);
        throw;
    }
    // The handler of what stood there before is destroyed when everything is done.
    const std::shared_ptr<watched_entry> before = std::exchange(at->second.watched, made);
    if (before && before->is_file && made->is_file && before->file == made->file) {
        made->round = before->round;
        made->is_listed = before->is_listed;
        if (made->is_listed) files_.insert(before.get(), *made);
    }
    list_file(*made);
    if (before) {
        unlist_file(*before);
    } else {
        ++size_;
    }
}

void descriptor_set::list_file(watched_entry& e) noexcept {
    if (!e.is_file || e.is_listed || (!e.wanted.readable && !e.wanted.writable)) return;
    e.is_listed = true;
    files_.push_back(e);
    notify();
}

void descriptor_set::unlist_file(watched_entry& e) noexcept {
    if (std::exchange(e.is_listed, false)) files_.remove(e);
}

void descriptor_set::change(int fd, fd_interest wanted) {
    home_.check(an_fd_watch);
    refuse_elsewhere();
    const auto at = numbers_.find(fd);
    if (at == numbers_.end() || !at->second.watched) refuse_descriptor(ENOENT, fd, " is not watched");
    watched_entry& e = *at->second.watched;
    const fd_interest before = std::exchange(e.wanted, wanted);
    try {
        if (e.is_file ? kernel_->identity_of(fd) != e.file : !kernel_->change(e)) {
            refuse_descriptor(EBADF, fd, " was closed");
        }
    } catch (...) {
        e.wanted = before;
        throw;
    }
    list_file(e);  // what is not wanted any more keeps its place until its turn
}

// The number stays when it is tainted.
std::shared_ptr<watched_entry> descriptor_set::take(numbers::iterator at) noexcept {
    std::shared_ptr<watched_entry> gone = std::move(at->second.watched);
    --size_;
    unlist_file(*gone);
    if (!kernel_->leave(*gone)) at->second.tainted = true;
    if (!at->second.tainted) numbers_.erase(at);
    return gone;
}

// What handlers hold is destroyed last, for that may be anything, and use the watch.
bool descriptor_set::remove(int fd) noexcept {
    home_.check(an_fd_watch);
    const auto at = numbers_.find(fd);
    if (at == numbers_.end() || !at->second.watched) return false;
    const std::shared_ptr<watched_entry> gone = take(at);
    if (size_ == 0) notify();
    return true;
}

std::vector<watched_fd> descriptor_set::remove_all() {
    std::vector<watched_fd> all = list();
    std::vector<std::shared_ptr<watched_entry>> gone;
    gone.reserve(all.size());
    for (const watched_fd& each : all) gone.push_back(take(numbers_.find(each.fd)));
    notify();
    return all;
}

std::vector<watched_fd> descriptor_set::list() const {
    home_.check(an_fd_watch);
    std::vector<watched_fd> all;
    all.reserve(size_);
    for (const auto& [fd, as] : numbers_) {
        if (as.watched) all.push_back({fd, as.watched->wanted});
    }
    std::ranges::sort(all, {}, &watched_fd::fd);
    return all;
}

void descriptor_set::describe(std::string& out) const {
    constexpr std::size_t most_named = 8;
    std::size_t named = 0;
    for (const watched_fd& each : list()) {
        if (named == most_named) {
            out += " and " + std::to_string(size_ - named) + " more";
            return;
        }
        out += (named++ == 0 ? "fd " : ", fd ") + std::to_string(each.fd);
        if (kernel_->is_closed(each.fd)) out += " (closed)";
    }
    if (named == 0) out += "nothing, as nothing is watched";
}

void descriptor_set::close() noexcept {
    home_.check_at_end(an_fd_watch);
    closed_ = true;
    size_ = 0;
    const numbers gone = std::exchange(numbers_, {});
    for (const auto& [fd, as] : gone) {
        if (as.watched) unlist_file(*as.watched);
    }
    kernel_.reset();
    notify();
}

bool descriptor_set::was_in_vain() const noexcept {
    if (size_ == 0 || has_run_ || !is_ours() || std::uncaught_exceptions() > 0) return false;
    const reactor* const here = reactor::current();
    const job* const of = here ? reactor_access::running_job(*here) : nullptr;
    return !of || !of->cancel_requested();
}

std::shared_ptr<watched_entry> descriptor_set::find(const watch_event& event) const noexcept {
    const auto at = numbers_.find(event.fd);
    if (at == numbers_.end() || !at->second.watched) return nullptr;
    return at->second.watched->generation == event.generation ? at->second.watched : nullptr;
}

void descriptor_set::deliver(set_wait& by) {
    refuse_elsewhere();
    deliver_events(by);
    deliver_files(by);
}

void descriptor_set::deliver_events(set_wait& by) {
    watch_event events[most_of_a_round];
    undelivered rest(*this, events, kernel_->fetch(events));
    while (const watch_event* const event = rest.next()) {
        // Kept while its handler is called, which may remove it.
        const std::shared_ptr<watched_entry> e = find(*event);
        if (!e) continue;
        const fd_readiness now = kernel_->take(*e, *event);
        if (!tells_something(now)) continue;
        by.acts_for(*e);
        e->call(now);
    }
}

void descriptor_set::deliver_files(set_wait& by) {
    ++round_;
    for (std::size_t i = 0; i < most_of_a_round && is_ours(); ++i) {
        watched_entry* const first = files_.front();
        if (!first || first->round == round_) return;
        const std::shared_ptr<watched_entry> e = numbers_.find(first->fd)->second.watched;
        unlist_file(*e);
        if (!e->wanted.readable && !e->wanted.writable) continue;
        if (kernel_->identity_of(e->fd) != e->file) continue;
        e->round = round_;
        e->is_listed = true;
        files_.push_back(*e);
        by.acts_for(*e);
        e->call({.readable = e->wanted.readable, .writable = e->wanted.writable});
    }
}

}  // namespace bight::detail
