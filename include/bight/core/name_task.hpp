// name_task: gives the running task a name, for whoever looks at the program from outside.
#pragma once

#include <bight/core/export.hpp>

#include <source_location>
#include <string_view>

namespace BIGHT_EXPORT bight {

/// Names the running task, with all coroutines that it awaits, until it ends or gets another name; the empty
/// name takes its name away:
///
///     bight::name_task("GET " + request.path + " for " + peer.peer().to_string());
///
/// The tree of tasks (SIGUSR1, reactor::dump_tasks), the report of an error that nobody takes, warnings of
/// the stall limit and gdb show the name beside what the task is: `connection 7 from 10.0.0.5:41234 (fd 9)
/// "GET /x for 10.0.0.5"`. Child tasks do not inherit it. It is copied; what would disturb a terminal or a
/// log (control characters) is escaped as \x0a, and beyond 200 bytes it is cut. So text from a peer may be
/// part of it.
///
/// A task that has no name pays nothing; one that has costs an allocation or two. Throws std::bad_alloc, and
/// std::logic_error, with `where` in its message, outside of tasks. Thread: the reactor's.
void name_task(std::string_view name, std::source_location where = std::source_location::current());

}  // namespace bight
