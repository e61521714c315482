// Implementation of bight/net/listener.hpp.
#pragma once

#include <bight/core/detail/awaiter.hpp>
#include <bight/core/detail/waiter.hpp>
#include <bight/core/export.hpp>
#include <bight/core/result.hpp>
#include <bight/io/stream.hpp>
#include <bight/net/endpoint.hpp>
#include <bight/net/options.hpp>

#include <coroutine>
#include <string_view>
#include <system_error>
#include <utility>

namespace BIGHT_EXPORT bight {

class address;
class listener;

namespace detail {

class acceptor;

/// For functions that are not members.
struct acceptor_access {
    /// Null when the listener is empty.
    static acceptor* of(const listener& l) noexcept;
};

class [[nodiscard("co_await it"), gnu::warn_unused]] accept_awaiter final
    : public waiter,
      public awaiter_base<accept_awaiter> {
  public:
    explicit accept_awaiter(acceptor* on) noexcept : on_(on) {}
    accept_awaiter(accept_awaiter&& other) noexcept : waiter(std::move(other)), on_(other.on_) {}
    ~accept_awaiter();

    stream await_resume();
    result<stream> take_result() noexcept;
    /// Takes the descriptor of the connection, which the caller then owns; or returns -1, with the reason in
    /// `error`.
    int take_descriptor(std::error_code& error) noexcept;
    void cancel() noexcept override;
    void describe(std::string& out) const override;

  private:
    friend class listening_socket;
    friend class intake;
    friend awaiter_base<accept_awaiter>;
    bool suspend(promise_base& p) noexcept;
    stream take();

    acceptor* on_;       // null when the listener is empty
    bool kept_ = false;  // from the await on it keeps `on_` alive: the listener may be destroyed meanwhile
    int fd_ = -1;
    std::error_code error_;
};

}  // namespace detail

}  // namespace bight
