#include <bight/core/detail/wait_list.hpp>

#include "frame_lines.hpp"

#include <bight/core/detail/promise.hpp>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <utility>

namespace bight::detail {

void listed_waiter::abort_destroyed(const char* what) const noexcept {
    std::string text = "bight: " + std::string(what) +
                       " was destroyed while a task waits for it, which it must outlive; the task waits\n";
    frame_lines lines(2);
    const promise_base* frame = &promise();
    while (frame) {
        lines.add(frame->where());
        if (frame->parent()) {
            frame = frame->parent();
        } else {
            const job* const above = frame->owner().parent();
            frame = above ? above->innermost() : nullptr;
        }
    }
    text += std::move(lines).take();
    std::fputs(text.c_str(), stderr);
    std::abort();
}

void abort_misused(const char* what) noexcept {
    std::fprintf(stderr, "bight: %s\n", what);
    std::abort();
}

}  // namespace bight::detail
