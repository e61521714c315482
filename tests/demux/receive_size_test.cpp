#include "demux/receive_size.hpp"

#include "demux/bulk_blocks.hpp"

#include "support/catch.hpp"

#include <cstddef>
#include <vector>

using bight::detail::block_pool;
using bight::detail::bulk_blocks;
using bight::detail::receive_size;

namespace {

receive_size grown(unsigned times) {
    receive_size size;
    for (unsigned i = 0; i < times; ++i) size.filled();
    return size;
}

constexpr std::size_t kib = 1024;

}  // namespace

TEST_CASE("a receive that was filled is followed by a larger one, up to the largest") {
    CHECK_FALSE(grown(0).bulk());
    CHECK(receive_size::sizes[grown(0).step()] == 16 * kib);
    CHECK(receive_size::sizes[grown(1).step()] == 64 * kib);
    CHECK(receive_size::sizes[grown(2).step()] == 256 * kib);
    CHECK(grown(3).step() == grown(2).step());
    receive_size size;
    size.received(16 * kib, 16 * kib);
    CHECK(size.step() == 1);
    size.received(64 * kib, 64 * kib);
    CHECK(size.step() == 2);
}

TEST_CASE("a socket that gives little eight times in a row goes back to the smaller size") {
    receive_size size = grown(2);
    for (int i = 0; i < 7; ++i) size.received(100, 256 * kib);
    CHECK(size.step() == 2);
    size.received(100, 256 * kib);
    CHECK(size.step() == 1);
    for (int i = 0; i < 8; ++i) size.received(100, 64 * kib);
    CHECK(size.step() == 0);
    for (int i = 0; i < 100; ++i) size.received(100, 16 * kib);
    CHECK(size.step() == 0);
}

TEST_CASE("messages between two sizes keep the larger one, and so do ends of large ones") {
    receive_size size = grown(2);
    for (int i = 0; i < 100; ++i) size.received(32 * kib, 256 * kib);
    CHECK(size.step() == 2);
    for (int i = 0; i < 100; ++i) size.received(i % 8 == 0 ? 200 * kib : 1, 256 * kib);
    CHECK(size.step() == 2);
}

TEST_CASE("the next receive may be limited, and the one after it is as large as before") {
    receive_size size = grown(2);
    size.limit_next(256 * kib);
    CHECK(size.next() == 2);
    size.limit_next(256 * kib - 1);
    CHECK(size.next() == 1);
    size.limit_next(64 * kib - 1);
    CHECK(size.next() == 0);
    CHECK(size.step() == 2);
    size.received(16 * kib, 16 * kib);
    CHECK(size.next() == 2);
    size = grown(1);
    size.limit_next(0);
    CHECK(size.next() == 0);
    size.received(100, 16 * kib);
    CHECK(size.next() == 1);
    size.limit_next(1024 * kib);
    CHECK(size.next() == 1);
}

TEST_CASE("larger blocks keep to both limits, and are reused") {
    const int lender = 0;
    bulk_blocks blocks(&lender);
    blocks.limit(256 * kib, 512 * kib);
    block_pool::block* const first = blocks.take(grown(2));
    REQUIRE(first != nullptr);
    CHECK(first->pool->size() == 256 * kib);
    CHECK(blocks.lent() == 1);
    first->pool->give_back(*first);
    CHECK(blocks.lent() == 0);
    CHECK(blocks.take(grown(2)) == first);
    std::vector<block_pool::block*> smaller;
    for (int i = 0; i < 4; ++i) {
        smaller.push_back(blocks.take(grown(1)));
        REQUIRE(smaller.back() != nullptr);
        CHECK(smaller.back()->pool->size() == 64 * kib);
    }
    // There is no room for another 256 KiB, nor for 64.
    CHECK_FALSE(blocks.has_room());
    CHECK(blocks.take(grown(2)) == nullptr);
    CHECK(blocks.take(grown(1)) == nullptr);
    smaller.back()->pool->give_back(*smaller.back());
    smaller.pop_back();
    CHECK(blocks.has_room());
    block_pool::block* const instead = blocks.take(grown(2));
    REQUIRE(instead != nullptr);
    CHECK(instead->pool->size() == 64 * kib);
    smaller.push_back(instead);
    for (block_pool::block* b : smaller) b->pool->give_back(*b);
    first->pool->give_back(*first);
    blocks.limit(64 * kib, 512 * kib);
    block_pool::block* const limited = blocks.take(grown(2));
    REQUIRE(limited != nullptr);
    CHECK(limited->pool->size() == 64 * kib);
    limited->pool->give_back(*limited);
    blocks.limit(16 * kib, 512 * kib);
    CHECK(blocks.take(grown(2)) == nullptr);
    CHECK_FALSE(blocks.has_room());
}
