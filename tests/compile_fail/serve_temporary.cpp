// Each call would make a temporary, which the connection's task outlives.
// expect: give an argument of the parameter's own type
// at most 25 lines
#include <bight/net/serve.hpp>

#include <string>

bight::task<> greet(const std::string& words, bight::stream peer) { co_await peer.write(words); }

bight::task<> server() {
#ifdef MISTAKE
    return bight::serve("tcp:8123", greet, "hello");
#else
    return bight::serve("tcp:8123", greet, std::string("hello"));
#endif
}
