// fd_watch: readiness of descriptors that belong to others, such as a library that brings its own.
#pragma once

#include <bight/core/detail/thread_checker.hpp>
#include <bight/core/export.hpp>
#include <bight/core/reactor.hpp>
#include <bight/os/detail/fd_watch.hpp>
#include <bight/os/fd_event.hpp>

#include <memory>
#include <source_location>
#include <utility>
#include <vector>

namespace BIGHT_EXPORT bight {

/// What the function of an fd_watch says of its descriptor.
enum class fd_handled : std::uint8_t {
    keep,  ///< go on watching
    done,  ///< it is over, in good order: the descriptor is removed
};

/// A descriptor that an fd_watch watches.
struct watched_fd {
    int fd = -1;
    fd_event interest = fd_event::none;
};

/// Watches descriptors that bight does not own, and calls a function when one is ready: for libraries that
/// bring descriptors of their own (libcurl, hiredis, libpq, D-Bus), and for code that makes its system calls
/// itself.
///
///     bight::fd_watch watch;
///     watch.add(fd, fd_event::readable, [&](fd_event ready) { library_can_read(fd); });
///
/// Descriptors are neither closed nor changed: one that blocks goes on blocking. What is reported are levels,
/// as poll(2) reports them: as long as a descriptor is ready, its function is called, once in each turn with
/// all that it is ready for. A descriptor that has failed or has hung up is ready for everything that was
/// asked for. Regular files, directories and devices that never wait are always ready for reading and
/// writing, on every demultiplexer. What is ready in a turn is told in no particular order.
///
/// A function may add, change and remove any descriptor, its own as well, and may destroy the fd_watch: what
/// was removed is told of nothing any more, not even what the kernel has reported in the same turn.
///
/// A descriptor should be removed before it is closed. When one was closed, and its number is perhaps
/// another file's by now, nothing that happens to that file is told to the old owner: the watch ends with
/// EBADF, as soon as the kernel reports anything of it, or the number is added, changed or listed; before
/// that the kernel says nothing of what was closed. (Two files of eventfd(2) and its like are not told apart
/// when a duplicate of the closed one lives on.)
///
/// It uses one descriptor of its own, from the first one that it watches on, on each demultiplexer. A
/// simulated host has no descriptors: ENOTSUP. In a forked child it does nothing (see reactor). Thread: the
/// reactor's; another thread's use is caught in debug builds. The reactor must outlive it, or it watches
/// nothing any more.
class fd_watch {
  public:
    /// For the reactor that runs on this thread. Throws std::logic_error when there is none, and
    /// std::bad_alloc.
    explicit fd_watch(std::source_location where = std::source_location::current());
    explicit fd_watch(reactor& on);
    fd_watch(const fd_watch&) = delete;
    fd_watch& operator=(const fd_watch&) = delete;
    /// Nothing is watched any more. Ends the process with a message when a task waits in until_ready.
    ~fd_watch();

    /// Has `on_ready(fd_event ready)` called from the reactor's loop whenever `fd` is ready for what
    /// `interest` names. It may return an fd_handled; when it returns nothing, the descriptor is kept. When
    /// the watch ends otherwise than by `remove` or by the end of the fd_watch, `on_lost(std::exception_ptr
    /// reason)` is called, once, with the descriptor removed already: with null after fd_handled::done, with
    /// what on_ready has thrown, or with std::system_error (EBADF) when the descriptor was closed or is
    /// another file by now. Without on_lost an error goes to the error handler (set_error_handler). on_lost
    /// must not throw.
    ///
    /// Throws std::system_error: EEXIST when `fd` has a function already, EBADF, EMFILE (of the process; and
    /// with select, whose descriptors are below 1024, when none is free), ENOSPC
    /// (/proc/sys/fs/epoll/max_user_watches), ENOTSUP on a simulated host and, with Windows, for what is no
    /// socket; std::bad_alloc. Then nothing has changed. See epoll(7), kqueue(2).
    template <class Ready, class Lost = detail::nobody_told>
    void add(int fd, fd_event interest, Ready on_ready, Lost on_lost = {}) {
        static_assert(std::is_invocable_v<Ready&, fd_event>,
                      "add(fd, interest, on_ready) takes a function of one fd_event, what the descriptor is "
                      "ready for; it returns nothing, or an fd_handled");
        static_assert(
            std::is_same_v<Lost, detail::nobody_told> || std::is_invocable_v<Lost&, std::exception_ptr>,
            "on_lost is a function of one std::exception_ptr, which is null at an end in good order");
        add_handler(
            fd, interest,
            std::make_unique<detail::fd_functions<Ready, Lost>>(std::move(on_ready), std::move(on_lost)));
    }
    /// Changes what the function of `fd` is called for; with fd_event::none it stays, and is called for
    /// nothing. False when it has none. Throws as `add`; EBADF also when the descriptor is another file by
    /// now.
    bool set_interest(int fd, fd_event interest);
    /// What the function of `fd` is called for; fd_event::none also when it has none.
    fd_event interest(int fd) const noexcept;
    /// Whether `fd` has a function.
    bool contains(int fd) const noexcept;
    /// Removes `fd`, which may have been closed already. Its function is not called any more, nor on_lost;
    /// a task that waits for it in until_ready gets errc::closed. False when it is not there.
    bool remove(int fd) noexcept;
    /// The descriptors that have functions, in ascending order. Throws std::bad_alloc.
    std::vector<watched_fd> list();
    /// Removes all, and gives what `list` would have. Throws std::bad_alloc; then nothing is removed.
    std::vector<watched_fd> remove_all();

    /// Waits until `fd` is ready for some of what `interest` names, and gives what that is, at once when it
    /// is ready already:
    ///
    ///     co_await watch.until_ready(fd, fd_event::readable);
    ///     const auto got = ::recv(fd, memory, size, MSG_DONTWAIT);
    ///
    /// Any number of tasks may wait for the same descriptor, beside a function that it has. Being ready is a
    /// hint: another task, or process, may be quicker, so that the call should not block. Throws
    /// std::system_error: EINVAL for fd_event::none, errc::closed after `remove`, and what `add` throws.
    /// Cancelling it changes nothing.
    detail::fd_ready_awaiter until_ready(int fd, fd_event interest) noexcept {
        home_.check("an fd_watch");
        return {*state_, fd, interest};
    }

  private:
    void add_handler(int fd, fd_event interest, std::unique_ptr<detail::fd_handler> handler);

    detail::fd_watch_state* state_;
    detail::thread_checker home_;
};

// Implementation.

namespace detail {

template <class Ready, class Lost>
class fd_functions final : public fd_handler {
  public:
    fd_functions(Ready on_ready, Lost on_lost)
        : on_ready_(std::move(on_ready)), on_lost_(std::move(on_lost)) {}

    bool ready(fd_event events) override {
        if constexpr (std::is_same_v<std::invoke_result_t<Ready&, fd_event>, fd_handled>) {
            return on_ready_(events) == fd_handled::keep;
        } else {
            on_ready_(events);
            return true;
        }
    }
    bool lost(const std::exception_ptr& reason) noexcept override {
        if constexpr (std::is_same_v<Lost, nobody_told>) {
            return !reason;
        } else {
            on_lost_(reason);
            return true;
        }
    }

  private:
    Ready on_ready_;
    [[no_unique_address]] Lost on_lost_;
};

}  // namespace detail

}  // namespace bight
