#include "dns_exchange.hpp"

#include "dns_message.hpp"

#include <bight/core/error.hpp>
#include <bight/core/timeout.hpp>
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

// What is longer than an answer may be is cut off, and asked for over TCP.
task<dns_reply> answer_at(datagram_socket& s, const std::string& with_edns, const std::string& plain) {
    std::array<char, longest_edns_datagram> memory;
    for (;;) {
        const received_datagram got = co_await s.receive_from(memory);
        dns_reply reply{std::string(memory.data(), got.size)};
        reply.to_plain = is_dns_answer(reply.message, plain);
        if (!reply.to_plain && !is_dns_answer(reply.message, with_edns)) continue;
        if (got.truncated || (reply.to_plain && got.size > longest_dns_datagram)) {
            mark_cut_off(reply.message);
        }
        co_return reply;
    }
}

// A socket for each question: so its port is another each time, which the system chooses, and what its server
// has sent too late for another one is never taken for an answer.
task<dns_reply> ask_over_udp(const address& server, const dns_queries& queries) {
    endpoint there = endpoint_of(server, endpoint::kind_type::udp);
    datagram_socket s = co_await datagram_socket::connect(std::move(there));
    if (!queries.with_edns.empty()) {
        co_await s.send(queries.with_edns);
        const std::string not_asked;
        auto early = co_await try_with_timeout(answer_at(s, queries.with_edns, not_asked), queries.patience);
        if (early) co_return std::move(*early);
    }
    co_await s.send(queries.plain);
    co_return co_await answer_at(s, queries.with_edns, queries.plain);
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

task<dns_reply> exchange_dns(address server, const dns_queries& queries) {
    dns_reply reply = co_await ask_over_udp(server, queries);
    if (is_cut_off(reply.message)) {
        reply.message = co_await ask_over_tcp(server, reply.to_plain ? queries.plain : queries.with_edns);
    }
    co_return reply;
}

}  // namespace bight::detail
