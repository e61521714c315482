// dns_server: a small DNS server for tests, over UDP and TCP, which answers as a test says.
#pragma once

#include <bight/core/duration.hpp>
#include <bight/core/group.hpp>
#include <bight/core/sleep.hpp>
#include <bight/core/task.hpp>
#include <bight/io/address.hpp>
#include <bight/io/stream.hpp>
#include <bight/net/datagram_socket.hpp>
#include <bight/net/listener.hpp>

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace test {

/// The code of an answer, NXDOMAIN (RFC 1035, 4.1.1).
inline constexpr int no_such_name = 3;

/// A query that has come.
struct dns_question {
    std::string message;
    std::string name;           ///< "www.example.test"
    int type = 0;               ///< 1: A, 12: PTR, 28: AAAA
    std::size_t end = 0;        ///< of the question, in the message
    std::size_t edns_size = 0;  ///< the longest answer that it asks for by EDNS; 0: it has none
    bool over_tcp = false;
    bight::address from;

    /// "www.example.test A"
    std::string in_words() const {
        return name + (type == 1 ? " A" : type == 28 ? " AAAA" : " PTR") + (over_tcp ? " over TCP" : "");
    }
};

inline std::string dns_number(unsigned value) {
    return {static_cast<char>(value >> 8 & 0xff), static_cast<char>(value & 0xff)};
}

/// A name as labels, without compression.
inline std::string dns_name(std::string_view name) {
    std::string wire;
    while (!name.empty()) {
        const std::size_t end = std::min(name.find('.'), name.size());
        wire += static_cast<char>(end);
        wire += name.substr(0, end);
        name.remove_prefix(std::min(end + 1, name.size()));
    }
    return wire + '\0';
}

inline std::string dns_record(const std::string& wire_name, int type, unsigned ttl, const std::string& data) {
    return wire_name + dns_number(static_cast<unsigned>(type)) + dns_number(1) + dns_number(ttl >> 16) +
           dns_number(ttl & 0xffff) + dns_number(static_cast<unsigned>(data.size())) + data;
}

/// An A or AAAA record.
inline std::string dns_address(const std::string& ip, unsigned ttl,
                               const std::string& wire_name = "\xc0\x0c") {
    const auto a = bight::address::from_ip(ip, 0);
    const auto* const native = static_cast<const char*>(a.native());
    const bool ipv4 = a.family() == bight::address::family_type::ipv4;
    return dns_record(wire_name, ipv4 ? 1 : 28, ttl,
                      ipv4 ? std::string(native + 4, 4) : std::string(native + 8, 16));
}

/// An answer with these records. `code`: 3 for no such name, 2 for a failure, ….
inline std::string dns_response(const dns_question& to, const std::vector<std::string>& records,
                                unsigned code = 0) {
    // Without what follows the question, which is EDNS: servers that know nothing of it leave it out, too.
    std::string message = to.message.substr(0, to.end);
    message.replace(10, 2, dns_number(0));
    message[2] = static_cast<char>(0x81);  // a response, recursion wanted
    message[3] = static_cast<char>(0x80 | code);
    message.replace(6, 2, dns_number(static_cast<unsigned>(records.size())));
    for (const std::string& r : records) message += r;
    return message;
}

/// Answers what is asked at an address of its own until `run` is cancelled.
class dns_server {
  public:
    /// What is sent, in its order, after a while.
    struct reply {
        std::vector<std::string> messages;
        bight::duration after{};
    };
    using script = std::function<reply(const dns_question&)>;

    explicit dns_server(script answers, const std::string& ip = "127.0.0.1") : answers_(std::move(answers)) {
        // TCP at the same port, which may be in use.
        for (int attempt = 0;; ++attempt) {
            socket_ = bight::datagram_socket::bind("udp:0:interface=" + ip);
            try {
                listener_ =
                    bight::listen("tcp:" + std::to_string(socket_.local().port()) + ":interface=" + ip);
                return;
            } catch (const std::system_error&) {
                if (attempt == 20) throw;
            }
        }
    }

    bight::address at() const { return socket_.local(); }
    std::vector<std::string> asked;       ///< the questions, in words
    std::vector<dns_question> questions;  ///< the same

    bight::task<> run() {
        auto both = [this](bight::group& g) -> bight::task<> {
            auto over_tcp = [this, &g]() -> bight::task<> {
                auto talk = [this](bight::stream peer) -> bight::task<> {
                    co_await answer_stream(std::move(peer));
                };
                for (;;) {
                    bight::stream peer = co_await listener_.accept();
                    g.spawn(talk, std::move(peer));
                }
            };
            g.spawn(over_tcp);
            std::array<char, 2048> memory;
            for (;;) {
                const auto got = co_await socket_.receive_from(memory);
                dns_question q = parsed(std::string(memory.data(), got.size), got.from, false);
                auto answer = [this](dns_question to) -> bight::task<> {
                    const reply r = noted(to);
                    if (r.after > bight::duration::zero()) co_await bight::sleep_for(r.after);
                    for (const std::string& m : r.messages) {
                        const auto ignored = co_await bight::as_result(socket_.send_to(to.from, m));
                        (void)ignored;
                    }
                };
                g.spawn(answer, std::move(q));
            }
        };
        co_await bight::with_group(both);
    }

  private:
    bight::task<> answer_stream(bight::stream peer) {
        std::array<unsigned char, 2> length{};
        co_await peer.read_exactly(bight::mutable_buffer(length.data(), length.size()));
        std::string message(std::size_t{length[0]} * 256 + length[1], '\0');
        co_await peer.read_exactly(bight::mutable_buffer(message.data(), message.size()));
        const dns_question q = parsed(std::move(message), peer.peer(), true);
        const reply r = noted(q);
        if (r.after > bight::duration::zero()) co_await bight::sleep_for(r.after);
        for (const std::string& m : r.messages) {
            const std::string prefix = dns_number(static_cast<unsigned>(m.size()));
            co_await peer.write(prefix, m);
        }
        co_await peer.close();
    }

    reply noted(const dns_question& q) {
        asked.push_back(q.in_words());
        questions.push_back(q);
        return answers_(q);
    }

  public:
    /// What a query asks.
    static dns_question parsed(std::string message, const bight::address& from, bool over_tcp) {
        dns_question q;
        std::size_t at = 12;
        while (message.at(at) != 0) {
            const auto size = static_cast<std::size_t>(message[at]);
            q.name += (q.name.empty() ? "" : ".") + message.substr(at + 1, size);
            at += size + 1;
        }
        q.type = static_cast<unsigned char>(message.at(at + 2));
        q.end = at + 5;
        const auto number = [&](std::size_t place) {
            return std::size_t{static_cast<unsigned char>(message.at(place))} * 256 +
                   static_cast<unsigned char>(message.at(place + 1));
        };
        if (number(10) == 1 && message.at(q.end) == 0 && number(q.end + 1) == 41) {
            q.edns_size = number(q.end + 3);
        }
        q.message = std::move(message);
        q.from = from;
        q.over_tcp = over_tcp;
        return q;
    }

  private:
    script answers_;
    bight::datagram_socket socket_;
    bight::listener listener_;
};

}  // namespace test
