// An echo server of datagrams on 127.0.0.1, 64 at a time: what is measured. BIGHT_REACTOR chooses the
// demultiplexer. With `told` each datagram also comes with the address and the interface to which it was
// sent. usage: datagram_server PORT [told]
#include "bench.hpp"

#include <bight/bight.hpp>
#include <bight/net/datagram_socket.hpp>

#include <span>
#include <string>
#include <vector>

namespace {

constexpr std::size_t longest = 1500;

bight::task<> echo(std::string where, bight::datagram_options options) {
    bight::datagram_socket socket = bight::datagram_socket::bind(where, options);
    constexpr std::size_t at_once = bight::datagram_socket::most_at_once;
    std::vector<char> memory(at_once * longest);
    std::vector<bight::datagram_slot> slots(at_once);
    for (std::size_t i = 0; i < at_once; ++i) slots[i].memory = {memory.data() + i * longest, longest};
    std::vector<bight::outgoing_datagram> answers(at_once);
    for (;;) {
        const std::size_t count = co_await socket.receive_many(slots);
        for (std::size_t i = 0; i < count; ++i) {
            answers[i].to = slots[i].got.from;
            answers[i].bytes = {slots[i].memory.data, slots[i].got.size};
        }
        auto rest = std::span(answers).first(count);
        while (!rest.empty()) {
            const std::size_t sent = co_await socket.send_many(rest);
            rest = rest.subspan(sent);
        }
    }
}

}  // namespace

int main(int count, char** arguments) {
    bench::live_at_most(600);
    const unsigned port = bench::number(count, arguments, 1, 7000, 65535);
    bight::datagram_options options;
    options.tell_arrival = count > 2;
    return bight::run(echo("udp:" + std::to_string(port) + ":interface=127.0.0.1", options));
}
