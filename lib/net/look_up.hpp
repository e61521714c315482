// look_up, look_up_name, look_up_service: ask the system's resolver.
#pragma once

#include <bight/core/task.hpp>
#include <bight/io/address.hpp>
#include <bight/thread/thread_pool.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace bight::detail {

/// All addresses of a name that has to be looked up (see resolver::look_up). Throws std::system_error.
/// Cancelling ends the wait.
task<std::vector<address>> look_up(std::string host, address::family_type family);

/// The name of an address (see resolver::reverse). Throws std::system_error. Cancelling ends the wait.
task<std::string> look_up_name(address of);

/// The port of a service, by its name. Throws std::system_error. Cancelling ends the wait.
task<std::uint16_t> look_up_service(std::string service, bool datagrams);

// The calls of the system, which block.

std::string ask_name(const address& of);
std::uint16_t ask_service(const std::string& service, bool datagrams);

/// Threads for them. A look-up takes as long as its servers do not answer: so look-ups have their own
/// threads, that they and the program's jobs do not wait for each other, and many of them, that quick
/// look-ups do not wait for hanging ones.
thread_pool& look_up_threads();

/// Whether the system says in /etc/resolv.conf whom to ask, and has names of its own in /etc/hosts.
bool keeps_resolv_conf() noexcept;
/// As gethostname(2) gives it, where the system keeps a resolv.conf; empty where it cannot be had.
std::string name_of_this_machine();

}  // namespace bight::detail
