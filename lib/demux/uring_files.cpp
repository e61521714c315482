// File operations of the io_uring demultiplexer; the kernel runs blocking ones on its worker threads.
#include "beneath_calls.hpp"
#include "stream_calls.hpp"
#include "tool_annotations.hpp"
#include "uring.hpp"

#include <fcntl.h>
#include <linux/stat.h>

#include <algorithm>
#include <cerrno>
#include <new>
#include <utility>

namespace bight::detail {

namespace {

told_status::moment from(const statx_timestamp& t) noexcept { return {t.tv_sec, t.tv_nsec}; }

void take(told_status& status, const struct statx& s) noexcept {
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

// For what io_uring has no operation.
bool needs_thread(operation_kind kind) noexcept {
    return kind == operation_kind::list_directory || kind == operation_kind::lock_file;
}

// A worker thread of the kernel's was interrupted, by a cancel or by a signal that stops the process. Beside
// EINTR it tells what a system call keeps from its caller: ERESTARTSYS, ERESTARTNOINTR, ERESTARTNOHAND,
// ERESTART_RESTARTBLOCK (include/linux/errno.h of the kernel).
bool was_interrupted(int result) noexcept {
    return result == -EINTR || (result <= -512 && result >= -514) || result == -516;
}

// Of Linux 6.9; earlier versions say EINVAL.
constexpr unsigned op_truncate = 55;

// The offset at_the_end is what io_uring takes for the position of the file, which O_APPEND moves to the end.
static_assert(at_the_end == static_cast<std::uint64_t>(-1));

void prepare_read(io_uring_sqe& sqe, const file_operation& op) noexcept {
    for (std::size_t i = 0; i < op.piece_count; ++i) kernel_will_write(op.into[i].data, op.into[i].size);
    if (op.piece_count > 0) {
        io_uring_prep_readv(&sqe, op.file, reinterpret_cast<const iovec*>(op.into),
                            static_cast<unsigned>(op.piece_count), op.offset);
        return;
    }
    kernel_will_write(op.memory.data, at_once(op.memory.size));
    io_uring_prep_read(&sqe, op.file, op.memory.data, at_once(op.memory.size), op.offset);
}

void prepare_write(io_uring_sqe& sqe, const file_operation& op) noexcept {
    for (std::size_t i = 0; i < op.piece_count; ++i) kernel_will_read(op.from[i].data, op.from[i].size);
    if (op.piece_count > 0) {
        io_uring_prep_writev(&sqe, op.file, reinterpret_cast<const iovec*>(op.from),
                             static_cast<unsigned>(op.piece_count), op.offset);
        return;
    }
    kernel_will_read(op.bytes.data, at_once(op.bytes.size));
    io_uring_prep_write(&sqe, op.file, op.bytes.data, at_once(op.bytes.size), op.offset);
}

void has_read(const file_operation& op, int result) noexcept {
    if (op.piece_count == 0) kernel_has_written(op.memory.data, result);
    std::int64_t left = std::max(result, 0);
    for (std::size_t i = 0; i < op.piece_count && left > 0; ++i) {
        const auto size = std::min(left, static_cast<std::int64_t>(op.into[i].size));
        kernel_has_written(op.into[i].data, size);
        left -= size;
    }
}

}  // namespace

bool uring::start_file(file_operation& op) noexcept {
    op.in_flight = true;  // before a thread has it
    if (!needs_thread(op.kind)) {
        count_without_descriptor(1);
        submit_file(op);
        return false;
    }
    if (start_on_thread(op)) {
        count_without_descriptor(1);
        return false;
    }
    op.in_flight = false;
    op.result = -ENOMEM;
    return true;
}

bool uring::start_on_thread(file_operation& op) noexcept {
    op.stage = stage_on_thread;
    if (!calls_) calls_.reset(new (std::nothrow) blocking_calls(*this));
    return calls_ && calls_->start(op);
}

void uring::take_from_threads() noexcept {
    operation* op = calls_ ? calls_->take_done() : nullptr;
    while (op) {
        operation& done = *std::exchange(op, std::exchange(op->behind, nullptr));
        count_without_descriptor(-1);
        settle_now(done, done.result);
    }
}

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
        case operation_kind::read_at: prepare_read(sqe, op); break;
        case operation_kind::write_at: prepare_write(sqe, op); break;
        case operation_kind::sync_file:
            io_uring_prep_fsync(&sqe, op.file, op.flags != 0 ? IORING_FSYNC_DATASYNC : 0);
            break;
        case operation_kind::stat_path:
            kernel_will_read_path(op.path);
            io_uring_prep_statx(&sqe, AT_FDCWD, op.path, op.flags, what,
                                &static_cast<status_operation&>(op).space.make<struct statx>());
            break;
        case operation_kind::stat_file:
            io_uring_prep_statx(&sqe, op.file, "", AT_EMPTY_PATH, what,
                                &static_cast<status_operation&>(op).space.make<struct statx>());
            break;
        case operation_kind::truncate_file:
            io_uring_prep_rw(op_truncate, &sqe, op.file, nullptr, 0, op.offset);
            break;
        case operation_kind::open_beneath:
            kernel_will_read_path(op.path);
            io_uring_prep_openat2(&sqe, op.file, op.path,
                                  &(static_cast<status_operation&>(op).space.make<open_how>() =
                                        how_beneath(op.flags, op.mode)));
            sqe.flags |= IOSQE_ASYNC;
            break;
        case operation_kind::make_directory:
            kernel_will_read_path(op.path);
            io_uring_prep_mkdirat(&sqe, AT_FDCWD, op.path, op.mode);
            break;
        case operation_kind::rename_path:
            kernel_will_read_path(op.path);
            kernel_will_read_path(op.new_path);
            io_uring_prep_renameat(&sqe, AT_FDCWD, op.path, AT_FDCWD, op.new_path, 0);
            break;
        default:
            kernel_will_read_path(op.path);
            io_uring_prep_unlinkat(&sqe, AT_FDCWD, op.path, op.flags);
            break;
    }
    sqe.user_data = tagged(&op, tag_operation);
}

void uring::file_done(file_operation& op, int result) noexcept {
    if (was_interrupted(result)) {
        if (op.kind == operation_kind::close_file) {
            result = 0;  // as after close(2): it is closed in any case
        } else if (op.cancel_asked) {
            result = -ECANCELED;
        } else {
            submit_file(op);
            return;
        }
    }
    // EAGAIN: something was renamed meanwhile.
    const bool goes_to_thread = (result == -EINVAL && op.kind == operation_kind::truncate_file) ||
                                (result == -EAGAIN && op.kind == operation_kind::open_beneath);
    if (goes_to_thread) {
        if (!op.cancel_asked && start_on_thread(op)) return;
        result = op.cancel_asked ? -ECANCELED : -ENOMEM;  // nothing was done
    }
    if (result == 0 && asks_status(op.kind)) {
        auto& asked = static_cast<status_operation&>(op);
        auto& status = asked.space.as<struct statx>();
        kernel_has_written(&status, std::int64_t{sizeof status});
        take(asked.status, status);
    }
    if (op.kind == operation_kind::read_at) has_read(op, result);
    count_without_descriptor(-1);
    settle_now(op, result);
}

}  // namespace bight::detail
