#include "simulated_changes.hpp"

#include "connection.hpp"
#include "simulated_demultiplexer.hpp"
#include "world_state.hpp"

#include "../io/socket_headers.hpp"

#include <bight/sim/allocation_fault.hpp>

#include <cerrno>
#include <system_error>
#include <utility>

namespace bight::sim::detail {

simulated_changes::simulated_changes(host_state& of, keyed_chance has, bight::detail::change_listener& to)
    : host_(of),
      to_(to),
      socket_(std::make_shared<socket>(of, AF_UNIX, has)),
      fd_(of.up ? of.add(socket_) : -ENETDOWN) {
    if (fd_ < 0) {
        throw std::system_error(-fd_, bight::detail::errno_category(), "file_watch: a descriptor of its own");
    }
    host_.disk.tell(*this);
}

simulated_changes::~simulated_changes() {
    const not_failing machinery;
    host_.disk.tell_no_more(*this);
}

void simulated_changes::set_readable(bool on) {
    const not_failing machinery;
    if (!on) {
        socket_->read += std::exchange(socket_->incoming, {}).size();
    } else if (socket_->incoming.empty()) {
        socket_->incoming = "!";
        tell_reader(*socket_);
    }
}

int simulated_changes::find(const std::string& path, std::string& whole, bool& is_directory) const {
    const not_failing machinery;
    return host_.disk.find(path, whole, is_directory);
}

std::vector<simulated_changes::entry> simulated_changes::below(const std::string& directory) const {
    const not_failing machinery;
    return host_.disk.below(directory);
}

void simulated_changes::changed(const bight::detail::path_change& change) {
    bight::detail::path_change told = change;
    told.is_lost = host_.world.happens(fault::lost_changes, *socket_, ++socket_->written);
    to_.changed(told);
}

std::unique_ptr<bight::detail::change_feed> simulated_demultiplexer::follow_files(
    bight::detail::change_listener& to) {
    const not_failing machinery;
    return std::make_unique<simulated_changes>(host_, thread_.chance.child(), to);
}

}  // namespace bight::sim::detail
