// Where to listen comes first, what is done there next, and then what that needs.
// at most 18 lines
#include <bight/net/connect.hpp>
#include <bight/net/sharded_listener.hpp>

#include <string>
#include <string_view>

struct room {
    room() = default;
    room(const room&) = delete;
};
bight::task<> echo(bight::stream peer);
bight::task<> chat(room& here, bight::stream peer);
bight::task<> look(const room& here, bight::stream peer);
bight::task<> backwards(bight::stream peer, room& here);
void nothing(bight::stream peer);

// A function of the user's own, found by its arguments as bight's is, is not hidden by what says this.
namespace user {
int serve(bight::runtime& on, const std::string& where);
int connect(const bight::endpoint& where, long number);
}  // namespace user

bight::task<> served(room& here, const bight::endpoint& where, bight::listener& l, bight::stream one) {
    const bight::serve_options options;
#ifdef MISTAKE
    co_await bight::serve(echo, "tcp:8123");                  // says: the endpoint as text first
    co_await bight::serve(8123, echo);                        // says: serve("tcp:8123", echo)
    co_await bight::serve(where, echo);                       // says: serve(bight::listen(endpoint), echo)
    co_await bight::serve("tcp:8123", echo, options);         // says: options come before the protocol
    co_await bight::serve("tcp:8123", echo, {.max_connections = 5});  // says: options come before the protocol
    co_await bight::serve("tcp:8123", backwards, std::ref(here));  // says: with these and the stream, in this order
    co_await bight::serve("tcp:8123", chat);                  // says: must give a task<>
    co_await bight::serve("tcp:8123", chat, here);            // says: for a parameter T& write std::ref(x)
    co_await bight::serve("tcp:8123", look, here);            // says: what is shared as std::ref(x)
    co_await bight::serve("tcp:8123", nothing);               // says: must give a task<>
    co_await bight::serve("tcp:8123", echo(std::move(one)));  // says: serve(where, protocol, bound...)
    (void)l;
#else
    co_await bight::serve("tcp:8123", echo);
    co_await bight::serve("tcp:8123", options, echo);
    co_await bight::serve(bight::listen(where), chat, std::ref(here));
    co_await bight::serve("tcp:8123", look, std::cref(here));
    co_await bight::serve(std::move(l), echo);
    co_await echo(std::move(one));
#endif
}

int cores(bight::runtime& r, room& here) {
#ifdef MISTAKE
    const int one = bight::serve_on("tcp:8123", r, echo);                     // says: takes a runtime, then the endpoint
    const int two = bight::serve_on(r, echo, "tcp:8123");                        // says: serve_on(runtime, where, protocol
    const int three = bight::serve_on("tcp:8123", echo);                           // says: serve_on(cores, "tcp:8123", echo)
    const int four = bight::serve_on(r, "tcp:8123", chat, here);                  // says: std::ref(x) for what they share
    const int five = bight::serve_on(r, "tcp:8123", echo, bight::serve_options());  // says: options come before the protocol
    return one + two + three + four + five;
#else
    using namespace user;
    return serve(r, "tcp:8123") + bight::serve_on(r, "tcp:8123", chat, std::ref(here));
#endif
}

bight::task<> connected(std::string_view text, const bight::endpoint& where) {
    using namespace std::chrono_literals;
#ifdef MISTAKE
    (void)co_await bight::connect(1234);                     // says: connect("tcp:localhost:1234")
    (void)co_await bight::connect("localhost", 1234);        // says: std::to_string(port)
    (void)co_await bight::connect(text);                     // says: as a std::string
    (void)co_await bight::connect("tcp:localhost:1234", 5s);   // says: {.timeout = 5s}
    (void)bight::listen(8123);                               // says: listen("tcp:8123")
    (void)where;
#else
    using namespace user;
    (void)connect(where, 5);
    (void)co_await bight::connect(std::string(text), {.timeout = 5s});
    (void)bight::listen("tcp:8123", {.backlog = 50});
#endif
}
