// The kernel's part of a descriptor_set on Windows: polls of the driver behind Winsock.
#include "watch_kernel.hpp"

#include "../core/system_error.hpp"
#include "../demux/afd.hpp"

#include <bight/core/detail/intrusive_list.hpp>

#include <windows.h>

#include <cerrno>
#include <new>
#include <system_error>
#include <utility>

namespace bight::detail {

namespace {

constexpr ULONG ends_of_a_socket = afd_abort | afd_connect_failed | afd_local_close;

ULONG afd_events_of(fd_interest wanted) noexcept {
    return (wanted.readable ? afd_receive | afd_accept | afd_disconnect | ends_of_a_socket : 0UL) |
           (wanted.writable ? afd_send | ends_of_a_socket : 0UL) |
           (wanted.priority ? afd_receive_urgent | afd_local_close : 0UL);
}

// The memory of one poll. It stays until the kernel has ended the poll, whatever becomes of the socket.
struct socket_poll {
    OVERLAPPED call{};
    afd_poll_info info{};
    socket_poll* next = nullptr;  // among those that nobody waits for any more
    bool was_submitted = false;

    bool is_over() const noexcept { return !was_submitted || HasOverlappedIoCompleted(&call); }
    // As when the thread ends that has begun it.
    bool was_cancelled() const noexcept { return static_cast<LONG>(call.Internal) < 0; }
};

struct socket_entry final : watched_entry, list_hook<socket_entry> {
    std::unique_ptr<socket_poll> ready;    // for what is asked for
    std::unique_ptr<socket_poll> closing;  // for the end of the socket
    ULONG armed = 0;                       // the events of `ready`; 0: it is not under way
    bool is_listed_here = false;
};

socket_entry& of_socket(watched_entry& e) noexcept { return static_cast<socket_entry&>(e); }

SOCKET socket_of(const watched_entry& e) noexcept { return static_cast<SOCKET>(e.fd); }

HANDLE make_watch_event() {
    const HANDLE made = ::CreateEventW(nullptr, TRUE, FALSE, nullptr);
    if (!made) throw std::system_error(system_error_code(last_error()), "fd_watch: CreateEvent");
    return made;
}

// A socket of anybody's, which is left as it is: no completion port is told of it, no event is selected for
// it, and its mode stays. The polls are of a device of our own.
//
// - What is asked for is polled for once, and again just before the handler is called.
// - A second poll, for the end of the socket, lasts as long as it is watched. As long as it does, the number
//   is that of the socket that was added. (A socket ends when no handle to it is left: one that was
//   duplicated before it was closed is watched under its number still.)
//
// Polls that end set an event, which is what a reactor waits for. The kernel resets it whenever a poll
// begins, so it is set again then; whoever finds it set looks at every poll.
class afd_watch final : public watch_kernel {
  public:
    afd_watch() : event_(make_watch_event()) {
        try {
            device_ = std::make_unique<afd>(event_);
        } catch (...) {
            ::CloseHandle(event_);
            throw;
        }
    }
    // Memory into which the kernel may still write is leaked. It has ended what is cancelled at once.
    ~afd_watch() override {
        while (socket_entry* const e = entries_.front()) leave(*e);
        for (int tries = 0; leaving_ && tries < 1000; ++tries) {
            ::WaitForSingleObject(event_, 1);
            reap();
        }
        device_.reset();
        ::CloseHandle(event_);
    }

    std::shared_ptr<watched_entry> make_entry() const override { return std::make_shared<socket_entry>(); }

    void enter(watched_entry& of, watched_entry* before, bool&) override {
        socket_entry& made = of_socket(of);
        if (before && replace(made, of_socket(*before))) return;
        refuse_other_handles(made.fd);
        made.ready = std::make_unique<socket_poll>();
        made.closing = std::make_unique<socket_poll>();
        int error = submit(made, *made.closing, afd_local_close);
        if (error == 0) error = arm(made);
        if (error != 0) {
            abandon(made.closing);
            refuse_descriptor(error, made.fd, " cannot be watched");
        }
        list_here(made);
        if (before) leave(*before);
    }

    bool change(watched_entry& of) override {
        socket_entry& e = of_socket(of);
        if (has_closed(e)) return false;
        const ULONG wanted = afd_events_of(e.wanted);
        // What is polled for and not wanted any more is passed over if it comes.
        if ((wanted & ~e.armed) == 0) return true;
        if (e.armed != 0) {
            auto another = std::make_unique<socket_poll>();
            abandon(e.ready);
            e.ready = std::move(another);
        }
        return arm(e) == 0;
    }

    bool leave(watched_entry& of) noexcept override {
        socket_entry& e = of_socket(of);
        if (std::exchange(e.is_listed_here, false)) entries_.remove(e);
        abandon(e.ready);
        abandon(e.closing);
        e.armed = 0;
        return true;
    }

    std::size_t fetch(std::span<watch_event, most_of_a_round> events) override {
        ::ResetEvent(event_);  // before it looks
        reap();
        socket_entry* found[most_of_a_round];
        std::size_t got = 0;
        for (socket_entry& e : entries_) {
            if (e.armed == 0 || !e.ready->is_over() || has_closed(e)) continue;
            if (got == events.size()) {
                ::SetEvent(event_);
                break;
            }
            const bool told = !e.ready->was_cancelled();
            events[got] = {e.fd, e.generation, told ? e.ready->info.polled.events : 0};
            found[got++] = &e;
        }
        // So that all have their turn.
        for (std::size_t i = 0; i < got; ++i) {
            entries_.remove(*found[i]);
            entries_.push_back(*found[i]);
        }
        return got;
    }

    fd_readiness take(watched_entry& of, const watch_event& event) noexcept override {
        socket_entry& e = of_socket(of);
        // Changed since: another poll is under way.
        if (e.armed != 0 && !e.ready->is_over()) return {};
        if (has_closed(e)) return {};
        const fd_readiness now = readiness_of(e, event.events);
        return arm(e) == 0 ? now : fd_readiness();
    }
    void put_back(watched_entry&, const watch_event&) noexcept override {
        ::SetEvent(event_);
    }  // its poll is over still

    // Nothing that is watched is a file.
    std::optional<file_identity> identity_of(int) const noexcept override { return std::nullopt; }
    native_handle waitable() const override {
        const HANDLE here = ::GetCurrentProcess();
        HANDLE made = nullptr;
        if (!::DuplicateHandle(here, event_, here, &made, 0, FALSE, DUPLICATE_SAME_ACCESS)) {
            throw std::system_error(system_error_code(last_error()), "fd_watch: DuplicateHandle");
        }
        return reinterpret_cast<native_handle>(made);
    }

  private:
    static void refuse_other_handles(int fd) {
        int type = 0;
        int size = sizeof type;
        if (::getsockopt(static_cast<SOCKET>(fd), SOL_SOCKET, SO_TYPE, reinterpret_cast<char*>(&type),
                         &size) == 0)
            return;
        const int error = last_socket_error();
        DWORD flags = 0;
        const auto handle = reinterpret_cast<HANDLE>(static_cast<native_handle>(fd));
        if (errno_of(error) != ENOTSOCK) refuse_descriptor(error, fd, " cannot be watched");
        // Negative numbers are handles that stand for this process, and the like.
        if (fd < 0 || !::GetHandleInformation(handle, &flags))
            refuse_descriptor(EBADF, fd, " cannot be watched");
        refuse_descriptor(error, fd,
                          " cannot be watched: it is a handle, and only sockets are watched on Windows");
    }

    // 0, or an error number.
    int submit(const socket_entry& e, socket_poll& poll, ULONG events) noexcept {
        poll.call = {};
        poll.call.Internal = static_cast<ULONG_PTR>(STATUS_PENDING);
        const int error = device_->poll(e.fd, events, poll.info, poll.call);
        poll.was_submitted = error == 0;
        ::SetEvent(event_);
        return error;
    }
    int arm(socket_entry& e) noexcept {
        const ULONG wanted = afd_events_of(e.wanted);
        e.armed = 0;
        if (wanted == 0) return 0;
        const int error = submit(e, *e.ready, wanted);
        if (error == 0) e.armed = wanted;
        return error;
    }
    bool has_closed(socket_entry& e) noexcept {
        if (!e.closing->is_over()) return false;
        return !e.closing->was_submitted || !e.closing->was_cancelled() ||
               submit(e, *e.closing, afd_local_close) != 0;
    }

    // Takes the polls of `before`, if they are of the same socket.
    bool replace(socket_entry& made, socket_entry& before) {
        if (has_closed(before)) return false;
        std::swap(made.ready, before.ready);
        std::swap(made.closing, before.closing);
        std::swap(made.armed, before.armed);
        std::swap(made.generation, before.generation);
        bool is_there = false;
        try {
            is_there = change(made);
        } catch (...) {
            std::swap(made.ready, before.ready);
            std::swap(made.closing, before.closing);
            std::swap(made.armed, before.armed);
            std::swap(made.generation, before.generation);
            throw;
        }
        if (!is_there) {
            leave(made);
            std::swap(made.generation, before.generation);
            return false;
        }
        leave(before);
        list_here(made);
        return true;
    }
    void list_here(socket_entry& e) noexcept {
        e.is_listed_here = true;
        entries_.push_back(e);
    }

    void abandon(std::unique_ptr<socket_poll>& poll) noexcept {
        if (!poll || poll->is_over()) {
            poll.reset();
            return;
        }
        device_->cancel(poll->call);
        poll->next = leaving_;
        leaving_ = poll.release();
    }
    void reap() noexcept {
        for (socket_poll** at = &leaving_; *at;) {
            socket_poll* const poll = *at;
            if (poll->is_over()) {
                *at = poll->next;
                delete poll;
            } else {
                at = &poll->next;
            }
        }
    }

    // As WSAPoll says it, but for a hang-up, which is the end of what the peer sends: that makes no room.
    // What it may not tell of a connection that failed is in what the poll has found.
    static fd_readiness readiness_of(const socket_entry& e, ULONG reported) noexcept {
        const fd_interest& wanted = e.wanted;
        WSAPOLLFD asked{
            socket_of(e),
            static_cast<short>((wanted.readable ? POLLRDNORM : 0) | (wanted.writable ? POLLWRNORM : 0) |
                               (wanted.priority ? POLLRDBAND : 0)),
            0};
        const int found = ::WSAPoll(&asked, 1, 0) > 0 && (asked.revents & POLLNVAL) == 0 ? asked.revents : 0;
        const bool failed = (found & POLLERR) != 0 || (reported & (afd_abort | afd_connect_failed)) != 0;
        const bool hung_up = (found & POLLHUP) != 0;
        const bool tells_ends = wanted.readable || wanted.writable;
        return {.readable = wanted.readable && ((found & POLLRDNORM) != 0 || failed || hung_up),
                .writable = wanted.writable && ((found & POLLWRNORM) != 0 || failed),
                .priority = wanted.priority && (found & POLLRDBAND) != 0,
                .failed = tells_ends && failed,
                .hung_up = tells_ends && hung_up};
    }

    HANDLE event_;
    std::unique_ptr<afd> device_;
    intrusive_list<socket_entry> entries_;
    socket_poll* leaving_ = nullptr;
};

}  // namespace

std::unique_ptr<watch_kernel> make_watch_kernel() { return std::make_unique<afd_watch>(); }

const char* limit_of_watching(int) noexcept { return ""; }

}  // namespace bight::detail
