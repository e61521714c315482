// Whether a signal has asked the runs of this process to end.
#pragma once

namespace bight::detail {

/// The first signal that came since a run began to handle them (signal_stop), or 0. Thread: any.
int received_stop_signal() noexcept;

/// True for the first caller since that signal came: what it means is said once, however many servers and
/// reactors it ends. Thread: any.
bool first_to_answer_stop_signal() noexcept;

}  // namespace bight::detail
