// iocp: the demultiplexer of I/O completion ports (Windows).
#pragma once

#include "afd.hpp"
#include "block_pool.hpp"
#include "blocking_calls.hpp"
#include "completion_request.hpp"
#include "demultiplexer.hpp"
#include "file_operation.hpp"
#include "tried_calls.hpp"

#include "../io/socket_headers.hpp"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

namespace bight::detail {

/// One completion port for the reactor's thread. A call that can end at once does so without a packet; one
/// that cannot is in the kernel with a completion_request, and its packet is taken in `wait`. Calls that use
/// memory of the operation's (receive_into, accept, connect, read, write) end with their packet only; a wait
/// (a receive of no bytes, a poll) uses none, and is left behind when its operation is cancelled.
///
/// docs/design/demultiplexers.md says what the kernel holds, and for how long.
class iocp final : public demultiplexer {
  public:
    /// Throws std::system_error.
    explicit iocp(reactor& home);
    ~iocp() override;

    std::string_view name() const noexcept override { return "iocp"; }
    bool idle() const noexcept override { return in_kernel_ == 0 && without_descriptor() == 0; }
    std::size_t lent_buffers() const noexcept override { return pool_.lent(); }
    const void* lender() const noexcept override { return &pool_; }
    bool reads_directly(const descriptor& d) const noexcept override { return !d.reading; }

    void attach(descriptor& d) override;
    void detach(descriptor& d, bool close_it) noexcept override;
    bool start(operation& op) noexcept override;
    bool cancel(operation& op) noexcept override;
    bool settle(operation& op) noexcept override;
    void wait(duration limit) override;
    void wake() noexcept override;

  private:
    // What is known of a handle, in descriptor::slot.
    static constexpr int is_socket = 1;
    static constexpr int is_stream = 2;
    static constexpr int is_associated = 4;
    static constexpr int skips_packets = 8;  // no packet comes for a call that succeeded at once
    static constexpr int is_console = 16;

    // The state of an operation that is not with the kernel (operation::stage).
    enum stage : unsigned char {
        stage_begins,
        stage_queued,      // in the ready queue, to be tried when it leaves it
        stage_failed,      // the same, and its wait has failed: `result` says why
        stage_connecting,  // a connect whose call was made: its end is polled for
    };

    // Handles (iocp.cpp)
    static int kind_of(native_handle handle) noexcept;
    void associate(descriptor& d);
    static void close(native_handle handle, bool socket) noexcept;
    void dispatch(const OVERLAPPED_ENTRY& packet) noexcept;

    // Requests (iocp.cpp)
    completion_request* request_for(operation& op, completion_request::purpose what) noexcept;
    completion_request* new_request(operation& op, completion_request::purpose what,
                                    native_handle handle) noexcept;
    void give_back(completion_request& r) noexcept;
    void abandon(completion_request& r) noexcept;
    void cancel_call(completion_request& r) noexcept;
    static void end_handle_wait(completion_request& r) noexcept;
    attempt submitted(operation& op, completion_request& r, bool done, DWORD error) noexcept;
    attempt failed(operation& op, int error) noexcept;

    // Lines of operations (iocp_lines.cpp)
    attempt go(operation& op, bool may_wait) noexcept;
    void go_on_later(operation& op, stage how) noexcept;
    void make_way(operation& op) noexcept;
    void begin_line(operation*& first) noexcept;
    bool begin(operation& op) noexcept;
    void finish(operation& op, std::int64_t result) noexcept;
    void settle_now(operation& op, std::int64_t result) noexcept;
    void end_line(operation*& first) noexcept;
    void completed(operation& op, completion_request& r) noexcept;
    void transferred(operation& op, completion_request& r) noexcept;
    void waited(operation& op, const completion_request& r) noexcept;

    // Sockets (iocp_sockets.cpp)
    attempt receive(receive_operation& op, bool may_wait) noexcept;
    attempt receive_into(receive_operation& op, bool may_wait) noexcept;
    attempt send(send_operation& op, bool may_wait) noexcept;
    attempt message(operation& op, bool may_wait) noexcept;
    attempt wait_to_read(operation& op, bool may_wait) noexcept;
    attempt poll(operation& op, ULONG events, bool may_wait) noexcept;
    bool ending_changed(descriptor& d) noexcept override;
    void stop_end_poll(descriptor& d) noexcept;
    void end_polled(descriptor& d, const completion_request& r) noexcept;

    // Connections (iocp_connections.cpp)
    attempt accept(operation& op, bool may_wait) noexcept;
    std::int64_t accepted(operation& op, completion_request& r) noexcept;
    attempt connect(connect_operation& op, bool may_wait) noexcept;
    static std::int64_t connected(const operation& op) noexcept;

    // Files (iocp_files.cpp)
    bool start_file(file_operation& op) noexcept;
    bool start_by_thread(file_operation& op) noexcept;
    bool start_transfer(file_operation& op) noexcept;
    bool has_file(const file_operation& op) const noexcept;
    void file_ended(file_operation& op, const completion_request& r) noexcept;

    // Other handles (iocp_handles.cpp)
    attempt read(receive_operation& op, bool may_wait) noexcept;
    attempt write(send_operation& op, bool may_wait) noexcept;
    attempt wait_for_handle(operation& op, bool may_wait) noexcept;
    static void CALLBACK signalled(void* request, BOOLEAN timed_out) noexcept;

    reactor& home_;
    HANDLE port_ = nullptr;
    std::unique_ptr<afd> afd_;
    block_pool& pool_;
    std::unique_ptr<blocking_calls> calls_;  // made when first needed
    completion_request* free_ = nullptr;
    const std::uint64_t number_;  // of the port, among all that were made
    std::size_t in_kernel_ = 0;   // requests whose packet has not been taken
    std::atomic<bool> woken_{false};
};

/// The calls of Winsock that are to be had by ioctl only; both are of the system's own provider.
struct socket_extensions {
    BOOL(WINAPI* accept)(SOCKET, SOCKET, void*, DWORD, DWORD, DWORD, DWORD*, OVERLAPPED*) = nullptr;
    BOOL(WINAPI* connect)(SOCKET, const sockaddr*, int, void*, DWORD, DWORD*, OVERLAPPED*) = nullptr;
};
/// Throws std::system_error the first time, if they cannot be had.
const socket_extensions& extensions();

inline SOCKET socket_of(const operation& op) noexcept { return static_cast<SOCKET>(op.on->fd); }

/// Whether a call that returned `done`, or else `error`, is under way.
inline bool is_pending(DWORD error) noexcept { return error == ERROR_IO_PENDING; }

}  // namespace bight::detail
