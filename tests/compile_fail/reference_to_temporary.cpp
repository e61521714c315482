// A task of a const reference gives no reference to what ends with its own co_return.
// expect: a task of a reference would give one to a temporary
// expect: make it a task of a value
// at most 24 lines
#include <bight/core/task.hpp>

#include <functional>
#include <string>

struct base {};
struct derived : base {};

const std::string kept = "a text that stays";
derived object;

bight::task<const std::string&> name() {
#ifdef MISTAKE
    co_return "a text that becomes a temporary";
#else
    co_return kept;
#endif
}

bight::task<const base&> by_conversion() { co_return object; }
bight::task<base&> by_wrapper() { co_return std::ref(static_cast<base&>(object)); }

bight::task<bool> all() {
    const std::string& text = co_await name();
    const base& first = co_await by_conversion();
    base& second = co_await by_wrapper();
    co_return !text.empty() && &first == &second;
}
