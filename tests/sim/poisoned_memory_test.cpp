// What is freed in a simulated world is overwritten, so that who goes on using it is found out.
#include "support/catch.hpp"

#include "core/poison.hpp"
#include "core/sanitizers.hpp"
#include "demux/block_pool.hpp"
#include "support/freed_memory.hpp"
#include "support/skip.hpp"

#include <bight/bight.hpp>
#include <bight/core/detail/frame_pool.hpp>
#include <bight/sim/world.hpp>

#include <cstddef>
#include <cstring>
#include <string>

using bight::task;
using bight::detail::allocate_frame;
using bight::detail::free_frame;
using bight::detail::poison_byte;
namespace sim = bight::sim;

namespace {

// It would be reported, as it ought to be.
void need_unwatched_memory() {
    if (BIGHT_UNDER_ASAN || BIGHT_UNDER_TSAN)
        test::skip("sanitizers: a look at memory that was given back ends the process");
}

// What the heap writes into a block that was given back to it is at its beginning and its end.
constexpr std::size_t used_by_heap = 32;
constexpr std::size_t looked_at(std::size_t size) { return size - 2 * used_by_heap; }

// How many bytes are as `value` in memory that is not this program's any more.
std::size_t count_in(const void* freed, std::size_t size, unsigned char value) {
    const auto* bytes = static_cast<const volatile unsigned char*>(freed);
    std::size_t count = 0;
    for (std::size_t i = used_by_heap; i < size - used_by_heap; ++i) count += bytes[i] == value ? 1U : 0U;
    return count;
}

}  // namespace

TEST_CASE("a frame that was freed on a simulated host is overwritten, small or large") {
    need_unwatched_memory();
    test::leave_freed_memory();
    for (const std::size_t size : {std::size_t{200}, bight::detail::largest_pooled_frame + 100}) {
        const auto freed_in_a_task = [size](std::size_t& as_it_was, std::size_t& overwritten) -> task<> {
            void* const frame = allocate_frame(size);
            std::memset(frame, 'x', size);
            const volatile void* const kept = frame;
            free_frame(frame, size);
            as_it_was = count_in(const_cast<const void*>(kept), size, 'x');
            overwritten = count_in(const_cast<const void*>(kept), size, poison_byte);
            co_return;
        };
        INFO(size);
        std::size_t as_it_was = 0;
        std::size_t overwritten = 0;
        {
            sim::world w(1);
            w.add("host").run([&] { return freed_in_a_task(as_it_was, overwritten); });
            w.run();
        }
        CHECK(as_it_was == 0);
        CHECK(overwritten == looked_at(size));

        bight::reactor real;
        real.run(freed_in_a_task(as_it_was, overwritten));
        CHECK(as_it_was == looked_at(size));
        CHECK(overwritten == 0);
    }
}

TEST_CASE("what a chunk held on a simulated host is overwritten when it is dropped") {
    need_unwatched_memory();
    sim::world w(1);
    std::string seen;
    w.add("server").on_boot([&] {
        return bight::serve("tcp:7000", [&](bight::stream peer) -> task<> {
            auto data = co_await peer.read_some();
            // The pool keeps the block, so it may be looked at.
            const char* const kept = data.data();
            const std::size_t size = data.size();
            data.reset();
            seen.assign(kept, size);
        });
    });
    w.add("client").run([&]() -> task<> {
        bight::stream peer = co_await bight::connect("tcp:server:7000");
        co_await peer.write("hello");
        auto end = co_await peer.read_some();
    });
    w.run();
    CHECK(seen == std::string(5, static_cast<char>(poison_byte)));
}

TEST_CASE("a pool of blocks poisons what was used of one, if it was made to") {
    need_unwatched_memory();
    using bight::detail::block_pool;
    for (const bool poisons : {false, true}) {
        auto* const pool = poisons ? new block_pool(block_pool::poisons()) : new block_pool();
        block_pool::block* const block = pool->take();
        REQUIRE(block);
        std::memset(block->bytes(), 'x', 20);
        block->used = 10;
        block->release(*block);
        const std::string after(block->bytes(), 20);
        CHECK(after ==
              std::string(10, poisons ? static_cast<char>(poison_byte) : 'x') + std::string(10, 'x'));
        CHECK(pool->lent() == 0);
        pool->let_go();
    }
}
