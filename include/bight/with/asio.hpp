// use_task, async_on: Asio's operations in tasks of bight, and tasks of bight as operations of Asio.
#pragma once

#include <bight/core/export.hpp>
#include <bight/core/reactor.hpp>
#include <bight/with/detail/asio_call.hpp>
#include <bight/with/detail/asio_operation.hpp>

#include <asio/async_result.hpp>

#include <concepts>
#include <type_traits>
#include <utility>

namespace BIGHT_EXPORT bight {

/// A completion token: an asynchronous operation of Asio gives an operation that a task of bight awaits.
///
///     const std::size_t n = co_await socket.async_read_some(asio::buffer(block), bight::use_task);
///     const answer a = co_await asio::co_spawn(io, ask(socket), bight::use_task);   // an
///     asio::awaitable<answer>
///
/// The operation begins when it is awaited, and once: it is dispatched to the executor of the I/O object (or
/// of whatever the operation belongs to), and so is its cancellation. So the io_context may run on a thread
/// of its own, and the object is used there only; where several threads run it, the executor is a strand, as
/// Asio asks for. The task goes on on its reactor's thread, in the next turn.
///
/// The result is what the operation gives behind an error_code or a std::exception_ptr: nothing, a value, or
/// a std::tuple. An error_code is thrown as std::system_error; an exception is thrown as it is. For the
/// operations that give an error_code, as_result(…) gives a result<T> instead.
///
/// Cancellation: the operation is asked to end (cancellation_type::terminal), and the task waits for that:
/// until then Asio may use the buffers. An operation that ended with asio::error::operation_aborted was
/// cancelled; any other result is delivered, and the task ends at its next await. So an operation that does
/// not know cancellation, or whose initiation names no executor (get_executor), is waited for, and the
/// io_context has to run until it has ended. An io_context that is destroyed first drops its operations:
/// errc::closed is thrown (or, if it is cancelled, the task ends). Where there is no memory for the request,
/// it is repeated after 10 ms.
///
/// An operation whose initiation names no executor, as that of bind_executor(…, use_task), begins on the
/// reactor's thread.
///
/// Throws what the operation throws when it begins, std::bad_alloc among others. A virtual clock of the
/// reactor stands still meanwhile. Thread: any reactor's. This is for Asio by itself (1.19 or later, not
/// Boost.Asio), which only this header needs: the library knows nothing of it.
struct use_task_t {
    constexpr use_task_t() noexcept = default;

    /// An executor with this as its default token.
    template <class Executor>
    struct executor_with_default : Executor {
        using default_completion_token_type = use_task_t;
        template <class Other>
            requires(!std::same_as<Other, executor_with_default> && std::convertible_to<Other, Executor>)
        executor_with_default(const Other& e) noexcept : Executor(e) {}
    };
    template <class Object>
    using as_default_on_t = typename Object::template rebind_executor<
        executor_with_default<typename Object::executor_type>>::other;
    /// The I/O object with this as its default token: `co_await socket.async_connect(where)`.
    template <class Object>
    static as_default_on_t<std::decay_t<Object>> as_default_on(Object&& object) {
        return as_default_on_t<std::decay_t<Object>>(std::forward<Object>(object));
    }
};
inline constexpr use_task_t use_task{};

/// Calls `f()` on the thread of the reactor `there`, in its next turn, as an asynchronous operation of Asio
/// with the signature void(std::exception_ptr, T), or void(std::exception_ptr). When `f` gives a task, T is
/// what that gives.
///
///     const int n = co_await bight::async_on(r, [] { return count(); }, asio::use_awaitable);
///
/// It is what bight::on is for tasks, with the same promises: `f` is stored, moved into the call, and
/// destroyed with the task's frame on the thread of `there`, before the result comes; the result is moved to
/// this side. T must be default-constructible, for Asio hands over an empty one beside an error. The handler
/// is called through its associated executor, never inside this call, and that executor has work until then:
/// its context must outlive the call.
///
/// Cancellation: a handler with a cancellation slot can have the call cancelled, by any type. A call that has
/// not begun never begins, and is not waited for; else the task there is cancelled, and waited for. The error
/// is asio::error::operation_aborted then; a result that was there at the same time is delivered. When
/// `there` stops, or its run ends, it cancels the task: std::errc::operation_canceled; when it had stopped
/// before the call began: errc::closed.
///
/// `there` must exist when this is called. Throws std::bad_alloc; when there is no memory for handing over
/// the result, the process ends (std::terminate). Thread: any.
template <class F, class Token>
    requires std::invocable<std::decay_t<F>&>
auto async_on(reactor& there, F&& f, Token&& token) {
    using call = detail::call_from_asio<std::decay_t<F>>;
    return asio::async_initiate<Token, typename call::signature>(
        [&there](auto handler, auto callable) {
            call::begin_with(std::move(handler), there, std::move(callable));
        },
        token, std::forward<F>(f));
}

}  // namespace bight

template <class R, class... Args>
class asio::async_result<bight::use_task_t, R(Args...)> {
  public:
    template <class Initiation, class... InitArgs>
    static auto initiate(Initiation&& initiation, bight::use_task_t, InitArgs&&... args) {
        using operation =
            bight::detail::operation_of_asio<bight::detail::asio_outcome<std::decay_t<Args>...>,
                                             std::decay_t<Initiation>, std::decay_t<InitArgs>...>;
        return operation(std::forward<Initiation>(initiation), std::forward<InitArgs>(args)...);
    }
};
