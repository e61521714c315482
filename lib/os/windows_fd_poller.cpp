#include "fd_poller.hpp"

#include "../core/system_error.hpp"
#include "../demux/afd.hpp"

#include <algorithm>
#include <cerrno>
#include <map>
#include <memory>
#include <new>
#include <system_error>
#include <utility>

namespace bight::detail {

namespace {

constexpr ULONG bits_of(fd_event asked) noexcept {
    ULONG bits = afd_abort | afd_local_close | afd_connect_failed;
    if (includes(asked, fd_event::readable)) bits |= afd_receive | afd_accept | afd_disconnect;
    if (includes(asked, fd_event::writable)) bits |= afd_send;
    if (includes(asked, fd_event::priority)) bits |= afd_receive_urgent;
    return bits;
}

constexpr fd_event events_of(ULONG bits) noexcept {
    if ((bits & (afd_abort | afd_connect_failed)) != 0) return ~fd_event::none;
    fd_event ready = fd_event::none;
    if ((bits & (afd_receive | afd_accept | afd_disconnect)) != 0) ready |= fd_event::readable;
    if ((bits & afd_send) != 0) ready |= fd_event::writable;
    if ((bits & afd_receive_urgent) != 0) ready |= fd_event::priority;
    return ready;
}

int socket_type(int fd) noexcept {
    int type = 0;
    int size = sizeof type;
    const auto s = static_cast<SOCKET>(fd);
    if (::getsockopt(s, SOL_SOCKET, SO_TYPE, reinterpret_cast<char*>(&type), &size) == 0) return type;
    DWORD flags = 0;
    const auto handle = reinterpret_cast<HANDLE>(static_cast<native_handle>(fd));
    return ::GetHandleInformation(handle, &flags) ? -ENOTSUP : -EBADF;
}

// A poll of the driver behind Winsock for each socket, all of which set one event, for which the
// demultiplexer waits as for any handle. They are polls of levels, made anew before each wait. Sockets are
// neither selected (WSAEventSelect) nor bound to a port: both are their owners' to do. When the event is set,
// each poll is looked at, so that the cost of an event grows with their number.
class afd_poller final : public fd_poller {
  public:
    afd_poller() : device_(nullptr, 0), event_(::CreateEventW(nullptr, TRUE, FALSE, nullptr)) {
        if (!event_) throw std::system_error(system_error_code(last_error()), "CreateEvent");
    }
    ~afd_poller() override {
        for (auto& [key, s] : sockets_) end_poll(*s);
    }

    native_handle handle() const noexcept override { return reinterpret_cast<native_handle>(event_); }

    int change(fd_key key, fd_event before, fd_event now) noexcept override {
        if (before == fd_event::none) {
            const int type = socket_type(key.fd);
            if (type < 0) return type;
            try {
                auto made = std::make_unique<polled>();
                made->key = key;
                made->asked = now;
                sockets_.emplace(key.packed(), std::move(made));
            } catch (const std::bad_alloc&) {
                return -ENOMEM;
            }
        } else {
            const auto at = sockets_.find(key.packed());
            if (at == sockets_.end()) return -ENOENT;
            end_poll(*at->second);
            if (now == fd_event::none) {
                sockets_.erase(at);
                return 0;
            }
            at->second->asked = now;
        }
        prepare();
        return 0;
    }

    bool knows(fd_key key, fd_event) noexcept override {
        const auto at = sockets_.find(key.packed());
        if (at == sockets_.end()) return false;
        polled& s = *at->second;
        if (s.pending && afd::has_ended(s.overlapped) && (s.info.polled.events & afd_local_close) != 0) {
            s.closed = true;
        }
        return !s.closed;
    }

    std::size_t take(told* into, std::size_t room) noexcept override {
        prepare();
        std::size_t count = 0;
        for (auto& [key, s] : sockets_) {
            if (count == room) break;
            if (s->closed) into[count++] = {s->key, fd_event::none, true};
            if (!s->pending || !afd::has_ended(s->overlapped)) continue;
            s->pending = false;
            const ULONG bits = s->info.polled.events;
            s->closed = s->overlapped.Internal != 0 || (bits & afd_local_close) != 0;
            into[count++] = {s->key, events_of(bits), s->closed};
        }
        return count;
    }

    // Each poll resets the event, which another one may have set.
    void prepare() noexcept override {
        bool any_ended = false;
        for (auto& [key, s] : sockets_) {
            if (!s->pending && !s->closed) {
                s->overlapped = {};
                s->pending = device_.poll(s->key.fd, bits_of(s->asked), s->info, s->overlapped, event_) == 0;
                s->closed = !s->pending;
            }
            any_ended |= s->closed || afd::has_ended(s->overlapped);
        }
        if (any_ended) {
            ::SetEvent(event_);
        } else {
            ::ResetEvent(event_);
            for (auto& [key, s] : sockets_) any_ended |= s->pending && afd::has_ended(s->overlapped);
            if (any_ended) ::SetEvent(event_);
        }
    }

  private:
    struct polled {
        fd_key key;
        fd_event asked = fd_event::none;
        bool pending = false;
        bool closed = false;
        afd_poll_info info{};
        OVERLAPPED overlapped{};
    };

    // The memory is the kernel's until a poll has ended, which one that was cancelled does at once.
    void end_poll(polled& s) noexcept {
        if (!std::exchange(s.pending, false)) return;
        if (!afd::has_ended(s.overlapped)) device_.cancel(s.overlapped);
        while (!afd::has_ended(s.overlapped)) ::Sleep(0);
    }

    afd device_;
    HANDLE event_;  // closed by whoever waits for it
    std::map<std::uint64_t, std::unique_ptr<polled>> sockets_;
};

}  // namespace

std::unique_ptr<fd_poller> make_fd_poller() { return std::make_unique<afd_poller>(); }

// The kernel tells when a socket is closed (afd_local_close), and so numbers need not be compared.
int identify(int fd, fd_identity& file) noexcept {
    file = {};
    const int type = socket_type(fd);
    return type < 0 ? type : 0;
}

int ready_now(int fd, fd_event asked) noexcept {
    SHORT wanted = 0;
    if (includes(asked, fd_event::readable)) wanted |= POLLRDNORM;
    if (includes(asked, fd_event::writable)) wanted |= POLLWRNORM;
    const int type = socket_type(fd);
    if (type < 0) return type;
    WSAPOLLFD looked{static_cast<SOCKET>(fd), wanted, 0};  // of urgent data it knows nothing
    if (wanted == 0) return 0;
    if (::WSAPoll(&looked, 1, 0) < 0) return -last_socket_error();
    if ((looked.revents & POLLNVAL) != 0) return -EBADF;
    if ((looked.revents & (POLLERR | POLLHUP)) != 0) return static_cast<int>(asked);
    fd_event ready = fd_event::none;
    if ((looked.revents & POLLRDNORM) != 0) ready |= fd_event::readable;
    if ((looked.revents & POLLWRNORM) != 0) ready |= fd_event::writable;
    return static_cast<int>(ready & asked);
}

}  // namespace bight::detail
