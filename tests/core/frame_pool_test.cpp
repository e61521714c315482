#include <bight/core/deferred.hpp>
#include <bight/core/detail/frame_cache.hpp>
#include <bight/core/detail/frame_pool.hpp>
#include <bight/core/group.hpp>
#include <bight/core/reactor.hpp>
#include <bight/core/sleep.hpp>
#include <bight/core/task.hpp>

#include "support/reactors.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <thread>
#include <vector>

using bight::task;
using bight::detail::allocate_frame;
using bight::detail::frame_cache;
using bight::detail::free_frame;
using bight::detail::live_frames;

namespace {

using test::any_demultiplexer;

// Under AddressSanitizer bight keeps no frames.
#if defined(__SANITIZE_ADDRESS__)
constexpr bool kept = false;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
constexpr bool kept = false;
#else
constexpr bool kept = true;
#endif
#else
constexpr bool kept = true;
#endif

class thing : public bight::detail::pooled {
  public:
    explicit thing(bool fails) {
        if (fails) throw 1;
    }

    std::byte content[100]{};
};

}  // namespace

TEST_CASE("size classes are steps that hold their sizes, and fill the heap's chunks") {
    using namespace bight::detail;
    CHECK(frame_class_of(0) == 0);
    CHECK(frame_class_of(1) == 0);
    CHECK(frame_class_of(24) == 0);
    CHECK(frame_class_of(25) == 1);
    CHECK(frame_class_of(largest_pooled_frame) == frame_classes - 1);
    for (std::size_t size = 1; size <= largest_pooled_frame; ++size) {
        const std::size_t held = frame_class_size(frame_class_of(size));
        if (held < size) FAIL("class of " << size);
        if (held >= size + frame_granularity && held > frame_class_size(0)) FAIL("class of " << size);
    }
}

TEST_CASE("frames of any size are aligned, apart, and as large as asked") {
    test::reactor_fixture on(any_demultiplexer);
    on.run([&]() -> task<> {
        const std::vector<std::size_t> sizes{0,    1,    31,   32,   33,    64,     100,
                                             4095, 4096, 4097, 8192, 65536, 1 << 20};
        std::vector<std::uint8_t*> blocks;
        for (std::size_t i = 0; i < sizes.size(); ++i) {
            auto* block = static_cast<std::uint8_t*>(allocate_frame(sizes[i]));
            CHECK(reinterpret_cast<std::uintptr_t>(block) % __STDCPP_DEFAULT_NEW_ALIGNMENT__ == 0);
            std::memset(block, static_cast<int>(i + 1), sizes[i]);
            blocks.push_back(block);
        }
        for (std::size_t i = 0; i < sizes.size(); ++i) {
            const auto intact = std::count(blocks[i], blocks[i] + sizes[i], static_cast<std::uint8_t>(i + 1));
            CHECK(static_cast<std::size_t>(intact) == sizes[i]);
            free_frame(blocks[i], sizes[i]);
        }
        co_return;
    });
}

TEST_CASE("live_frames counts what is handed out, of every size") {
    const long before = live_frames();
    void* small = allocate_frame(40);
    void* large = allocate_frame(bight::detail::largest_pooled_frame + 1);
    CHECK(live_frames() == before + 2);
    free_frame(large, bight::detail::largest_pooled_frame + 1);
    CHECK(live_frames() == before + 1);
    free_frame(small, 40);
    CHECK(live_frames() == before);
}

TEST_CASE("while a reactor runs, a freed frame is the next one of about its size") {
    if (!kept) test::skip("AddressSanitizer: no frame is kept for reuse");
    test::reactor_fixture on(any_demultiplexer);
    on.run([&]() -> task<> {
        void* first = allocate_frame(1000);
        void* second = allocate_frame(1000);
        free_frame(first, 1000);
        free_frame(second, 1000);
        void* other = allocate_frame(1000 + bight::detail::frame_granularity);
        CHECK(other != first);
        CHECK(other != second);
        void* again = allocate_frame(993);  // the same class: last in, first out
        CHECK(again == second);
        void* and_again = allocate_frame(1000);
        CHECK(and_again == first);
        free_frame(and_again, 1000);
        free_frame(again, 993);
        free_frame(other, 1000 + bight::detail::frame_granularity);
        co_return;
    });
}

TEST_CASE("a frame may be freed on another thread, where a reactor runs or not") {
    const long before = live_frames();
    long there = 0;
    long under_a_reactor = 0;
    void* a = allocate_frame(200);
    void* b = allocate_frame(200);
    void* large = allocate_frame(100'000);
    std::thread([&] {
        free_frame(a, 200);
        free_frame(large, 100'000);
        there = live_frames();
        bight::reactor r;
        auto body = [&]() -> task<> {
            const long own = live_frames();
            free_frame(b, 200);
            under_a_reactor = live_frames() - own;
            void* reused = allocate_frame(200);
            if (kept) CHECK(reused == b);
            free_frame(reused, 200);
            co_return;
        };
        r.run(body());
    }).join();
    CHECK(there == -2);
    CHECK(under_a_reactor == -1);
    CHECK(live_frames() == before + 3);
    // The balance is per thread: bring this one back for the tests that compare it.
    for (int i = 0; i < 3; ++i) {
        void* block = nullptr;
        std::thread([&] { block = allocate_frame(64); }).join();
        free_frame(block, 64);
    }
    CHECK(live_frames() == before);
}

TEST_CASE("a cache keeps blocks of each class up to its bound and hands each out once") {
    frame_cache cache;
    CHECK(cache.kept() == 0);
    CHECK(cache.take(5) == nullptr);
    const std::size_t size = bight::detail::frame_class_size(5);
    void* a = ::operator new(size);
    void* b = ::operator new(size);
    CHECK(cache.keep(a, 5));
    CHECK(cache.keep(b, 5));
    CHECK(cache.kept() == 2);
    CHECK(cache.take(4) == nullptr);
    CHECK(cache.take(5) == b);
    CHECK(cache.take(5) == a);
    CHECK(cache.take(5) == nullptr);

    const std::size_t most = frame_cache::kept_bytes / bight::detail::largest_pooled_frame;
    std::size_t count = 0;
    void* refused = nullptr;
    while (!refused && count <= most + 1) {
        void* block = ::operator new(bight::detail::largest_pooled_frame);
        if (cache.keep(block, bight::detail::frame_classes - 1)) {
            ++count;
        } else {
            refused = block;
        }
    }
    CHECK(count == most);
    CHECK(cache.kept() == static_cast<long>(most));
    CHECK(cache.keep(a, 5));  // another class's bound is its own
    CHECK(cache.take(5) == a);
    // Without their sizes, which clang offers for Windows only when it is told to (-fsized-deallocation).
    for (void* const block : {refused, a, b}) ::operator delete(block);
}

TEST_CASE("pooled objects are frames, freed too when their constructor throws") {
    const long before = live_frames();
    auto* one = new thing(false);
    CHECK(live_frames() == before + 1);
    delete one;
    CHECK(live_frames() == before);
    CHECK_THROWS_AS(new thing(true), int);
    CHECK(live_frames() == before);
}

TEST_CASE("without a reactor nothing is kept") {
    frame_cache none{frame_cache::keeps_nothing{}};
    alignas(16) std::byte block[64];
    CHECK(none.take(3) == nullptr);
    CHECK_FALSE(none.keep(block, 1));
    CHECK(none.kept() == 0);
}

namespace {

struct alignas(32) half_a_line {
    std::byte bytes[32]{};
};
struct alignas(64) line {
    std::byte bytes[64]{};
};
struct alignas(256) page_part {
    std::byte bytes[256]{};
};

template <class T>
bool is_aligned(const T& object) {
    return reinterpret_cast<std::uintptr_t>(&object) % alignof(T) == 0;
}

template <class T>
class aligned_thing : public bight::detail::pooled {
  public:
    T value;
    std::byte more[3]{};
};

// Functions, and no coroutines: in a frame over-aligned objects would lie anywhere.
template <class T>
bight::deferred<T> fired() {
    bight::deferred<T> d;
    d.set_value(T{});
    return d;
}

template <class T>
void spawn_one(bight::group& g, int& bad) {
    const T local;
    g.spawn([local, &bad]() -> task<> {
        if (!is_aligned(local)) ++bad;
        co_await bight::yield();
    });
}

template <class T>
task<int> misaligned_elsewhere() {
    int bad = 0;
    std::vector<std::unique_ptr<aligned_thing<T>>> things;
    std::vector<bight::deferred<T>> results;
    co_await bight::with_group([&](bight::group& g) -> task<> {
        for (int i = 0; i < 50; ++i) {
            things.push_back(std::make_unique<aligned_thing<T>>());
            if (!is_aligned(*things.back())) ++bad;
            results.push_back(fired<T>());
            const T& value = co_await results.back();
            if (!is_aligned(value)) ++bad;
            spawn_one<T>(g, bad);
        }
    });
    co_return bad;
}

}  // namespace

TEST_CASE("over-aligned objects in deferreds, in what is spawned and in pooled classes are aligned") {
    test::reactor_fixture on(GENERATE(from_range(test::reactors())));
    on.run([]() -> task<> {
        const int halves = co_await misaligned_elsewhere<half_a_line>();
        CHECK(halves == 0);
        const int lines = co_await misaligned_elsewhere<line>();
        CHECK(lines == 0);
        const int parts = co_await misaligned_elsewhere<page_part>();
        CHECK(parts == 0);
    });
}
