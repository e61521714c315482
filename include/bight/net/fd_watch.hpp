// fd_watch: tells when descriptors of other libraries are ready.
#pragma once

#include <bight/core/detail/refused.hpp>
#include <bight/core/export.hpp>
#include <bight/core/task.hpp>

#include <concepts>
#include <functional>
#include <memory>
#include <source_location>
#include <type_traits>
#include <vector>

namespace BIGHT_EXPORT bight {

namespace detail {
class descriptor_set;
}

/// What is to be told of a descriptor. Nothing: it is watched, and nothing of it is told for now.
struct fd_interest {
    bool readable = false;
    bool writable = false;
    bool priority = false;  ///< urgent data and the like (POLLPRI)
    bool operator==(const fd_interest&) const = default;
};

/// What a descriptor is ready for, of what was asked for, as poll(2) says it.
struct fd_readiness {
    bool readable = false;  ///< a read would not block: also at an end, and after an error
    bool writable = false;  ///< a write would not block: also when it would fail
    bool priority = false;
    bool failed = false;   ///< an error is pending (POLLERR); readable and writable are set, as asked for
    bool hung_up = false;  ///< the connection is over (POLLHUP); the same
    bool operator==(const fd_readiness&) const = default;
};

/// One that an fd_watch watches.
struct watched_fd {
    int fd = -1;
    fd_interest wanted;
    bool operator==(const watched_fd&) const = default;
};

/// Watches descriptors that belong to others, and calls a handler when one is ready: for libraries that bring
/// their own descriptors, and ask for a loop that watches them.
///
///     bight::fd_watch watch;
///     watch.add(fd, {.readable = true}, [&](bight::fd_readiness) { library_reads(); });
///     co_await watch.run();
///
/// Handlers are called within `run` and `run_until_empty`, and nowhere else. They are called again and again
/// as long as their descriptor is ready (levels, as of poll(2)), once in a turn of the reactor, and at most
/// 64 of them in a turn, besides those of 64 files: one that never drains its descriptor holds up nobody. A
/// regular file, and whatever else has no readiness (/dev/null), is always readable and writable, and never
/// has priority. What is told is true when the turn begins; a handler that was called before may have
/// changed that, so a descriptor should not block. A handler that stays ready keeps a virtual clock that
/// advances by itself from moving, as a task that yields does.
///
/// A handler may add, change and remove any descriptor, itself too, and may destroy the watch: what is
/// removed is not called any more, in the same turn neither. What a handler throws ends `run` with that
/// error; the others stay as they are, and another run goes on with them.
///
/// A descriptor is the open file that its number had when it was added. When it was closed without being
/// removed, nothing more is told of it, also when its number is in use again, for a file that was added or
/// not, and when a duplicate of it is still open; `list` has it until it is removed, or its number added
/// again. Only a regular file is known by its inode and its time of birth, where there is one: opened again
/// under its number, it is taken for the same. On Windows a socket that was closed while a duplicate of it
/// was open, in this process or in a child that inherited it, is not known to be closed: remove it before.
///
/// An error or a hang-up is told to those that asked for readable or writable. With an interest in priority
/// alone it is not told, and ends what is told of that descriptor, until its interest is changed.
///
/// On any demultiplexer: a kernel object of its own (epoll, kqueue, and on Windows a device with an event),
/// made when it is first needed, and another descriptor for it while `run` waits; an idle watch costs its
/// reactor nothing. On a simulated host add, run and run_until_empty throw std::system_error with
/// errc::unavailable. In a forked child they do, too, and the rest touches nothing of the parent's: also when
/// it was a handler that forked.
///
/// Linux: a number that was closed without being removed has an epoll instance of its own whenever it is
/// watched later, which is one of the process's descriptors; when there is none left, it does without. On
/// epoll the kernel walks through all that is watched when `run` begins: a watch should run for long.
///
/// Linux: files whose poll takes what it tells (perf events, /proc/self/mountinfo, /proc/sys, the pressure of
/// the system and of a cgroup) each have a poll of the kernel's own (io_submit(2)) of a duplicate of the
/// descriptor, and an eventfd together, so that each change is told on any demultiplexer. Where the process
/// can have no such polls (fs.aio-max-nr, a filter of system calls, more than 256 of them in a watch), what
/// such a file tells is lost, but for some of it on io_uring.
///
/// macOS and the BSDs: where a kqueue tells of no urgent data (FreeBSD, NetBSD), an interest in priority is
/// refused (EOPNOTSUPP).
///
/// Windows: sockets alone, a SOCKET made an int (the value of each fits). They are left as they are: their
/// mode, their completion port and what WSAEventSelect has selected stay. Other handles are refused
/// (ENOTSOCK). hung_up is what WSAPoll has: the peer has ended what it sends. A turn in which one is ready
/// looks at each. On wfmo a watch that runs is one of 31 handles that a reactor may wait for (EMFILE).
///
/// Limits of epoll (Linux), which the messages of the errors name: instances nest no deeper than five
/// (ELOOP), and no more than 500 watches that run on a reactor on epoll may have the same open file (EINVAL).
/// Either comes from `add`, or from `run` when it is there that the reactor's own instance is one too many.
///
/// Thread: that of the reactor that runs it, also outside its turns (in a callback of a host loop). See
/// epoll(7), kqueue(2).
class fd_watch {
  public:
    using handler = std::function<void(fd_readiness)>;

    fd_watch();
    fd_watch(const fd_watch&) = delete;
    fd_watch& operator=(const fd_watch&) = delete;
    /// Watches nothing any more, and ends `run`. One that has descriptors and never ran is logged as a
    /// warning, unless an exception or a cancellation is the reason. The descriptors are not closed. What
    /// handlers hold goes with them; when it adds others, that is ignored.
    ~fd_watch();

    /// Watches `fd`, which stays its owner's, until it is removed, in the place of what was watched under
    /// that number. O(1), however many there are.
    ///
    /// Throws std::system_error: EBADF when it is not open, and what epoll_ctl(2) or kevent(2) have (ENOSPC:
    /// the limit of the system), or the driver of sockets; std::invalid_argument for an empty handler;
    /// std::bad_alloc. Then nothing has changed.
    ///
    /// `where` is the line of the call: the trace of what the handler throws has it, and the warning that the
    /// handler holds the reactor (reactor_options::stall_limit).
    void add(int fd, fd_interest wanted, handler call,
             std::source_location where = std::source_location::current());
    // A handler that gives something.
    template <class F>
        requires(std::invocable<F&, fd_readiness> && !std::is_void_v<std::invoke_result_t<F&, fd_readiness>>)
    void add(int, fd_interest, F) {
        static_assert(std::is_void_v<std::invoke_result_t<F&, fd_readiness>>,
                      "fd_watch::add(fd, interest, handler): the handler gives nothing, and is no coroutine; "
                      "to go on in a task it spawns one in a group, sets an event or fires a deferred");
    }
    // One that cannot be copied.
    template <class F>
        requires(std::invocable<F&, fd_readiness> && !std::is_copy_constructible_v<F>)
    void add(int, fd_interest, F&&) {
        static_assert(std::is_copy_constructible_v<F>,
                      "fd_watch::add(fd, interest, handler): a handler is copied: what it owns alone, such "
                      "as a std::unique_ptr, it captures as a std::shared_ptr");
    }
    // What no other overload takes.
    template <class Here = decltype([] {}), bool fits = false>
    void add(detail::anything, fd_interest, detail::anything) {
        static_assert(
            fits,
            "fd_watch::add(fd, interest, handler) takes a number, of an owned_descriptor its get(), "
            "of a stream its native_handle(); and a function that takes a bight::fd_readiness: "
            "[&](bight::fd_readiness now) { … }");
    }
    template <class Interest, class Here = decltype([] {})>
        requires(!std::is_convertible_v<const Interest&, fd_interest>)
    void add(detail::anything, const Interest&, detail::anything = {}) {
        static_assert(std::is_convertible_v<const Interest&, fd_interest>,
                      "fd_watch::add(fd, interest, handler) takes what is to be told, {.readable = true}, "
                      "before the function");
    }
    /// What is to be told from now on. Throws std::system_error: ENOENT when it is not watched, EBADF when it
    /// was closed, also when its number is another file's by now; EOPNOTSUPP as above; std::bad_alloc. Then
    /// nothing has changed.
    void change(int fd, fd_interest wanted);
    /// False when it was not watched. To be called before the descriptor is closed.
    bool remove(int fd) noexcept;
    /// Removes all, and gives what there was.
    std::vector<watched_fd> remove_all();
    /// All, by number.
    std::vector<watched_fd> list() const;

    /// Calls the handlers, until it is cancelled, a handler throws, or the watch is destroyed. Cancelling
    /// ends it at once, and leaves the descriptors as they are. Throws std::system_error: errc::busy when it
    /// runs already; what epoll_create1(2) or kqueue(2) have.
    task<> run();
    /// The same, until nothing is watched any more.
    task<> run_until_empty();

  private:
    std::shared_ptr<detail::descriptor_set> set_;
};

/// Waits until a descriptor is ready, once; what it is ready for is told as by fd_watch. That costs some
/// system calls for each wait, and two descriptors while it waits: many that wait at once share an fd_watch.
/// A descriptor that is closed meanwhile never gets ready. Throws std::invalid_argument when nothing is
/// wanted. Other errors and cancellation are those of fd_watch::add and fd_watch::run.
task<fd_readiness> fd_ready(int fd, fd_interest wanted);
// What no other overload takes.
template <class Here = decltype([] {}), bool fits = false>
auto fd_ready(detail::anything, fd_interest) {
    static_assert(fits,
                  "fd_ready(fd, interest) takes a number, of an owned_descriptor its get(), of a stream its "
                  "native_handle()");
    return detail::refused_operation();
}
template <class Here = decltype([] {}), bool fits = false>
auto fd_ready(detail::anything) {
    static_assert(fits, "fd_ready(fd, interest) takes what is waited for, too: {.readable = true}");
    return detail::refused_operation();
}

}  // namespace bight
