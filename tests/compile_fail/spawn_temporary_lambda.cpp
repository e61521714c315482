// The same for a lambda, and for an rvalue reference.
// expect: spawn would have to make a temporary for a parameter that is a reference
// at most 11 lines
#include <bight/core/group.hpp>

#include <string>

void start(bight::group& g) {
    auto greet = [](int, std::string&& name) -> bight::task<> {
        (void)name.size();
        co_return;
    };
#ifdef MISTAKE
    g.spawn(greet, 1, "a text");
#else
    g.spawn(greet, 1, std::string("a text"));
#endif
}
