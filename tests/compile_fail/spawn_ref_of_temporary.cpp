// std::ref and std::cref refuse a temporary.
// expect: deleted function
// at most 26 lines
#include <bight/core/group.hpp>

#include <string>

bight::task<> greet(const std::string& name) {
    (void)name.size();
    co_return;
}

void start(bight::group& g) {
#ifdef MISTAKE
    g.spawn(greet, std::cref(std::string("a text")));
#else
    const std::string name("a text");
    g.spawn(greet, name);
#endif
}
