// directory_reader: what Windows tells of the changes in a directory.
#pragma once

#include <windows.h>

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

namespace bight::detail {

/// One call of ReadDirectoryChangesW is always under way; what happens between two of them is kept by the
/// system, as much as the memory of the first one has room for.
class directory_reader {
  public:
    struct change {
        DWORD action;      ///< FILE_ACTION_…
        std::string name;  ///< from the directory on, with / between names
    };
    enum class news : unsigned char { none, some, overflow, gone };

    /// `event` is set when there is something to take; it may be that of several. Throws std::system_error.
    directory_reader(const std::wstring& path, bool recursive, HANDLE event);
    directory_reader(const directory_reader&) = delete;
    directory_reader& operator=(const directory_reader&) = delete;
    ~directory_reader();

    /// Appends what has been told since the last call. gone: the directory is, and nothing more will come.
    /// The event may be reset, also for another reader: ask all again after any answer but none.
    news take(std::vector<change>& to);
    /// Where the directory is, by its full path with / between names.
    std::string whole_path() const;

  private:
    struct memory;
    bool read_on() noexcept;

    HANDLE directory_;
    HANDLE event_;
    bool recursive_;
    bool reads_ = false;
    std::unique_ptr<memory> memory_;  // the system's, while it reads
};

}  // namespace bight::detail
