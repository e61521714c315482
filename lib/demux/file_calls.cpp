#include "file_operation.hpp"

#include "stream_calls.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <new>
#include <string_view>

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

told_status::moment from(const timespec& t) noexcept {
    return {t.tv_sec, static_cast<std::uint32_t>(t.tv_nsec)};
}

std::int64_t take(status_operation& op, const struct stat& s, int result) noexcept {
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

// At the end of the file only write(2) is sure to put it: pwrite(2) of some systems obeys its offset even
// then.
std::int64_t write(const file_operation& op) noexcept {
    const std::size_t size = std::min(op.bytes.size, most_in_one_call);
    const auto at = static_cast<off_t>(op.offset);
    if (op.piece_count == 0) {
        return op.offset == at_the_end ? ::write(op.file, op.bytes.data, size)
                                       : ::pwrite(op.file, op.bytes.data, size, at);
    }
    const auto* const pieces = reinterpret_cast<const iovec*>(op.from);
    const int count = static_cast<int>(op.piece_count);
    return op.offset == at_the_end ? ::writev(op.file, pieces, count) : ::pwritev(op.file, pieces, count, at);
}

std::int64_t read(const file_operation& op) noexcept {
    const auto at = static_cast<off_t>(op.offset);
    const bool at_position = op.offset == at_the_position;
    if (op.piece_count == 0) {
        const std::size_t size = std::min(op.memory.size, most_in_one_call);
        return at_position ? ::read(op.file, op.memory.data, size)
                           : ::pread(op.file, op.memory.data, size, at);
    }
    const auto* const pieces = reinterpret_cast<const iovec*>(op.into);
    const int count = static_cast<int>(op.piece_count);
    return at_position ? ::readv(op.file, pieces, count) : ::preadv(op.file, pieces, count, at);
}

// Locks of the open file, which no close of another one ends. They need a descriptor for writing to be
// exclusive, as the others have it from flock(2).
std::int64_t lock(const file_operation& op) noexcept {
#if defined(F_OFD_SETLK) && !defined(__APPLE__)
    struct flock whole{};
    whole.l_type = op.flags == lock_none ? F_UNLCK : op.flags == lock_shared ? F_RDLCK : F_WRLCK;
    whole.l_whence = SEEK_SET;
    if (::fcntl(op.file, F_OFD_SETLK, &whole) == 0) return 0;
    return errno == EACCES ? -EAGAIN : -errno;
#else
    const int kind = op.flags == lock_none ? LOCK_UN : op.flags == lock_shared ? LOCK_SH : LOCK_EX;
    return ::flock(op.file, kind | LOCK_NB) < 0 ? -errno : 0;
#endif
}

std::uint32_t type_of(const dirent& entry) noexcept {
#if defined(DT_UNKNOWN)
    return static_cast<std::uint32_t>(DTTOIF(entry.d_type));
#else
    (void)entry;
    return 0;
#endif
}

std::int64_t list(list_operation& op) noexcept {
    const int fd = ::openat(op.path ? AT_FDCWD : op.file, op.path ? op.path : ".",
                            O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) return -errno;
    DIR* const directory = ::fdopendir(fd);
    if (!directory) {
        const int error = errno;
        ::close(fd);
        return -error;
    }
    std::int64_t result = 0;
    try {
        for (;;) {
            errno = 0;
            const dirent* const entry = ::readdir(directory);
            if (!entry) {
                result = errno != 0 ? -errno : static_cast<std::int64_t>(op.names.size());
                break;
            }
            const std::string_view name = entry->d_name;
            if (name == "." || name == "..") continue;
            if (op.names.size() == op.most) {
                result = -EOVERFLOW;
                break;
            }
            op.names.push_back({std::string(name), type_of(*entry), entry->d_ino});
        }
    } catch (const std::bad_alloc&) {
        result = -ENOMEM;
    }
    ::closedir(directory);
    return result;
}

}  // namespace

// An eventfd has no type, and a position that means nothing. Some files of /proc can be read at offsets, and
// have no position.
int refuses_offsets(int file) noexcept {
    struct stat is{};
    if (::fstat(file, &is) < 0) return errno;
    if (S_ISDIR(is.st_mode)) return EISDIR;
    if (S_ISREG(is.st_mode)) return 0;
    const bool has_none = (is.st_mode & S_IFMT) == 0 || S_ISFIFO(is.st_mode) || S_ISSOCK(is.st_mode);
    return has_none ? ESPIPE : ::lseek(file, 0, SEEK_CUR) < 0 ? errno : 0;
}

std::int64_t perform(file_operation& op) noexcept {
    struct stat s{};
    switch (op.kind) {
        case operation_kind::open_file:
            return repeat(
                [&] { return ::open(op.path, op.flags | O_CLOEXEC, static_cast<mode_t>(op.mode)); });
        case operation_kind::close_file:
            // The descriptor is closed in any case: after EINTR Linux must not be asked again, since the
            // number may be in use again.
            return ::close(op.file) < 0 && errno != EINTR ? -errno : 0;
        case operation_kind::read_at: return repeat([&] { return read(op); });
        case operation_kind::write_at: return repeat([&] { return write(op); });
        case operation_kind::sync_file: return repeat([&] { return sync(op); });
        case operation_kind::stat_path:
            return take(static_cast<status_operation&>(op), s, ::fstatat(AT_FDCWD, op.path, &s, op.flags));
        case operation_kind::stat_file:
            return take(static_cast<status_operation&>(op), s, ::fstat(op.file, &s));
        case operation_kind::truncate_file:
            return repeat([&] { return ::ftruncate(op.file, static_cast<off_t>(op.offset)); });
        case operation_kind::lock_file: return lock(op);
        case operation_kind::open_beneath: return open_beneath(op);
        case operation_kind::make_directory:
            return repeat([&] { return ::mkdir(op.path, static_cast<mode_t>(op.mode)); });
        case operation_kind::list_directory: return list(static_cast<list_operation&>(op));
        case operation_kind::rename_path: return repeat([&] { return ::rename(op.path, op.new_path); });
        case operation_kind::remove_path:
            return repeat([&] { return ::unlinkat(AT_FDCWD, op.path, op.flags); });
        default: return -EINVAL;
    }
}

}  // namespace bight::detail
