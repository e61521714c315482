// A datagram is sent to an address, and no name.
// at most 8 lines
#include <bight/net/datagram_socket.hpp>

bight::task<> sends(bight::datagram_socket& socket) {
#ifdef MISTAKE
    co_await socket.send_to("127.0.0.1:53", "question");  // says: send_to(to, pieces...) takes an address
#else
    const bight::address to = bight::address::from_ip("127.0.0.1", 53);
    co_await socket.send_to(to, "question");
#endif
}
