// Files of Windows, with the results and errors of POSIX where Windows can tell them.
#include "windows_files.hpp"
#include "file_operation.hpp"

#include "../core/system_error.hpp"
#include "../core/windows_text.hpp"

#include <windows.h>

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <new>
#include <string>
#include <utility>

namespace bight::detail {

namespace {

constexpr std::uint32_t type_link = 0120000;  // S_IFLNK, which the C library has not

HANDLE system_handle(native_handle file) noexcept {
    return reinterpret_cast<HANDLE>(file);  // NOLINT(performance-no-int-to-ptr)
}

std::int64_t failure() noexcept { return -std::int64_t{last_error()}; }

// What the last error means here, where its code stands for another errno: users compare by that.
std::int64_t failure_as(int number) noexcept { return -number; }

DWORD disposition_of(int flags) noexcept {
    if ((flags & O_CREAT) != 0 && (flags & O_EXCL) != 0) return CREATE_NEW;
    if ((flags & O_CREAT) != 0) return (flags & O_TRUNC) != 0 ? CREATE_ALWAYS : OPEN_ALWAYS;
    return (flags & O_TRUNC) != 0 ? TRUNCATE_EXISTING : OPEN_EXISTING;
}

constexpr DWORD shared_with_all = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE;

bool is_directory(const std::wstring& path) noexcept {
    const DWORD error = ::GetLastError();
    const DWORD attributes = ::GetFileAttributesW(path.c_str());
    ::SetLastError(error);
    return attributes != INVALID_FILE_ATTRIBUTES && (attributes & FILE_ATTRIBUTE_DIRECTORY) != 0;
}

bool is_directory(HANDLE file) noexcept {
    const DWORD error = ::GetLastError();
    BY_HANDLE_FILE_INFORMATION found{};
    const bool is = ::GetFileInformationByHandle(file, &found) &&
                    (found.dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY) != 0;
    ::SetLastError(error);
    return is;
}

// Windows does not tell a path below a file from one below a directory that is not there.
bool is_below_a_file(std::wstring path) noexcept {
    const DWORD error = ::GetLastError();
    DWORD attributes = INVALID_FILE_ATTRIBUTES;
    while (attributes == INVALID_FILE_ATTRIBUTES) {
        const std::size_t end = path.find_last_of(L"/\\");
        if (end == path.npos || end == 0) break;
        path.resize(end);
        attributes = ::GetFileAttributesW(path.c_str());
    }
    ::SetLastError(error);
    return attributes != INVALID_FILE_ATTRIBUTES && (attributes & FILE_ATTRIBUTE_DIRECTORY) == 0;
}

std::int64_t path_failure(const std::wstring& path) {
    if (::GetLastError() == ERROR_PATH_NOT_FOUND && is_below_a_file(path)) return failure_as(ENOTDIR);
    return failure();
}

// A handle that is not inherited is what O_CLOEXEC asks for.
std::int64_t open(const std::wstring& path, int flags, unsigned mode) {
    const bool read_only = (flags & O_CREAT) != 0 && (mode & 0222U) == 0;
    const DWORD attributes = (read_only ? FILE_ATTRIBUTE_READONLY : FILE_ATTRIBUTE_NORMAL) |
                             ((flags & O_DSYNC) != 0 ? FILE_FLAG_WRITE_THROUGH : 0) |
                             ((flags & opened_overlapped) != 0 ? FILE_FLAG_OVERLAPPED : 0);
    const HANDLE file =
        ::CreateFileW(path.c_str(), access_of(flags), shared_with_all, nullptr, disposition_of(flags),
                      attributes | FILE_FLAG_BACKUP_SEMANTICS, nullptr);
    if (file != INVALID_HANDLE_VALUE) return wanted_file(reinterpret_cast<native_handle>(file), flags);
    if (::GetLastError() == ERROR_ACCESS_DENIED && is_directory(path)) return failure_as(EISDIR);
    return path_failure(path);
}

// A call of this thread on a handle that others may use meanwhile, and that may be an overlapped one. Its
// event, with the lowest bit set, keeps its packet from the port that has the handle.
class awaited_call {
  public:
    explicit awaited_call(std::uint64_t offset) noexcept
        : event_(::CreateEventW(nullptr, TRUE, FALSE, nullptr)) {
        place.Offset = static_cast<DWORD>(offset);
        place.OffsetHigh = static_cast<DWORD>(offset >> 32);
        // NOLINTNEXTLINE(performance-no-int-to-ptr)
        place.hEvent = reinterpret_cast<HANDLE>(reinterpret_cast<ULONG_PTR>(event_) | 1);
    }
    awaited_call(const awaited_call&) = delete;
    awaited_call& operator=(const awaited_call&) = delete;
    ~awaited_call() {
        if (event_) ::CloseHandle(event_);
    }
    explicit operator bool() const noexcept { return event_ != nullptr; }

    /// After the call, which has succeeded if `done`: whether it has, in the end; the last error says why
    /// not.
    bool ended(HANDLE file, BOOL done, DWORD& count) noexcept {
        if (done) return true;
        if (::GetLastError() != ERROR_IO_PENDING) return false;
        ::WaitForSingleObject(event_, INFINITE);
        return ::GetOverlappedResult(file, &place, &count, FALSE) != 0;
    }

    OVERLAPPED place{};

  private:
    HANDLE event_;
};

// What the caller of read or write is told.
std::int64_t transfer_failure(HANDLE file) noexcept {
    if (::GetLastError() == ERROR_ACCESS_DENIED) return failure_as(EBADF);  // not opened for this
    if (is_directory(file)) return failure_as(EISDIR);
    return failure();
}

DWORD at_once(std::size_t size) noexcept { return static_cast<DWORD>(std::min(size, most_in_one_call)); }

std::int64_t read(HANDLE file, mutable_buffer into, std::uint64_t offset) noexcept {
    awaited_call call(offset);
    if (!call) return failure();
    DWORD count = 0;
    const BOOL done = ::ReadFile(file, into.data, at_once(into.size), &count, &call.place);
    if (call.ended(file, done, count)) return count;
    return failed_read(reinterpret_cast<native_handle>(file), ::GetLastError());
}

// All bits set, as at_the_end has them, is the end of the file here, too.
std::int64_t write(HANDLE file, const_buffer bytes, std::uint64_t offset) noexcept {
    awaited_call call(offset);
    if (!call) return failure();
    DWORD count = 0;
    const BOOL done = ::WriteFile(file, bytes.data, at_once(bytes.size), &count, &call.place);
    if (call.ended(file, done, count)) return count;
    return failed_write(reinterpret_cast<native_handle>(file), ::GetLastError());
}

// Files that were not opened for it take no lists: piece by piece. An error after the first one is left for
// the next call.
template <class Buffer, class F>
std::int64_t each_piece(const Buffer* pieces, std::size_t count, std::uint64_t offset, F call) noexcept {
    std::int64_t moved = 0;
    for (std::size_t i = 0; i < count; ++i) {
        if (pieces[i].size == 0) continue;
        const std::uint64_t place =
            offset == at_the_end ? at_the_end : offset + static_cast<std::uint64_t>(moved);
        const std::int64_t result = call(pieces[i], place);
        if (result < 0) return moved > 0 ? moved : result;
        moved += result;
        if (static_cast<std::uint64_t>(result) < pieces[i].size) break;
    }
    return moved;
}

std::int64_t read(const file_operation& op) noexcept {
    const HANDLE file = system_handle(op.file);
    if (op.piece_count == 0) return read(file, op.memory, op.offset);
    return each_piece(op.into, op.piece_count, op.offset,
                      [file](mutable_buffer into, std::uint64_t place) { return read(file, into, place); });
}

std::int64_t write(const file_operation& op) noexcept {
    const HANDLE file = system_handle(op.file);
    if (op.piece_count == 0) return write(file, op.bytes, op.offset);
    return each_piece(op.from, op.piece_count, op.offset,
                      [file](const_buffer bytes, std::uint64_t place) { return write(file, bytes, place); });
}

// Only a handle for writing can be flushed, and so a file that was opened for reading is opened again.
std::int64_t sync(HANDLE file) noexcept {
    if (::FlushFileBuffers(file)) return 0;
    if (::GetLastError() != ERROR_ACCESS_DENIED) return failure();
    const HANDLE again = ::ReOpenFile(file, GENERIC_WRITE, shared_with_all, 0);
    if (again == INVALID_HANDLE_VALUE) return failure();
    const std::int64_t result = ::FlushFileBuffers(again) ? 0 : failure();
    ::CloseHandle(again);
    return result;
}

// Both count tenths of a microsecond since 1601.
told_status::moment from(std::int64_t ticks) noexcept {
    constexpr std::int64_t in_a_second = 10'000'000;
    constexpr std::int64_t until_1970 = 11'644'473'600;
    return {ticks / in_a_second - until_1970, static_cast<std::uint32_t>(ticks % in_a_second * 100)};
}
told_status::moment from(const FILETIME& t) noexcept {
    return from(static_cast<std::int64_t>(std::uint64_t{t.dwHighDateTime} << 32 | t.dwLowDateTime));
}

std::uint32_t mode_of(DWORD attributes, DWORD tag) noexcept {
    const std::uint32_t writable = (attributes & FILE_ATTRIBUTE_READONLY) != 0 ? 0U : 0222U;
    if ((attributes & FILE_ATTRIBUTE_REPARSE_POINT) != 0 && tag == IO_REPARSE_TAG_SYMLINK)
        return type_link | 0777U;
    if ((attributes & FILE_ATTRIBUTE_DIRECTORY) != 0) return std::uint32_t{S_IFDIR} | 0555U | writable;
    return std::uint32_t{S_IFREG} | 0444U | writable;
}

// Windows has no numbers of users and groups, and no permissions of others.
std::int64_t look_at(told_status& status, HANDLE file) noexcept {
    status = {};
    const DWORD type = ::GetFileType(file);
    if (type == FILE_TYPE_CHAR || type == FILE_TYPE_PIPE) {
        status.mode = (type == FILE_TYPE_CHAR ? std::uint32_t{S_IFCHR} : std::uint32_t{S_IFIFO}) | 0666U;
        status.links = 1;
        return 0;
    }
    BY_HANDLE_FILE_INFORMATION found{};
    if (!::GetFileInformationByHandle(file, &found)) return failure();
    FILE_ATTRIBUTE_TAG_INFO tag{};
    (void)::GetFileInformationByHandleEx(file, FileAttributeTagInfo, &tag, sizeof tag);
    status.mode = mode_of(found.dwFileAttributes, tag.ReparseTag);
    status.links = found.nNumberOfLinks;
    status.size = std::uint64_t{found.nFileSizeHigh} << 32 | found.nFileSizeLow;
    status.inode = std::uint64_t{found.nFileIndexHigh} << 32 | found.nFileIndexLow;
    status.accessed = from(found.ftLastAccessTime);
    status.modified = from(found.ftLastWriteTime);
    FILE_BASIC_INFO basic{};
    const bool knows_change = ::GetFileInformationByHandleEx(file, FileBasicInfo, &basic, sizeof basic) &&
                              basic.ChangeTime.QuadPart != 0;
    status.changed = knows_change ? from(basic.ChangeTime.QuadPart) : status.modified;
    return 0;
}

std::int64_t look_at_path(told_status& status, const std::wstring& path, int flags) {
    const DWORD itself = (flags & AT_SYMLINK_NOFOLLOW) != 0 ? FILE_FLAG_OPEN_REPARSE_POINT : 0;
    const HANDLE file = ::CreateFileW(path.c_str(), FILE_READ_ATTRIBUTES, shared_with_all, nullptr,
                                      OPEN_EXISTING, FILE_FLAG_BACKUP_SEMANTICS | itself, nullptr);
    if (file == INVALID_HANDLE_VALUE) return path_failure(path);
    const std::int64_t result = look_at(status, file);
    ::CloseHandle(file);
    return result;
}

std::int64_t remove(const std::wstring& path, int flags) {
    if ((flags & AT_REMOVEDIR) != 0) return ::RemoveDirectoryW(path.c_str()) ? 0 : path_failure(path);
    if (::DeleteFileW(path.c_str())) return 0;
    if (::GetLastError() != ERROR_ACCESS_DENIED) return path_failure(path);
    const DWORD attributes = ::GetFileAttributesW(path.c_str());
    ::SetLastError(ERROR_ACCESS_DENIED);
    if (attributes == INVALID_FILE_ATTRIBUTES) return failure();
    if ((attributes & FILE_ATTRIBUTE_DIRECTORY) != 0) {
        if ((attributes & FILE_ATTRIBUTE_REPARSE_POINT) == 0) return failure_as(EISDIR);
        return ::RemoveDirectoryW(path.c_str()) ? 0 : failure();  // a link to a directory
    }
    // On POSIX systems a file that may not be written may still be removed.
    if ((attributes & FILE_ATTRIBUTE_READONLY) == 0) return failure();
    if (!::SetFileAttributesW(path.c_str(), attributes & ~DWORD{FILE_ATTRIBUTE_READONLY})) return failure();
    if (::DeleteFileW(path.c_str())) return 0;
    const std::int64_t result = failure();
    ::SetFileAttributesW(path.c_str(), attributes);
    return result;
}

bool leads_below(const std::wstring& path, const std::wstring& directory) noexcept {
    const auto size = static_cast<int>(directory.size());
    return path.size() > directory.size() &&
           (path[directory.size()] == L'/' || path[directory.size()] == L'\\') &&
           ::CompareStringOrdinal(path.c_str(), size, directory.c_str(), size, TRUE) == CSTR_EQUAL;
}

// As rename(2): in the place of what has the name, which must not be open for others that do not share that.
std::int64_t rename(const std::wstring& path, const char* new_path) {
    if (*new_path == '\0') return -ENOENT;
    const std::wstring to = native_path(new_path);
    if (to.empty()) return -EILSEQ;
    if (::MoveFileExW(path.c_str(), to.c_str(), MOVEFILE_REPLACE_EXISTING)) return 0;
    if (::GetLastError() == ERROR_ACCESS_DENIED && is_directory(to)) return failure_as(EISDIR);
    if (leads_below(to, path) && is_directory(path)) return failure_as(EINVAL);
    return path_failure(path);
}

// What a listing tells of a name: where it is a link, EaSize is the kind of that.
std::uint32_t type_of(const FILE_ID_BOTH_DIR_INFO& found) noexcept {
    return mode_of(found.FileAttributes, found.EaSize) & std::uint32_t{S_IFMT};
}

// Many names at a time, with the numbers of their files.
std::int64_t list(list_operation& op, HANDLE directory) {
    constexpr DWORD room = 64 * 1024;
    const std::unique_ptr<char[]> told(new char[room]);  // aligned for anything
    while (::GetFileInformationByHandleEx(directory, FileIdBothDirectoryInfo, told.get(), room)) {
        for (const char* at = told.get();;) {
            const auto& found = *reinterpret_cast<const FILE_ID_BOTH_DIR_INFO*>(at);
            std::string name = to_utf8({found.FileName, found.FileNameLength / sizeof(wchar_t)});
            if (name != "." && name != "..") {
                if (op.names.size() == op.most) return -EOVERFLOW;
                op.names.push_back(
                    {std::move(name), type_of(found), static_cast<std::uint64_t>(found.FileId.QuadPart)});
            }
            if (found.NextEntryOffset == 0) break;
            at += found.NextEntryOffset;
        }
    }
    return ::GetLastError() == ERROR_NO_MORE_FILES ? static_cast<std::int64_t>(op.names.size()) : failure();
}

std::int64_t list(list_operation& op, const std::wstring& path) {
    const owned_handle directory(::CreateFileW(path.c_str(), FILE_LIST_DIRECTORY, shared_with_all, nullptr,
                                               OPEN_EXISTING, FILE_FLAG_BACKUP_SEMANTICS, nullptr));
    if (!directory) return path_failure(path);
    return is_directory(directory.get()) ? list(op, directory.get()) : -ENOTDIR;
}

// Of a byte that no file has, because what is locked cannot be read or written by others here.
std::int64_t lock(HANDLE file, int kind) noexcept {
    constexpr std::uint64_t last_byte = std::uint64_t{0x7fff'ffff} << 32;
    awaited_call call(last_byte);
    if (!call) return failure();
    OVERLAPPED place = call.place;
    // One that is held is let go of first: here a second one would wait for it, or be a second one.
    // (Where there is none, Wine says that it is another's.)
    if (!::UnlockFileEx(file, 0, 1, 0, &place) && ::GetLastError() != ERROR_NOT_LOCKED &&
        ::GetLastError() != ERROR_LOCK_VIOLATION) {
        return failure();
    }
    if (kind == lock_none) return 0;
    const DWORD how = LOCKFILE_FAIL_IMMEDIATELY | (kind == lock_exclusive ? LOCKFILE_EXCLUSIVE_LOCK : 0);
    DWORD count = 0;
    if (call.ended(file, ::LockFileEx(file, how, 0, 1, 0, &call.place), count)) return 0;
    return ::GetLastError() == ERROR_LOCK_VIOLATION ? -EAGAIN : failure();
}

std::int64_t perform_on_path(file_operation& op) {
    if (*op.path == '\0') return -ENOENT;
    const std::wstring path = native_path(op.path);
    if (path.empty()) return -EILSEQ;
    switch (op.kind) {
        case operation_kind::open_file: return open(path, op.flags, op.mode);
        case operation_kind::stat_path:
            return look_at_path(static_cast<status_operation&>(op).status, path, op.flags);
        case operation_kind::make_directory:
            return ::CreateDirectoryW(path.c_str(), nullptr) ? 0 : path_failure(path);
        case operation_kind::rename_path: return rename(path, op.new_path);
        case operation_kind::list_directory: return list(static_cast<list_operation&>(op), path);
        default: return remove(path, op.flags);
    }
}

}  // namespace

std::wstring to_utf16(const char* text) {
    const int size = ::MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, text, -1, nullptr, 0);
    std::wstring wide(static_cast<std::size_t>(std::max(size, 1) - 1), L'\0');
    if (size > 1) ::MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, text, -1, wide.data(), size);
    return wide;
}

// One that is longer than MAX_PATH they take only with this prefix, and then not relative.
std::wstring native_path(const char* path) {
    std::wstring wide = to_utf16(path);
    if (wide.size() + 13 < MAX_PATH || wide.starts_with(L"\\\\")) return wide;
    const DWORD size = ::GetFullPathNameW(wide.c_str(), 0, nullptr, nullptr);
    std::wstring full(size, L'\0');
    full.resize(::GetFullPathNameW(wide.c_str(), size, full.data(), nullptr));
    return full.starts_with(L"\\\\") ? full : L"\\\\?\\" + full;
}

unsigned long access_of(int flags) noexcept {
    // Without FILE_WRITE_DATA, all that is written goes to the end.
    const DWORD writing =
        (flags & O_APPEND) != 0 ? FILE_GENERIC_WRITE & ~DWORD{FILE_WRITE_DATA} : FILE_GENERIC_WRITE;
    switch (flags & (O_WRONLY | O_RDWR)) {
        case O_WRONLY: return writing;
        case O_RDWR: return FILE_GENERIC_READ | writing;
        default: return FILE_GENERIC_READ;
    }
}

std::int64_t wanted_file(native_handle file, int flags) noexcept {
    const bool wants_file = (flags & (O_WRONLY | O_RDWR | O_CREAT)) != 0;
    const bool wants_directory = (flags & O_DIRECTORY) != 0;
    if (!wants_file && !wants_directory) return file;
    const bool found_directory = is_directory(system_handle(file));
    if (found_directory ? !wants_file : !wants_directory) return file;
    ::CloseHandle(system_handle(file));
    return found_directory ? -EISDIR : -ENOTDIR;
}

std::int64_t failed_read(native_handle file, unsigned long error) noexcept {
    if (error == ERROR_HANDLE_EOF || error == ERROR_BROKEN_PIPE) return 0;
    ::SetLastError(error);
    return transfer_failure(system_handle(file));
}

std::int64_t failed_write(native_handle file, unsigned long error) noexcept {
    ::SetLastError(error);
    return transfer_failure(system_handle(file));
}

std::int64_t set_end_of_file(native_handle file, std::uint64_t size) noexcept {
    FILE_END_OF_FILE_INFO end{};
    end.EndOfFile.QuadPart = static_cast<LONGLONG>(size);
    if (::SetFileInformationByHandle(system_handle(file), FileEndOfFileInfo, &end, sizeof end)) return 0;
    return ::GetLastError() == ERROR_ACCESS_DENIED ? failure_as(EINVAL) : failure();
}

int refuses_offsets(native_handle file) noexcept {
    switch (::GetFileType(reinterpret_cast<HANDLE>(file))) {
        case FILE_TYPE_DISK: return 0;
        case FILE_TYPE_UNKNOWN: return EBADF;
        default: return ESPIPE;
    }
}

std::int64_t perform(file_operation& op) noexcept {
    switch (op.kind) {
        case operation_kind::close_file: return ::CloseHandle(system_handle(op.file)) ? 0 : failure();
        case operation_kind::read_at: return read(op);
        case operation_kind::write_at: return write(op);
        case operation_kind::sync_file: return sync(system_handle(op.file));
        case operation_kind::stat_file:
            return look_at(static_cast<status_operation&>(op).status, system_handle(op.file));
        case operation_kind::truncate_file: return set_end_of_file(op.file, op.offset);
        case operation_kind::lock_file: return lock(system_handle(op.file), op.flags);
        case operation_kind::open_beneath: return open_beneath(op);
        case operation_kind::open_file:
        case operation_kind::stat_path:
        case operation_kind::make_directory:
        case operation_kind::rename_path:
        case operation_kind::list_directory:
        case operation_kind::remove_path: try { return perform_on_path(op);
            } catch (const std::bad_alloc&) {
                return -ENOMEM;
            }
        default: return -EINVAL;
    }
}

}  // namespace bight::detail
