// Opening a path that must not lead out of a directory: name by name, each in the directory before it.
#include "file_operation.hpp"
#include "windows_files.hpp"

#include "../core/system_error.hpp"
#include "afd.hpp"

#include <windows.h>
#include <winternl.h>

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <new>
#include <string>
#include <string_view>
#include <vector>

namespace bight::detail {

namespace {

constexpr std::wstring_view separators = L"/\\";
constexpr std::size_t most_levels = 128;  // each of which is open

struct opening {
    ACCESS_MASK access;
    ULONG disposition;
    ULONG options;
    ULONG attributes = FILE_ATTRIBUTE_NORMAL;
};

// 0, or -error. Links are not followed: the handle is theirs.
std::int64_t open_in(HANDLE in, const std::wstring& name, const opening& h, HANDLE& opened) noexcept {
    UNICODE_STRING text;
    text.Buffer = const_cast<wchar_t*>(name.c_str());
    text.Length = text.MaximumLength = static_cast<USHORT>(name.size() * sizeof(wchar_t));
    OBJECT_ATTRIBUTES attributes{};
    attributes.Length = sizeof attributes;
    attributes.RootDirectory = in;
    attributes.ObjectName = &text;
    attributes.Attributes = 0x40;  // OBJ_CASE_INSENSITIVE
    IO_STATUS_BLOCK answer{};
    constexpr ULONG shared = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE;
    const LONG status = ::NtCreateFile(
        &opened, h.access | SYNCHRONIZE | FILE_READ_ATTRIBUTES, &attributes, &answer, nullptr, h.attributes,
        shared, h.disposition, h.options | FILE_OPEN_REPARSE_POINT | FILE_OPEN_FOR_BACKUP_INTENT, nullptr, 0);
    if (status >= 0) return 0;
    constexpr auto not_a_directory = static_cast<LONG>(0xC0000103);
    constexpr auto is_a_directory = static_cast<LONG>(0xC00000BA);
    if (status == not_a_directory) return -ENOTDIR;
    if (status == is_a_directory) return -EISDIR;
    return -std::int64_t{error_number(windows_error_of(status))};
}

bool is_link(HANDLE file) noexcept {
    FILE_ATTRIBUTE_TAG_INFO found{};
    return ::GetFileInformationByHandleEx(file, FileAttributeTagInfo, &found, sizeof found) &&
           (found.FileAttributes & FILE_ATTRIBUTE_REPARSE_POINT) != 0 &&
           (found.ReparseTag == IO_REPARSE_TAG_SYMLINK || found.ReparseTag == IO_REPARSE_TAG_MOUNT_POINT);
}

// What stands for another name, a stream of a file or a drive, is none: other calls of Windows leave out dots
// and spaces at its end.
bool is_name(const std::wstring& name) noexcept {
    return name.find(L':') == name.npos && !name.ends_with(L'.') && !name.ends_with(L' ');
}

opening how_to_open(const file_operation& op) noexcept {
    const bool makes = (op.flags & O_CREAT) != 0;
    opening h{};
    h.access = access_of(op.flags);
    h.disposition = !makes ? FILE_OPEN : (op.flags & O_EXCL) != 0 ? FILE_CREATE : FILE_OPEN_IF;
    if (makes && (op.mode & 0222U) == 0) h.attributes = FILE_ATTRIBUTE_READONLY;
    if ((op.flags & opened_overlapped) == 0) h.options |= FILE_SYNCHRONOUS_IO_NONALERT;
    if ((op.flags & O_DSYNC) != 0) h.options |= FILE_WRITE_THROUGH;
    return h;
}

std::int64_t open_last(HANDLE in, const std::wstring& name, const file_operation& op, bool is_directory) {
    opening h = how_to_open(op);
    if (is_directory) h.options |= FILE_DIRECTORY_FILE;
    HANDLE opened = nullptr;
    if (const std::int64_t error = open_in(in, name, h, opened)) return error;
    owned_handle held(opened);
    if (is_link(opened)) return -ELOOP;
    const std::int64_t file = wanted_file(reinterpret_cast<native_handle>(held.release()), op.flags);
    if (file < 0 || (op.flags & O_TRUNC) == 0) return file;
    // Only now: it must not happen to a link.
    const std::int64_t error = set_end_of_file(file, 0);
    if (error < 0) ::CloseHandle(opened);
    return error < 0 ? error : file;
}

std::int64_t walk(const file_operation& op) {
    if (*op.path == '\0') return -ENOENT;
    const std::wstring path = to_utf16(op.path);
    if (path.empty()) return -EILSEQ;
    if (separators.find(path[0]) != separators.npos || (path.size() > 1 && path[1] == L':')) return -EXDEV;
    const HANDLE root = reinterpret_cast<HANDLE>(op.file);  // NOLINT(performance-no-int-to-ptr)
    std::vector<owned_handle> below;
    const auto here = [&] { return below.empty() ? root : below.back().get(); };
    for (std::size_t at = 0;;) {
        const std::size_t end = std::min(path.find_first_of(separators, at), path.size());
        const std::wstring name = path.substr(at, end - at);
        const std::size_t next = std::min(path.find_first_not_of(separators, end), path.size());
        const bool is_last = next == path.size();
        at = next;
        if (name == L"..") {
            if (below.empty()) return -EXDEV;
            below.pop_back();
        }
        if (name == L".." || name == L".") {
            if (!is_last) continue;
            return open_last(here(), L"", op, true);
        }
        if (!is_name(name)) return -EINVAL;
        if (is_last) return open_last(here(), name, op, end < path.size());
        if (below.size() == most_levels) return -ENAMETOOLONG;
        HANDLE opened = nullptr;
        constexpr opening passing{FILE_TRAVERSE, FILE_OPEN,
                                  FILE_DIRECTORY_FILE | FILE_SYNCHRONOUS_IO_NONALERT};
        if (const std::int64_t error = open_in(here(), name, passing, opened)) return error;
        below.emplace_back(opened);
        if (is_link(opened)) return -ELOOP;
    }
}

}  // namespace

std::int64_t open_beneath(const file_operation& op) noexcept {
    try {
        return walk(op);
    } catch (const std::bad_alloc&) {
        return -ENOMEM;
    }
}

}  // namespace bight::detail
