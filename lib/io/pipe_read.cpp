#include "pipe_read.hpp"

namespace bight::detail {

bool pipe_read::suspend(promise_base& p) noexcept {
    if (!begin(p)) return true;
    if (!may_begin(p.owner().home())) {
        set_refusal();
        return finish_now();
    }
    return to().start_pipe_read(*this) ? finish_now() : true;
}

}  // namespace bight::detail
