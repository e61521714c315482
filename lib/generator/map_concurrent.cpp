#include <bight/generator/map_concurrent.hpp>

#include <stdexcept>
#include <utility>

namespace bight::detail {

call_window::call_window(std::size_t limit) : limit_(limit) {
    if (limit == 0) throw std::invalid_argument("a limit of zero concurrent calls");
}

bool call_window::awaiter::look() noexcept {
    if (window_.used_ < window_.limit_) return finish_now();
    window_.waiting_ = this;
    return true;
}

void call_window::awaiter::cancel() noexcept {
    window_.waiting_ = nullptr;
    confirm_cancel();
}

void call_window::leave() noexcept {
    --used_;
    if (awaiter* const w = std::exchange(waiting_, nullptr)) w->ready();
}

}  // namespace bight::detail
