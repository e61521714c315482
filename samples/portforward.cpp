// Forwards connections to another server, both ways.   portforward [ENDPOINT [SERVER]]     to the echo sample
// by default
#include <bight/bight.hpp>
#include <bight/net/relay.hpp>

#include <iostream>
#include <string>
#include <system_error>

// What became of a client, when its forwarding has ended in whatever way.
struct account {
    std::string client;
    bight::relayed passed;

    explicit account(const bight::stream& s) : client(s.peer().to_string()) {}
    account(const account&) = delete;
    ~account() {
        std::cout << client << ": " << passed.from_a << " bytes there, " << passed.from_b << " back"
                  << std::endl;
    }
};

bight::task<> forward(std::string where, bight::stream client) {
    account of(client);
    bight::stream server = co_await bight::connect(where);
    co_await bight::relay(client, server, of.passed);
}

int main(int argc, char** argv) {
    const std::string at = argc > 1 ? argv[1] : "tcp:8000";
    std::string where = argc > 2 ? argv[2] : "tcp:localhost:7000";
    try {
        (void)bight::endpoint::parse(where);  // a mistake in it shows now, and not with the first client
    } catch (const std::system_error& e) {
        std::cerr << e.what() << '\n';
        return 2;
    }
    return bight::run(bight::serve(at, forward, where));
}
