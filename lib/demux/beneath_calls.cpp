// Opening a path that must not lead out of a directory, by the kernel or step by step.
#include "beneath_calls.hpp"
#include "file_operation.hpp"

#include <fcntl.h>
#include <limits.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <new>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#if defined(__linux__)
#include <linux/openat2.h>
#include <sys/syscall.h>
#endif

namespace bight::detail {

namespace {

#if defined(O_PATH)
constexpr int to_pass_through = O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
#else
constexpr int to_pass_through = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
#endif

// As the kernel's limit of links in one path; and how deep a path may go, each level of which is open.
constexpr int most_links = 40;
constexpr std::size_t deepest = 128;

class directory {
  public:
    explicit directory(int fd) noexcept : fd_(fd) {}
    directory(directory&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    directory& operator=(directory&&) = delete;
    ~directory() {
        if (fd_ >= 0) ::close(fd_);
    }
    int get() const noexcept { return fd_; }

  private:
    int fd_;
};

int open_at(int in, const std::string& name, int flags, unsigned mode) noexcept {
    for (;;) {
        const int fd = ::openat(in, name.c_str(), flags | O_CLOEXEC, static_cast<mode_t>(mode));
        if (fd >= 0 || errno != EINTR) return fd < 0 ? -errno : fd;
    }
}

// Each step opens one name in a directory that is open, and follows no link: a link's text is walked in its
// place. So whatever is renamed meanwhile, no step goes up but to a directory that it came from.
std::int64_t walk(const file_operation& op) {
    std::string rest = op.path;
    if (rest.empty()) return -ENOENT;
    std::vector<directory> below;
    int links = 0;
    while (!rest.starts_with('/')) {
        const std::size_t end = std::min(rest.find('/'), rest.size());
        const std::string name = rest.substr(0, end);
        const std::size_t next = rest.find_first_not_of('/', end);
        const bool is_last = next == rest.npos;
        const bool names_directory = is_last && end < rest.size();
        rest.erase(0, is_last ? rest.size() : next);

        if (name == "..") {
            if (below.empty()) return -EXDEV;
            below.pop_back();
        }
        const int here = below.empty() ? op.file : below.back().get();
        if (name == "." || name == "..") {
            if (is_last) return open_at(here, ".", op.flags, op.mode);
            continue;
        }
        const bool is_opened = is_last && !names_directory;
        const int opened = is_opened ? open_at(here, name, op.flags | O_NOFOLLOW, op.mode)
                                     : open_at(here, name, to_pass_through, 0);
        if (opened >= 0) {
            if (is_opened) return opened;
            directory reached(opened);
            if (is_last) return open_at(reached.get(), ".", op.flags, op.mode);
            if (below.size() == deepest) return -ENAMETOOLONG;
            below.push_back(std::move(reached));
            continue;
        }
        if (opened == -EEXIST || (is_opened && (op.flags & O_NOFOLLOW) != 0)) return opened;
        char target[PATH_MAX];
        const ssize_t size = ::readlinkat(here, name.c_str(), target, sizeof target);
        if (size < 0) return opened;  // no link: that was the error
        if (++links > most_links) return -ELOOP;
        const std::string_view text(target, static_cast<std::size_t>(size));
        std::string whole(text);
        if (names_directory || !is_last) whole += '/';
        rest = whole + rest;
    }
    return -EXDEV;
}

}  // namespace

std::int64_t walk_beneath(const file_operation& op) noexcept {
    try {
        return walk(op);
    } catch (const std::bad_alloc&) {
        return -ENOMEM;
    }
}

std::int64_t open_beneath(const file_operation& op) noexcept {
#if defined(__linux__)
    open_how how = how_beneath(op.flags, op.mode);
    // EAGAIN: something was renamed meanwhile.
    for (int i = 0; i < 8; ++i) {
        const long fd = ::syscall(SYS_openat2, op.file, op.path, &how, sizeof how);
        if (fd >= 0) return fd;
        if (errno != EINTR && errno != EAGAIN) break;
    }
    const bool kernel_refuses = errno == ENOSYS || errno == EPERM || errno == EAGAIN;
    if (!kernel_refuses) return -errno;
#endif
    return walk_beneath(op);
}

}  // namespace bight::detail
