#include "dns_exchange.hpp"

#include "dns_message.hpp"

#include <bight/core/error.hpp>
#include <bight/io/stream.hpp>
#include <bight/net/connect.hpp>
#include <bight/net/datagram_socket.hpp>
#include <bight/net/endpoint.hpp>

#include <array>
#include <cstddef>
#include <string_view>
#include <system_error>
#include <utility>

namespace bight::detail {

namespace {

endpoint endpoint_of(const address& server, endpoint::kind_type kind) {
    endpoint e;
    e.kind = kind;
    e.host = server.host();
    e.port = server.port();
    e.timeout = duration::max();  // whoever asks has one
    return e;
}

// A socket for each query: so its port is another each time, which the system chooses, and what its server
// has sent too late for another query is never taken for an answer.
task<std::string> ask_over_udp(const address& server, const std::string& query, std::size_t longest) {
    endpoint there = endpoint_of(server, endpoint::kind_type::udp);
    datagram_socket s = co_await datagram_socket::connect(std::move(there));
    co_await s.send(query);
    // What is longer than an answer may be is cut off, and asked for over TCP.
    std::array<char, longest_edns_datagram> memory;
    for (;;) {
        const received_datagram got = co_await s.receive_from(mutable_buffer(memory.data(), longest));
        std::string message(memory.data(), got.size);
        if (!is_dns_answer(message, query)) continue;
        if (got.truncated) mark_cut_off(message);
        co_return message;
    }
}

task<std::string> ask_over_tcp(const address& server, const std::string& query) {
    endpoint there = endpoint_of(server, endpoint::kind_type::tcp);
    stream s = co_await connect(std::move(there));
    const auto size = static_cast<unsigned>(query.size());
    const std::array<char, 2> prefix{static_cast<char>(size >> 8), static_cast<char>(size & 0xff)};
    co_await s.write(std::string_view(prefix.data(), prefix.size()), query);
    std::array<unsigned char, 2> length{};
    co_await s.read_exactly(mutable_buffer(length.data(), length.size()));
    std::string message(std::size_t{length[0]} * 256 + length[1], '\0');
    co_await s.read_exactly(mutable_buffer(message.data(), message.size()));
    if (!is_dns_answer(message, query)) {
        throw std::system_error(std::make_error_code(std::errc::bad_message), "an answer of DNS over TCP");
    }
    co_return message;
}

}  // namespace

task<std::string> exchange_dns(address server, const std::string& query, std::size_t longest) {
    std::string answer = co_await ask_over_udp(server, query, longest);
    if (is_cut_off(answer)) answer = co_await ask_over_tcp(server, query);
    co_return answer;
}

}  // namespace bight::detail
