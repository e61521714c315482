// watch_kernel: what a descriptor_set asks of the kernel; each system has its own.
#pragma once

#include "../core/process.hpp"
#include "../demux/native_handle.hpp"

#include <bight/core/detail/intrusive_list.hpp>
#include <bight/net/fd_watch.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <source_location>
#include <span>

namespace bight::detail {

/// How many descriptors of either kind have a turn of their handlers in a turn of the reactor.
inline constexpr std::size_t most_of_a_round = 64;

/// What a file is known by.
struct file_identity {
    std::uint64_t device = 0;
    std::uint64_t inode = 0;
    std::int64_t born = 0;  ///< in seconds; 0 where the file system does not know it
    std::uint32_t born_nanoseconds = 0;
    bool operator==(const file_identity&) const = default;
};

/// What was added under a number. The kernel's part derives from it.
struct watched_entry : list_hook<watched_entry> {
    watched_entry() noexcept = default;
    watched_entry(const watched_entry&) = delete;
    watched_entry& operator=(const watched_entry&) = delete;
    virtual ~watched_entry() = default;

    int fd = -1;
    std::uint32_t generation = 0;
    fd_interest wanted;
    bool is_file = false;     ///< it has no readiness: the set itself tells that it is ready
    bool is_listed = false;   ///< among the files of which something is to be told
    std::uint64_t round = 0;  ///< of a file: the last in which its turn has been
    file_identity file;
    fd_watch::handler call;
    std::source_location added_at;
};

/// What the kernel has reported of a number. Its generation is that of the entry that was meant, as another
/// may have the number by then.
struct watch_event {
    int fd = -1;
    std::uint32_t generation = 0;
    std::uint32_t events = 0;  ///< of the kernel's part: what it has reported
};

/// The registrations of a set.
class watch_kernel {
  public:
    watch_kernel() noexcept = default;
    watch_kernel(const watch_kernel&) = delete;
    watch_kernel& operator=(const watch_kernel&) = delete;
    virtual ~watch_kernel() = default;

    /// An entry of its own kind.
    virtual std::shared_ptr<watched_entry> make_entry() const = 0;
    /// Registers `made` under its number, in the place of `before`, if something stands there. When that is
    /// the same open file, `made` takes its generation: an event that is to be told already is told to the
    /// new one. Else a handler that adds another again in each turn would keep it from being told. `tainted`:
    /// a registration of that number may be left that cannot be removed any more. Throws, and has changed
    /// nothing then.
    virtual void enter(watched_entry& made, watched_entry* before, bool& tainted) = 0;
    /// Its interest has changed. False when the number is nobody's, or another file's by now. May throw, and
    /// has changed nothing then.
    virtual bool change(watched_entry& e) = 0;
    /// False when a registration may be left.
    virtual bool leave(watched_entry& e) noexcept = 0;

    /// What is ready now, each number once or for each way in which it is ready. Throws std::system_error.
    virtual std::size_t fetch(std::span<watch_event, most_of_a_round> events) = 0;
    /// What is to be told of an entry by an event that was fetched for it, so that it is reported again if it
    /// stays so. Nothing when its number is another file's by now.
    virtual fd_readiness take(watched_entry& e, const watch_event& event) noexcept = 0;
    /// For an event that was fetched for it and is not taken: it is to be reported again.
    virtual void put_back(watched_entry& e, const watch_event& event) noexcept = 0;

    /// What a number is known by that is a file.
    virtual std::optional<file_identity> identity_of(int fd) const noexcept = 0;
    /// Whether nothing is open under a number, where that can be told.
    virtual bool is_closed(int fd) const noexcept {
        (void)fd;
        return false;
    }
    /// Another handle, to be closed by the caller, which polls readable when fetch has something to give.
    /// Throws std::system_error.
    virtual native_handle waitable() const = 0;

    /// The registrations of a forked child are its parent's.
    bool is_ours() const noexcept { return made_in_ == this_process(); }

  private:
    unsigned made_in_ = this_process();
};

/// Throws std::system_error.
std::unique_ptr<watch_kernel> make_watch_kernel();

/// What to add to a message when the error is one of the system's limits; else empty.
const char* limit_of_watching(int error) noexcept;

/// Throws the error of a descriptor, with the limit that it is.
[[noreturn]] void refuse_descriptor(int error, int fd, const char* why);

inline bool tells_something(const fd_readiness& now) noexcept {
    return now.readable || now.writable || now.priority;
}

}  // namespace bight::detail
