// sharded_listener, serve_on: one listening address for all the reactors of a runtime.
#pragma once

#include <bight/core/detail/refused.hpp>
#include <bight/core/exit_status.hpp>
#include <bight/core/export.hpp>
#include <bight/core/task.hpp>
#include <bight/io/address.hpp>
#include <bight/net/endpoint.hpp>
#include <bight/net/listener.hpp>
#include <bight/net/options.hpp>
#include <bight/net/serve.hpp>
#include <bight/thread/runtime.hpp>

#include <concepts>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

namespace BIGHT_EXPORT bight {

namespace detail {

struct sharded_sockets;

}  // namespace detail

/// Distributes the connections to one address over all the reactors of a runtime. Each reactor opens its own
/// listener here and serves the connections that it gets. The reactors share nothing else, so each can have
/// its own state:
///
///     return bight::exit_status_of([] {  // a port that is taken is reported
///         bight::runtime cores;
///         bight::sharded_listener where(cores, "tcp:8123");
///         auto shard = [&]() -> bight::task<> {
///             room here;  // this reactor's own
///             co_await bight::serve(where.listen(), bight::serve_options{}, chat, std::ref(here));
///         };
///         return cores.run(shard);
///     });
///
/// listen_options::sharding says how connections are distributed. With reuse_port the kernel chooses the
/// reactor: evenly for many connections, but not for few; with hand_over each reactor gets one in turn. An
/// address at which another socket listens is refused in both cases, unless the endpoint says
/// `reuse_port=yes`.
///
/// It must outlive the run, and the runtime must outlive it. Thread: one thread makes and destroys it; the
/// reactors call `listen`.
class sharded_listener {
  public:
    /// Binds the address for all the reactors: port 0 becomes one port that they share, and an unavailable
    /// address is reported before anything runs. The socket listens as soon as a reactor has opened its
    /// listener. Throws what bight::listen throws; std::errc::operation_not_supported for
    /// sharding::reuse_port where the system does not have it.
    sharded_listener(runtime& on, const endpoint& where, const listen_options& options = {});
    sharded_listener(runtime& on, std::string_view where, const listen_options& options = {});
    sharded_listener(const sharded_listener&) = delete;
    sharded_listener& operator=(const sharded_listener&) = delete;
    ~sharded_listener();

    /// The listener of the reactor that runs on this thread. With reuse_port its share of the connections
    /// reaches no other listener, so the clients wait while nobody accepts from it. With hand_over nothing is
    /// accepted while every listener has 16 connections waiting. Throws what bight::listen throws;
    /// std::system_error with errc::wrong_thread where no reactor of the runtime runs; with hand_over
    /// errc::busy when this reactor has an open listener already.
    listener listen();

    /// The address, with the port that the system chose if none was given. Thread: any.
    address local() const;
    /// sharding::reuse_port or sharding::hand_over. Thread: any.
    bight::sharding sharding() const noexcept;

  private:
    detail::sharded_sockets* sockets_;
};

namespace detail {

/// The root task of each reactor in serve_on.
template <class F, class... Bound>
class shard_server {
  public:
    template <class G, class... Bs>
    shard_server(sharded_listener& where, const serve_options& options, G&& protocol, Bs&&... bound)
        : where_(&where),
          options_(options),
          protocol_(std::forward<G>(protocol)),
          bound_(std::forward<Bs>(bound)...) {}

    task<> operator()() {
        return std::apply(
            [this](Bound&... bound) {
                return serve(where_->listen(), options_, std::move(protocol_), std::move(bound)...);
            },
            bound_);
    }

  private:
    sharded_listener* where_;
    serve_options options_;
    F protocol_;
    std::tuple<Bound...> bound_;
};

}  // namespace detail

/// Listens at `where` on all reactors of `on`, and serves there as bight::serve does, each reactor with its
/// own copy of the protocol and of the bound arguments; to be called by main(). State that is bound with
/// std::ref is shared by all the threads; for separate state in each reactor see sharded_listener. Gives the
/// exit status of runtime::run; 1 when it cannot listen, after the error went to the error handler.
///
///     int main() {
///         return bight::exit_status_of([] {
///             bight::runtime cores;
///             return bight::serve_on(cores, "tcp:8123", echo);
///         });
///     }
template <class F, class... Bound>
    requires std::copy_constructible<std::decay_t<F>> && (std::copy_constructible<std::decay_t<Bound>> && ...)
int serve_on(runtime& on, std::string_view where, const serve_options& options, F&& protocol,
             Bound&&... bound) {
    if constexpr (detail::check_protocol<F, Bound...>()) {
        return detail::reported_status_of("bight::serve_on", [&] {
            sharded_listener all(on, where, options.listen);
            return on.run(detail::shard_server<std::decay_t<F>, std::decay_t<Bound>...>(
                all, options, std::forward<F>(protocol), std::forward<Bound>(bound)...));
        });
    } else {
        return detail::refused();
    }
}
template <detail::no_options F, class... Bound>
    requires std::copy_constructible<std::decay_t<F>> && (std::copy_constructible<std::decay_t<Bound>> && ...)
int serve_on(runtime& on, std::string_view where, F&& protocol, Bound&&... bound) {
    return serve_on(on, where, serve_options{}, std::forward<F>(protocol), std::forward<Bound>(bound)...);
}
// What no other overload takes.
template <class Here = decltype([] {}), bool fits = false>
auto serve_on(detail::anything = {}, detail::anything = {}, detail::anything = {}, detail::anything = {},
              detail::anything = {}) {
    static_assert(fits,
                  "serve_on(runtime, where, protocol, bound...), or serve_on(runtime, where, options, "
                  "protocol, bound...), takes a runtime, then the endpoint as text: serve_on(cores, "
                  "\"tcp:8123\", echo); each reactor copies the protocol and what is bound: std::ref(x) for "
                  "what they share");
    return detail::refused();
}

}  // namespace bight
