// machine: all that the doctor asks of the system, so that tests can pretend another one.
#pragma once

#include <bight/core/platform_report.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <system_error>
#include <vector>

namespace doctor {

inline constexpr std::uint64_t unlimited = UINT64_MAX;

struct limit {
    std::uint64_t soft = unlimited;
    std::uint64_t hard = unlimited;
};

enum class resource : unsigned char { open_files, locked_memory, processes };

struct look_up {
    std::vector<std::string> addresses;
    std::string error;  ///< empty if there are addresses
};

/// Why something did not work; without an errno where there is none.
struct failure {
    std::error_code error;
    std::string text;  ///< empty: it worked

    explicit operator bool() const { return !text.empty(); }
};

class machine {
  public:
    machine() = default;
    machine(const machine&) = delete;
    machine& operator=(const machine&) = delete;
    virtual ~machine() = default;

    /// "6.1.0-18-amd64"
    virtual std::string kernel() const = 0;
    virtual unsigned processors() const = 0;
    virtual bool is_root() const = 0;
    /// Nothing when it cannot be read. Without what a terminal would take for more than text.
    virtual std::optional<std::string> read(const std::string& path) const = 0;
    virtual std::optional<std::string> variable(const char* name) const = 0;
    virtual limit limit_of(resource r) const = 0;

    virtual bight::platform_report platform() const = 0;
    /// Making a reactor as programs do, where the environment variables choose.
    virtual failure make_reactor() const = 0;
    /// A client and a server on one reactor, over 127.0.0.1, with a timer and a job on another thread.
    virtual failure converse(bight::demultiplexer_kind kind) const = 0;
    /// The errno of binding a socket to this address, at any port; or 0.
    virtual int bind(const std::string& ip) const = 0;
    /// The errno of connecting to a socket that listens at this address, without bight; or 0.
    virtual int connect(const std::string& ip) const = 0;
    /// As other programs look a name up.
    virtual look_up resolve(const std::string& name) const = 0;
};

/// The first line of a file, as a number.
std::optional<std::uint64_t> read_number(const machine& m, const std::string& path);

/// Whether Linux `release` ("6.1.0-18-amd64") is `version` ("6.1") or later.
bool at_least(const std::string& release, const std::string& version);

}  // namespace doctor
