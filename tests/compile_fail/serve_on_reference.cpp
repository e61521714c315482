// So does serve_on, for each reactor.
// expect: for a parameter T& write std::ref(x)
// at most 15 lines
#include <bight/net/sharded_listener.hpp>

struct room {
    int guests = 0;
};

bight::task<> chat(room& here, bight::stream) {
    ++here.guests;
    co_return;
}

int server(bight::runtime& cores, room& r) {
#ifdef MISTAKE
    return bight::serve_on(cores, "tcp:8123", bight::serve_options(), chat, r);
#else
    return bight::serve_on(cores, "tcp:8123", bight::serve_options(), chat, std::ref(r));
#endif
}
