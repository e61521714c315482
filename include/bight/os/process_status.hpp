// process_status: how a child process has ended, and what it has used.
#pragma once

#include <bight/core/duration.hpp>
#include <bight/core/export.hpp>

#include <cstdint>
#include <optional>
#include <string>

namespace BIGHT_EXPORT bight {

/// What a child, and those of its own children that it has waited for, have used: getrusage(2). On Windows
/// it is the child's alone, all faults are minor ones, and switches are not counted.
struct resource_usage {
    duration user_time{};
    duration system_time{};
    std::uint64_t peak_memory = 0;  ///< resident, in bytes
    std::uint64_t minor_faults = 0;
    std::uint64_t major_faults = 0;  ///< those that read from a disk
    std::uint64_t voluntary_switches = 0;
    std::uint64_t involuntary_switches = 0;
};

/// How a child process has ended: by itself, with a code, or by a signal.
class process_status {
  public:
    /// One that has exited with 0.
    process_status() noexcept = default;
    static process_status exited(int code, const resource_usage& usage = {}) noexcept;
    static process_status killed(int signal, bool core_dumped = false,
                                 const resource_usage& usage = {}) noexcept;

    /// Exited with 0.
    bool success() const noexcept { return !by_signal_ && number_ == 0; }
    /// What it gave to exit(3), 0 to 255; none when a signal has ended it. On Windows all 32 bits: below zero
    /// it is the NTSTATUS of what has ended it, and `signal` is that by which this process did.
    std::optional<int> code() const noexcept {
        return by_signal_ ? std::nullopt : std::optional<int>(number_);
    }
    /// The signal that has ended it.
    std::optional<int> signal() const noexcept {
        return by_signal_ ? std::optional<int>(number_) : std::nullopt;
    }
    bool core_dumped() const noexcept { return core_dumped_; }
    const resource_usage& usage() const noexcept { return usage_; }

    /// "exit status 3", "signal 15 (SIGTERM)", "signal 6 (SIGABRT), core dumped", and on Windows
    /// "exit status 0xc0000005 (STATUS_ACCESS_VIOLATION)".
    std::string to_string() const;
    /// Whether they have ended the same way, whatever they have used.
    friend bool operator==(const process_status& a, const process_status& b) noexcept {
        return a.by_signal_ == b.by_signal_ && a.number_ == b.number_;
    }

  private:
    int number_ = 0;
    bool by_signal_ = false;
    bool core_dumped_ = false;
    resource_usage usage_;
};

}  // namespace bight
