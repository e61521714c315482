// Servers of DNS that know EDNS (RFC 6891), and those that do not.
#include "dns_serving.hpp"

#include "support/catch.hpp"
#include "support/each_reactor.hpp"
#include "support/error_of.hpp"

#include <bight/bight.hpp>
#include <bight/net/dns_resolver.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

using bight::address;
using bight::dns_options;
using bight::dns_resolver;
using bight::task;
using test::dns_address;
using test::dns_number;
using test::dns_question;
using test::dns_response;
using test::dns_server;
using test::error_of;
using test::said_of;
using test::unanswered;
using test::with_server;
using namespace std::chrono_literals;

namespace {

using reply = dns_server::reply;

}  // namespace

TEST_CASE("dns: an answer of more than 512 bytes comes over UDP from a server that knows EDNS") {
    test::on_each_reactor([]() -> task<> {
        dns_server server([](const dns_question& q) -> reply {
            std::vector<std::string> many;
            for (int i = 1; i <= 60; ++i) many.push_back(dns_address("127.0.0." + std::to_string(i), 60));
            std::string all = dns_response(q, many);
            if (q.over_tcp || all.size() <= std::max<std::size_t>(q.edns_size, 512)) return {{all}};
            std::string cut = dns_response(q, {});
            cut[2] = static_cast<char>(cut[2] | 2);
            return {{cut}};
        });
        auto ask = [&](dns_options options) -> task<> {
            bight::resolve_options four;
            four.family = address::family_type::ipv4;
            for (const bool edns : {true, false}) {
                options.edns = edns;
                dns_resolver names(options);
                server.asked.clear();
                const bight::resolved_host found = co_await names.resolve("many.test", "", four);
                CHECK(found.addresses.size() == 60);
                CHECK(server.asked.size() == (edns ? 1U : 2U));
                CHECK(server.questions.back().edns_size == (edns ? 1232U : 0U));
            }
        };
        co_await with_server(server, ask);
    });
}

TEST_CASE("dns: a server that does not know EDNS is asked without it at once, and from then on") {
    test::on_each_in_virtual_time([]() -> task<> {
        const unsigned code = GENERATE(1U, 4U);
        const bool bare = GENERATE(false, true);
        dns_server server([&](const dns_question& q) -> reply {
            if (q.edns_size == 0) return {{dns_response(q, {dns_address("127.0.0.1", 60)})}};
            std::string refusal = dns_response(q, {}, code);
            if (bare) refusal = refusal.substr(0, 12).replace(4, 2, dns_number(0));
            return {{refusal}};
        });
        auto ask = [&](dns_options options) -> task<> {
            options.timeout = 1h;
            dns_resolver names(options);
            bight::resolve_options four;
            four.family = address::family_type::ipv4;
            const auto begin = bight::reactor::current()->now();
            for (const char* name : {"one.test", "two.test", "three.test"}) {
                const std::string found = co_await said_of(names, name, four);
                CHECK(found == "127.0.0.1:80");
            }
            CHECK(bight::reactor::current()->now() - begin < 1min);
            CHECK(server.asked ==
                  std::vector<std::string>{"one.test A", "one.test A", "two.test A", "three.test A"});
        };
        co_await with_server(server, ask);
    });
}

TEST_CASE("dns: a server that is silent to EDNS is asked without it at the next attempt") {
    test::on_each_in_virtual_time([]() -> task<> {
        dns_server server([](const dns_question& q) -> reply {
            if (q.edns_size > 0) return {};
            return {{dns_response(q, {dns_address("127.0.0.1", 60)})}};
        });
        auto ask = [&](dns_options options) -> task<> {
            options.timeout = 50ms;
            dns_resolver names(options);
            bight::resolve_options four;
            four.family = address::family_type::ipv4;
            const std::string found = co_await said_of(names, "name.test", four);
            CHECK(found == "127.0.0.1:80");
            CHECK(server.asked.size() == 2);
        };
        co_await with_server(server, ask);
    });
}

TEST_CASE("dns: one that cannot answer, with EDNS or without, makes way, and is asked with it again") {
    test::on_each_in_virtual_time([]() -> task<> {
        dns_server server([](const dns_question& q) -> reply {
            if (q.name == "odd.test") return {{dns_response(q, {}, 1)}};
            return {{dns_response(q, {dns_address("127.0.0.1", 60)})}};
        });
        auto ask = [&](dns_options options) -> task<> {
            options.attempts = 1;
            dns_resolver names(options);
            bight::resolve_options four;
            four.family = address::family_type::ipv4;
            const auto error = co_await error_of(names.resolve("odd.test", "", four));
            CHECK(error == unanswered);
            CHECK(server.asked.size() == 2);
            const std::string found = co_await said_of(names, "name.test", four);
            CHECK(found == "127.0.0.1:80");
            CHECK(server.questions.back().edns_size == 1232);
        };
        co_await with_server(server, ask);
    });
}
