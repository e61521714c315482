// command: what a child process is to be: program, arguments, environment, descriptors.
#pragma once

#include <bight/core/duration.hpp>
#include <bight/core/export.hpp>

#include <chrono>
#include <concepts>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace BIGHT_EXPORT bight {

namespace detail {
struct command_access;
}

/// The size of a terminal's window, in characters.
struct window_size {
    unsigned short rows = 24;
    unsigned short columns = 80;
};

/// What a descriptor of a child is.
enum class child_descriptor : std::uint8_t {
    closed,     ///< the child has not got it
    null,       ///< /dev/null, for reading and writing
    pipe_to,    ///< the child reads what is written to process::pipe
    pipe_from,  ///< what the child writes is read from process::pipe
    given,      ///< an open descriptor of this process
    terminal,   ///< the pseudo-terminal, process::terminal
    same,       ///< what another descriptor of the child is
};

/// A program and how it is to be run: a value, which can be copied, changed, and started any number of times
/// by process::spawn and run_process. Each member function changes it, and gives it back:
///
///     bight::command gpg("gpg", "--decrypt", "--batch");
///     gpg.pipe_to(0).pipe_from(1).pipe_to(3).pipe_from(4);
///
/// Unless told otherwise a child has the environment and the directory of this process, its descriptors 0, 1
/// and 2 (those that it has, and that are not close-on-exec), and no other, whatever is open here; no signal
/// is blocked or ignored in it.
///
/// Thread: any, one at a time.
class command {
  public:
    /// The longest time between SIGTERM and SIGKILL when a process handle goes.
    static constexpr std::chrono::seconds default_end_patience{5};

    /// `program` is a path if it has a slash: a relative one begins at the child's directory. Otherwise it is
    /// looked for in the directories of PATH, as this process has it, also when the child's environment has
    /// none or another; without a PATH in /bin and /usr/bin. The arguments are those after the name; no shell
    /// looks at them. On Windows a path has a slash, a backslash or a drive, the extensions of PATHEXT are
    /// tried, and a batch file must not have arguments that cmd.exe would read otherwise (EINVAL).
    template <class... Arguments>
        requires(std::convertible_to<const Arguments&, std::string_view> && ...)
    explicit command(std::string_view program, const Arguments&... arguments) : program_(program) {
        arguments_.reserve(sizeof...(arguments));
        (argument(arguments), ...);
    }

    /// One more argument.
    command& argument(std::string_view text);
    /// More arguments.
    command& arguments(const std::vector<std::string>& texts);
    /// What the child sees as its own name, argv[0]; `program` unless it is set.
    command& name(std::string_view text);

    /// Sets a variable of the environment, in addition to what is inherited.
    command& environment(std::string_view variable, std::string_view value);
    /// Leaves a variable out.
    command& without_environment(std::string_view variable);
    /// Nothing is inherited, and what was set is forgotten; what is set afterwards is all that there is (and
    /// SystemRoot, on Windows).
    command& empty_environment();

    /// Where the child begins.
    command& directory(std::string_view path);
    /// The user, by number: real, effective and saved. A parent that is root gives up its supplementary
    /// groups too, unless `groups` names others, but not its group: say `group` as well. Needs the privilege
    /// (EPERM).
    command& user(std::uint32_t id);
    /// The group, by number.
    command& group(std::uint32_t id);
    /// The supplementary groups, by number.
    command& groups(std::vector<std::uint32_t> ids);
    /// The child leads a process group of its own: signals go to the whole group, so does the end of its
    /// handle, and a ^C at the terminal of this process does not reach it. On Windows it is a job, which also
    /// ends with this process.
    command& new_group();
    /// The child leads a session of its own, without a terminal, and in it a process group, as by new_group:
    /// what a daemon needs (setsid(2)).
    command& new_session();
    /// The permissions that files which it makes do not get, as umask(2); this process's unless it is set.
    command& umask(unsigned mask);
    /// How long it has between SIGTERM and SIGKILL when its handle goes; zero: SIGKILL at once.
    command& end_patience(duration patience);

    // Its descriptors. `number` is the child's; what is said last of a number holds. On Windows a child has
    // 0, 1 and 2, its standard handles, and no other.

    /// The child reads from it what is written to process::pipe(number).
    command& pipe_to(int number);
    /// What the child writes to it comes from process::pipe(number).
    command& pipe_from(int number);
    /// It is a descriptor of this process, `from`, which stays the caller's, and must be open when the child
    /// is started. Both may be the same number. Which numbers others have does not matter: {0 is 1, 1 is 0}
    /// is a swap. On Windows a `from` above 2 is the value of a handle.
    command& inherit(int number, int from);
    command& inherit(int number) { return inherit(number, number); }
    /// It is the same as the child's descriptor `other`, whatever that is: `same_as(2, 1)` is the `2>&1` of a
    /// shell, also into a pipe, or into the next program of a pipeline. When the child has no `other`, or
    /// both are the same as each other, starting it is EBADF.
    command& same_as(int number, int other);
    /// It is /dev/null.
    command& null(int number);
    /// The child has not got it.
    command& close(int number);
    /// 0, 1 and 2 are a new pseudo-terminal of this size, which is the child's controlling terminal; this
    /// side has process::terminal. The child leads a session, and so a group, of its own.
    command& terminal(window_size size = {});

    const std::string& program() const noexcept { return program_; }
    /// What it is for a reader: "grep -n 'a b'".
    std::string to_string() const;

    /// What was said of a descriptor.
    struct entry {
        int number;  ///< the child's
        child_descriptor kind;
        int from;  ///< of `given`: the descriptor of this process; of `same`: the other one of the child
    };

    /// What holds for a descriptor; nothing was said of it: no value.
    std::optional<entry> descriptor(int number) const noexcept;

  private:
    friend struct detail::command_access;
    command& set(entry e);

    struct variable {
        std::string name;
        std::optional<std::string> value;  // none: left out
    };
    std::string program_;
    std::vector<std::string> arguments_;
    std::optional<std::string> name_;
    std::vector<variable> variables_;
    std::optional<std::string> directory_;
    std::optional<std::uint32_t> user_;
    std::optional<std::uint32_t> group_;
    std::optional<std::vector<std::uint32_t>> groups_;
    std::vector<entry> descriptors_;
    window_size window_;
    duration end_patience_ = default_end_patience;
    bool inherits_environment_ = true;
    bool new_group_ = false;
    bool new_session_ = false;
    std::optional<unsigned> umask_;
    bool has_terminal_ = false;
};

}  // namespace bight
