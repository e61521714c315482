// The kernel's part of a descriptor_set on Linux: an epoll instance.
#include "linux_file_polls.hpp"
#include "watch_kernel.hpp"

#include "../core/system_error.hpp"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <memory>
#include <span>
#include <system_error>
#include <utility>

namespace bight::detail {

namespace {

constexpr std::uint32_t ends_of_epoll = EPOLLERR | EPOLLHUP;

std::uint32_t epoll_events_of(fd_interest wanted) noexcept {
    return (wanted.readable ? std::uint32_t{EPOLLIN} : 0) | (wanted.writable ? std::uint32_t{EPOLLOUT} : 0) |
           (wanted.priority ? std::uint32_t{EPOLLPRI} : 0);
}

fd_readiness told_by_epoll(std::uint32_t events, fd_interest wanted) noexcept {
    const bool tells_ends = wanted.readable || wanted.writable;
    return {.readable = wanted.readable && (events & (EPOLLIN | ends_of_epoll)) != 0,
            .writable = wanted.writable && (events & (EPOLLOUT | ends_of_epoll)) != 0,
            .priority = wanted.priority && (events & EPOLLPRI) != 0,
            .failed = tells_ends && (events & EPOLLERR) != 0,
            .hung_up = tells_ends && (events & EPOLLHUP) != 0};
}

struct epoll_entry final : watched_entry {
    ~epoll_entry() override {
        if (own >= 0) ::close(own);
    }
    std::unique_ptr<file_poll> poll;  // in the place of a registration, if its poll takes what it tells
    int own = -1;                     // its own epoll instance, if it has one
    std::uint32_t armed = 0;          // the events that the kernel may report; 0: none
};

epoll_entry& of_epoll(watched_entry& e) noexcept { return static_cast<epoll_entry&>(e); }

/// Each is registered to be reported once (EPOLLONESHOT), and armed again just before its handler is called:
///
/// - Arming names the number, and fails when that is another file by now. So it says whether the descriptor
///   is still the one that was added, with no call more than reporting levels costs.
/// - A registration that nobody can remove, for its number was closed and a duplicate keeps the file open,
///   is reported once at most.
/// - What is still ready is at the end of the kernel's list, so that all have their turn.
///
/// So that a number names one registration, the epoll instance has one of each number at most. One that may
/// be left from a number that was closed is not got rid of: that number is tainted, and what is added under
/// it from then on has an epoll instance of its own, which stands in the other for it, as long as the process
/// may open one.
///
/// A file whose poll takes what it tells is not registered: the reactor's wait for the instance would take
/// it. It has a poll of its own (file_polls), whose results come by an eventfd in the instance, as long as
/// the system has such polls.
class epoll_watch final : public watch_kernel {
  public:
    epoll_watch() : epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
        if (epoll_ < 0) throw std::system_error(system_error_code(errno), "fd_watch: epoll_create1");
    }
    ~epoll_watch() override { ::close(epoll_); }

    std::shared_ptr<watched_entry> make_entry() const override { return std::make_shared<epoll_entry>(); }

    void enter(watched_entry& made, watched_entry* before, bool& tainted) override {
        epoll_entry* const stood = before ? &of_epoll(*before) : nullptr;
        if (enter_polled(of_epoll(made), stood)) {
            if (before && !leave(*before)) tainted = true;
            return;
        }
        put_in_place(of_epoll(made), stood, tainted);
        if (stood && (stood->own >= 0 || stood->poll)) leave(*stood);
    }
    bool change(watched_entry& e) override { return arm_again(of_epoll(e)); }
    bool leave(watched_entry& of) noexcept override {
        epoll_entry& e = of_epoll(of);
        if (e.poll) {
            if (is_ours()) polls_->end(*e.poll);
            e.poll.reset();
            return true;
        }
        if (e.own >= 0) {
            if (is_ours()) ::epoll_ctl(epoll_, EPOLL_CTL_DEL, e.own, nullptr);
            ::close(std::exchange(e.own, -1));
            return true;
        }
        return e.is_file || (is_ours() && ::epoll_ctl(epoll_, EPOLL_CTL_DEL, e.fd, nullptr) == 0);
    }

    std::size_t fetch(std::span<watch_event, most_of_a_round> events) override {
        epoll_event found[most_of_a_round];
        const int count = ::epoll_wait(epoll_, found, most_of_a_round, 0);
        if (count < 0) {
            if (errno == EINTR) return 0;
            throw std::system_error(system_error_code(errno), "fd_watch: epoll_wait");
        }
        const auto got = static_cast<std::size_t>(count);
        bool polled = false;
        std::size_t kept = 0;
        for (std::size_t i = 0; i < got; ++i) {
            if (found[i].data.u64 == of_polls) {
                polled = true;
            } else {
                events[kept++] = event_of(found[i].data.u64, found[i].events);
            }
        }
        return polled ? kept + fetch_polled(events.subspan(kept)) : kept;
    }
    fd_readiness take(watched_entry& of, const watch_event& event) noexcept override {
        epoll_entry& e = of_epoll(of);
        if (e.poll) file_polls::told(*e.poll);
        std::uint32_t events = event.events;
        if (e.own >= 0) {
            epoll_event own{};
            events = ::epoll_wait(e.own, &own, 1, 0) < 1 ? 0 : own.events;
        }
        e.armed = 0;
        const fd_readiness now = told_by_epoll(events, e.wanted);
        if (tells_something(now)) return arm(e) ? now : fd_readiness();
        // It wants something else by now. Nobody has asked for an end: armed again, it would be reported for
        // ever.
        if ((events & ends_of_epoll) == 0) arm(e);
        return {};
    }
    void put_back(watched_entry& e, const watch_event& event) noexcept override {
        if (of_epoll(e).poll) {  // the file would not tell it again
            returned_[returned_count_++] = event;
            polls_->wake();
            return;
        }
        of_epoll(e).armed = 0;
        arm(of_epoll(e));
    }

    std::optional<file_identity> identity_of(int fd) const noexcept override {
        struct stat found{};
        if (::fstat(fd, &found) < 0) return std::nullopt;
        file_identity file{.device = found.st_dev, .inode = found.st_ino};
        struct statx more{};
        if (::statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_BTIME, &more) == 0 &&
            (more.stx_mask & STATX_BTIME) != 0) {
            file.born = more.stx_btime.tv_sec;
            file.born_nanoseconds = more.stx_btime.tv_nsec;
        }
        return file;
    }
    bool is_closed(int fd) const noexcept override { return !identity_of(fd); }
    native_handle waitable() const override {
        const int made = ::fcntl(epoll_, F_DUPFD_CLOEXEC, 0);
        if (made < 0) throw std::system_error(system_error_code(errno), "fd_watch: fcntl");
        return made;
    }

  private:
    // No entry's: generations begin with 1.
    static constexpr std::uint64_t of_polls = 0;

    static std::uint64_t label_of(const epoll_entry& e) noexcept {
        return std::uint64_t{e.generation} << 32 | static_cast<std::uint32_t>(e.fd);
    }
    static watch_event event_of(std::uint64_t label, std::uint32_t events) noexcept {
        return {static_cast<int>(static_cast<std::uint32_t>(label)), static_cast<std::uint32_t>(label >> 32),
                events};
    }

    // True when it has a poll of its own.
    bool enter_polled(epoll_entry& made, epoll_entry* before) {
        if (!poll_may_take(made.fd)) return false;
        // What cannot be polled is no such file (EPERM); the kernel says so without a poll.
        if (control(epoll_, EPOLL_CTL_MOD, made.fd, 0, made) || errno != ENOENT) return false;
        if (!has_polls()) return false;
        if (before && before->poll && before->poll->is_of(made.fd)) {
            const std::uint32_t fresh = std::exchange(made.generation, before->generation);
            made.poll = std::move(before->poll);
            if (arm_again(made)) {
                before->is_file = true;  // nothing is registered for it any more
                return true;
            }
            before->poll = std::move(made.poll);
            made.generation = fresh;
            return false;
        }
        made.poll = polls_->add(made.fd);
        if (made.poll && arm_again(made)) return true;
        made.poll.reset();
        return false;
    }
    bool has_polls() {
        if (polls_) return true;
        std::unique_ptr<file_polls> made = file_polls::make();
        epoll_event event{};
        event.events = EPOLLIN;
        event.data.u64 = of_polls;
        if (!made || ::epoll_ctl(epoll_, EPOLL_CTL_ADD, made->descriptor(), &event) < 0) return false;
        polls_ = std::move(made);
        return true;
    }
    std::size_t fetch_polled(std::span<watch_event> into) noexcept {
        std::size_t count = 0;
        while (count < into.size() && returned_count_ > 0) into[count++] = returned_[--returned_count_];
        file_polls::result found[most_of_a_round];
        const std::size_t got = polls_->fetch(std::span(found).first(into.size() - count));
        for (std::size_t i = 0; i < got; ++i) into[count++] = event_of(found[i].label, found[i].events);
        if (returned_count_ > 0) polls_->wake();
        return count;
    }

    static bool control(int epoll, int how, int fd, std::uint32_t events, const epoll_entry& e) noexcept {
        epoll_event event{};
        event.events = events | EPOLLONESHOT;
        event.data.u64 = label_of(e);
        return ::epoll_ctl(epoll, how, fd, &event) == 0;
    }

    void put_in_place(epoll_entry& made, epoll_entry* before, bool& tainted) const {
        const bool stands_there = before && !before->is_file && !before->poll;
        if (stands_there && replace(made, *before, tainted)) return;
        // What stands there is another file.
        const bool taints = tainted || stands_there;
        // When no more instances are to be had, the number has several registrations in the set's. Then it is
        // its generation alone that tells them apart.
        if (taints) made.own = ::epoll_create1(EPOLL_CLOEXEC);
        const int in = made.own < 0 ? epoll_ : made.own;
        const std::uint32_t wanted = epoll_events_of(made.wanted);
        if ((control(in, EPOLL_CTL_ADD, made.fd, wanted, made) ||
             (errno == EEXIST && control(in, EPOLL_CTL_MOD, made.fd, wanted, made))) &&
            (made.own < 0 || control(epoll_, EPOLL_CTL_ADD, made.own, EPOLLIN, made))) {
            made.armed = wanted;
        } else {
            const int error = errno;
            if (made.own >= 0) ::close(std::exchange(made.own, -1));
            if (error != EPERM) refuse_descriptor(error, made.fd, " cannot be watched");
            enter_file(made);
        }
        tainted = taints;
    }

    // Takes the registration of `before`, if that is of the same open file.
    bool replace(epoll_entry& made, epoll_entry& before, bool tainted) const noexcept {
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

    // What epoll refuses to watch, for poll(2) knows no readiness of it.
    void enter_file(epoll_entry& made) const {
        struct stat found{};
        const auto file = ::fstat(made.fd, &found) < 0 || S_ISSOCK(found.st_mode) || S_ISFIFO(found.st_mode)
                              ? std::nullopt
                              : identity_of(made.fd);
        if (!file) refuse_descriptor(EPERM, made.fd, " cannot be watched");
        made.is_file = true;
        made.file = *file;
    }

    // False when the number is another file's by now, or nobody's.
    bool arm(epoll_entry& e) const noexcept {
        const std::uint32_t wanted = epoll_events_of(e.wanted);
        // What is armed and not wanted any more is passed over if it comes.
        return wanted == e.armed || wanted == 0 || arm_again(e);
    }

    bool arm_again(epoll_entry& e) const noexcept {
        const std::uint32_t wanted = epoll_events_of(e.wanted);
        if (e.poll) {
            if (!is_ours() || !e.poll->is_of(e.fd) || !polls_->ask(*e.poll, label_of(e), wanted))
                return false;
            e.armed = wanted;
            return true;
        }
        if (!is_ours() || !control(e.own < 0 ? epoll_ : e.own, EPOLL_CTL_MOD, e.fd, wanted, e)) return false;
        e.armed = wanted;
        return e.own < 0 || control(epoll_, EPOLL_CTL_MOD, e.own, EPOLLIN, e);
    }

    int epoll_;
    std::unique_ptr<file_polls> polls_;  // made when the first of their files is watched
    // What was fetched of them, and not taken.
    std::array<watch_event, most_of_a_round> returned_{};
    std::size_t returned_count_ = 0;
};

}  // namespace

std::unique_ptr<watch_kernel> make_watch_kernel() { return std::make_unique<epoll_watch>(); }

// fs/eventpoll.c: EP_MAX_NESTS, path_limits.
const char* limit_of_watching(int error) noexcept {
    switch (error) {
        case ELOOP:
            return ": epoll instances nest in each other no deeper than five, the watch and a reactor on "
                   "epoll "
                   "among them";
        case EINVAL:
            return ": no more than 500 watches that run on a reactor on epoll may have the same open file";
        default: return "";
    }
}

}  // namespace bight::detail
