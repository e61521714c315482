// run_process, pipeline: runs programs to their end, and gives what they wrote.
#pragma once

#include <bight/core/duration.hpp>
#include <bight/core/export.hpp>
#include <bight/core/task.hpp>
#include <bight/os/command.hpp>
#include <bight/os/process.hpp>
#include <bight/os/process_status.hpp>

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace BIGHT_EXPORT bight {

/// Options of run_process.
struct run_process_options {
    /// What the program reads from its descriptor 0; it must live until the await has ended: not a temporary
    /// that is gone at the end of its line. The program need not read all of it.
    std::string_view input{};
    /// The most bytes of output, and of errors, each.
    std::size_t limit = std::size_t{1} << 20;
    /// What is over the limit is read and dropped, and process_output::truncated set, instead of an error.
    bool truncate = false;
    /// How long the program may run: then it is ended as by process::end, with command::end_patience, and
    /// process_output::timed_out set; what it has written until then is given. To end its children, too, say
    /// command::new_group.
    duration time_limit = duration::max();
    /// How long after the end of the program its pipes are read, when something that it has left behind holds
    /// them; at most a second after one that was ended for want of time. Then they are closed here.
    duration drain_patience = duration::max();
};

/// What a program wrote, and how it has ended.
struct process_output {
    process_output() = default;
    process_status status;
    std::string output;      ///< descriptor 1
    std::string errors;      ///< descriptor 2
    bool timed_out = false;  ///< it was ended, after options.time_limit
    bool truncated = false;  ///< there was more than options.limit
};

/// Runs the program to its end, with `options.input` as its input, and gives all that it wrote. A status
/// other than 0 is no error of this. Of 0, 1 and 2 what the command says otherwise holds: then nothing is
/// written there, or captured; without an input descriptor 0 is /dev/null.
///
/// Throws EINVAL when the command has a terminal, or another pipe, which nobody would serve, and when there is
/// input, though the command says that descriptor 0 is something else; what
/// process::spawn throws; and errc::too_long when output or errors have more bytes than `options.limit`.
/// Then, and when it is cancelled, the child is ended as by process::end, with command::end_patience: it has
/// ended when the await has, unless stop_now leaves no time. It waits for the ends of the pipes, too: a
/// daemon that the program leaves behind, with its output, holds it up, as long as `options.drain_patience`
/// says. A virtual clock stands still while the program runs, and so do these limits.
task<process_output> run_process(command what, run_process_options options = {});

/// Programs of which each reads what the one before writes: `a | b | c`.
class pipeline {
  public:
    explicit pipeline(command first) { commands_.push_back(std::move(first)); }
    pipeline& add(command next) {
        commands_.push_back(std::move(next));
        return *this;
    }
    const std::vector<command>& commands() const noexcept { return commands_; }

    /// Starts them, first to last, connected by pipes of the system: no byte in between comes through this
    /// process. What the commands say of their inner ends (1, and 0 of the next) does not hold. Throws what
    /// process::spawn throws; those that were started then are ended as by their handles.
    std::vector<process> spawn() const;

  private:
    std::vector<command> commands_;
};

pipeline operator|(command a, command b);
pipeline operator|(pipeline a, command b);

/// What the last program of a pipeline wrote, and how each has ended.
struct pipeline_output {
    pipeline_output() = default;
    std::vector<process_status> statuses;  ///< first to last
    std::string output;                    ///< descriptor 1 of the last
    bool timed_out = false;                ///< they were ended, after options.time_limit
    bool truncated = false;                ///< there was more than options.limit
    /// Whether all have exited with 0: false of `yes | head`, of which the first is ended by SIGPIPE.
    bool success() const noexcept;
};

/// As run_process: the input is for the first, the output comes from the last; each writes its errors to
/// where its command says, this process's own otherwise. A pipe for them is EINVAL: nobody would read it.
task<pipeline_output> run_pipeline(pipeline what, run_process_options options = {});

}  // namespace bight
