// serve stores a copy of what is bound: a reference to what the caller owns is said with std::ref.
// expect: for a parameter T& write std::ref(x)
// at most 18 lines
#include <bight/net/serve.hpp>

struct room {
    int guests = 0;
};

bight::task<> chat(room& here, bight::stream) {
    ++here.guests;
    co_return;
}

bight::task<> server(room& r) {
#ifdef MISTAKE
    return bight::serve("tcp:8123", chat, r);
#else
    return bight::serve("tcp:8123", chat, std::ref(r));
#endif
}
