// File operations of the io_uring demultiplexer; the kernel runs blocking ones on its worker threads.
#include "tool_annotations.hpp"
#include "uring.hpp"

#include <fcntl.h>
#include <linux/stat.h>

#include <algorithm>
#include <cerrno>

namespace bight::detail {

namespace {

file_status::moment from(const statx_timestamp& t) noexcept { return {t.tv_sec, t.tv_nsec}; }

void take(file_status& status, const struct statx& s) noexcept {
    status = {};
    status.mode = s.stx_mode;
    status.user = s.stx_uid;
    status.group = s.stx_gid;
    status.links = s.stx_nlink;
    status.size = s.stx_size;
    status.inode = s.stx_ino;
    status.accessed = from(s.stx_atime);
    status.modified = from(s.stx_mtime);
    status.changed = from(s.stx_ctime);
}

unsigned at_once(std::size_t size) noexcept {
    return static_cast<unsigned>(std::min(size, most_in_one_call));
}

bool asks_status(operation_kind kind) noexcept {
    return kind == operation_kind::stat_path || kind == operation_kind::stat_file;
}

}  // namespace

void uring::submit_file(file_operation& op) noexcept {
    constexpr unsigned what = STATX_BASIC_STATS;
    io_uring_sqe& sqe = entry_for(op);
    switch (op.kind) {
        case operation_kind::open_file:
            kernel_will_read_path(op.path);
            io_uring_prep_openat(&sqe, AT_FDCWD, op.path, op.flags | O_CLOEXEC, op.mode);
            // A non-blocking try would open a FIFO before anybody has opened its other end.
            sqe.flags |= IOSQE_ASYNC;
            break;
        case operation_kind::close_file:
            kernel_will_close(op.file);
            io_uring_prep_close(&sqe, op.file);
            break;
        case operation_kind::read_at:
            kernel_will_write(op.memory.data, at_once(op.memory.size));
            io_uring_prep_read(&sqe, op.file, op.memory.data, at_once(op.memory.size), op.offset);
            break;
        case operation_kind::write_at:
            kernel_will_read(op.bytes.data, at_once(op.bytes.size));
            io_uring_prep_write(&sqe, op.file, op.bytes.data, at_once(op.bytes.size), op.offset);
            break;
        case operation_kind::sync_file:
            io_uring_prep_fsync(&sqe, op.file, op.flags != 0 ? IORING_FSYNC_DATASYNC : 0);
            break;
        case operation_kind::stat_path:
            kernel_will_read_path(op.path);
            io_uring_prep_statx(&sqe, AT_FDCWD, op.path, op.flags, what, &op.space.make<struct statx>());
            break;
        case operation_kind::stat_file:
            io_uring_prep_statx(&sqe, op.file, "", AT_EMPTY_PATH, what, &op.space.make<struct statx>());
            break;
        default:
            kernel_will_read_path(op.path);
            io_uring_prep_unlinkat(&sqe, AT_FDCWD, op.path, op.flags);
            break;
    }
    sqe.user_data = tagged(&op, tag_operation);
}

void uring::file_done(file_operation& op, int result) noexcept {
    if (result == -EINTR && op.kind != operation_kind::close_file) {
        if (!op.cancel_asked) {
            submit_file(op);
            return;
        }
        result = -ECANCELED;  // a worker thread was interrupted
    }
    if (result == 0 && asks_status(op.kind)) {
        auto& status = op.space.as<struct statx>();
        kernel_has_written(&status, std::int64_t{sizeof status});
        take(op.status, status);
    }
    if (op.kind == operation_kind::read_at) kernel_has_written(op.memory.data, result);
    count_without_descriptor(-1);
    settle_now(op, result);
}

}  // namespace bight::detail
