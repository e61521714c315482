// serve: one coroutine for each connection.
#pragma once

#include <bight/core/detail/borrowed_arguments.hpp>
#include <bight/core/detail/frame_pool.hpp>
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

/// Listens at `where`, and for each connection runs `protocol(bound…, stream)`, a task<>, beside the others.
/// Runs until it is cancelled, or until listening fails. The protocol and what is bound are stored until
/// then, and given to each connection as const: std::ref is for state that the connections share (they all
/// run on this thread, so it needs no lock), and a parameter T& does not compile without it.
///
/// When a protocol returns, its stream is dropped like any other: what an outbox still holds goes out, then
/// the end, within `serve_options::close_deadline`; a stream that it has moved elsewhere stays open. When it
/// throws, that connection alone is reset, and the error goes to the error handler. On cancellation serve
/// stops accepting, gives the connections `serve_options::drain` to end and to say the rest, cancels what is
/// left, and waits for it. Throws what `listen` throws.
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
/// The same on a listener that is there already: `options.listen` is not looked at.
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

}  // namespace bight
