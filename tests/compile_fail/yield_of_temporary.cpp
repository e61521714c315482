// A generator of const references gives none to what a conversion made.
// expect: a generator of references would give one to a temporary
// expect: make it a generator of values
// at most 12 lines
#include <bight/generator/generator.hpp>

#include <string>

bight::generator<const std::string&> names() {
#ifdef MISTAKE
    co_yield "a text that becomes a temporary";
#else
    co_yield std::string("a text that stays until the next is asked for");
#endif
}

bight::task<bool> first_is_there() {
    auto all = names();
    const std::string* const first = co_await all.next();
    co_return first && !first->empty();
}
