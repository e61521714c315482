// simulated_sockets: the socket calls of a simulated host.
#pragma once

#include "../demux/socket_calls.hpp"

namespace bight::sim::detail {

struct host_state;
struct host_thread;
struct socket;

/// The calls complete at once, like the kernel's.
class simulated_sockets final : public bight::detail::socket_calls {
  public:
    explicit simulated_sockets(host_thread& of) noexcept;

    int open(int family) noexcept override;
    void close(int fd) noexcept override;
    int set(int fd, option which, bool on) noexcept override;
    int set_number(int fd, number which, int value) noexcept override;
    int get_number(int fd, number which) noexcept override;
    int set_device(int fd, std::string_view name) noexcept override;
    interface_name device(int fd) noexcept override;
    int bind(int fd, const address& to) noexcept override;
    int listen(int fd, int backlog) noexcept override;
    int accept(int fd) noexcept override;
    int family(int fd) noexcept override;
    int listens(int fd) noexcept override;
    int is_stream(int fd) noexcept override;
    int is_blocking(int) noexcept override { return 0; }
    int duplicate(int fd) noexcept override;
    address local(int fd) noexcept override;
    address peer(int fd) noexcept override;
    int shutdown_write(int fd) noexcept override;
    int input_ended(int fd) noexcept override;
    peer_state state_of_peer(int fd) noexcept override;
    void reset(int) noexcept override {}  // its descriptors are never shared
    std::size_t unsent(int fd) noexcept override;
    void discard_input(int fd) noexcept override;
    occupant remove_stale(const address& at) noexcept override;
    int lock_directory_of(const std::string& path) noexcept override;
    void set_coming_mode(int fd, int mode) noexcept override;
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
