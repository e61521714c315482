// socket_transport: the transport of a connected stream socket.
#pragma once

#include "kept_address.hpp"

#include "../demux/demultiplexer.hpp"
#include "../demux/socket_calls.hpp"

#include <bight/core/detail/frame_pool.hpp>
#include <bight/io/address.hpp>
#include <bight/io/transport.hpp>

#include <cstddef>
#include <memory>
#include <system_error>

namespace bight::detail {

class descriptor_intake;
class descriptor_write;

/// A connected stream socket on a reactor. One object holds all that a connection needs while it waits: the
/// descriptor, and a receive. It lives until neither a stream nor the kernel uses it.
class socket_transport final : public transport, private descriptor, public pooled {
  public:
    /// Takes over `socket`, a connected stream socket. Throws std::system_error, and then closes `socket`.
    static socket_transport& make(reactor& home, int socket);

    bool read(read_request& request) noexcept override;
    bool write(write_request& request) noexcept override;
    bool fills_pipes() const noexcept override;
    bool writes_in_kernel() const noexcept override;
    bool read_into_pipe(pipe_read& request) noexcept override;
    bool write_in_kernel(kernel_write& request) noexcept override;
    std::size_t room() const noexcept override;
    bool receive_for(const transport& to) noexcept override;
    void cancel_read() noexcept override;
    void cancel_write() noexcept override;
    bool watch(watch_request& request) noexcept override;
    void cancel_watch() noexcept override;
    bool shutdown_write(end_request& request) noexcept override;
    bool close(end_request& request) noexcept override;
    bool lingers() const noexcept override { return lingering_; }
    bool delivered() const noexcept override;
    void let_go() noexcept override;
    void push() noexcept override;
    bool attached() const noexcept override { return demux != nullptr; }
    void forget() noexcept override;
    void abort(std::error_code reason) noexcept override;
    address peer() const override;
    address local() const override;
    int native_handle() const noexcept override { return static_cast<int>(fd); }
    std::error_code set_no_delay(bool on) noexcept override;
    std::error_code set_keep_alive(bool on) noexcept override;
    void set_options(const socket_options& options) override;
    /// `whose` is for the error.
    void set_options(const socket_options& options, const std::string& whose);
    socket_options options() const override;
    void describe(std::string& out) const override;
    std::size_t unwritten() const noexcept override;

    // Descriptors that are passed: socket_passing.cpp.

    bool passes_descriptors() const noexcept;
    /// See bight::accept_descriptors.
    std::error_code accept_descriptors(std::size_t limit) noexcept;
    /// What was accepted and not taken; null when none are accepted.
    descriptor_intake* intake() const noexcept;
    bool write_with_descriptors(descriptor_write& request) noexcept;
    /// Gives up the socket, as bight::release_descriptor: the descriptor is the caller's.
    std::error_code release_socket(int& socket) noexcept;
    /// Why that is errc::busy, for its message; null when it is not.
    const char* what_holds_socket() noexcept;

    /// For a socket that is not connected yet: demultiplexer::start and cancel for its connect, and the
    /// report of its success. `error` is an error number if the connection was made but has already failed;
    /// otherwise 0.
    bool start_connect(connect_operation& op, const address& to) noexcept;
    bool cancel_connect(connect_operation& op) noexcept;
    void connected(int error) noexcept {
        end_ = 1;
        write_error_ = error;
    }

  private:
    // `on` of each is the transport.
    class receiving final : public receive_operation {
      public:
        explicit receiving(socket_transport& t) noexcept {
            kind = operation_kind::receive_into;
            on = &t;
        }

      private:
        void run() noexcept override;
        void completed() noexcept override { transport_of(*this).received(); }
    };
    // Made for each write that is not done by the first call, so that a connection that waits has none.
    class sending final : public send_operation, public pooled {
      public:
        explicit sending(socket_transport& t) noexcept { on = &t; }

      private:
        void completed() noexcept override { transport_of(*this).sent(); }
    };
    // What few connections need, and what is made when it is first needed.
    struct seldom;
    class receiving_message;
    class sending_message;
    // For until_peer_gone.
    class watching final : public operation, public pooled {
      public:
        explicit watching(socket_transport& t) noexcept {
            kind = operation_kind::poll_end;
            on = &t;
        }

      private:
        void completed() noexcept override { transport_of(*this).watched(); }
    };
    static socket_transport& transport_of(const operation& op) noexcept {
        return static_cast<socket_transport&>(*op.on);
    }

    socket_transport(reactor& home, int socket);
    ~socket_transport() override;
    void unused() noexcept override;
    void keep() noexcept override { retain(); }
    void drop() noexcept override { release(); }

    void receives_as(operation_kind kind) noexcept;
    [[gnu::noinline]] bool read_into_memory(read_request& request) noexcept;
    [[gnu::noinline]] bool read_seldom(read_request& request) noexcept;
    bool read_nothing(read_request& request) noexcept;
    [[gnu::noinline]] bool read_started(read_request& request) noexcept;
    [[gnu::noinline]] bool write_rest(write_request& request, std::ptrdiff_t sent) noexcept;
    enum class known_of_input : std::uint8_t { nothing, event, polled };
    bool go_on_filling(pipe_read& request, known_of_input known) noexcept;
    bool go_on_in_kernel(kernel_write& request, bool polled) noexcept;
    void deliver_receive(read_request& request) noexcept;
    void take_failure(read_request& request) noexcept;
    bool must_wait_for_send() noexcept;
    int why_no_more() noexcept;
    bool input_has_ended() noexcept;
    int read_failure() const noexcept;
    const operation& current_receive() const noexcept;
    void resolve_doubt() noexcept;
    void fail_write(write_request& request, int error) noexcept;
    void send_without_waiting(write_request& request) noexcept;
    bool make_send(operation_kind kind) noexcept;
    void take_send(const sending& done, write_request& request) noexcept;
    void received() noexcept;
    void retry_receive(demultiplexer& by) noexcept;
    [[gnu::noinline]] void retry_failed(int result) noexcept;
    void sent() noexcept;
    void watched() noexcept;
    bool make_seldom() noexcept;
    void close_what_was_not_taken() noexcept;
    bool read_message(read_request& request) noexcept;
    void deliver_message(read_request& request) noexcept;
    void message_received() noexcept;
    bool go_on_passing(write_request& request) noexcept;
    void message_sent() noexcept;
    bool sends_message() const noexcept;
    bool cancel_message_read() noexcept;
    void cancel_message_write() noexcept;
    bool peer_has_gone(peer_ending& how) noexcept;
    void detach_now(std::error_code why) noexcept;
    std::error_code set(socket_calls::option which, bool on) const noexcept;
    socket_calls& calls() const noexcept { return demux->sockets(); }

    receiving receive_;
    std::unique_ptr<sending> send_;  // while one is underway
    // 2: data may still come, with descriptors; 1: without; 0: the stream ended; otherwise its failure, a
    // negative error number
    int end_ = 1;
    int write_error_ = 0;  // the error number with which the connection failed, if no read was told first
    bool tcp_ = false;
    bool resets_on_close_ = false;  // see socket_options::reset_on_close
    bool input_ended_ = false;      // the peer's end is known to have come
    bool end_said_ = false;         // the outgoing direction has been ended
    bool lingering_ = false;        // closed, but the descriptor is not
    bool has_read_ahead_ = false;   // or may have; that of the latest read is in receive_.kind
    bool end_in_doubt_ = false;     // a read waits until the send in progress tells what the end means
    bool copied_only_ = false;      // splice refuses this socket, or all: what the kernel has is copied
    seldom* seldom_ = nullptr;
    kept_address tcp_peer_;  // asked for early, because a reset socket no longer knows it
};

}  // namespace bight::detail
