// A client of the broadcast server: says hello five seconds after each message.   broadcast_client NAME
// [ENDPOINT]
#include <bight/bight.hpp>

#include <chrono>
#include <cstdio>
#include <ctime>
#include <string>

using namespace std::chrono_literals;

std::string date_and_time() {
    const std::time_t now = std::chrono::system_clock::to_time_t(bight::wall_clock_now());
    char text[32] = "";
    std::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", std::localtime(&now));
    return text;
}

bight::task<> say_hello(bight::outbox& to, const std::string& name) {
    co_await bight::sleep_for(5s);
    to.send("hello, I'm " + name + " " + date_and_time() +
            "\n");  // nothing happens if the connection has gone
}

bight::task<int> client(std::string name, std::string server) {
    std::puts("Started to connect.");
    auto connected = co_await bight::as_result(bight::connect(server));
    if (!connected) {
        std::printf("Connection failed. Reason: %s\n", connected.error().message().c_str());
        co_return 1;
    }
    std::puts("Connected to the server!");
    bight::stream& peer = *connected;
    bight::outbox out(peer);

    std::string reason = "Connection was closed cleanly.";
    co_await bight::with_group([&](bight::group& hellos) -> bight::task<> {
        for (;;) {
            auto message = co_await bight::as_result(peer.read_some());
            if (!message) reason = message.error().message();
            if (!message || !*message) break;
            std::printf("got messages: %s\n", message->to_string().c_str());
            hellos.spawn(say_hello, std::ref(out), std::cref(name));
        }
        hellos.cancel();  // nobody is there to hear them
    });
    std::puts("Disconnected from the server!");
    std::printf("Lost connection. Reason: %s\n", reason.c_str());
    co_return 0;
}

int main(int argc, char** argv) {
    if (argc < 2) {
        std::fputs("usage: broadcast_client NAME [ENDPOINT]\n", stderr);
        return 2;
    }
    std::setvbuf(stdout, nullptr, _IONBF, 0);  // at once, into a pipe too
    return bight::run(client(argv[1], argc > 2 ? argv[2] : "tcp:localhost:8006"));
}
