// systemd_notify, systemd_watchdog: tell the service manager how this program is.
#pragma once

#include <bight/core/export.hpp>
#include <bight/core/task.hpp>

#include <string>

namespace BIGHT_EXPORT bight {

/// Tells the service manager that started this program (NOTIFY_SOCKET) the state of it: lines of NAME=VALUE,
/// such as "READY=1", "STATUS=17 clients", "STOPPING=1", "RELOADING=1". False when nobody wants to be told,
/// which is the case where the program was not started by systemd as Type=notify (or WatchdogSec=). It does
/// not wait for an answer. libsystemd is not needed.
///
/// Throws std::system_error when it cannot be told. Cancelled, it has told all or nothing. On a simulated
/// host and on Windows nobody wants to be told. Thread: any reactor's. See sd_notify(3).
task<bool> systemd_notify(std::string state);

/// Tells the service manager that the reactor of this task still turns, twice in each interval that it has
/// asked for (WATCHDOG_USEC of WatchdogSec=, if WATCHDOG_PID is this process): to be run beside the program,
/// and cancelled with it. Ends at once when nobody has asked.
///
/// Throws as systemd_notify, and std::system_error (errc::unavailable) for an interval that is no number. See
/// sd_watchdog_enabled(3).
task<> systemd_watchdog();

}  // namespace bight
