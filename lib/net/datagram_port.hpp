// datagram_port: what a datagram_socket stands on.
#pragma once

#include "bound_socket.hpp"

#include "../demux/demultiplexer.hpp"
#include "../demux/socket_calls.hpp"

#include <bight/core/detail/intrusive_list.hpp>
#include <bight/core/detail/timer.hpp>
#include <bight/io/address.hpp>
#include <bight/net/detail/datagram_socket.hpp>

#include <chrono>
#include <cstdint>
#include <string>
#include <system_error>

namespace bight::detail {

/// Has one receive and one send with its demultiplexer at a time. The awaiters stand in two queues; the first
/// of each is the one whose operation it is. Senders of Unix datagrams whose receiver is full stand aside
/// until the timer fires, so that one receiver does not hold up the others.
///
/// An error of the network about an earlier datagram is told by the kernel to whichever call comes first. A
/// send that gets it keeps it for the receives, and is made again. So with a peer each datagram of several is
/// a send of its own: sendmmsg does not tell what it has met after the first.
class datagram_port final : private descriptor, private timer {
  public:
    /// Takes over `fd`, and the file. Throws std::system_error, and then closes `fd` and removes the file.
    static datagram_port& make(reactor& home, native_handle fd, bool has_peer, bool reads_control,
                               socket_file file);

    /// Whether descriptors can go along: over a Unix socket, where the system passes them.
    bool passes_descriptors() const noexcept;
    /// Before descriptors are received: nothing else takes their room but what the socket was asked to tell,
    /// which is the result.
    std::size_t room_beside_descriptors() noexcept;

    /// True when the awaiter has its answer at once. Otherwise it gets it later, from the reactor's loop.
    bool start(receive_datagrams_awaiter& waiting) noexcept;
    bool start(send_datagrams_awaiter& waiting) noexcept;
    /// Asks one that waits to end early.
    void cancel(receive_datagrams_awaiter& waiting) noexcept;
    void cancel(send_datagrams_awaiter& waiting) noexcept;
    /// Closes the socket; those that wait get errc::closed. Idempotent.
    void close() noexcept;

    reactor& home() const noexcept { return home_; }
    native_handle handle() const noexcept { return fd; }
    address local() const { return fd >= 0 ? calls_.local(fd) : address(); }
    address peer() const { return fd >= 0 && has_peer_ ? calls_.peer(fd) : address(); }
    socket_calls& calls() const noexcept { return calls_; }
    bool can_segment() const noexcept { return can_segment_; }
    void describe(std::string& out) const;

    void retain() noexcept { ++references_; }
    void release() noexcept {
        if (--references_ == 0) delete this;
    }

  private:
    class datagram_receive final : public receive_datagrams_operation {
      public:
        explicit datagram_receive(datagram_port& p) noexcept : port_(p) {
            kind = operation_kind::receive_datagrams;
        }

      private:
        void completed() noexcept override { port_.received(); }
        datagram_port& port_;
    };
    class datagram_send final : public send_datagrams_operation {
      public:
        explicit datagram_send(datagram_port& p) noexcept : port_(p) {
            kind = operation_kind::send_datagrams;
        }

      private:
        void completed() noexcept override { port_.sent(); }
        datagram_port& port_;
    };

    datagram_port(reactor& home, native_handle socket, bool has_peer, bool reads_control,
                  socket_file file) noexcept;
    ~datagram_port();
    void keep() noexcept override { retain(); }
    void drop() noexcept override { release(); }
    void abandoned() noexcept override;

    void prepare(const receive_datagrams_awaiter& for_this) noexcept;
    void answer(receive_datagrams_awaiter& waiting) noexcept;
    bool tell_error(receive_datagrams_awaiter& waiting) noexcept;
    void serve_receivers() noexcept;
    void received() noexcept;
    void keep_for_receivers(std::error_code error) noexcept;
    void pass_on(std::error_code error) noexcept;

    int fault_of(const outgoing_datagram& wanted) const noexcept;
    int fault_of_destination(const address* to) const noexcept;
    int prepare(const send_datagrams_awaiter& with) noexcept;
    // What becomes of the sender whose turn it is.
    enum class step : unsigned char {
        over,         // it has its answer
        again,        // there is more to be sent, or the same once more
        underway,     // its operation will complete
        without_room  // its receiver is full
    };
    bool waits_for_room(const address* at) const noexcept;
    step begin(send_datagrams_awaiter& with) noexcept;
    step go_on(send_datagrams_awaiter& with) noexcept;
    step answer(send_datagrams_awaiter& waiting) noexcept;
    bool try_again(int error) noexcept;
    void end_tries() noexcept;
    void stand_aside(send_datagrams_awaiter& waiting) noexcept;
    void serve_senders() noexcept;
    static void end_all(intrusive_list<send_datagrams_awaiter>& waiting) noexcept;
    void sent() noexcept;
    void expired() noexcept override;

    void remove_file() noexcept;

    datagram_receive receive_{*this};
    datagram_send send_{*this};
    intrusive_list<receive_datagrams_awaiter> receivers_;
    intrusive_list<send_datagrams_awaiter> senders_;
    intrusive_list<send_datagrams_awaiter> without_room_;  // in the order in which they asked
    reactor& home_;
    socket_calls& calls_;
    socket_file file_;
    const address bound_;  // its local address, unless it changes
    unsigned made_in_;     // see this_process
    int family_;
    bool has_peer_;
    bool can_segment_;
    bool descriptors_come_alone_ = false;
    unsigned tries_ = 0;                 // of the first sender
    int found_ = 0;                      // the error that the last of these has met; 0: none
    std::error_code kept_error_;         // for the next receive
    std::chrono::milliseconds pause_{};  // before those without room are tried again
    std::uint32_t references_ = 0;
};

}  // namespace bight::detail
