// A byte from a client to a server.
#include <bight/bight.hpp>

#include <string>

namespace {

bight::task<bool> talk() {
    bight::listener listening = bight::listen("tcp:0:interface=127.0.0.1");
    bight::stream client = co_await bight::connect("tcp:127.0.0.1:" + std::to_string(listening.local().port()));
    bight::stream server = co_await listening.accept();
    co_await client.write("!");
    auto got = co_await server.read_some();
    co_return got.view() == "!";
}

}  // namespace

int main() {
    bight::reactor reactor;
    return reactor.run(talk()) ? 0 : 1;
}
