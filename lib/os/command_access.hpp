// command_access: what a command holds, for the code that starts it.
#pragma once

#include <bight/os/command.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace bight::detail {

struct command_access {
    using variable = command::variable;

    static const std::vector<std::string>& arguments(const command& c) noexcept { return c.arguments_; }
    static const std::string& name(const command& c) noexcept { return c.name_ ? *c.name_ : c.program_; }
    static const std::vector<variable>& variables(const command& c) noexcept { return c.variables_; }
    static bool inherits_environment(const command& c) noexcept { return c.inherits_environment_; }
    static const std::optional<std::string>& directory(const command& c) noexcept { return c.directory_; }
    static std::optional<std::uint32_t> user(const command& c) noexcept { return c.user_; }
    static std::optional<std::uint32_t> group(const command& c) noexcept { return c.group_; }
    static const std::optional<std::vector<std::uint32_t>>& groups(const command& c) noexcept {
        return c.groups_;
    }
    static const std::vector<command::entry>& descriptors(const command& c) noexcept {
        return c.descriptors_;
    }
    static bool new_group(const command& c) noexcept { return c.new_group_; }
    static bool new_session(const command& c) noexcept { return c.new_session_; }
    static std::optional<unsigned> umask(const command& c) noexcept { return c.umask_; }
    /// Whether it leads a process group, for whichever of these reasons.
    static bool leads_group(const command& c) noexcept {
        return c.new_group_ || c.new_session_ || c.has_terminal_;
    }
    static bool has_terminal(const command& c) noexcept { return c.has_terminal_; }
    static window_size window(const command& c) noexcept { return c.window_; }
    static duration end_patience(const command& c) noexcept { return c.end_patience_; }
};

}  // namespace bight::detail
