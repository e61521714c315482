// The kernel's part of a descriptor_set on Linux: an epoll instance.
#include "watch_kernel.hpp"

#include "../core/system_error.hpp"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
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
    int own = -1;             // its own epoll instance, if it has one
    std::uint32_t armed = 0;  // the events that the kernel may report; 0: none
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
class epoll_watch final : public watch_kernel {
  public:
    epoll_watch() : epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
        if (epoll_ < 0) throw std::system_error(system_error_code(errno), "fd_watch: epoll_create1");
    }
    ~epoll_watch() override { ::close(epoll_); }

    std::shared_ptr<watched_entry> make_entry() const override { return std::make_shared<epoll_entry>(); }

    void enter(watched_entry& made, watched_entry* before, bool& tainted) override {
        put_in_place(of_epoll(made), before ? &of_epoll(*before) : nullptr, tainted);
        if (before && of_epoll(*before).own >= 0) leave(*before);
    }
    bool change(watched_entry& e) override { return arm_again(of_epoll(e)); }
    bool leave(watched_entry& of) noexcept override {
        epoll_entry& e = of_epoll(of);
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
        for (std::size_t i = 0; i < got; ++i) {
            const std::uint64_t label = found[i].data.u64;
            events[i] = {static_cast<int>(static_cast<std::uint32_t>(label)),
                         static_cast<std::uint32_t>(label >> 32), found[i].events};
        }
        return got;
    }
    fd_readiness take(watched_entry& of, const watch_event& event) noexcept override {
        epoll_entry& e = of_epoll(of);
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
    void put_back(watched_entry& e) noexcept override {
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
    static bool control(int epoll, int how, int fd, std::uint32_t events, const epoll_entry& e) noexcept {
        epoll_event event{};
        event.events = events | EPOLLONESHOT;
        event.data.u64 = std::uint64_t{e.generation} << 32 | static_cast<std::uint32_t>(e.fd);
        return ::epoll_ctl(epoll, how, fd, &event) == 0;
    }

    void put_in_place(epoll_entry& made, epoll_entry* before, bool& tainted) const {
        const bool stands_there = before && !before->is_file;
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
        if (!is_ours() || !control(e.own < 0 ? epoll_ : e.own, EPOLL_CTL_MOD, e.fd, wanted, e)) return false;
        e.armed = wanted;
        return e.own < 0 || control(epoll_, EPOLL_CTL_MOD, e.own, EPOLLIN, e);
    }

    int epoll_;
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
