#include "readiness.hpp"
#include "time_limit.hpp"

#include <sys/event.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <system_error>
#include <utility>

namespace bight::detail {

namespace {

// A change, or with EV_RECEIPT the answer to one. (EV_SET, because the fields have other types elsewhere.)
struct kevent change(native_handle fd, int filter, int flags, descriptor* of) noexcept {
    struct kevent made{};
    EV_SET(&made, static_cast<uintptr_t>(fd), static_cast<short>(filter), static_cast<unsigned short>(flags),
           0, 0, of);
    return made;
}

// kqueue(2), of macOS and the BSDs. Each descriptor is registered once, for reading and for writing, with
// EV_CLEAR: as with epoll's edges, changes of interest need no system call, and descriptor::may_read and
// may_write keep what was reported until a call returns EAGAIN.
class kqueue_demultiplexer final : public readiness {
  public:
    explicit kqueue_demultiplexer(reactor& home) : readiness(home, false), fd_(::kqueue()) {
        if (fd_ < 0) throw std::system_error(errno, std::system_category(), "kqueue");
        struct kevent add_wake{};
        EV_SET(&add_wake, wake_ident, EVFILT_USER, EV_ADD | EV_CLEAR, 0, 0, nullptr);
        if (::kevent(fd_, &add_wake, 1, nullptr, 0, nullptr) < 0) {
            const int error = errno;
            ::close(fd_);
            throw std::system_error(error, std::system_category(), "kevent for EVFILT_USER");
        }
    }
    ~kqueue_demultiplexer() override {
        if (fd_ >= 0) ::close(fd_);
    }
    // A child of fork(2) has no copy of the queue.
    void forked() noexcept override { fd_ = -1; }

    std::string_view name() const noexcept override { return "kqueue"; }
    int pollable() const noexcept override { return fd_; }

    void wake() noexcept override {
        const int before = errno;
        struct kevent trigger{};
        EV_SET(&trigger, wake_ident, EVFILT_USER, 0, NOTE_TRIGGER, 0, nullptr);
        (void)::kevent(fd_, &trigger, 1, nullptr, 0, nullptr);
        errno = before;
    }

    void wait(duration limit) override {
        struct kevent events[256];
        timespec t{};
        if (limit != duration::max()) t = to_timespec(limit);
        const int count = ::kevent(fd_, nullptr, 0, events, 256, limit == duration::max() ? nullptr : &t);
        if (count < 0) {
            if (errno == EINTR) return;
            throw std::system_error(errno, std::system_category(), "kevent");
        }
        // Readers come before writers, as where one event tells of both: a connection that failed tells its
        // error to one of the two only, and to a reader it is the error that counts.
        for (int i = 0; i < count; ++i) {
            if (events[i].filter == EVFILT_USER) {
                woken();
            } else if (events[i].filter == EVFILT_READ) {
                handle(events[i]);
            }
        }
        for (int i = 0; i < count; ++i) {
            if (events[i].filter == EVFILT_WRITE) handle(events[i]);
        }
    }

  private:
    void handle(const struct kevent& e) noexcept {
        auto& d = *static_cast<descriptor*>(reinterpret_cast<void*>(e.udata));
        const bool over = (e.flags & (EV_EOF | EV_ERROR)) != 0;
        const bool reads = e.filter == EVFILT_READ;
        if (over && e.fflags != 0 && d.writing && d.writing->kind == operation_kind::connect) {
            static_cast<connect_operation*>(d.writing)->told_error = static_cast<int>(e.fflags);
        }
        // EVFILT_WRITE ends when nothing can be sent any more: that is no end of what comes.
        became_ready(d, reads, !reads, reads && over);
    }

    static constexpr uintptr_t wake_ident = 0;  // of no descriptor: EVFILT_USER has a space of its own

    // One of the two may be refused: nothing can be written at the end of a pipe that is for reading.
    void watch(descriptor& d) override {
        int refused = 0;
        for (const int filter : {EVFILT_WRITE, EVFILT_READ}) {
            const struct kevent add = change(d.fd, filter, EV_ADD | EV_CLEAR, &d);
            if (::kevent(fd_, &add, 1, nullptr, 0, nullptr) == 0) continue;
            if (++refused == 2 || errno == EBADF || errno == ENOMEM) {
                const int error = errno;
                unwatch(d);
                throw std::system_error(error, std::system_category(),
                                        "kevent on fd " + std::to_string(d.fd));
            }
        }
    }

    // Explicit, because a descriptor of the same socket elsewhere would keep the registration.
    void unwatch(descriptor& d) noexcept override {
        for (const int filter : {EVFILT_READ, EVFILT_WRITE}) {
            const struct kevent remove = change(d.fd, filter, EV_DELETE, nullptr);
            (void)::kevent(fd_, &remove, 1, nullptr, 0, nullptr);
        }
    }

    int fd_;
};

}  // namespace

std::unique_ptr<demultiplexer> make_kqueue(reactor& home, refusal& why) {
    try {
        return std::make_unique<kqueue_demultiplexer>(home);
    } catch (const std::system_error& e) {
        why = {e.what(), e.code()};
        return nullptr;
    }
}

}  // namespace bight::detail
