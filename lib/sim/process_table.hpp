// process_state, process_table: the child processes of a simulated host.
#pragma once

#include "pipes.hpp"

#include <bight/core/reactor.hpp>
#include <bight/os/process_status.hpp>
#include <bight/sim/child.hpp>
#include <bight/sim/world.hpp>

#include <cstddef>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace bight::sim::detail {

struct host_state;
struct host_thread;

/// A child. It is kept by the table until its parent has waited for it, by its descriptors in the host's
/// table (a pidfd), and by what its program has of it.
struct process_state {
    process_state(host_state& on, int number) noexcept : host(on), id(number) {}

    host_state& host;
    const int id;
    int parent = 0;  ///< 0: a program of the host; process_table::nobody: it has ended
    int group = 0;
    std::vector<std::string> arguments;
    std::vector<std::string> environment;
    std::string directory;
    std::map<int, int> descriptors;  ///< numbers of the host's table, by those of the child
    std::set<int> opened;            ///< of the host's table: what it has opened itself
    host_thread* thread = nullptr;
    std::unique_ptr<bight::reactor> own;

    std::set<int> ignored;
    std::set<int> pending;  ///< that it takes when it goes on
    bool stopped = false;
    bool leaving = false;  ///< its task has ended
    bool ended = false;
    int dies_by = 0;  ///< a signal of its own turn, which ends it after that
    int exit_code = 1;
    process_status status;
    std::vector<std::weak_ptr<socket>> pidfds;

    std::string name() const;
};

/// What a child is started with.
struct process_beginning {
    int parent = 0;
    int group = 0;
    std::vector<std::string> arguments;
    std::vector<std::string> environment;
    std::string directory;
    bool leads_group = false;
    std::map<int, int> descriptors;  ///< as process_state's: they become the child's
};

class process_table {
  public:
    /// The parent of those whose parent has ended: nobody waits for them.
    static constexpr int nobody = -1;

    explicit process_table(host_state& of);
    process_table(const process_table&) = delete;
    process_table& operator=(const process_table&) = delete;
    ~process_table();

    /// `path` without a slash is in /usr/bin.
    void add(std::string path, std::unique_ptr<child_program> program);
    child_program* program_at(const std::string& path) const;

    /// Null when there is none, or it was waited for.
    std::shared_ptr<process_state> find(int id) const;
    /// With random numbers `by`; its first turn comes after `takes`.
    process_state& start(process_beginning with, keyed_chance by, duration takes, child_program& what);
    /// A child of `parent` has been waited for.
    void forget(int id);
    /// 0 or an error number.
    int signal(process_state& to, int number);
    /// To all of a group; ESRCH when there is nobody.
    int signal_group(int leader, int number);
    /// Its reactor has had a turn.
    void after_turn(process_state& of);
    /// Nothing of the host's children runs any more: their reactors, to be destroyed when the world ends.
    std::vector<std::unique_ptr<bight::reactor>> crash();
    /// Destroys the reactors on which nothing is left. Not within a turn.
    void sweep() noexcept;

    /// What descriptors 0, 1 and 2 of the host's own programs are.
    const std::shared_ptr<simulated_pipe>& standard(int number) const noexcept {
        return number == 0 ? null : output;
    }
    const std::shared_ptr<simulated_pipe> null;
    const std::shared_ptr<simulated_pipe> output;

  private:
    void act(process_state& on, int number);
    void end(process_state& p, const process_status& how);
    void close_all(process_state& p);

    host_state& host_;
    std::map<std::string, std::unique_ptr<child_program>> programs_;
    std::map<int, std::shared_ptr<process_state>> all_;
    int last_id_ = 1;  // process 1 is the host's own programs
    /// Of children that have ended: those on which nothing is left, and those that stand still.
    std::vector<std::unique_ptr<bight::reactor>> spent_;
    std::vector<std::unique_ptr<bight::reactor>> frozen_;
};

/// For the tasks of a child.
struct child_access {
    /// The whole life of a child: its program, and how it ends.
    static task<> play(std::shared_ptr<process_state> is, child_program& what);
};

}  // namespace bight::sim::detail
