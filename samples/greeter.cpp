// Connects, sends a message, another one a second later, and closes after two.   greeter [ENDPOINT]
// To see it:  nc -l -p 1234
#include <bight/bight.hpp>

#include <chrono>
#include <cstdio>
#include <string>

using namespace std::chrono_literals;

bight::task<> send_message(bight::stream& to, std::string_view text) {
    co_await to.write("MESSAGE ", text, "\n");
}

bight::task<> greet(std::string where) {
    std::puts("Started to connect.");
    auto peer = co_await bight::connect(where);
    std::puts("Connected.");
    const auto start = bight::clock::now();
    co_await send_message(peer, "Hello");
    co_await bight::sleep_until(start + 1s);
    co_await send_message(peer, "This is sent in a second");
    co_await bight::sleep_until(start + 2s);
    co_await peer.close();
}

int main(int argc, char** argv) {
    std::setvbuf(stdout, nullptr, _IONBF, 0);  // at once, into a pipe too
    return bight::run(greet(argc > 1 ? argv[1] : "tcp:localhost:1234"));
}
