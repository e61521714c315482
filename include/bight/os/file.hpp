// file: an open file, which is read and written at offsets.
#pragma once

#include <bight/core/detail/refused.hpp>
#include <bight/core/export.hpp>
#include <bight/core/task.hpp>
#include <bight/io/buffer.hpp>
#include <bight/io/native_file.hpp>
#include <bight/os/detail/file.hpp>
#include <bight/os/file_status.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <type_traits>
#include <utility>

namespace BIGHT_EXPORT bight {

enum class file_access : std::uint8_t { read, write, read_and_write };

/// What becomes of a file that is not there.
enum class file_creation : std::uint8_t {
    never,        ///< an error (ENOENT)
    if_missing,   ///< it is made
    must_be_new,  ///< it is made; one that is there is an error (EEXIST), also a link
};

struct open_options {
    file_access access = file_access::read;
    file_creation creation = file_creation::never;
    bool truncate = false;        ///< what was in it is dropped; without access to write: EINVAL
    bool append = false;          ///< all writes go to the end, also when others write: file::append;
                                  ///< without access to write: EINVAL
    bool follow_link = true;      ///< false: a path whose last name is a symbolic link is an error (ELOOP)
    bool synchronous = false;     ///< each write is on the disk when it has ended (O_DSYNC)
    unsigned permissions = 0666;  ///< of a new file, less the umask of the process; above 0777 EINVAL
};
static_assert(std::is_trivially_destructible_v<open_options>);  // see reactor_options

enum class file_lock : std::uint8_t { shared, exclusive };

/// An open file, which owns its descriptor (close-on-exec). Move-only. It has no position: reads and writes
/// say where, any number of them may be under way at a time, and they end in no order. On io_uring they are
/// the kernel's; elsewhere each is made by one of the four threads that a demultiplexer has for files, with
/// the same results and errors. On a simulated host the file is on the host's disk (sim::disk).
///
/// Errors are std::system_error with the errno, and name the call and the path. The non-throwing form of each
/// is as_result(operation).
///
/// Cancelling: what has not begun is not done. What has begun is not interrupted (io_uring is asked to), and
/// is waited for, because its memory is in use until then: its result is delivered, and the task ends at its
/// next await. A write of which a part was done does not go on. A descriptor is never lost: what a cancelled
/// open has opened is closed.
///
/// The destructor closes the descriptor in place, unless operations are under way, of which the last one
/// does: most file systems do not wait there. Errors of the disk are told by sync(), or by close().
///
/// Thread: that of the reactor whose tasks use it. When nothing is under way it may be given to another one.
class file {
  public:
    /// None: an await gives EBADF.
    file() noexcept = default;
    /// Takes over an open file; `path` is for messages, and `appends` says that it was opened with O_APPEND.
    /// Throws std::bad_alloc, and then it is closed.
    explicit file(native_file handle, std::string path = {}, bool appends = false);
    file(file&&) noexcept = default;
    file& operator=(file&&) noexcept = default;
    file(const file&) = delete;  // it has one owner: std::move(f)
    file& operator=(const file&) = delete;
    ~file() = default;

    /// False when there is none, or it was closed.
    explicit operator bool() const noexcept { return native_handle() != -1; }
    /// The descriptor, which stays owned; -1 when there is none.
    native_file native_handle() const noexcept { return state_ ? detail::handle_of(*state_) : -1; }
    /// The path by which it was opened.
    const std::string& path() const noexcept;

    /// Reads bytes from `offset` on into `memory`: as many as are there, which may be fewer than there is
    /// room for, and 0 at the end of the file (or when there is room for none).
    detail::file_read_awaiter read_at(std::uint64_t offset, mutable_buffer memory) const noexcept {
        return {state_.get(), offset, memory};
    }
    /// The same into several pieces, one after the other, in one call: into the first IOV_MAX of them, not
    /// counting empty ones before all others.
    detail::file_read_list_awaiter read_at(std::uint64_t offset,
                                           std::span<const mutable_buffer> pieces) const noexcept {
        return {state_.get(), offset, pieces};
    }
    /// Fills all of `memory`. Throws errc::end_of_stream when the file ends before that.
    task<> read_exactly_at(std::uint64_t offset, mutable_buffer memory) const;

    /// Writes all bytes of all pieces, one after the other, from `offset` on: goes on where the system takes
    /// a part. When it fails after a part (a full disk: ENOSPC), that is in the file, and the message says
    /// how much. A file that was opened to append is an error (EINVAL).
    template <class... Pieces>
        requires(sizeof...(Pieces) > 0 && (std::is_convertible_v<const Pieces&, const_buffer> && ...))
    detail::file_write_awaiter<sizeof...(Pieces)> write_at(std::uint64_t offset,
                                                           const Pieces&... pieces) noexcept {
        return {state_.get(), detail::no_end(offset), pieces...};
    }
    /// The same for a list of pieces; the elements of the list are changed during the write.
    detail::file_write_list_awaiter write_at(std::uint64_t offset, std::span<const_buffer> pieces) noexcept {
        return {state_.get(), detail::no_end(offset), pieces};
    }
    /// Writes all pieces to the end of a file that was opened with open_options::append (else it is an error,
    /// EINVAL). What one call of the system takes is in one piece, whoever else appends.
    template <class... Pieces>
        requires(sizeof...(Pieces) > 0 && (std::is_convertible_v<const Pieces&, const_buffer> && ...))
    detail::file_write_awaiter<sizeof...(Pieces)> append(const Pieces&... pieces) noexcept {
        return {state_.get(), detail::end_of_file, pieces...};
    }
    // What no other overload takes.
    template <class Here = decltype([] {}), bool fits = false>
    auto write_at(detail::anything, detail::anything = {}, detail::anything = {}) {
        static_assert(fits,
                      "write_at(offset, bytes...) takes a number, then text, bytes and chunks: a number as "
                      "std::to_string(n), other objects as bight::const_buffer(&object, sizeof object)");
        return detail::refused_operation();
    }
    template <class Here = decltype([] {}), bool fits = false>
    auto read_at(detail::anything, detail::anything = {}) const {
        static_assert(fits,
                      "read_at(offset, memory) takes a number, then writable bytes: a char bytes[512], a "
                      "std::string of that size, or bight::mutable_buffer(pointer, size)");
        return detail::refused_operation();
    }

    /// Completes when what was written before is on the disk (fsync(2)), and with it what is needed to find
    /// it. For a new file its directory must be synced, too: sync_directory. After an error nobody knows what
    /// of it is there: write it again, to another file.
    task<> sync();
    /// The same without the times of the file (fdatasync(2)).
    task<> sync_data();
    /// Makes the file shorter, or longer by zeros.
    task<> truncate(std::uint64_t size);
    task<file_status> status() const;

    /// Waits until no other open file, of this process or another, has a lock that is in the way, and takes
    /// one of the whole file. It asks again and again, up to 50 ms apart, and no order is promised. A lock
    /// tells only those who ask for one; it is let go with the file, or by release_lock(). An exclusive one
    /// needs access to write, a shared one access to read (fcntl(2), open file description locks; those of
    /// flock(2) are others, and neither is seen by the other). Another
    /// kind of lock takes the place of the one that it has: two holders of a shared one that both ask for an
    /// exclusive one wait for each other for ever. A child process that was made by fork(2) shares the open
    /// file: the lock stays until it, too, has closed it, or executed another program, or until
    /// release_lock() (Windows: a child shares nothing).
    task<> acquire_lock(file_lock kind);
    /// The same without waiting: false when another lock is in the way.
    task<bool> try_acquire_lock(file_lock kind);
    task<> release_lock();

    /// Closes the descriptor, and tells what the system has to say (of a file system over the network, say).
    /// It is closed in any case, but for errc::busy: operations on it are under way, or a stream has it. From
    /// the moment it begins there is no file: what begins then, before it has ended, too, gets EBADF. One
    /// that was cancelled before it began leaves the file open. A file that is closed, or empty, stays so.
    task<> close();

  private:
    friend struct detail::file_access_key;
    explicit file(detail::file_state_ref state) noexcept : state_(std::move(state)) {}
    detail::file_state_ref state_;
};

/// Opens a file, or a directory for reading its status and syncing it. Only what has offsets can be read and
/// written: pipes, terminals and sockets give ESPIPE. The path is one of the system, and UTF-8 on Windows. It
/// does not wait for the other end of a FIFO: without a reader, one that is opened to write is ENXIO.
task<file> open_file(std::string path, open_options options = {});

}  // namespace bight
