#include "file_operation.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace bight::detail {

namespace {

template <class F>
std::int64_t repeat(F call) noexcept {
    for (;;) {
        const std::int64_t result = call();
        if (result >= 0) return result;
        if (errno != EINTR) return -errno;
    }
}

file_status::moment from(const timespec& t) noexcept {
    return {t.tv_sec, static_cast<std::uint32_t>(t.tv_nsec)};
}

std::int64_t take(file_operation& op, const struct stat& s, int result) noexcept {
    if (result < 0) return -errno;
    op.status = {};
    op.status.mode = s.st_mode;
    op.status.user = s.st_uid;
    op.status.group = s.st_gid;
    op.status.links = static_cast<std::uint64_t>(s.st_nlink);
    op.status.size = static_cast<std::uint64_t>(s.st_size);
    op.status.inode = static_cast<std::uint64_t>(s.st_ino);
#if defined(__APPLE__)
    op.status.accessed = from(s.st_atimespec);
    op.status.modified = from(s.st_mtimespec);
    op.status.changed = from(s.st_ctimespec);
#else
    op.status.accessed = from(s.st_atim);
    op.status.modified = from(s.st_mtim);
    op.status.changed = from(s.st_ctim);
#endif
    return 0;
}

int sync(const file_operation& op) noexcept {
#if defined(__APPLE__)
    return ::fsync(op.file);
#else
    return op.flags != 0 ? ::fdatasync(op.file) : ::fsync(op.file);
#endif
}

}  // namespace

// An eventfd has no type, and a position that means nothing.
int refuses_offsets(int file) noexcept {
    struct stat is{};
    if (::fstat(file, &is) < 0) return errno;
    if (S_ISDIR(is.st_mode)) return EISDIR;
    const bool has_none = (is.st_mode & S_IFMT) == 0 || S_ISFIFO(is.st_mode) || S_ISSOCK(is.st_mode);
    return has_none ? ESPIPE : ::lseek(file, 0, SEEK_CUR) < 0 ? errno : 0;
}

std::int64_t perform(file_operation& op) noexcept {
    const auto at = static_cast<off_t>(op.offset);
    struct stat s{};
    switch (op.kind) {
        case operation_kind::open_file:
            return repeat(
                [&] { return ::open(op.path, op.flags | O_CLOEXEC, static_cast<mode_t>(op.mode)); });
        case operation_kind::close_file:
            // The descriptor is closed in any case: after EINTR Linux must not be asked again, since the
            // number may be in use again.
            return ::close(op.file) < 0 && errno != EINTR ? -errno : 0;
        case operation_kind::read_at:
            return repeat([&] {
                return ::pread(op.file, op.memory.data, std::min(op.memory.size, most_in_one_call), at);
            });
        case operation_kind::write_at:
            return repeat([&] {
                return ::pwrite(op.file, op.bytes.data, std::min(op.bytes.size, most_in_one_call), at);
            });
        case operation_kind::sync_file: return repeat([&] { return sync(op); });
        case operation_kind::stat_path: return take(op, s, ::fstatat(AT_FDCWD, op.path, &s, op.flags));
        case operation_kind::stat_file: return take(op, s, ::fstat(op.file, &s));
        case operation_kind::remove_path:
            return repeat([&] { return ::unlinkat(AT_FDCWD, op.path, op.flags); });
        default: return -EINVAL;
    }
}

}  // namespace bight::detail
