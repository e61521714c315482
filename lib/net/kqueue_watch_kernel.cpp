// The kernel's part of a descriptor_set on macOS and the BSDs: a kqueue.
#include "watch_kernel.hpp"

#include "../core/system_error.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/event.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

namespace bight::detail {

namespace {

// What the kernel has reported, in watch_event::events.
enum kqueue_report : std::uint32_t { of_reading = 1, of_writing = 2, of_priority = 4, of_an_end = 8 };

constexpr timespec at_once{};

struct kqueue_entry final : watched_entry {
    bool watches_reading = false;   // the registration is enabled
    bool watches_writing = false;   // there is a registration
    bool watches_priority = false;  // the same
    bool has_lost_readers = false;  // the end of a pipe that nobody reads: reading tells of it
    std::uint64_t told = 0;         // the last fetch of which it was told
};

kqueue_entry& of_kqueue(watched_entry& e) noexcept { return static_cast<kqueue_entry&>(e); }

/// A kqueue forgets a number when that is closed, whatever duplicates of the file are open. So a registration
/// that is still there says that the number has the file that was added, and none is left behind.
///
/// Each number is registered for reading, which is disabled when nobody asks for it; for writing and for
/// priority while somebody does. It is reported as long as it is ready, and what is still ready is at the end
/// of the kernel's list then, so that all have their turn. What it is ready for is what poll(2) says when the
/// turn begins.
class kqueue_watch final : public watch_kernel {
  public:
    kqueue_watch() : queue_(::kqueue()) {
        if (queue_ < 0) throw std::system_error(system_error_code(errno), "fd_watch: kqueue");
        ::fcntl(queue_, F_SETFD, FD_CLOEXEC);
    }
    // A child of fork(2) has no copy of the queue, and another descriptor may have its number.
    ~kqueue_watch() override {
        if (is_ours()) ::close(queue_);
    }

    std::shared_ptr<watched_entry> make_entry() const override { return std::make_shared<kqueue_entry>(); }

    void enter(watched_entry& of, watched_entry* before, bool&) override {
        kqueue_entry& made = of_kqueue(of);
        if (before && !before->is_file && replace(made, of_kqueue(*before))) return;
        struct stat found{};
        if (::fstat(made.fd, &found) < 0) refuse_descriptor(errno, made.fd, " cannot be watched");
        if (S_ISREG(found.st_mode) || S_ISDIR(found.st_mode)) {
            enter_file(made);
            return;
        }
        if (const int error = control(made, EVFILT_READ, EV_ADD); error != 0) {
            // A device without readiness, as /dev/null, is a file; a terminal is none.
            const bool device = S_ISCHR(found.st_mode) || S_ISBLK(found.st_mode);
            if (!device || ::isatty(made.fd) != 0) refuse_descriptor(error, made.fd, " cannot be watched");
            enter_file(made);
            return;
        }
        made.watches_reading = true;
        try {
            (void)change(made);
        } catch (...) {
            leave(made);
            throw;
        }
    }

    // What may be refused comes first, and is undone then.
    bool change(watched_entry& of) override {
        kqueue_entry& e = of_kqueue(of);
        if (!is_there(e)) return false;
        const bool adds_writing = e.wanted.writable && !e.watches_writing && !e.has_lost_readers;
        int error = adds_writing ? add_writing(e) : 0;
        const char* what = " cannot be watched for writing";
        if (error == 0 && e.wanted.priority && !e.watches_priority) {
            error = control_priority(e, EV_ADD);
            e.watches_priority = error == 0;
            what = refusal_of_priority;
        }
        if (error != 0) {
            if (adds_writing) stop_writing(e);
            refuse_descriptor(error, e.fd, what);
        }
        if (!e.wanted.writable) stop_writing(e);
        if (!e.wanted.priority && std::exchange(e.watches_priority, false)) control_priority(e, EV_DELETE);
        if (e.watches_priority) control_priority(e, EV_ENABLE);  // an end may have disabled it
        e.watches_reading = e.wanted.readable || e.has_lost_readers;
        return is_there(e);
    }

    bool leave(watched_entry& of) noexcept override {
        kqueue_entry& e = of_kqueue(of);
        if (e.is_file || !is_ours() || !is_there(e)) return true;
        control(e, EVFILT_READ, EV_DELETE);
        if (e.watches_writing) control(e, EVFILT_WRITE, EV_DELETE);
        if (e.watches_priority) control_priority(e, EV_DELETE);
        return true;
    }

    std::size_t fetch(std::span<watch_event, most_of_a_round> events) override {
        struct kevent found[most_of_a_round];
        ++fetches_;
        const int count = ::kevent(queue_, nullptr, 0, found, most_of_a_round, &at_once);
        if (count < 0) {
            if (errno == EINTR) return 0;
            throw std::system_error(system_error_code(errno), "fd_watch: kevent");
        }
        const auto got = static_cast<std::size_t>(count);
        for (std::size_t i = 0; i < got; ++i) {
            const struct kevent& e = found[i];
            events[i] = {static_cast<int>(e.ident),
                         static_cast<std::uint32_t>(reinterpret_cast<std::uintptr_t>(e.udata)),
                         (e.filter == EVFILT_READ    ? of_reading
                          : e.filter == EVFILT_WRITE ? of_writing
                                                     : of_priority) |
                             ((e.flags & EV_EOF) != 0 ? std::uint32_t{of_an_end} : 0U)};
        }
        return got;
    }

    // A number has an event for each way in which it is ready, of which the first tells everything.
    fd_readiness take(watched_entry& of, const watch_event& event) noexcept override {
        kqueue_entry& e = of_kqueue(of);
        if (e.told == fetches_ || !is_ours() || !is_there(e)) return {};
        const fd_readiness now = readiness_of(e, event.events);
        if (tells_something(now)) {
            e.told = fetches_;
        } else if ((event.events & of_an_end) != 0 && (event.events & of_priority) != 0) {
            control_priority(e, EV_DISABLE);  // nobody has asked for an end, which would be reported for ever
        }
        return now;
    }
    void put_back(watched_entry&, const watch_event&) noexcept override {}

    std::optional<file_identity> identity_of(int fd) const noexcept override {
        struct stat found{};
        if (::fstat(fd, &found) < 0) return std::nullopt;
        file_identity file{.device = static_cast<std::uint64_t>(found.st_dev),
                           .inode = static_cast<std::uint64_t>(found.st_ino)};
#if defined(st_birthtimespec) || defined(__APPLE__)
        file.born = found.st_birthtimespec.tv_sec;
        file.born_nanoseconds = static_cast<std::uint32_t>(found.st_birthtimespec.tv_nsec);
#endif
        return file;
    }
    bool is_closed(int fd) const noexcept override { return !identity_of(fd); }
    native_handle waitable() const override {
        const int made = ::fcntl(queue_, F_DUPFD_CLOEXEC, 0);
        if (made < 0) throw std::system_error(system_error_code(errno), "fd_watch: fcntl");
        return made;
    }

  private:
    int control(const kqueue_entry& e, int filter, int flags, unsigned notes = 0) const noexcept {
        struct kevent change{};
        auto* const label = reinterpret_cast<void*>(static_cast<std::uintptr_t>(e.generation));
        EV_SET(&change, static_cast<uintptr_t>(e.fd), static_cast<short>(filter),
               static_cast<unsigned short>(flags), notes, 0, label);
        return ::kevent(queue_, &change, 1, nullptr, 0, nullptr) < 0 ? errno : 0;
    }

    // Whether the number still has the file that was added.
    bool is_there(const kqueue_entry& e) const noexcept {
        return is_ours() && control(e, EVFILT_READ, e.watches_reading ? EV_ENABLE : EV_DISABLE) == 0;
    }

    // A pipe that nobody reads any more is refused (EPIPE). It is told of by its other filter.
    int add_writing(kqueue_entry& e) const noexcept {
        const int error = control(e, EVFILT_WRITE, EV_ADD);
        e.watches_writing = error == 0;
        e.has_lost_readers = error == EPIPE;
        return e.has_lost_readers ? 0 : error;
    }
    void stop_writing(kqueue_entry& e) const noexcept {
        e.has_lost_readers = false;
        if (std::exchange(e.watches_writing, false)) control(e, EVFILT_WRITE, EV_DELETE);
    }

#if defined(EVFILT_EXCEPT) && defined(NOTE_OOB)
    static constexpr const char* refusal_of_priority = " cannot be watched for urgent data";
    int control_priority(const kqueue_entry& e, int flags) const noexcept {
        return control(e, EVFILT_EXCEPT, flags, NOTE_OOB);
    }
#else
    static constexpr const char* refusal_of_priority =
        " cannot be watched for urgent data: the kqueue of this system does not tell of it";
    static int control_priority(const kqueue_entry&, int) noexcept { return EOPNOTSUPP; }
#endif

    // Takes the registrations of `before`, if they are of the same open file.
    bool replace(kqueue_entry& made, kqueue_entry& before) {
        const std::uint32_t fresh = std::exchange(made.generation, before.generation);
        made.watches_reading = before.watches_reading;
        made.watches_writing = before.watches_writing;
        made.watches_priority = before.watches_priority;
        made.has_lost_readers = before.has_lost_readers;
        made.told = before.told;
        if (change(made)) return true;
        made.generation = fresh;
        made.watches_reading = made.watches_writing = made.watches_priority = made.has_lost_readers = false;
        return false;
    }

    void enter_file(kqueue_entry& made) const {
        const auto file = identity_of(made.fd);
        if (!file) refuse_descriptor(errno, made.fd, " cannot be watched");
        made.is_file = true;
        made.file = *file;
    }

    // macOS's poll does not know every device (POLLNVAL): then what the queue has reported counts.
    static fd_readiness readiness_of(const kqueue_entry& e, std::uint32_t reported) noexcept {
        const fd_interest& wanted = e.wanted;
        pollfd asked{e.fd,
                     static_cast<short>((wanted.readable ? POLLIN : 0) | (wanted.writable ? POLLOUT : 0) |
                                        (wanted.priority ? POLLPRI : 0)),
                     0};
        int found = 0;
        if (::poll(&asked, 1, 0) > 0) found = asked.revents;
        if ((found & POLLNVAL) != 0) {
            found =
                ((reported & of_reading) != 0 ? POLLIN : 0) | ((reported & of_writing) != 0 ? POLLOUT : 0);
        }
        if ((reported & (of_priority | of_an_end)) == of_priority) found |= POLLPRI;
        const bool tells_ends = wanted.readable || wanted.writable;
        return {.readable = wanted.readable && (found & (POLLIN | POLLERR | POLLHUP)) != 0,
                .writable = wanted.writable && (found & (POLLOUT | POLLERR | POLLHUP)) != 0,
                .priority = wanted.priority && (found & POLLPRI) != 0,
                .failed = tells_ends && (found & POLLERR) != 0,
                .hung_up = tells_ends && (found & POLLHUP) != 0};
    }

    int queue_;
    std::uint64_t fetches_ = 0;
};

}  // namespace

std::unique_ptr<watch_kernel> make_watch_kernel() { return std::make_unique<kqueue_watch>(); }

const char* limit_of_watching(int) noexcept { return ""; }

}  // namespace bight::detail
