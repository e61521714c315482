#include <bight/thread/thread_pool.hpp>

#include "pool_state.hpp"

#include <cstddef>
#include <memory>
#include <mutex>

namespace bight {

using namespace detail;

thread_pool::thread_pool(const thread_pool_options& options)
    : state_(std::make_shared<pool_state>(options)) {}
thread_pool::~thread_pool() { state_->shut_down(); }

std::size_t thread_pool::max_threads() const noexcept { return state_->options.max_threads; }
thread_pool_statistics thread_pool::statistics() const noexcept { return state_->statistics(); }

thread_pool& thread_pool::shared() {
    static auto* const the_pool = new thread_pool;
    return *the_pool;
}

offload_limiter::offload_limiter(std::size_t limit, thread_pool& pool)
    : state_(std::make_shared<limiter_state>(pool_state::of(pool).shared_from_this(), limit)) {
    state_->self = state_;
}

std::size_t offload_limiter::limit() const noexcept { return state_->limit; }
std::size_t offload_limiter::in_use() const noexcept {
    const std::lock_guard hold(state_->pool->lock);
    return state_->in_use;
}
std::size_t offload_limiter::waiting() const noexcept {
    const std::lock_guard hold(state_->pool->lock);
    return state_->waiting.size();
}

}  // namespace bight
