#include "demux/block_pool.hpp"

#include "support/catch.hpp"

#include <cstring>
#include <set>
#include <thread>
#include <vector>

using bight::detail::block_pool;

TEST_CASE("blocks come back last in, first out") {
    auto* pool = new block_pool;
    block_pool::block* first = pool->take();
    block_pool::block* second = pool->take();
    REQUIRE(first != nullptr);
    REQUIRE(second != nullptr);
    CHECK(first != second);
    first->release(*first);
    second->release(*second);
    CHECK(pool->take() == second);
    CHECK(pool->take() == first);
    first->release(*first);
    second->release(*second);
    pool->let_go();
}

TEST_CASE("every byte of a block is its own") {
    auto* pool = new block_pool;
    std::vector<block_pool::block*> all;
    for (int i = 0; i < 10; ++i) {
        all.push_back(pool->take());
        std::memset(all.back()->bytes(), i, block_pool::block_size);
    }
    for (int i = 0; i < 10; ++i) {
        const char* bytes = all[static_cast<std::size_t>(i)]->bytes();
        bool same = true;
        for (std::size_t at = 0; at < block_pool::block_size; ++at) same = same && bytes[at] == i;
        CHECK(same);
    }
    for (auto* b : all) b->release(*b);
    pool->let_go();
}

TEST_CASE("more blocks than are kept are lent and freed") {
    auto* pool = new block_pool;
    const std::size_t count = block_pool::kept_blocks * 2;
    std::set<block_pool::block*> all;
    for (std::size_t i = 0; i < count; ++i) all.insert(pool->take());
    CHECK(all.size() == count);
    for (auto* b : all) b->release(*b);
    pool->let_go();
}

TEST_CASE("a pool whose owner has gone ends with its last block, in any order") {
    auto* pool = new block_pool;
    block_pool::block* blocks[3];
    for (auto*& b : blocks) b = pool->take();
    blocks[1]->release(*blocks[1]);
    pool->let_go();
    std::memset(blocks[0]->bytes(), 1, block_pool::block_size);
    blocks[2]->release(*blocks[2]);
    blocks[0]->release(*blocks[0]);  // the pool is gone; a leak would be reported by the sanitizer
    SUCCEED();
}

TEST_CASE("blocks that come back on other threads are lent again, and counted") {
    auto* pool = new block_pool;
    constexpr std::size_t each = 20;
    constexpr std::size_t threads = 3;
    for (int round = 0; round < 20; ++round) {
        std::vector<block_pool::block*> all;
        for (std::size_t i = 0; i < each * threads; ++i) all.push_back(pool->take());
        CHECK(std::set<block_pool::block*>(all.begin(), all.end()).size() == all.size());
        CHECK(pool->lent() == all.size());
        std::vector<std::thread> others;
        for (std::size_t t = 0; t < threads; ++t) {
            others.emplace_back([&all, t] {
                for (std::size_t i = 0; i < each; ++i) {
                    block_pool::block& b = *all[t * each + i];
                    std::memset(b.bytes(), 1, block_pool::block_size);
                    b.release(b);
                }
            });
        }
        // The owner lends and takes back meanwhile.
        for (int i = 0; i < 100; ++i) {
            block_pool::block* const b = pool->take();
            std::memset(b->bytes(), 2, block_pool::block_size);
            pool->give_back(*b);
        }
        for (auto& t : others) t.join();
        CHECK(pool->lent() == 0);
    }
    pool->let_go();
}

TEST_CASE("of many blocks that come back on another thread, few are kept, and all are counted") {
    auto* pool = new block_pool;
    for (int round = 0; round < 3; ++round) {
        std::vector<block_pool::block*> all;
        for (std::size_t i = 0; i < 5 * block_pool::kept_blocks; ++i) all.push_back(pool->take());
        std::thread([&] {
            for (auto* b : all) b->release(*b);
        }).join();
        CHECK(pool->lent() == 0);
    }
    pool->let_go();
}

TEST_CASE("a pool ends with the last of its blocks, while its owner lets go and others return theirs") {
    for (int round = 0; round < 200; ++round) {
        auto* pool = new block_pool;
        std::vector<block_pool::block*> all;
        for (int i = 0; i < 8; ++i) all.push_back(pool->take());
        std::thread other([&] {
            for (std::size_t i = 0; i < 4; ++i) all[i]->release(*all[i]);
        });
        std::thread another([&] {
            for (std::size_t i = 4; i < 8; ++i) all[i]->release(*all[i]);
        });
        pool->let_go();
        other.join();
        another.join();
    }
    SUCCEED();  // a leak, or a second end, would be reported by the sanitizer
}
