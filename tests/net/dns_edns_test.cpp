// Servers of DNS that know EDNS (RFC 6891), and those that do not.
#include "dns_serving.hpp"

#include "net/dns_message.hpp"

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

/// A message with what a server says by EDNS, and the upper bits of the code.
std::string with_edns(std::string message, unsigned code) {
    message.replace(10, 2, dns_number(1));
    return message + '\0' + dns_number(41) + dns_number(1232) + static_cast<char>(code) + '\0' +
           dns_number(0) + dns_number(0);
}

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

TEST_CASE("dns: a server that is silent to EDNS is asked without it after half its time, and for minutes") {
    test::on_each_in_virtual_time([]() -> task<> {
        const unsigned attempts = GENERATE(1U, 2U);
        dns_server server([](const dns_question& q) -> reply {
            if (q.edns_size > 0) return {};
            if (q.name == "four.two.test") return {{dns_response(q, {dns_address("127.0.0.1", 60)})}};
            return {{dns_response(q, {}, 3)}};
        });
        auto ask = [&](dns_options options) -> task<> {
            options.timeout = 1h;
            options.attempts = attempts;
            options.search = {"one.test", "two.test"};
            dns_resolver names(options);
            bight::resolve_options four;
            four.family = address::family_type::ipv4;
            auto look_up = [&]() -> task<bight::duration> {
                const auto begin = bight::reactor::current()->now();
                const std::string found = co_await said_of(names, "four", four);
                CHECK(found == "127.0.0.1:80");
                co_return bight::reactor::current()->now() - begin;
            };
            const auto first = co_await look_up();
            CHECK(first >= 30min);
            CHECK(first < 31min);
            CHECK(server.asked.size() == 3);
            for (int i = 0; i < 2; ++i) {
                const auto later = co_await look_up();
                CHECK(later < 1min);
            }
            CHECK(server.asked.size() == 7);
            co_await bight::sleep_for(6min);  // it may have been a chance, or another network
            const auto again = co_await look_up();
            CHECK(again >= 30min);
            CHECK(again < 31min);
        };
        co_await with_server(server, ask);
    });
}

TEST_CASE("dns: an answer to EDNS that comes late is taken, and nothing is remembered") {
    test::on_each_in_virtual_time([]() -> task<> {
        dns_server server([](const dns_question& q) -> reply {
            if (q.edns_size == 0 && q.name == "late.test") return {};
            return {{dns_response(q, {dns_address("127.0.0.1", 60)})}, q.name == "late.test" ? 800ms : 0ms};
        });
        auto ask = [&](dns_options options) -> task<> {
            options.timeout = 1s;
            options.attempts = 1;
            dns_resolver names(options);
            bight::resolve_options four;
            four.family = address::family_type::ipv4;
            for (const char* name : {"late.test", "early.test"}) {
                const std::string found = co_await said_of(names, name, four);
                CHECK(found == "127.0.0.1:80");
            }
            CHECK(server.asked == std::vector<std::string>{"late.test A", "late.test A", "early.test A"});
            CHECK(server.questions.back().edns_size == 1232);
        };
        co_await with_server(server, ask);
    });
}

TEST_CASE(
    "dns: a server that fails or refuses without EDNS in its answer is asked without it the next time") {
    test::on_each_in_virtual_time([]() -> task<> {
        const unsigned code = GENERATE(2U, 5U);
        const bool knows_edns = GENERATE(false, true);
        dns_server server([&](const dns_question& q) -> reply {
            if (q.edns_size == 0) return {{dns_response(q, {dns_address("127.0.0.1", 60)})}};
            const std::string failure = dns_response(q, {}, code);
            return {{knows_edns ? with_edns(failure, 0) : failure}};
        });
        auto ask = [&](dns_options options) -> task<> {
            dns_resolver names(options);
            bight::resolve_options four;
            four.family = address::family_type::ipv4;
            for (int i = 0; i < 2; ++i) {
                server.questions.clear();
                const std::string said = co_await said_of(names, "name.test", four);
                CHECK((said == "127.0.0.1:80") == !knows_edns);
                REQUIRE(server.questions.size() == 2);
                CHECK(server.questions[0].edns_size == 1232);  // which is not remembered
                CHECK(server.questions[1].edns_size == (knows_edns ? 1232U : 0U));
            }
        };
        co_await with_server(server, ask);
    });
}

TEST_CASE("dns: the code of an answer has the bits that EDNS adds") {
    test::on_each_in_virtual_time([]() -> task<> {
        dns_server server([](const dns_question& q) -> reply {
            if (q.name == "odd.test") return {{with_edns(dns_response(q, {}, 3), 1)}};  // 19
            if (q.edns_size > 0) return {{with_edns(dns_response(q, {}), 1)}};          // BADVERS
            return {{dns_response(q, {dns_address("127.0.0.1", 60)})}};
        });
        auto ask = [&](dns_options options) -> task<> {
            dns_resolver names(options);
            bight::resolve_options four;
            four.family = address::family_type::ipv4;
            const auto error = co_await error_of(names.resolve("odd.test", "", four));
            CHECK(error == unanswered);
            const std::string found = co_await said_of(names, "name.test", four);
            CHECK(found == "127.0.0.1:80");
        };
        co_await with_server(server, ask);
    });
    const std::string query = bight::detail::make_dns_query("name.test", bight::detail::dns_type::a, 1, true);
    const dns_question q = dns_server::parsed(query, {}, false);
    const std::string plain = dns_response(q, {dns_address("127.0.0.1", 60)}, 3);
    CHECK_FALSE(bight::detail::has_edns(plain));
    CHECK(bight::detail::dns_code_of(plain) == 3);
    const std::string more = with_edns(plain, 0xab);
    CHECK(bight::detail::has_edns(more));
    CHECK(bight::detail::dns_code_of(more) == 0xab3);
    CHECK(bight::detail::refuses_edns(with_edns(dns_response(q, {}), 1)));
    CHECK_FALSE(bight::detail::refuses_edns(with_edns(dns_response(q, {}, 1), 1)));  // 17
    // What is not whole has none; nor is it one of the answers.
    for (std::size_t size = 12; size < more.size(); ++size) {
        CHECK_FALSE(bight::detail::has_edns(more.substr(0, size)));
    }
    std::string misplaced = more;
    misplaced.replace(6, 2, dns_number(2)).replace(10, 2, dns_number(0));
    CHECK_FALSE(bight::detail::has_edns(misplaced));
    std::string in_a_row(12, '\0');
    in_a_row.replace(10, 2, dns_number(0xffff));
    for (const char filler : {'\0', '\1', '\x40', '\x80', '\xc0', '\xff'}) {
        CHECK_FALSE(bight::detail::has_edns(in_a_row + std::string(500, filler)));
    }
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
