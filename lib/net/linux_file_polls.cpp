#include "linux_file_polls.hpp"

#include <fcntl.h>
#include <linux/kcmp.h>
#include <linux/magic.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <new>
#include <string_view>
#include <utility>

namespace bight::detail {

namespace {

constexpr unsigned most_file_polls = 256;

// IOCB_CMD_POLL, since Linux 4.18; headers may be older.
constexpr std::uint16_t poll_command = 5;

bool is_perf_event(int fd) noexcept {
    std::array<char, 64> link{};
    std::array<char, 64> target{};
    std::snprintf(link.data(), link.size(), "/proc/self/fd/%d", fd);
    const ssize_t size = ::readlink(link.data(), target.data(), target.size());
    return size > 0 &&
           std::string_view(target.data(), static_cast<std::size_t>(size)) == "anon_inode:[perf_event]";
}

}  // namespace

bool poll_may_take(int fd) noexcept {
    constexpr long anonymous = 0x09041934;  // ANON_INODE_FS_MAGIC
    struct statfs on{};
    if (::fstatfs(fd, &on) < 0) return false;
    if (on.f_type == anonymous) return is_perf_event(fd);
    return on.f_type == PROC_SUPER_MAGIC || on.f_type == CGROUP2_SUPER_MAGIC;
}

// file_poll

file_poll::~file_poll() {
    if (duplicate_ >= 0) ::close(duplicate_);
}

bool file_poll::is_of(int fd) const noexcept {
    const auto self = ::getpid();
    const long differ = ::syscall(SYS_kcmp, self, self, KCMP_FILE, fd, duplicate_);
    if (differ >= 0) return differ == 0;
    if (errno == EBADF) return false;
    // A filter forbids the call: the inode says less.
    struct stat a{};
    struct stat b{};
    return ::fstat(fd, &a) == 0 && ::fstat(duplicate_, &b) == 0 && a.st_dev == b.st_dev &&
           a.st_ino == b.st_ino;
}

// file_polls

std::unique_ptr<file_polls> file_polls::make() noexcept {
    aio_context_t context = 0;
    if (::syscall(SYS_io_setup, most_file_polls, &context) < 0) return nullptr;
    const int event = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    std::unique_ptr<file_polls> made;
    if (event >= 0) made.reset(new (std::nothrow) file_polls(context, event));
    if (!made) {
        if (event >= 0) ::close(event);
        ::syscall(SYS_io_destroy, context);
    }
    return made;
}

// In a forked child there is no such context, and nothing is destroyed.
file_polls::~file_polls() {
    ::syscall(SYS_io_destroy, context_);
    ::close(event_);
}

std::unique_ptr<file_poll> file_polls::add(int fd) const noexcept {
    std::unique_ptr<file_poll> made(new (std::nothrow) file_poll);
    if (!made) return nullptr;
    made->duplicate_ = ::fcntl(fd, F_DUPFD_CLOEXEC, 0);
    return made->duplicate_ < 0 ? nullptr : std::move(made);
}

bool file_polls::ask(file_poll& poll, std::uint64_t label, std::uint32_t events) const noexcept {
    if (poll.underway_) {
        io_event unused{};
        // EINVAL: it is over, and its result comes.
        if (::syscall(SYS_io_cancel, context_, &poll.call_, &unused) < 0 && errno != EINPROGRESS) return true;
        poll.underway_ = false;
    }
    if (events == 0) return true;
    poll.call_ = {};
    poll.call_.aio_data = label;
    poll.call_.aio_lio_opcode = poll_command;
    poll.call_.aio_fildes = static_cast<std::uint32_t>(poll.duplicate_);
    poll.call_.aio_buf = events;  // those of epoll are those of poll
    poll.call_.aio_flags = IOCB_FLAG_RESFD;
    poll.call_.aio_resfd = static_cast<std::uint32_t>(event_);
    iocb* const one = &poll.call_;
    poll.underway_ = ::syscall(SYS_io_submit, context_, 1, &one) == 1;
    return poll.underway_;
}

void file_polls::end(file_poll& poll) const noexcept { ask(poll, 0, 0); }

std::size_t file_polls::fetch(std::span<result> into) const noexcept {
    std::uint64_t count = 0;
    (void)!::read(event_, &count, sizeof count);
    std::array<io_event, 64> found;
    const auto most = static_cast<long>(std::min(found.size(), into.size()));
    timespec at_once{};
    const long got = most == 0 ? 0 : ::syscall(SYS_io_getevents, context_, 0L, most, found.data(), &at_once);
    if (got == most) wake();
    std::size_t kept = 0;
    for (long i = 0; i < got; ++i) {
        const io_event& each = found[static_cast<std::size_t>(i)];
        if (each.res <= 0) continue;  // it was cancelled
        into[kept++] = {each.data, static_cast<std::uint32_t>(each.res)};
    }
    return kept;
}

void file_polls::wake() const noexcept {
    const std::uint64_t one = 1;
    (void)!::write(event_, &one, sizeof one);
}

}  // namespace bight::detail
