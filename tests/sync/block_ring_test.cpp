// The store of a channel: first in, first out, and nothing in it is ever moved.
#include <bight/sync/detail/block_ring.hpp>

#include "support/catch.hpp"
#include "support/fickle.hpp"

#include <array>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>

using bight::detail::block_ring;
using test::fickle;

namespace {

template <class T>
T taken(block_ring<T>& from) {
    std::optional<T> value;
    from.take(value);
    return std::move(*value);
}

}  // namespace

TEST_CASE("a block_ring is first in, first out, however full it is and wherever its blocks begin") {
    block_ring<std::string> ring;
    constexpr std::size_t block = block_ring<std::string>::block_size;
    const std::size_t kept =
        GENERATE_COPY(as<std::size_t>(), 1, 2, block - 1, block, block + 1, 3 * block + 1);
    std::size_t in = 0;
    std::size_t out = 0;
    for (; in < kept; ++in) ring.push("number " + std::to_string(in));
    for (std::size_t round = 0; round < 5 * block; ++round) {
        ring.push("number " + std::to_string(in++));
        CHECK(ring.size() == kept + 1);
        CHECK(taken(ring) == "number " + std::to_string(out++));
    }
    while (ring.size() > 0) CHECK(taken(ring) == "number " + std::to_string(out++));
    CHECK(out == in);
}

TEST_CASE("a block_ring that is emptied can be filled again, any number of times") {
    block_ring<int> ring;
    ring.push(1);
    CHECK(taken(ring) == 1);
    for (int i = 0; i < 1000; ++i) {
        ring.push(i);
        CHECK(taken(ring) == i);
    }
    CHECK(ring.size() == 0);
}

TEST_CASE("what is left in a block_ring is destroyed with it, in all of its blocks") {
    const auto counted = std::make_shared<int>(0);
    {
        block_ring<std::shared_ptr<int>> ring;
        for (std::size_t i = 0; i < 3 * ring.block_size + 1; ++i) ring.push(counted);
        for (std::size_t i = 0; i < ring.block_size + 1; ++i) taken(ring);
        CHECK(counted.use_count() == static_cast<long>(2 * ring.block_size + 1));
    }
    CHECK(counted.use_count() == 1);
}

TEST_CASE("a constructor that throws adds nothing, and a move that throws still takes the oldest out") {
    block_ring<fickle> ring;
    ring.push(1);
    fickle second(2);
    fickle::moves_left = 0;
    CHECK_THROWS_AS(ring.push(std::move(second)), std::runtime_error);
    CHECK(ring.size() == 1);
    ring.push(3);
    std::optional<fickle> value;
    fickle::moves_left = 0;
    CHECK_THROWS_AS(ring.take(value), std::runtime_error);
    CHECK_FALSE(value);
    CHECK(ring.size() == 1);
    ring.take(value);
    REQUIRE(value);
    CHECK(value->value == 3);
}

TEST_CASE("a large value has few slots in a block, and keeps its alignment") {
    struct alignas(64) large {
        explicit large(int v) : value(v) {}
        int value;
        std::array<char, 1000> rest{};
    };
    block_ring<large> ring;
    CHECK(ring.block_size == 2);
    for (int i = 0; i < 7; ++i) ring.push(i);
    for (int i = 0; i < 7; ++i) {
        const large one = taken(ring);
        CHECK(one.value == i);
    }
}
