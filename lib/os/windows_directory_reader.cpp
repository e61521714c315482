#include "windows_directory_reader.hpp"

#include "../core/system_error.hpp"
#include "../core/windows_text.hpp"

#include <algorithm>
#include <cstring>
#include <system_error>
#include <utility>

namespace bight::detail {

namespace {

constexpr DWORD all_changes = FILE_NOTIFY_CHANGE_FILE_NAME | FILE_NOTIFY_CHANGE_DIR_NAME |
                              FILE_NOTIFY_CHANGE_ATTRIBUTES | FILE_NOTIFY_CHANGE_SIZE |
                              FILE_NOTIFY_CHANGE_LAST_WRITE | FILE_NOTIFY_CHANGE_SECURITY;

// The most that a directory of another machine can fill.
constexpr DWORD room = 64 * 1024;

// Until the system has let go of memory that it was told to.
constexpr int most_waits = 1000;

std::string with_slashes(std::string path) {
    std::replace(path.begin(), path.end(), '\\', '/');
    return path;
}

}  // namespace

struct directory_reader::memory {
    OVERLAPPED call{};
    alignas(DWORD) char told[room];
};

directory_reader::directory_reader(const std::wstring& path, bool recursive, HANDLE event)
    : directory_(INVALID_HANDLE_VALUE),
      event_(event),
      recursive_(recursive),
      memory_(std::make_unique<memory>()) {
    constexpr DWORD shared = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE;
    directory_ = ::CreateFileW(path.c_str(), FILE_LIST_DIRECTORY, shared, nullptr, OPEN_EXISTING,
                               FILE_FLAG_BACKUP_SEMANTICS | FILE_FLAG_OVERLAPPED, nullptr);
    if (directory_ == INVALID_HANDLE_VALUE) {
        throw std::system_error(system_error_code(last_error()), "watch " + to_utf8(path));
    }
    if (!read_on()) {
        const int error = last_error();
        ::CloseHandle(directory_);
        throw std::system_error(system_error_code(error), "watch " + to_utf8(path));
    }
}

// What the system does not let go of is leaked, so that it writes into nobody's memory.
directory_reader::~directory_reader() {
    if (reads_) ::CancelIoEx(directory_, &memory_->call);
    ::CloseHandle(directory_);
    if (!reads_) return;
    for (int i = 0; i < most_waits && !HasOverlappedIoCompleted(&memory_->call); ++i) {
        if (::WaitForSingleObject(event_, 1) == WAIT_OBJECT_0) ::SleepEx(1, FALSE);
    }
    if (!HasOverlappedIoCompleted(&memory_->call)) (void)memory_.release();
}

bool directory_reader::read_on() noexcept {
    memory_->call = {};
    memory_->call.hEvent = event_;
    reads_ = ::ReadDirectoryChangesW(directory_, memory_->told, room, recursive_, all_changes, nullptr,
                                     &memory_->call, nullptr) != FALSE;
    return reads_;
}

directory_reader::news directory_reader::take(std::vector<change>& to) {
    if (!reads_) return news::gone;
    if (!HasOverlappedIoCompleted(&memory_->call)) return news::none;
    DWORD size = 0;
    if (!::GetOverlappedResult(directory_, &memory_->call, &size, FALSE)) {
        reads_ = false;
        const bool has_lost = ::GetLastError() == ERROR_NOTIFY_ENUM_DIR;
        return has_lost && read_on() ? news::overflow : news::gone;
    }
    for (DWORD at = 0; at < size;) {
        FILE_NOTIFY_INFORMATION told;
        constexpr std::size_t before_name = offsetof(FILE_NOTIFY_INFORMATION, FileName);
        std::memcpy(&told, memory_->told + at, before_name);
        std::wstring name(told.FileNameLength / sizeof(wchar_t), L'\0');
        std::memcpy(name.data(), memory_->told + at + before_name, told.FileNameLength);
        to.push_back({told.Action, with_slashes(to_utf8(name))});
        if (told.NextEntryOffset == 0) break;
        at += told.NextEntryOffset;
    }
    (void)read_on();  // if it fails, that is told the next time
    return size == 0 ? news::overflow : news::some;
}

std::string directory_reader::whole_path() const {
    std::wstring path(512, L'\0');
    DWORD size = ::GetFinalPathNameByHandleW(directory_, path.data(), static_cast<DWORD>(path.size()), 0);
    if (size > path.size()) {
        path.resize(size);
        size = ::GetFinalPathNameByHandleW(directory_, path.data(), size, 0);
    }
    if (size == 0) throw std::system_error(system_error_code(last_error()), "the path of a directory");
    path.resize(size);
    return with_slashes(to_utf8(path));
}

}  // namespace bight::detail
