// fd_poller: tells which of many descriptors of others are ready.
#pragma once

#include "../demux/native_handle.hpp"

#include <bight/os/fd_event.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>

namespace bight::detail {

/// What names a registration: the descriptor, and how often one was registered before, so that a late event
/// is not taken for one of the next file of that number.
struct fd_key {
    int fd = -1;
    std::uint32_t serial = 0;

    std::uint64_t packed() const noexcept {
        return std::uint64_t{serial} << 32 | static_cast<std::uint32_t>(fd);
    }
    static fd_key unpacked(std::uint64_t key) noexcept {
        return {static_cast<int>(static_cast<std::uint32_t>(key)), static_cast<std::uint32_t>(key >> 32)};
    }
};

/// A set of descriptors that the kernel looks at, in one of its objects, which becomes readable when one of
/// them is ready. Levels, as poll(2)'s. A system's file has one of these: Linux's an epoll instance, that of
/// macOS and the BSDs a kqueue, that of Windows a request to the driver behind Winsock.
///
/// All calls come on the reactor's thread. Results are 0 or -errno.
class fd_poller {
  public:
    fd_poller() noexcept = default;
    fd_poller(const fd_poller&) = delete;
    fd_poller& operator=(const fd_poller&) = delete;
    virtual ~fd_poller() = default;

    /// The kernel's object, which whoever waits for it closes, or else the end of the process.
    virtual native_handle handle() const noexcept = 0;

    /// Looks for `now` where it looked for `before` (fd_event::none: not at all). 1: this descriptor is
    /// always ready, and is not looked at. Taking back what was asked for may fail when the descriptor was
    /// closed; then the kernel may go on telling of what it was.
    virtual int change(fd_key key, fd_event before, fd_event now) noexcept = 0;

    /// Whether what was registered under this key, with this interest, is the file of that number still: the
    /// kernel forgets what is closed.
    virtual bool knows(fd_key key, fd_event registered) noexcept = 0;

    struct told {
        fd_key key;
        fd_event ready = fd_event::none;  ///< what it is ready for, whether asked for or not
        bool closed = false;              ///< the kernel says that it was closed
    };
    /// What is ready now, at most `room`; waits for nothing.
    virtual std::size_t take(told* into, std::size_t room) noexcept = 0;

    /// To be called before `handle` is waited for.
    virtual void prepare() noexcept {}
};

/// Throws std::system_error and std::bad_alloc.
std::unique_ptr<fd_poller> make_fd_poller();

/// Identifies the file behind a descriptor, as far as the system tells.
struct fd_identity {
    std::uint64_t device = 0;
    std::uint64_t number = 0;
    bool operator==(const fd_identity&) const = default;
};
/// 0, or -errno.
int identify(int fd, fd_identity& file) noexcept;

/// What `fd` is ready for of `asked`, now; fd_event::none for nothing. Negative: -errno.
int ready_now(int fd, fd_event asked) noexcept;

}  // namespace bight::detail
