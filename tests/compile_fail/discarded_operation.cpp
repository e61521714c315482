// So does an operation, and a scope.
// expect: co_await it
#include <bight/core/group.hpp>
#include <bight/core/sleep.hpp>

bight::task<> caller() {
    auto body = [](bight::group&) -> bight::task<> { co_return; };
#ifdef MISTAKE
    bight::sleep_for(bight::duration(1));
    bight::with_group(body);
#else
    co_await bight::sleep_for(bight::duration(1));
    co_await bight::with_group(body);
#endif
}
