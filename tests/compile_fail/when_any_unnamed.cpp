// What get() points to belongs to the result of when_any.
// expect: the value would be gone before it is used: write auto got = co_await when_any(...)
// at most 12 lines
#include <bight/core/sleep.hpp>
#include <bight/core/when_any.hpp>

#include <chrono>

using namespace std::chrono_literals;

bight::task<int> number() { co_return 1; }

bight::task<int> caller() {
#ifdef MISTAKE
    if (auto* value = (co_await bight::when_any(number(), bight::sleep_for(1s))).get<0>()) co_return *value;
#else
    auto got = co_await bight::when_any(number(), bight::sleep_for(1s));
    if (auto* value = got.get<0>()) co_return *value;
#endif
    co_return 0;
}
