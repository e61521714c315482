// Sends back what it receives.   echo [ENDPOINT]     then: telnet 127.0.0.1 7000
#include <bight/bight.hpp>

bight::task<> echo(bight::stream peer) {
    while (auto chunk = co_await peer.read_some())  // empty at the end of the stream
        co_await peer.write(chunk);
}

int main(int argc, char** argv) { return bight::run(bight::serve(argc > 1 ? argv[1] : "tcp:7000", echo)); }
