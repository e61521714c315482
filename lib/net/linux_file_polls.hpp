// file_polls: polls of the kernel's own, for files whose poll takes what it tells (Linux).
#pragma once

#include <linux/aio_abi.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

namespace bight::detail {

/// Whether a file may be one of those: who asks it what it is ready for is told once, and the next who asks
/// is told nothing. So are perf events, the lists of mounts (/proc/self/mountinfo), /proc/sys and the
/// pressure of the system. Such a file cannot be watched by an epoll instance that is itself waited for by
/// another: the outer one asks, and the inner one is told nothing any more.
bool poll_may_take(int fd) noexcept;

/// One poll, of a duplicate of the descriptor: the file stays open meanwhile.
class file_poll {
  public:
    file_poll() noexcept = default;
    file_poll(const file_poll&) = delete;
    file_poll& operator=(const file_poll&) = delete;
    ~file_poll();

    /// Whether `fd` is the same open file.
    bool is_of(int fd) const noexcept;

  private:
    friend class file_polls;
    iocb call_{};
    int duplicate_ = -1;
    bool underway_ = false;
};

/// Their results come by an eventfd, which may be watched by anything. The file is asked once, and by the
/// kernel (IOCB_CMD_POLL of io_submit(2)).
class file_polls {
  public:
    /// Null when the system has none, or no more of them.
    static std::unique_ptr<file_polls> make() noexcept;
    file_polls(const file_polls&) = delete;
    file_polls& operator=(const file_polls&) = delete;
    /// Ends those that are underway.
    ~file_polls();

    /// Readable when `fetch` has something to give.
    int descriptor() const noexcept { return event_; }

    /// A poll of `fd` for `events` of epoll, none of which are told without `ask`. Null when there can be
    /// none.
    std::unique_ptr<file_poll> add(int fd) const noexcept;
    /// Has it tell of `events` from now on, once; with none it ends. What it has found already comes all the
    /// same, and nothing else until that was fetched. False when it is refused.
    bool ask(file_poll& poll, std::uint64_t label, std::uint32_t events) const noexcept;
    /// It has been fetched.
    static void told(file_poll& poll) noexcept { poll.underway_ = false; }
    /// Ends it; what it has found already comes all the same.
    void end(file_poll& poll) const noexcept;

    struct result {
        std::uint64_t label = 0;
        std::uint32_t events = 0;
    };
    /// What there is. If there may be more, the descriptor stays readable.
    std::size_t fetch(std::span<result> into) const noexcept;
    /// Makes the descriptor readable, for what was fetched and not taken.
    void wake() const noexcept;

  private:
    file_polls(aio_context_t context, int event) noexcept : context_(context), event_(event) {}
    aio_context_t context_;
    int event_;
};

}  // namespace bight::detail
