#include <bight/core/random.hpp>

#include "support/catch.hpp"

#include <array>
#include <cstdint>
#include <set>
#include <thread>
#include <vector>

TEST_CASE("a number below a count is one of so many, and each of them comes") {
    for (const std::uint64_t count : {1U, 2U, 7U}) {
        CAPTURE(count);
        std::set<std::uint64_t> seen;
        for (int i = 0; i < 1000; ++i) seen.insert(bight::random_below(count));
        CHECK(seen.size() == count);
        CHECK(*seen.rbegin() == count - 1);
    }
    CHECK(bight::random_below(0) == 0);
}

TEST_CASE("each thread draws numbers of its own") {
    constexpr std::size_t draws = 100;
    std::array<std::vector<std::uint64_t>, 4> drawn;
    std::vector<std::thread> threads;
    for (auto& numbers : drawn) {
        threads.emplace_back([&numbers] {
            for (std::size_t i = 0; i < draws; ++i) numbers.push_back(bight::random());
        });
    }
    for (std::thread& t : threads) t.join();
    std::set<std::uint64_t> all;
    for (const auto& numbers : drawn) all.insert(numbers.begin(), numbers.end());
    CHECK(all.size() == drawn.size() * draws);
}
