// Implementation of bight/net/serve.hpp.
#pragma once

#include <bight/core/detail/borrowed_arguments.hpp>
#include <bight/core/detail/frame_pool.hpp>
#include <bight/core/detail/refused.hpp>
#include <bight/core/export.hpp>
#include <bight/core/task.hpp>
#include <bight/io/stream.hpp>
#include <bight/net/listener.hpp>
#include <bight/net/options.hpp>

#include <functional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

namespace BIGHT_EXPORT bight {

namespace detail {

/// The protocol given to serve, with its type erased.
class protocol {
  public:
    protocol() noexcept = default;
    protocol(const protocol&) = delete;
    protocol& operator=(const protocol&) = delete;
    virtual ~protocol() = default;
    virtual task<> begin(stream peer) = 0;
};

template <class F, class... Bound>
class bound_protocol final : public protocol {
  public:
    template <class G, class... Bs>
    explicit bound_protocol(G&& f, Bs&&... bound)
        : callable_(std::forward<G>(f)), bound_(std::forward<Bs>(bound)...) {}
    task<> begin(stream peer) override {
        return std::apply(
            [&](const auto&... bound) { return std::invoke(callable_, bound..., std::move(peer)); },
            std::as_const(bound_));
    }

  private:
    F callable_;
    std::tuple<Bound...> bound_;
};

/// Owns a protocol.
class protocol_handle {
  public:
    explicit protocol_handle(protocol* p) noexcept : protocol_(p) {}
    protocol_handle(protocol_handle&& other) noexcept : protocol_(std::exchange(other.protocol_, nullptr)) {}
    ~protocol_handle() { delete protocol_; }
    protocol& operator*() const noexcept { return *protocol_; }

  private:
    protocol* protocol_;
};

task<> serve_endpoint(std::string where, serve_options options, protocol_handle p);
task<> serve_listener(listener l, serve_options options, protocol_handle p);

/// The bound arguments are const here: a parameter T& would refer to the stored copy, not to the caller's
/// object.
template <class F, class... Bound>
concept serves = std::is_invocable_r_v<task<>, std::decay_t<F>&, const std::decay_t<Bound>&..., stream>;

template <class F, class... Bound>
inline constexpr bool can_be_bound = std::is_constructible_v<std::decay_t<F>, F> &&
                                     (std::is_constructible_v<std::decay_t<Bound>, Bound> && ...);

/// False where it has said what is wrong: then nothing else is to be compiled.
template <class F, class... Bound>
consteval bool check_protocol() {
    constexpr bool fits = serves<F, Bound...>;
    constexpr bool by_reference =
        std::is_invocable_v<std::decay_t<F>&, const std::decay_t<Bound>&..., stream&> && !fits;
    constexpr bool kept = can_be_bound<F, Bound...>;
    static_assert(
        !by_reference,
        "a protocol takes the stream by value, as in task<> echo(bight::stream peer): it is its own, and "
        "nobody else keeps it");
    static_assert(
        fits || by_reference,
        "serve(where, protocol, bound...) stores copies of the protocol and of what is bound, and "
        "the protocol, called with these and the stream, in this order, must give a task<>: for a "
        "parameter T& write std::ref(x), for an overloaded or a template function a lambda that calls it; "
        "options come before the protocol");
    static_assert(!fits || kept,
                  "serve keeps copies of the protocol and of what is bound, and one of these cannot be "
                  "copied: give what is shared as std::ref(x), and what moves only as std::move(x)");
    refuse_temporaries<std::decay_t<F>, std::decay_t<Bound>..., stream>();
    static_assert(!takes_last_by_reference<std::decay_t<F>>(),
                  "a protocol takes the stream by value: it is its own, and nobody else keeps it");
    return fits && kept;
}

template <class F, class... Bound>
protocol_handle make_protocol(F&& f, Bound&&... bound) {
    if constexpr (check_protocol<F, Bound...>()) {
        return protocol_handle(new bound_protocol<std::decay_t<F>, std::decay_t<Bound>...>(
            std::forward<F>(f), std::forward<Bound>(bound)...));
    } else {
        return protocol_handle(nullptr);  // so that the message above is the only one
    }
}

/// Takes a list in braces that has the members of serve_options, and whose values do not fit.
struct misfit_serve_options {
    anything listen = {};
    anything drain = {};
    anything close_deadline = {};
    anything idle_timeout = {};
    anything max_connections = {};
};
/// The results of the functions that take one say so where they are called. (As templates, these functions
/// would rank no higher than the others that do not compile.)
template <bool fits = false>
struct time_without_unit : refused_operation {
    static_assert(fits,
                  "a time in serve_options has a unit: serve(\"tcp:8123\", {.idle_timeout = 30s}, echo)");
};
template <bool fits = false>
struct options_after_protocol : refused_operation {
    static_assert(fits,
                  "serve(where, options, protocol, bound...): options come before the protocol, as in "
                  "serve(\"tcp:8123\", {.idle_timeout = 30s}, echo)");
};

/// Tells serve(where, protocol, …) from serve(where, options, protocol, …).
template <class F>
concept no_options = !std::is_convertible_v<F, const serve_options&>;

}  // namespace detail

}  // namespace bight
