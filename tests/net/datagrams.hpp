// What tests of datagram sockets share.
#pragma once

#include "support/catch.hpp"
#include "support/reactors.hpp"

#include <bight/core/task.hpp>
#include <bight/net/datagram_socket.hpp>

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

namespace test {

inline bight::datagram_socket udp_at_loopback(const bight::datagram_options& options = {}) {
    return bight::datagram_socket::bind("udp:0:interface=127.0.0.1", options);
}

/// The endpoint of a peer.
inline std::string udp_peer(const bight::datagram_socket& s) {
    return "udp:127.0.0.1:" + std::to_string(s.local().port());
}

struct message {
    std::string text;
    bight::received_datagram about;
};

inline bight::task<message> receive(bight::datagram_socket& s, std::size_t most = 100) {
    message m;
    m.text.resize(most);
    m.about = co_await s.receive_from(m.text);
    m.text.resize(m.about.size);
    co_return m;
}

inline bight::task<std::string> text_at(bight::datagram_socket& s) {
    const message m = co_await receive(s);
    co_return m.text;
}

inline bight::task<> receive_text(bight::datagram_socket& s, std::string& text) {
    text = co_await text_at(s);
}

/// On each demultiplexer of this machine, and on a simulated host of each personality.
template <class F>
void on_each_reactor_and_personality(F body) {
    const auto kind = GENERATE(from_range(reactors_and_personalities()));
    CAPTURE(kind);
    reactor_fixture on(kind);
    on.run([&] { return body(); });
}

}  // namespace test
