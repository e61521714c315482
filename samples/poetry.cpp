// Reads a poem from each of several slow servers, all at once.   poetry ENDPOINT...
// To see it, start some servers, as
//   (while read -r line; do echo "$line"; sleep 1; done) < LICENSE | nc -l -p 10001
// and with port 10002, and then  poetry tcp:10001 tcp:10002
#include <bight/bight.hpp>

#include <chrono>
#include <cstddef>
#include <cstdio>
#include <string>
#include <system_error>
#include <vector>

using namespace std::chrono_literals;

constexpr bight::duration patience = 30s;              // with a server that is silent
constexpr std::size_t longest = std::size_t{1} << 20;  // as much as one poem may have

struct poem {
    std::string text;
    std::string trouble;  // why it is not whole
};

bight::task<poem> read_poem(int number, std::string from) {
    poem got;
    try {
        bight::stream server = co_await bight::connect(from);
        while (auto some = co_await bight::with_timeout(server.read_some(), patience)) {
            std::printf("Task %d: got %zu bytes of poetry from %s\n", number, some.size(),
                        server.peer().to_string().c_str());
            if (some.size() > longest - got.text.size())
                throw std::system_error(bight::errc::too_long,
                                        "more than " + std::to_string(longest) + " bytes");
            got.text += some.view();
        }
    } catch (const std::system_error& e) {  // the others go on; if it cannot connect, the text says to what
        got.trouble = e.what();
    }
    co_return got;
}

// In the order of the servers, whichever is the first to end.
bight::task<std::vector<poem>> read_all(std::vector<std::string> servers) {
    std::vector<bight::task<poem>> tasks;
    for (const std::string& server : servers)
        tasks.push_back(read_poem(static_cast<int>(tasks.size()) + 1, server));
    co_return co_await bight::when_all(std::move(tasks));
}

bight::task<int> report(std::vector<std::string> servers) {
    const std::vector<poem> poems = co_await read_all(std::move(servers));
    int number = 0;
    int status = 0;
    for (const auto& [text, trouble] : poems) {
        std::printf("Task %d: %zu bytes of poetry\n", ++number, text.size());
        if (trouble.empty()) continue;
        std::fprintf(stderr, "Task %d: %s\n", number, trouble.c_str());
        status = 1;
    }
    co_return status;
}

int main(int argc, char** argv) {
    std::setvbuf(stdout, nullptr, _IONBF, 0);  // at once, into a pipe too
    const std::vector<std::string> servers(argv + 1, argv + argc);
    if (servers.empty()) {
        std::fputs("usage: poetry ENDPOINT...\n", stderr);
        return 2;
    }
    return bight::run(report(servers));
}
