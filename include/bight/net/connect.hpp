// connect: the other side's stream.
#pragma once

#include <bight/core/export.hpp>
#include <bight/core/task.hpp>
#include <bight/io/stream.hpp>
#include <bight/net/endpoint.hpp>
#include <bight/net/options.hpp>

#include <string>

namespace BIGHT_EXPORT bight {

/// Connects to `where` and gives the stream. Names are looked up (on a helper thread; "localhost" and numeric
/// addresses without one), and their addresses tried in turn until one answers. Throws std::system_error with
/// the errno of the last attempt (ECONNREFUSED, ENETUNREACH, …), errc::timed_out after the deadline (30 s
/// unless the options or the endpoint say otherwise), or errc::bad_endpoint; the message says where to.
/// Cancelling closes what was opened.
task<stream> connect(endpoint where, connect_options options = {});
task<stream> connect(std::string where, connect_options options = {});

}  // namespace bight
