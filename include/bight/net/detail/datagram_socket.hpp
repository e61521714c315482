// Implementation of bight/net/datagram_socket.hpp.
#pragma once

#include <bight/core/detail/awaiter.hpp>
#include <bight/core/detail/intrusive_list.hpp>
#include <bight/core/detail/waiter.hpp>
#include <bight/core/export.hpp>
#include <bight/core/result.hpp>
#include <bight/io/address.hpp>
#include <bight/io/buffer.hpp>
#include <bight/io/outgoing_datagram.hpp>
#include <bight/io/received_datagram.hpp>

#include <cstddef>
#include <string>
#include <system_error>
#include <utility>

namespace BIGHT_EXPORT bight {

class datagram_socket;

namespace detail {

class datagram_port;
struct control_along;

/// For functions that are not members.
struct datagram_port_access {
    /// Null when the socket is empty.
    static datagram_port* of(const datagram_socket& s) noexcept;
};

/// What the awaiters of a datagram_port have in common. From the await on it keeps the port alive: the
/// socket may be destroyed meanwhile.
class datagram_awaiter : public waiter {
  protected:
    explicit datagram_awaiter(datagram_port* on) noexcept : on_(on) {}
    datagram_awaiter(datagram_awaiter&& other) noexcept : waiter(std::move(other)), on_(other.on_) {}
    ~datagram_awaiter();

    /// False, with the error, when there is no port, or it is another reactor's.
    bool keep_port(const promise_base& p) noexcept;
    [[noreturn]] void throw_error(const char* what, const address* to) const;

    datagram_port* on_;  // null when the socket is empty
    bool kept_ = false;
    bool cancel_asked_ = false;
    std::error_code error_;
    const char* why_ = nullptr;  // the error in words, where the code does not say it

  private:
    friend class datagram_port;
};

/// Awaits a receive into slots, which are those of the derived class, or the caller's.
class [[nodiscard("co_await it"), gnu::warn_unused]] receive_datagrams_awaiter
    : public datagram_awaiter,
      public list_hook<receive_datagrams_awaiter> {
  public:
    void cancel() noexcept override;
    void describe(std::string& out) const override;

  protected:
    explicit receive_datagrams_awaiter(datagram_port* on) noexcept : datagram_awaiter(on) {}
    receive_datagrams_awaiter(receive_datagrams_awaiter&& other) noexcept
        : datagram_awaiter(std::move(other)), list_hook(other) {}
    ~receive_datagrams_awaiter() = default;
    bool suspend(promise_base& p, datagram_slot* slots, std::size_t count) noexcept;
    void check() const {
        if (error_) throw_error("receive at ", nullptr);
    }

    std::size_t filled_ = 0;
    control_along* along_ = nullptr;  // of a single slot: what may come along with its datagram

  private:
    friend class datagram_port;
    datagram_slot* slots_ = nullptr;
    std::size_t slot_count_ = 0;
};

class [[nodiscard("co_await it"), gnu::warn_unused]] receive_datagram_awaiter final
    : public receive_datagrams_awaiter,
      public awaiter_base<receive_datagram_awaiter> {
  public:
    receive_datagram_awaiter(datagram_port* on, mutable_buffer memory) noexcept
        : receive_datagrams_awaiter(on) {
        slot_.memory = memory;
    }
    received_datagram await_resume() const {
        check();
        return slot_.got;
    }
    result<received_datagram> take_result() const noexcept {
        if (error_) return error_;
        return slot_.got;
    }

  private:
    friend awaiter_base<receive_datagram_awaiter>;
    bool suspend(promise_base& p) noexcept { return receive_datagrams_awaiter::suspend(p, &slot_, 1); }
    datagram_slot slot_;
};

class [[nodiscard("co_await it"), gnu::warn_unused]] receive_many_awaiter final
    : public receive_datagrams_awaiter,
      public awaiter_base<receive_many_awaiter> {
  public:
    receive_many_awaiter(datagram_port* on, datagram_slot* slots, std::size_t count) noexcept
        : receive_datagrams_awaiter(on), wanted_(slots), wanted_count_(count) {}
    std::size_t await_resume() const {
        check();
        return filled_;
    }
    result<std::size_t> take_result() const noexcept {
        if (error_) return error_;
        return filled_;
    }

  private:
    friend awaiter_base<receive_many_awaiter>;
    bool suspend(promise_base& p) noexcept {
        return receive_datagrams_awaiter::suspend(p, wanted_, wanted_count_);
    }
    datagram_slot* wanted_;
    std::size_t wanted_count_;
};

/// Awaits one send, of datagrams of the caller's, or of pieces that the derived class has.
class [[nodiscard("co_await it"), gnu::warn_unused]] send_datagrams_awaiter
    : public datagram_awaiter,
      public list_hook<send_datagrams_awaiter> {
  public:
    void cancel() noexcept override;
    void describe(std::string& out) const override;

  protected:
    explicit send_datagrams_awaiter(datagram_port* on) noexcept : datagram_awaiter(on) {}
    send_datagrams_awaiter(send_datagrams_awaiter&& other) noexcept
        : datagram_awaiter(std::move(other)), list_hook(other) {}
    ~send_datagrams_awaiter() = default;
    bool suspend_pieces(promise_base& p, const address* to, const const_buffer* pieces,
                        std::size_t count) noexcept;
    bool suspend_datagrams(promise_base& p, const outgoing_datagram* datagrams, std::size_t count) noexcept;
    void check() const {
        if (error_) throw_error("send to ", destination());
    }

    std::size_t sent_ = 0;
    control_along* along_ = nullptr;  // of pieces: what goes along with their datagram

  private:
    friend class datagram_port;
    bool suspend(promise_base& p) noexcept;
    /// Of the first that was not sent; null: the peer.
    const address* destination() const noexcept;

    const outgoing_datagram* datagrams_ = nullptr;
    std::size_t count_ = 1;
    const const_buffer* pieces_ = nullptr;  // when datagrams_ is null
    std::size_t piece_count_ = 0;
    const address* to_ = nullptr;
    bool waits_for_room_ = false;   // in the port's list of those that do
    bool waited_for_room_ = false;  // at any time
};

template <std::size_t N>
class [[nodiscard("co_await it"), gnu::warn_unused]] send_pieces_awaiter final
    : public send_datagrams_awaiter,
      public awaiter_base<send_pieces_awaiter<N>> {
  public:
    template <class... Pieces>
    explicit send_pieces_awaiter(datagram_port* on, const address* to, const Pieces&... bytes) noexcept
        : send_datagrams_awaiter(on), wanted_(to), bytes_{const_buffer(bytes)...} {}
    void await_resume() const { check(); }
    result<void> take_result() const noexcept { return error_; }

  private:
    friend awaiter_base<send_pieces_awaiter>;
    bool suspend(promise_base& p) noexcept { return suspend_pieces(p, wanted_, bytes_, N); }
    const address* wanted_;
    const_buffer bytes_[N];
};

class [[nodiscard("co_await it"), gnu::warn_unused]] send_datagram_awaiter final
    : public send_datagrams_awaiter,
      public awaiter_base<send_datagram_awaiter> {
  public:
    send_datagram_awaiter(datagram_port* on, const outgoing_datagram& wanted) noexcept
        : send_datagrams_awaiter(on), wanted_(wanted) {}
    void await_resume() const { check(); }
    result<void> take_result() const noexcept { return error_; }

  private:
    friend awaiter_base<send_datagram_awaiter>;
    bool suspend(promise_base& p) noexcept { return suspend_datagrams(p, &wanted_, 1); }
    const outgoing_datagram& wanted_;
};

class [[nodiscard("co_await it"), gnu::warn_unused]] send_many_awaiter final
    : public send_datagrams_awaiter,
      public awaiter_base<send_many_awaiter> {
  public:
    send_many_awaiter(datagram_port* on, const outgoing_datagram* wanted, std::size_t count) noexcept
        : send_datagrams_awaiter(on), wanted_(wanted), wanted_count_(count) {}
    [[nodiscard("how many were sent")]] std::size_t await_resume() const {
        check();
        return sent_;
    }
    result<std::size_t> take_result() const noexcept {
        if (error_) return error_;
        return sent_;
    }

  private:
    friend awaiter_base<send_many_awaiter>;
    bool suspend(promise_base& p) noexcept { return suspend_datagrams(p, wanted_, wanted_count_); }
    const outgoing_datagram* wanted_;
    std::size_t wanted_count_;
};

}  // namespace detail
}  // namespace bight
