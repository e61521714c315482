// The same for a member function.
// expect: spawn would have to make a temporary for a parameter that is a reference
// at most 11 lines
#include <bight/core/group.hpp>

#include <string>

struct room {
    bight::task<> greet(const std::string& name) const {
        (void)name.size();
        co_return;
    }
};

void start(bight::group& g, room& r) {
#ifdef MISTAKE
    g.spawn(&room::greet, std::ref(r), "a text");
#else
    g.spawn(&room::greet, std::ref(r), std::string("a text"));
#endif
}
