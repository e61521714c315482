// Sends each datagram back to where it came from.   udp_echo [ENDPOINT]     then: nc -u 127.0.0.1 7000
#include <bight/bight.hpp>
#include <bight/net/datagram_socket.hpp>

#include <array>
#include <string>
#include <string_view>

bight::task<> echo(std::string where) {
    bight::datagram_socket socket = bight::datagram_socket::bind(where);
    std::array<char, 65536> memory;
    for (;;) {
        const auto got = co_await socket.receive_from(memory);
        bight::outgoing_datagram answer{got.from, std::string_view(memory.data(), got.size)};
        if (!got.to_many) answer.from = got.to;  // of this machine's addresses the one that was asked
        // A sender who cannot be answered is no concern of the others.
        (void)co_await bight::as_result(socket.send(answer));
    }
}

int main(int argc, char** argv) { return bight::run(echo(argc > 1 ? argv[1] : "udp:7000")); }
