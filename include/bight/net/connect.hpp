// connect: the other side's stream.
#pragma once

#include <bight/core/export.hpp>
#include <bight/core/task.hpp>
#include <bight/io/stream.hpp>
#include <bight/net/endpoint.hpp>
#include <bight/net/options.hpp>

#include <string>

namespace BIGHT_EXPORT bight {

/// Connects to `where` and gives the stream. Names are looked up, on one of up to 64 threads that do nothing
/// else ("localhost" and numeric addresses without one). Their addresses are tried as RFC 8305 (Happy
/// Eyeballs) has it: the families take turns, the next address begins when one has failed or has been silent
/// for 250 ms, the first one that answers wins, and the others are closed. With `interface=`, addresses of
/// another family than that are left out.
///
/// A Unix socket whose backlog is full is waited for: it is tried again after 1 ms, then at growing intervals
/// of 64 ms at most. A TCP connection that has met itself, as one to a port of this machine at which nobody
/// listens may, is ECONNREFUSED.
///
/// Throws std::system_error with the errno that says most of those of all addresses (an answer, ECONNREFUSED,
/// before a silence, ETIMEDOUT, before what this machine lacks, ENETUNREACH or EADDRNOTAVAIL),
/// errc::timed_out after the deadline (30 s unless the options or the endpoint say otherwise),
/// errc::bad_endpoint, or what the look-up failed with; the message says where to, and what became of each
/// address. Cancelling closes what was opened.
task<stream> connect(endpoint where, connect_options options = {});
task<stream> connect(std::string where, connect_options options = {});

}  // namespace bight
