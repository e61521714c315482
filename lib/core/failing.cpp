#include "failing.hpp"

#include "thread_state.hpp"

#include <bight/core/task.hpp>

#include <coroutine>
#include <exception>

namespace bight::detail {

bool failing() noexcept {
    const thread_state::failures& here = this_thread().failing;
    return here.frames > 0 || std::uncaught_exceptions() > here.exceptions_before;
}

void destroy_failed(std::coroutine_handle<> frame) noexcept {
    ++this_thread().failing.frames;
    frame.destroy();
    --this_thread().failing.frames;
}

}  // namespace bight::detail
