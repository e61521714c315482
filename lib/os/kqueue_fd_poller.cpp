// For macOS and the BSDs.
#include "fd_poller.hpp"

#include <sys/event.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <system_error>

namespace bight::detail {

namespace {

// The filters, and what each stands for. One for urgent data is not on every system.
struct filter_of {
    fd_event event;
    int filter;
    unsigned flags;
};
constexpr filter_of filters[] = {
    {fd_event::readable, EVFILT_READ, 0},
    {fd_event::writable, EVFILT_WRITE, 0},
#if defined(EVFILT_EXCEPT) && defined(NOTE_OOB)
    {fd_event::priority, EVFILT_EXCEPT, NOTE_OOB},
#endif
};

// Files are readable only before their ends there, which poll(2) does not say.
bool never_waits(int fd) noexcept {
    struct stat known{};
    return ::fstat(fd, &known) == 0 && (S_ISREG(known.st_mode) || S_ISDIR(known.st_mode));
}

// A kqueue of its own within the reactor's, which may be one, or select. Without EV_CLEAR: levels. The kernel
// forgets what is closed. A key fits the pointer that goes with a registration.
class kqueue_poller final : public fd_poller {
  public:
    kqueue_poller() : fd_(::kqueue()) {
        if (fd_ < 0) throw std::system_error(errno, std::system_category(), "kqueue");
    }

    native_handle handle() const noexcept override { return fd_; }

    int change(fd_key key, fd_event before, fd_event now) noexcept override {
        if (before == fd_event::none && never_waits(key.fd)) return 1;
        int failed = 0;
        for (const filter_of& f : filters) {
            const bool was = includes(before, f.event);
            const bool is = includes(now, f.event);
            if (was == is) continue;
            const int error = apply(key, f, is ? EV_ADD : EV_DELETE);
            if (error == 0) continue;
            failed = error;
            if (is) break;
        }
        if (failed != 0 && now != fd_event::none) {  // back to what it was
            for (const filter_of& f : filters) {
                if (includes(now, f.event) && !includes(before, f.event)) (void)apply(key, f, EV_DELETE);
                if (includes(before, f.event) && !includes(now, f.event)) (void)apply(key, f, EV_ADD);
            }
        }
        return failed;
    }

    bool knows(fd_key key, fd_event registered) noexcept override {
        for (const filter_of& f : filters) {
            if (includes(registered, f.event) && apply(key, f, EV_ENABLE) != 0) return false;
        }
        return true;
    }

    std::size_t take(told* into, std::size_t room) noexcept override {
        struct kevent events[64];
        const timespec at_once{};
        const int count =
            ::kevent(fd_, nullptr, 0, events, static_cast<int>(std::min<std::size_t>(room, 64)), &at_once);
        std::size_t told_of = 0;
        for (int i = 0; i < count; ++i) {
            const auto packed = static_cast<std::uint64_t>(
                reinterpret_cast<std::uintptr_t>(reinterpret_cast<void*>(events[i].udata)));
            const fd_key key = fd_key::unpacked(packed);
            fd_event ready = fd_event::none;
            for (const filter_of& f : filters) {
                if (f.filter == events[i].filter) ready = f.event;
            }
            if ((events[i].flags & EV_EOF) != 0) ready |= fd_event::readable;
            // One call for each descriptor, with all that it is ready for.
            told* const known = std::find_if(into, into + told_of,
                                             [&](const told& t) { return t.key.packed() == key.packed(); });
            if (known != into + told_of) {
                known->ready |= ready;
            } else {
                into[told_of++] = {key, ready, false};
            }
        }
        return told_of;
    }

  private:
    int apply(fd_key key, const filter_of& f, int what) noexcept {
        static_assert(sizeof(void*) == sizeof(std::uint64_t));
        struct kevent changed{};
        void* const name = reinterpret_cast<void*>(static_cast<std::uintptr_t>(key.packed()));
        EV_SET(&changed, static_cast<uintptr_t>(key.fd), static_cast<short>(f.filter),
               static_cast<unsigned short>(what), f.flags, 0, name);
        return ::kevent(fd_, &changed, 1, nullptr, 0, nullptr) < 0 ? -errno : 0;
    }

    int fd_;
};

}  // namespace

std::unique_ptr<fd_poller> make_fd_poller() { return std::make_unique<kqueue_poller>(); }

}  // namespace bight::detail
