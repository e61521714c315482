// A coroutine gives values of its own type, and not what is still to be awaited.
// at most 20 lines
#include <bight/generator/generator.hpp>

#include <memory>
#include <string>

bight::task<int> answer();

bight::task<int> awaited() {
#ifdef MISTAKE
    co_return answer();  // says: co_return co_await work()
#else
    co_return co_await answer();
#endif
}
bight::task<int> converted(const std::string& text) {
#ifdef MISTAKE
    co_return text;  // says: does not convert to the task's type
#else
    co_return std::stoi(text);
#endif
}
bight::task<std::unique_ptr<int>> moved(std::unique_ptr<int> number, std::unique_ptr<int>& other) {
    if (!number) co_return std::move(other);
#ifdef MISTAKE
    co_return other;  // says: std::move(x)
#else
    co_return number;
#endif
}
bight::generator<int> items(std::string text) {
#ifdef MISTAKE
    co_yield text;      // says: does not convert to an item
    co_yield answer();  // says: co_yield co_await work()
#else
    co_yield std::stoi(text);
    co_yield co_await answer();
#endif
}
