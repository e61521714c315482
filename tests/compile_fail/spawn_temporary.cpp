// spawn stores the arguments, but a conversion to a reference parameter would be a temporary of the call.
// expect: spawn would have to make a temporary for a parameter that is a reference
// expect: give an argument of the parameter's own type
// at most 14 lines
#include <bight/core/group.hpp>

#include <string>

bight::task<> greet(const std::string& name) {
    (void)name.size();
    co_return;
}

void start(bight::group& g, const std::string& name) {
#ifdef MISTAKE
    g.spawn(greet, "a text");
#else
    g.spawn(greet, std::string("a text"));
    g.spawn(greet, name);
    g.spawn(greet, std::cref(name));
#endif
}
