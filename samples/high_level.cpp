// Reads from several servers of this machine.   high_level PORT...
#include <bight/bight.hpp>

#include <cstddef>
#include <cstdio>
#include <string>

bight::task<> download(int number, std::string port) {
    bight::stream server = co_await bight::connect("tcp:127.0.0.1:" + port);
    std::size_t size = 0;
    auto some = co_await bight::as_result(server.read_some());
    while (some && *some) {
        std::printf("Task %d: got %zu bytes\n", number, some->size());
        size += some->size();
        some = co_await bight::as_result(server.read_some());
    }
    std::printf("Task %d: %s after %zu bytes\n", number, some ? "done" : "lost", size);
}

bight::task<> download_all(int count, char** ports) {
    co_await bight::with_group([&](bight::group& all) -> bight::task<> {
        for (int i = 0; i < count; ++i) all.spawn(download, i + 1, std::string(ports[i]));
        co_return;
    });
}

int main(int argc, char** argv) {
    std::setvbuf(stdout, nullptr, _IONBF, 0);  // at once, into a pipe too
    if (argc < 2) {
        std::fputs("usage: high_level PORT...\n", stderr);
        return 2;
    }
    return bight::run(download_all(argc - 1, argv + 1));
}
