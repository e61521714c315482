// serve: a server that runs one coroutine for each connection.
#pragma once

#include <bight/core/detail/borrowed_arguments.hpp>
#include <bight/core/detail/frame_pool.hpp>
#include <bight/core/detail/refused.hpp>
#include <bight/core/export.hpp>
#include <bight/core/task.hpp>
#include <bight/io/stream.hpp>
#include <bight/net/detail/serve.hpp>
#include <bight/net/listener.hpp>
#include <bight/net/options.hpp>

#include <functional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

namespace BIGHT_EXPORT bight {

/// Listens at `where`, and runs `protocol(bound…, stream)`, a task<>, concurrently for each connection. Runs
/// until it is cancelled, or until listening fails. The protocol and the bound arguments are stored until
/// then, and passed to each connection as const. State that connections share is passed with std::ref (they
/// all run on this thread, so it needs no lock); a parameter T& does not compile without it.
///
/// When a protocol returns, its stream is closed like any other: what an outbox still holds is sent, then the
/// end of the stream, within `serve_options::close_deadline`; a stream that it has moved elsewhere stays
/// open. When a protocol throws, only its connection is reset, and the error goes to the error handler. On
/// cancellation serve stops accepting, gives the connections `serve_options::drain` to end by themselves,
/// cancels the rest, and waits for them. Throws what `listen` throws.
template <detail::no_options F, class... Bound>
task<> serve(std::string_view where, F&& protocol, Bound&&... bound) {
    return detail::serve_endpoint(
        std::string(where), serve_options{},
        detail::make_protocol(std::forward<F>(protocol), std::forward<Bound>(bound)...));
}
template <class F, class... Bound>
task<> serve(std::string_view where, const serve_options& options, F&& protocol, Bound&&... bound) {
    return detail::serve_endpoint(
        std::string(where), options,
        detail::make_protocol(std::forward<F>(protocol), std::forward<Bound>(bound)...));
}
/// The same on an existing listener: `options.listen` is ignored.
template <detail::no_options F, class... Bound>
task<> serve(listener on, F&& protocol, Bound&&... bound) {
    return detail::serve_listener(
        std::move(on), serve_options{},
        detail::make_protocol(std::forward<F>(protocol), std::forward<Bound>(bound)...));
}
template <class F, class... Bound>
task<> serve(listener on, const serve_options& options, F&& protocol, Bound&&... bound) {
    return detail::serve_listener(
        std::move(on), options,
        detail::make_protocol(std::forward<F>(protocol), std::forward<Bound>(bound)...));
}
// What no other overload takes.
template <class Here = decltype([] {}), bool fits = false>
auto serve(detail::anything = {}, detail::anything = {}, detail::anything = {}, detail::anything = {},
           detail::anything = {}) {
    static_assert(fits,
                  "serve(where, protocol, bound...), or serve(where, options, protocol, bound...), takes the "
                  "endpoint as text first, as in serve(\"tcp:8123\", echo), or a listener: "
                  "serve(bight::listen(endpoint), echo); options are a serve_options, as in "
                  "{.max_connections = 100}, with its names and types; for the reactors of a runtime see "
                  "serve_on");
    return detail::refused_operation();
}
// Options with a value that does not fit, and options after the protocol.
detail::time_without_unit<> serve(detail::anything, detail::misfit_serve_options, detail::anything,
                                  detail::anything = {}, detail::anything = {});
detail::options_after_protocol<> serve(detail::anything, detail::anything, detail::misfit_serve_options);

}  // namespace bight
