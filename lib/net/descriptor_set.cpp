#include "descriptor_set.hpp"

#include "../core/platform.hpp"
#include "../core/process.hpp"
#include "../core/system_error.hpp"

#include <bight/core/error.hpp>

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>

namespace bight::detail {

namespace {

constexpr int most_of_a_round = 64;
constexpr const char* whose = "an fd_watch";

constexpr std::uint32_t ends = EPOLLERR | EPOLLHUP;

std::uint32_t events_of(fd_interest wanted) noexcept {
    return (wanted.readable ? std::uint32_t{EPOLLIN} : 0) | (wanted.writable ? std::uint32_t{EPOLLOUT} : 0) |
           (wanted.priority ? std::uint32_t{EPOLLPRI} : 0);
}

fd_readiness told_of(std::uint32_t events, fd_interest wanted) noexcept {
    const bool tells_ends = wanted.readable || wanted.writable;
    return {.readable = wanted.readable && (events & (EPOLLIN | ends)) != 0,
            .writable = wanted.writable && (events & (EPOLLOUT | ends)) != 0,
            .priority = wanted.priority && (events & EPOLLPRI) != 0,
            .failed = tells_ends && (events & EPOLLERR) != 0,
            .hung_up = tells_ends && (events & EPOLLHUP) != 0};
}

bool tells_something(const fd_readiness& now) noexcept {
    return now.readable || now.writable || now.priority;
}

[[noreturn]] void fail(int error, int fd, const char* why) {
    throw std::system_error(system_error_code(error),
                            "fd_watch: fd " + std::to_string(fd) + why + limit_of_epoll(error));
}

}  // namespace

// fs/eventpoll.c: EP_MAX_NESTS, path_limits.
const char* limit_of_epoll(int error) noexcept {
    switch (error) {
        case ELOOP:
            return ": epoll instances nest in each other no deeper than five, the watch and a reactor on epoll "
                   "among them";
        case EINVAL:
            return ": no more than 500 watches that run on a reactor on epoll may have the same open file";
        default:
            return "";
    }
}

// The events of a wait that are still to be told. The kernel has disarmed them: what a handler that throws
// leaves is armed again. A child that a handler has forked leaves them to its parent.
class descriptor_set::undelivered {
  public:
    undelivered(const descriptor_set& of, const epoll_event* first, int count) noexcept
        : of_(of), next_(first), end_(first + count) {}
    undelivered(const undelivered&) = delete;
    undelivered& operator=(const undelivered&) = delete;
    ~undelivered() {
        while (const epoll_event* const event = next()) {
            if (const auto e = of_.find(*event)) {
                e->armed = 0;
                of_.arm(*e);
            }
        }
    }
    const epoll_event* next() noexcept { return next_ == end_ || !of_.is_ours() ? nullptr : next_++; }

  private:
    const descriptor_set& of_;
    const epoll_event* next_;
    const epoll_event* end_;
};

descriptor_set::~descriptor_set() { close(); }

// The registrations of a forked child are its parent's.
bool descriptor_set::is_ours() const noexcept { return epoll_ < 0 || made_in_ == this_process(); }

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

int descriptor_set::open() {
    if (epoll_ < 0) {
        epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
        if (epoll_ < 0) throw std::system_error(system_error_code(errno), "fd_watch: epoll_create1");
        made_in_ = this_process();
    }
    return epoll_;
}

// What an event carries.
std::uint64_t descriptor_set::label(const entry& e) noexcept {
    return std::uint64_t{e.generation} << 32 | static_cast<std::uint32_t>(e.fd);
}

bool descriptor_set::control(int epoll, int how, int fd, std::uint32_t events, const entry& e) noexcept {
    epoll_event event{};
    event.events = events | EPOLLONESHOT;
    event.data.u64 = label(e);
    return ::epoll_ctl(epoll, how, fd, &event) == 0;
}

void descriptor_set::add(int fd, fd_interest wanted, fd_watch::handler call) {
    home_.check(whose);
    if (!call) {
        throw std::invalid_argument(
            "fd_watch::add: it is given an empty function, and needs one that is called when the descriptor "
            "is ready");
    }
    if (closed_) return;  // a handler that the watch destroys adds it
    refuse_elsewhere();
    open();
    auto made = std::make_shared<entry>();
    made->fd = fd;
    made->generation = ++generation_;
    made->wanted = wanted;
    made->round = round_;
    made->call = std::move(call);
    const auto [at, is_new] = numbers_.try_emplace(fd);
    try {
        enter(*made, at->second);
    } catch (...) {
        if (is_new) numbers_.erase(at);
        throw;
    }
    // The handler of what stood there before is destroyed when everything is done.
    const std::shared_ptr<entry> before = std::exchange(at->second.watched, made);
    if (before && before->is_file && made->is_file && before->file == made->file) {
        made->round = before->round;
        made->is_listed = before->is_listed;
        if (made->is_listed) files_.insert(before.get(), *made);
    }
    list_file(*made);
    if (!before) {
        ++size_;
        return;
    }
    unlist_file(*before);
    if (before->own >= 0) leave(*before);
}

// Throws std::system_error, and has changed nothing then.
void descriptor_set::enter(entry& made, number& as) const {
    entry* const before = as.watched.get();
    const bool stands_there = before && !before->is_file;
    if (stands_there && replace(made, *before, as.tainted)) return;
    // What stands there is another file.
    const bool taints = as.tainted || stands_there;
    // When no more instances are to be had, the number has several registrations in the set's. Then it is
    // its generation alone that tells them apart.
    if (taints) made.own = ::epoll_create1(EPOLL_CLOEXEC);
    const int in = made.own < 0 ? epoll_ : made.own;
    const std::uint32_t wanted = events_of(made.wanted);
    if ((control(in, EPOLL_CTL_ADD, made.fd, wanted, made) ||
         (errno == EEXIST && control(in, EPOLL_CTL_MOD, made.fd, wanted, made))) &&
        (made.own < 0 || control(epoll_, EPOLL_CTL_ADD, made.own, EPOLLIN, made))) {
        made.armed = wanted;
    } else {
        const int error = errno;
        if (made.own >= 0) ::close(std::exchange(made.own, -1));
        if (error != EPERM) fail(error, made.fd, " cannot be watched");
        enter_file(made);
    }
    as.tainted = taints;
}

// Takes the registration of `before` when it is of the same open file, with its generation: an event that is
// to be told already is told to the new one. Else a handler that adds another again in each turn would keep
// it from being told.
bool descriptor_set::replace(entry& made, entry& before, bool tainted) const noexcept {
    if (tainted && before.own < 0) return false;  // the number names several
    const std::uint32_t fresh = std::exchange(made.generation, before.generation);
    made.own = before.own;
    if (arm_again(made)) {
        before.own = -1;
        return true;
    }
    made.own = -1;
    made.generation = fresh;
    return false;
}

void descriptor_set::enter_file(entry& made) {
    struct stat found{};
    const auto file = ::fstat(made.fd, &found) < 0 || S_ISSOCK(found.st_mode) || S_ISFIFO(found.st_mode)
                          ? std::nullopt
                          : identity_of(made.fd);
    if (!file) fail(EPERM, made.fd, " cannot be watched");
    made.is_file = true;
    made.file = *file;
}

std::optional<descriptor_set::identity> descriptor_set::identity_of(int fd) noexcept {
    struct stat found{};
    if (::fstat(fd, &found) < 0) return std::nullopt;
    identity file{.device = found.st_dev, .inode = found.st_ino};
    struct statx more{};
    if (::statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_BTIME, &more) == 0 &&
        (more.stx_mask & STATX_BTIME) != 0) {
        file.born = more.stx_btime.tv_sec;
        file.born_nanoseconds = more.stx_btime.tv_nsec;
    }
    return file;
}

// False when the number is another file's by now, or nobody's.
bool descriptor_set::arm(entry& e) const noexcept {
    const std::uint32_t wanted = events_of(e.wanted);
    // What is armed and not wanted any more is passed over if it comes.
    return e.is_file || wanted == e.armed || wanted == 0 || arm_again(e);
}

bool descriptor_set::arm_again(entry& e) const noexcept {
    const std::uint32_t wanted = events_of(e.wanted);
    if (!is_ours() || !control(e.own < 0 ? epoll_ : e.own, EPOLL_CTL_MOD, e.fd, wanted, e)) return false;
    e.armed = wanted;
    return e.own < 0 || control(epoll_, EPOLL_CTL_MOD, e.own, EPOLLIN, e);
}

void descriptor_set::list_file(entry& e) noexcept {
    if (!e.is_file || e.is_listed || (!e.wanted.readable && !e.wanted.writable)) return;
    e.is_listed = true;
    files_.push_back(e);
    notify();
}

void descriptor_set::unlist_file(entry& e) noexcept {
    if (std::exchange(e.is_listed, false)) files_.remove(e);
}

void descriptor_set::change(int fd, fd_interest wanted) {
    home_.check(whose);
    refuse_elsewhere();
    const auto at = numbers_.find(fd);
    if (at == numbers_.end() || !at->second.watched) fail(ENOENT, fd, " is not watched");
    entry& e = *at->second.watched;
    const fd_interest before = std::exchange(e.wanted, wanted);
    if (e.is_file ? identity_of(fd) != e.file : !arm_again(e)) {
        e.wanted = before;
        fail(EBADF, fd, " was closed");
    }
    list_file(e);  // what is not wanted any more keeps its place until its turn
}

// False when a registration may be left.
bool descriptor_set::leave(entry& e) noexcept {
    unlist_file(e);
    if (e.own >= 0) {
        if (is_ours()) ::epoll_ctl(epoll_, EPOLL_CTL_DEL, e.own, nullptr);
        ::close(std::exchange(e.own, -1));
        return true;
    }
    return e.is_file || (is_ours() && ::epoll_ctl(epoll_, EPOLL_CTL_DEL, e.fd, nullptr) == 0);
}

// The number stays when it is tainted.
std::shared_ptr<descriptor_set::entry> descriptor_set::take(numbers::iterator at) noexcept {
    std::shared_ptr<entry> gone = std::move(at->second.watched);
    --size_;
    if (!leave(*gone)) at->second.tainted = true;
    if (!at->second.tainted) numbers_.erase(at);
    return gone;
}

// What handlers hold is destroyed last, for that may be anything, and use the watch.
bool descriptor_set::remove(int fd) noexcept {
    home_.check(whose);
    const auto at = numbers_.find(fd);
    if (at == numbers_.end() || !at->second.watched) return false;
    const std::shared_ptr<entry> gone = take(at);
    if (size_ == 0) notify();
    return true;
}

std::vector<watched_fd> descriptor_set::remove_all() {
    std::vector<watched_fd> all = list();
    std::vector<std::shared_ptr<entry>> gone;
    gone.reserve(all.size());
    for (const watched_fd& each : all) gone.push_back(take(numbers_.find(each.fd)));
    notify();
    return all;
}

std::vector<watched_fd> descriptor_set::list() const {
    home_.check(whose);
    std::vector<watched_fd> all;
    all.reserve(size_);
    for (const auto& [fd, as] : numbers_) {
        if (as.watched) all.push_back({fd, as.watched->wanted});
    }
    std::ranges::sort(all, {}, &watched_fd::fd);
    return all;
}

void descriptor_set::close() noexcept {
    home_.check_at_end(whose);
    closed_ = true;
    size_ = 0;
    const numbers gone = std::exchange(numbers_, {});
    for (const auto& [fd, as] : gone) {
        if (!as.watched) continue;
        unlist_file(*as.watched);
        if (as.watched->own >= 0) ::close(as.watched->own);
    }
    if (epoll_ >= 0) ::close(std::exchange(epoll_, -1));
    notify();
}

std::shared_ptr<descriptor_set::entry> descriptor_set::find(const epoll_event& event) const noexcept {
    const auto at = numbers_.find(static_cast<int>(static_cast<std::uint32_t>(event.data.u64)));
    if (at == numbers_.end() || !at->second.watched) return nullptr;
    return label(*at->second.watched) == event.data.u64 ? at->second.watched : nullptr;
}

void descriptor_set::deliver() {
    refuse_elsewhere();
    deliver_events();
    deliver_files();
}

void descriptor_set::deliver_events() {
    epoll_event events[most_of_a_round];
    const int count = ::epoll_wait(epoll_, events, most_of_a_round, 0);
    if (count < 0) {
        if (errno == EINTR) return;
        throw std::system_error(system_error_code(errno), "fd_watch: epoll_wait");
    }
    undelivered rest(*this, events, count);
    while (const epoll_event* const event = rest.next()) deliver(*event);
}

void descriptor_set::deliver(const epoll_event& event) {
    const std::shared_ptr<entry> e = find(event);  // kept while its handler is called, which may remove it
    if (!e) return;
    epoll_event own = event;
    if (e->own >= 0 && ::epoll_wait(e->own, &own, 1, 0) < 1) own.events = 0;
    e->armed = 0;
    const fd_readiness now = told_of(own.events, e->wanted);
    if (tells_something(now)) {
        if (arm(*e)) e->call(now);
    } else if ((own.events & ends) == 0) {
        arm(*e);  // it wants something else by now
    }
    // Nobody has asked for an end. Armed again, it would be reported for ever.
}

void descriptor_set::deliver_files() {
    ++round_;
    for (int i = 0; i < most_of_a_round && is_ours(); ++i) {
        entry* const first = files_.front();
        if (!first || first->round == round_) return;
        const std::shared_ptr<entry> e = numbers_.find(first->fd)->second.watched;
        unlist_file(*e);
        if (!e->wanted.readable && !e->wanted.writable) continue;
        if (identity_of(e->fd) != e->file) continue;
        e->round = round_;
        e->is_listed = true;
        files_.push_back(*e);
        e->call({.readable = e->wanted.readable, .writable = e->wanted.writable});
    }
}

}  // namespace bight::detail
