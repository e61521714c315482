// The streams of a simulated child.
#include "host_state.hpp"
#include "process_table.hpp"
#include "simulated_processes.hpp"

#include "../os/pipe_transport.hpp"

#include <bight/core/reactor.hpp>

#include <utility>

namespace bight::sim::detail {

// A device goes both ways.
stream stream_of_end(process_state& is, int fd, std::string what) {
    using way = bight::detail::pipe_transport::way;
    const auto s = is.host.find(fd);
    const bool is_pipe = s->pipe->is == simulated_pipe::medium::buffer;
    return stream(bight::detail::pipe_transport::make(*reactor::current(), fd,
                                                      !is_pipe         ? way::both
                                                      : s->writes_pipe ? way::writes
                                                                       : way::reads,
                                                      std::move(what)));
}

}  // namespace bight::sim::detail
