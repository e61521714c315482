#include "poison.hpp"
#include "sanitizers.hpp"
#include "thread_state.hpp"

#include <bight/core/detail/frame_cache.hpp>
#include <bight/core/detail/frame_pool.hpp>

#if BIGHT_HAS_VALGRIND
#include <valgrind/valgrind.h>
#endif

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <new>

namespace bight::detail {

static_assert(__STDCPP_DEFAULT_NEW_ALIGNMENT__ == 16, "check_frame_layout relies on it");

namespace {

// Where a tool looks for uses after free, and for uses before the first value, no frames are kept.
bool keeps_frames() noexcept {
#if BIGHT_UNDER_ASAN || BIGHT_UNDER_MSAN
    return false;
#elif BIGHT_HAS_VALGRIND
    return RUNNING_ON_VALGRIND == 0;
#else
    return true;
#endif
}

constinit frame_cache nothing_kept(frame_cache::keeps_nothing{});

BIGHT_TLS constinit thread_local thread_state state_here;

}  // namespace

BIGHT_TLS constinit thread_local frame_cache* frames_here = &nothing_kept;
BIGHT_TLS constinit thread_local const void* lender_here = nullptr;

thread_state& this_thread() noexcept { return state_here; }

std::uint64_t thread_state::next_number() noexcept {
    static constinit std::atomic<std::uint64_t> last{0};
    return last.fetch_add(1, std::memory_order_relaxed) + 1;
}

void thread_state::use(frame_cache* cache) noexcept {
    frame_cache* const next = keeps_frames() && cache ? cache : &nothing_kept;
    if (next == frames_here) return;  // counting is slow, and a simulated world calls this in each turn
    frames_from_heap -= frames_here->kept();
    frames_here = next;
    frames_from_heap += frames_here->kept();
}

frame_cache::~frame_cache() {
    for (std::size_t i = 0; i < frame_classes; ++i) {
        while (free_block* next = free_[i]->next) {
            ::operator delete(free_[i], frame_class_size(i));
            free_[i] = next;
        }
    }
}

long frame_cache::kept() const noexcept {
    long count = 0;
    for (std::size_t i = 0; i < frame_classes; ++i) {
        count += static_cast<long>((free_[i]->bytes - bottom_.bytes) / frame_class_size(i));
    }
    return count;
}

// These are not inlined into coroutines, so they may use the thread's state directly. Their rare paths are
// separate functions, so that the common paths need not save registers.

namespace {

[[gnu::noinline, gnu::cold]] void* new_block(std::size_t i) {
    void* block = ::operator new(frame_class_size(i));
    ++state_here.frames_from_heap;
    return block;
}

[[gnu::noinline, gnu::cold]] void delete_block(void* block, std::size_t i) noexcept {
    --state_here.frames_from_heap;
    if (state_here.poisons_frames) poison(block, frame_class_size(i));
    ::operator delete(block, frame_class_size(i));
}

}  // namespace

[[gnu::noinline]] void* allocate_frame_of_class(std::size_t i) {
    if (void* const kept = frames_here->take(i)) [[likely]]
        return kept;
    return new_block(i);
}

[[gnu::noinline]] void free_frame_of_class(void* block, std::size_t i) noexcept {
    if (!frames_here->keep(block, i)) [[unlikely]]
        delete_block(block, i);
}

[[gnu::noinline]] void* allocate_large_frame(std::size_t size) {
    void* block = ::operator new(size);
    ++state_here.frames_from_heap;
    return block;
}

[[gnu::noinline]] void free_large_frame(void* block, std::size_t size) noexcept {
    --state_here.frames_from_heap;
    if (state_here.poisons_frames) poison(block, size);
    ::operator delete(block, size);
}

long live_frames() noexcept { return state_here.frames_from_heap - frames_here->kept(); }

void frame_is_laid_out_wrongly() noexcept {
    std::fputs(
        "bight: g++ compiled a coroutine wrongly (GCC PR 106188): it has a co_await in the condition of an "
        "if, while, "
        "switch or for, and no local variable at its top level.\n"
        "bight: write `const bool ok = co_await x; if (ok) …` or `if (auto v = co_await x)` instead; the "
        "backtrace of "
        "this abort shows the function.\n",
        stderr);
    std::abort();
}

}  // namespace bight::detail
