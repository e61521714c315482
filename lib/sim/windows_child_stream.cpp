#include "process_table.hpp"
#include "simulated_processes.hpp"

#include <bight/core/error.hpp>

#include <string>
#include <system_error>

namespace bight::sim::detail {

stream stream_of_end(process_state&, int, std::string) {
    throw std::system_error(errc::unavailable,
                            "a child of a simulated host: its pipes are not simulated on Windows");
}

}  // namespace bight::sim::detail
