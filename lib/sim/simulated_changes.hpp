// simulated_changes: what changes on the disk of a simulated host, for a program that follows it.
#pragma once

#include "keyed_chance.hpp"
#include "socket.hpp"

#include "../demux/change_feed.hpp"

#include <memory>
#include <string>
#include <vector>

namespace bight::sim::detail {

/// Its descriptor is that of a socket that nobody else has, and of which a byte can be read. The disk keeps
/// it until the host crashes.
class simulated_changes final : public bight::detail::change_feed, private bight::detail::change_listener {
  public:
    /// Throws std::system_error: EMFILE, ENETDOWN.
    simulated_changes(host_state& of, keyed_chance has, bight::detail::change_listener& to);
    simulated_changes(const simulated_changes&) = delete;
    simulated_changes& operator=(const simulated_changes&) = delete;
    ~simulated_changes() override;

    bight::detail::native_handle handle() const noexcept override { return fd_; }
    void set_readable(bool on) override;
    int find(const std::string& path, std::string& whole, bool& is_directory) const override;
    std::vector<entry> below(const std::string& directory) const override;

  private:
    void changed(const bight::detail::path_change& change) override;

    host_state& host_;
    bight::detail::change_listener& to_;
    std::shared_ptr<socket> socket_;
    int fd_;
};

}  // namespace bight::sim::detail
