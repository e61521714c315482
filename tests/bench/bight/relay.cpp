// A proxy from PORT to TARGET_PORT, as a user of bight writes it. usage: relay TARGET_PORT PORT
#include "bench.hpp"

#include <bight/bight.hpp>

bight::task<> forward(std::string where, bight::stream client) {
    bight::stream server = co_await bight::connect(where);
    co_await bight::relay(client, server);
}

int main(int count, char** arguments) {
    bench::live_at_most(600);
    const auto at = [&](int index) {
        return "tcp:127.0.0.1:" + std::to_string(bench::number(count, arguments, index, 7000, 65535));
    };
    return bight::run(bight::serve(at(2), forward, at(1)));
}
