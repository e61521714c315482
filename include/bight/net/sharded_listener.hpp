// sharded_listener: one address for all the reactors of a runtime; and serve_on, a server on it.
#pragma once

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

/// Where connections to one address come in for all the reactors of a runtime. Each of them opens a listener
/// of its own here, and serves what it gets; the reactors share nothing else, so each can have its own state:
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
/// listen_options::sharding says how connections are spread. With reuse_port the kernel chooses the reactor,
/// evenly for many connections and not for few; with hand_over they go to all in turn. Unless the endpoint
/// says `reuse_port=yes`, an address that another socket listens at is refused all the same.
///
/// It outlives the run, and the runtime outlives it. Thread: one thread makes and destroys it; `listen` is
/// for the reactors.
class sharded_listener {
  public:
    /// Binds, for all the reactors: port 0 becomes one port that they share, and what cannot be had is known
    /// before anything runs. It listens once a reactor has opened its listener. Throws what bight::listen
    /// throws; std::errc::operation_not_supported for sharding::reuse_port where that cannot be had.
    sharded_listener(runtime& on, const endpoint& where, const listen_options& options = {});
    sharded_listener(runtime& on, std::string_view where, const listen_options& options = {});
    sharded_listener(const sharded_listener&) = delete;
    sharded_listener& operator=(const sharded_listener&) = delete;
    ~sharded_listener();

    /// The listener of the reactor that runs on this thread. With reuse_port its share of the connections
    /// comes to it alone: one that is opened and not accepted from keeps clients waiting. With hand_over
    /// nothing is accepted while all listeners have 16 connections waiting. Throws std::system_error with
    /// what bight::listen throws; errc::wrong_thread where no reactor of the runtime runs; with hand_over
    /// errc::busy when this reactor has one that is open.
    listener listen();

    /// With the port that the system chose if none was given. Thread: any.
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

/// Listens at `where` on all reactors of `on`, and serves there as bight::serve does, each reactor with a
/// copy of the protocol and of what is bound; what main() calls. State that is bound with std::ref is shared
/// by all the threads; for state of each reactor's own see sharded_listener. Gives the exit status of
/// runtime::run: 1 when it cannot listen, after the error went to the error handler.
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
    return detail::reported_status_of("bight::serve_on", [&] {
        sharded_listener all(on, where, options.listen);
        return on.run(detail::shard_server<std::decay_t<F>, std::decay_t<Bound>...>(
            all, options, std::forward<F>(protocol), std::forward<Bound>(bound)...));
    });
}
template <detail::no_options F, class... Bound>
    requires std::copy_constructible<std::decay_t<F>> && (std::copy_constructible<std::decay_t<Bound>> && ...)
int serve_on(runtime& on, std::string_view where, F&& protocol, Bound&&... bound) {
    return serve_on(on, where, serve_options{}, std::forward<F>(protocol), std::forward<Bound>(bound)...);
}

}  // namespace bight
