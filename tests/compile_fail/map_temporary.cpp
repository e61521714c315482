// The task of each item is awaited after the call.
// expect: give an argument of the parameter's own type
// at most 25 lines
#include <bight/generator/generator_adaptors.hpp>
#include <bight/generator/map_concurrent.hpp>

#include <string>

#ifdef MISTAKE
bight::task<int> length(const std::string& text) { co_return static_cast<int>(text.size()); }
#else
bight::task<int> length(std::string text) { co_return static_cast<int>(text.size()); }
#endif

bight::generator<int> lengths(bight::generator<const char*> words) {
    return bight::map(std::move(words), length);
}
bight::generator<int> lengths(bight::group& g, bight::generator<const char*> words) {
    return bight::map_concurrent(g, std::move(words), 2, length);
}
