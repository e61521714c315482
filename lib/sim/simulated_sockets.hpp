// simulated_sockets: the socket calls of a simulated host.
#pragma once

#include "../demux/socket_calls.hpp"

namespace bight::sim::detail {

using bight::detail::native_handle;

struct host_state;
struct host_thread;
struct socket;

/// The calls complete at once, like the kernel's.
class simulated_sockets final : public bight::detail::socket_calls {
  public:
    explicit simulated_sockets(host_thread& of) noexcept;

    int open(int family, bight::detail::socket_type type) noexcept override;
    void close(native_handle fd) noexcept override;
    int set(native_handle fd, option which, bool on) noexcept override;
    int set_number(native_handle fd, number which, int value) noexcept override;
    int get_number(native_handle fd, number which) noexcept override;
    int set_device(native_handle fd, std::string_view name) noexcept override;
    interface_name device(native_handle fd) noexcept override;
    int bind(native_handle fd, const address& to) noexcept override;
    int listen(native_handle fd, int backlog) noexcept override;
    int connect_datagrams(native_handle fd, const address& to) noexcept override;
    int set_multicast(native_handle fd, const multicast_options& options) noexcept override;
    int set_membership(native_handle fd, const multicast_group& of, bool joins) noexcept override;
    bool can_segment(native_handle fd) noexcept override;
    int accept(native_handle fd) noexcept override;
    int family(native_handle fd) noexcept override;
    int listens(native_handle fd) noexcept override;
    int is_stream(native_handle fd) noexcept override;
    int has_datagrams(native_handle fd) noexcept override;
    int is_blocking(native_handle) noexcept override { return 0; }
    int duplicate(native_handle fd) noexcept override;
    address local(native_handle fd) noexcept override;
    address peer(native_handle fd) noexcept override;
    int credentials(native_handle fd, bight::detail::told_credentials& peer) override;
    int shutdown_write(native_handle fd) noexcept override;
    int input_ended(native_handle fd) noexcept override;
    peer_state state_of_peer(native_handle fd) noexcept override;
    void reset(native_handle) noexcept override {}  // its descriptors are never shared
    std::size_t unsent(native_handle fd) noexcept override;
    std::size_t room(native_handle fd) noexcept override;
    void discard_input(native_handle fd) noexcept override;
    occupant remove_stale(const address& at, bight::detail::socket_type type) noexcept override;
    int lock_directory_of(const std::string& path) noexcept override;
    void set_coming_mode(native_handle fd, int mode) noexcept override;
    int set_mode(const address& at, int mode) noexcept override;
    std::string full_path(const address& at) override;
    bight::detail::socket_file file_at(std::string path) noexcept override;
    void remove(const bight::detail::socket_file& file) noexcept override;
    int open_reserve() noexcept override;

    /// The connection that has waited longest; -EAGAIN, -EMFILE.
    int accept(socket& listening) noexcept;
    /// Whether descriptors have run out.
    bool exhausted() const noexcept;

  private:
    bool taken(const socket& by, const address& to) const noexcept;
    host_thread& thread_;
    host_state& host_;
};

}  // namespace bight::sim::detail
