// A DNS client, and servers that answer well, late, wrongly, or not at all.
#include "asked_resolver.hpp"
#include "dns_serving.hpp"

#include "io/socket_headers.hpp"
#include "net/dns_message.hpp"
#include "net/dns_options.hpp"

#include "support/cancellable.hpp"
#include "support/catch.hpp"
#include "support/connections.hpp"
#include "support/dns_server.hpp"
#include "support/each_reactor.hpp"

#include <bight/bight.hpp>
#include <bight/net/caching_resolver.hpp>
#include <bight/net/dns_resolver.hpp>
#include <bight/sim/world.hpp>

#include <algorithm>
#include <chrono>
#include <functional>
#include <set>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

using bight::address;
using bight::dns_options;
using bight::dns_resolver;
using bight::task;
using test::dns_address;
using test::dns_name;
using test::dns_number;
using test::dns_question;
using test::dns_record;
using test::dns_response;
using test::dns_server;
using test::error_of;
using test::from_errno;
using test::in_words;
using test::not_found;
using test::said_of;
using test::unanswered;
using test::with_server;
using test::with_servers;
using namespace std::chrono_literals;

namespace {

using reply = dns_server::reply;

constexpr int cname = 5;
constexpr int text_record = 16;
}  // namespace

TEST_CASE("dns: both families are asked, aliases are followed, and the least time to live counts") {
    test::on_each_of(test::reactors_with_ipv6(), []() -> task<> {
        dns_server server([](const dns_question& q) -> reply {
            if (q.name == "four.test" && q.type == 28) return {{dns_response(q, {})}};
            const std::string ip = q.type == 1 ? "127.0.0.1" : "::1";
            if (q.name == "four.test")
                return {{dns_response(q, {dns_address("127.0.0.2", 7), dns_address(ip, 9)})}};
            const std::string middle = dns_name("middle.test");
            const std::string end = dns_name("end.test");
            return {{dns_response(
                q, {dns_record("\xc0\x0c", cname, 100, middle), dns_record(middle, cname, 20, end),
                    dns_address(ip, q.type == 1 ? 300 : 200, end)})}};
        });
        auto ask = [&](dns_options options) -> task<> {
            dns_resolver names(std::move(options));
            const bight::resolved_host found = co_await names.resolve("alias.test", "443");
            CHECK(in_words(found) == "[::1]:443 127.0.0.1:443");
            CHECK(found.ttl == 20s);
            const bight::resolved_host four = co_await names.resolve("four.test");
            CHECK(in_words(four) == "127.0.0.2:0 127.0.0.1:0");
            CHECK(four.ttl == 7s);
            server.asked.clear();
            bight::resolve_options six;
            six.family = address::family_type::ipv6;
            const auto none = co_await error_of(names.resolve("four.test", "", six));
            CHECK(none == not_found);
            CHECK(server.asked == std::vector<std::string>{"four.test AAAA"});
        };
        co_await with_server(server, ask);
    });
}

TEST_CASE("dns: search domains and dots decide which names are looked up, and in what order") {
    test::on_each_reactor([]() -> task<> {
        dns_server server([](const dns_question& q) -> reply {
            const bool there = q.name == "web.b.test" && q.type == 1;
            if (q.name.ends_with(".fails.test")) return {{dns_response(q, {}, 2)}};
            return {{there ? dns_response(q, {dns_address("127.0.0.1", 60)})
                           : dns_response(q, {}, test::no_such_name)}};
        });
        auto ask = [&](dns_options options) -> task<> {
            options.search = {"a.test", "not..one", "b.test", ""};
            const auto names_asked = [&](std::string host) -> task<std::vector<std::string>> {
                dns_resolver names(options);
                server.asked.clear();
                bight::resolve_options four;
                four.family = address::family_type::ipv4;
                (void)co_await bight::as_result(names.resolve(std::move(host), "", four));
                co_return server.asked;
            };
            using list = std::vector<std::string>;
            list asked = co_await names_asked("web");
            CHECK(asked == list{"web.a.test A", "web.b.test A"});
            asked = co_await names_asked("none");
            CHECK(asked == list{"none.a.test A", "none.b.test A", "none A"});
            asked = co_await names_asked("x.none");
            CHECK(asked == list{"x.none A", "x.none.a.test A", "x.none.b.test A"});
            asked = co_await names_asked("none.");
            CHECK(asked == list{"none A"});
            options.ndots = 2;
            asked = co_await names_asked("x.none");
            CHECK(asked == list{"x.none.a.test A", "x.none.b.test A", "x.none A"});
            // A domain whose servers fail is not in the way of the others.
            options.search = {"fails.test", "b.test"};
            options.attempts = 1;
            dns_resolver names(options);
            const std::string said = co_await said_of(names, "web");
            CHECK(said == "127.0.0.1:80");
            const auto error = co_await error_of(names.resolve("none"));
            CHECK(error == unanswered);
            CHECK(server.asked.back().starts_with("none A"));
            const std::string failed = co_await said_of(names, "none");
            CHECK_THAT(failed, Catch::StartsWith("look-up of none as none.fails.test ("));
        };
        co_await with_server(server, ask);
    });
}

TEST_CASE("dns: what is no name of DNS is an error at once; the hosts file is asked first") {
    test::on_each_reactor([]() -> task<> {
        dns_server server(
            [](const dns_question& q) -> reply { return {{dns_response(q, {}, test::no_such_name)}}; });
        auto ask = [&](dns_options options) -> task<> {
            options.hosts = bight::parse_dns_options("",
                                                     "127.0.0.5 box.test box # its names\n"
                                                     "::1\tbox.test\n"
                                                     "nonsense here\n")
                                .hosts;
            options.hosts.push_back({"Ported.test.", address::from_ip("127.0.0.6", 99)});
            dns_resolver names(std::move(options));
            std::string said = co_await said_of(names, "Box.Test.");
            CHECK(said == "127.0.0.5:80 [::1]:80");
            const std::string name = co_await names.reverse(address::from_ip("127.0.0.5", 99));
            CHECK(name == "box.test");
            const std::string ported = co_await names.reverse(address::from_ip("::ffff:127.0.0.6", 0));
            CHECK(ported == "Ported.test.");
            said = co_await said_of(names, "ported.test");
            CHECK(said == "127.0.0.6:80");
            std::error_code error;
            for (const char* wrong : {"a\\.b.test", "a b.test"}) {
                error = co_await error_of(names.resolve(wrong));
                CHECK(error == from_errno(EINVAL));
            }
            error = co_await error_of(names.resolve("127.1"));
            CHECK(error == not_found);
            CHECK(server.asked.empty());
            said = co_await said_of(names, "none.test");
            CHECK_THAT(said, Catch::Contains("look-up of none.test"));
            CHECK_FALSE(server.asked.empty());
        };
        co_await with_server(server, ask);
    });
}

TEST_CASE("dns: addresses have names, of both families") {
    test::on_each_reactor([]() -> task<> {
        dns_server server([](const dns_question& q) -> reply {
            if (q.name.ends_with(".200.in-addr.arpa")) return {{dns_response(q, {}, test::no_such_name)}};
            if (q.name.ends_with(".203.in-addr.arpa")) return {{dns_response(q, {}, 2)}};
            if (q.name.ends_with(".201.in-addr.arpa")) {
                return {{dns_response(q, {dns_record("\xc0\x0c", 12, 60, dns_name("127.0.0.1"))})}};
            }
            if (q.name.ends_with(".202.in-addr.arpa")) {
                return {{dns_response(q, {dns_record("\xc0\x0c", 12, 60, dns_name("host.127"))})}};
            }
            return {{dns_response(q, {dns_record("\xc0\x0c", 12, 60, dns_name("host.test"))})}};
        });
        auto ask = [&](dns_options options) -> task<> {
            dns_resolver names(std::move(options));
            for (const char* ip : {"192.0.2.7", "2001:db8::7:1"}) {
                const std::string name = co_await names.reverse(address::from_ip(ip, 0));
                CHECK(name == "host.test");
            }
            const auto nameless = co_await error_of(names.reverse(address::from_ip("200.0.2.7", 0)));
            CHECK(nameless == not_found);
            const std::string mapped = co_await names.reverse(address::from_ip("::ffff:192.0.2.7", 0));
            CHECK(mapped == "host.test");
            CHECK(server.asked.back() == server.asked.front());
            server.asked.pop_back();
            const std::string six =
                "1.0.0.0.7.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa PTR";
            CHECK(server.asked ==
                  std::vector<std::string>{"7.2.0.192.in-addr.arpa PTR", six, "7.2.0.200.in-addr.arpa PTR"});
            for (const char* ip : {"201.0.2.7", "202.0.2.7"}) {  // what is no name is none
                const auto wrong = co_await error_of(names.reverse(address::from_ip(ip, 0)));
                CHECK(wrong == not_found);
            }
            std::string said;
            try {
                (void)co_await names.reverse(address::from_ip("203.0.2.7", 0));
            } catch (const std::system_error& e) {
                said = e.what();
            }
            CHECK_THAT(said,
                       Catch::StartsWith("look-up of the name of 203.0.2.7 (" + server.at().to_string()));
        };
        co_await with_server(server, ask);
    });
}

TEST_CASE("dns: a server that is silent, fails or refuses makes way for the next") {
    test::on_each_in_virtual_time([]() -> task<> {
        dns_server first([](const dns_question& q) -> reply {
            if (q.name == "silent.test") return {};
            if (q.name == "late.test") return {{dns_response(q, {dns_address("127.0.0.9", 60)})}, 400ms};
            if (q.name == "garbage.test") return {{dns_response(q, {"\xc0\x0c rubbish"})}};
            if (q.name.starts_with("bare")) {  // only the header, as some servers refuse
                std::string bare =
                    dns_response(q, {}, q.name == "bare3.test" ? test::no_such_name : 5).substr(0, 12);
                return {{bare.replace(4, 2, dns_number(0))}};
            }
            return {{dns_response(q, {}, q.name == "fails.test" ? 2 : 5)}};
        });
        dns_server second([](const dns_question& q) -> reply {
            if (q.name == "late.test") return {{dns_response(q, {dns_address("127.0.0.1", 60)})}};
            return q.name == "silent.test" ? reply{{dns_response(q, {}, 4)}}
                                           : reply{{dns_response(q, {dns_address("127.0.0.1", 60)})}};
        });
        auto ask = [&](dns_options options) -> task<> {
            options.timeout = 50ms;
            options.attempts = 2;
            dns_resolver names(options);
            bight::resolve_options four;
            four.family = address::family_type::ipv4;
            for (const char* name : {"late.test", "garbage.test", "fails.test", "refuses.test"}) {
                const std::string found = co_await said_of(names, name, four);
                CHECK(found == "127.0.0.1:80");
            }
            CHECK(first.asked.size() == 5);  // late.test also without EDNS
            const std::string said = co_await said_of(names, "silent.test", four);
            CHECK_THAT(said,
                       Catch::Contains("look-up of silent.test (" + first.at().to_string() + ": no answer, " +
                                       second.at().to_string() + ": it cannot answer that)"));
            const auto error = co_await error_of(names.resolve("silent.test", "", four));
            CHECK(error == unanswered);
            CHECK(first.asked.size() == 11);  // two attempts each time, the first in two forms
            first.asked.clear();
            second.asked.clear();
            options.timeout = 1h;
            dns_resolver patient(options);
            const auto begin = bight::reactor::current()->now();
            for (const char* name : {"bare.test", "bare3.test"}) {
                const std::string found = co_await said_of(patient, name, four);
                CHECK(found == "127.0.0.1:80");
            }
            CHECK(bight::reactor::current()->now() - begin < 1min);
            first.asked.clear();
            second.asked.clear();
            options.timeout = 50ms;
            options.rotate = true;
            dns_resolver in_turn(options);
            for (int i = 0; i < 4; ++i) (void)co_await said_of(in_turn, "fails.test", four);
            CHECK(first.asked.size() == 2);
            CHECK(second.asked.size() == 4);
        };
        std::vector<dns_server*> both{&first, &second};
        co_await with_servers(std::move(both), ask);
    });
}

TEST_CASE("dns: what is no answer to the query is passed over") {
    test::on_each_in_virtual_time([]() -> task<> {
        dns_server server([](const dns_question& q) -> reply {
            const std::string wrong = dns_address("127.0.0.66", 60);
            std::string other_id = dns_response(q, {wrong});
            other_id[0] = static_cast<char>(other_id[0] ^ 1);
            dns_question of_another = q;
            of_another.message[13] = 'x';
            std::string query = q.message;
            std::string two_questions = dns_response(q, {wrong});
            two_questions[5] = 2;
            std::string notify = dns_response(q, {wrong});
            notify[2] = static_cast<char>(notify[2] | 0x20);
            std::string right = dns_response(q, {dns_address("127.0.0.1", 60)});
            right.replace(13, 4, "NAME");
            return {{"", std::string(11, '\x80'), other_id, dns_response(of_another, {wrong}), query,
                     two_questions, notify, right}};
        });
        // It knows the query, but is not its server.
        bight::datagram_socket stranger = bight::datagram_socket::bind("udp:0:interface=127.0.0.1");
        auto ask = [&](dns_options options) -> task<> {
            dns_resolver names(options);
            bight::resolve_options four;
            four.family = address::family_type::ipv4;
            const std::string found = co_await said_of(names, "name.test", four);
            CHECK(found == "127.0.0.1:80");
            std::set<std::uint16_t> ports;
            std::set<std::string> ids;
            for (int i = 0; i < 12; ++i) {
                (void)co_await said_of(names, "name.test", four);
                ports.insert(server.questions.back().from.port());
                ids.insert(server.questions.back().message.substr(0, 2));
            }
            CHECK(ids.size() > 6);
            CHECK(ports.size() > 1);
        };
        co_await with_server(server, ask);
        auto silent = [&](const dns_question& q) -> reply {
            auto spoof = [&stranger](address to, std::string message) -> task<> {
                co_await stranger.send_to(to, message);
            };
            bight::reactor::current()->start(spoof, q.from, dns_response(q, {dns_address("127.0.0.66", 60)}));
            return {};
        };
        dns_server other(silent);
        auto ask_other = [&](dns_options options) -> task<> {
            options.timeout = 50ms;
            options.attempts = 1;
            dns_resolver names(options);
            bight::resolve_options four;
            four.family = address::family_type::ipv4;
            const std::string said = co_await said_of(names, "name.test", four);
            CHECK_THAT(said, Catch::Contains(": no answer"));
            CHECK(other.asked.size() == 2);  // with EDNS, and without
        };
        co_await with_server(other, ask_other);
    });
}

TEST_CASE("dns: an answer that was cut off is asked for again over TCP") {
    test::on_each_reactor([]() -> task<> {
        dns_server server([](const dns_question& q) -> reply {
            std::vector<std::string> many;
            for (int i = 1; i <= 60; ++i) many.push_back(dns_address("127.0.0." + std::to_string(i), 60));
            many.push_back(dns_record("\xc0\x0c", text_record, 60, std::string(300, '\0')));  // empty strings
            std::string all = dns_response(q, many);
            if (q.over_tcp) return {{q.name == "bad.test" ? "not an answer at all" : all}};
            if (q.name == "long.test") return {{all}};  // longer than a datagram may be
            std::string cut = dns_response(q, {});
            cut[2] = static_cast<char>(cut[2] | 2);
            return {{cut}};
        });
        auto ask = [&](dns_options options) -> task<> {
            options.attempts = 1;
            dns_resolver names(options);
            bight::resolve_options four;
            four.family = address::family_type::ipv4;
            for (const char* name : {"cut.test", "long.test"}) {
                const bight::resolved_host found = co_await names.resolve(name, "", four);
                CHECK(found.addresses.size() == 60);
            }
            CHECK(server.asked == std::vector<std::string>{"cut.test A", "cut.test A over TCP", "long.test A",
                                                           "long.test A over TCP"});
            const auto error = co_await error_of(names.resolve("bad.test", "", four));
            CHECK(error == unanswered);
        };
        co_await with_server(server, ask);
    });
}

TEST_CASE("dns: a look-up that is cancelled has closed its sockets") {
    test::on_each_of(test::real_reactors(), []() -> task<> {
        dns_server server([](const dns_question&) -> reply { return {}; });
        auto ask = [&](dns_options options) -> task<> {
            dns_resolver names(options);
            const int before = test::open_descriptors();
            auto look_up = [&]() -> task<> {
                co_await names.resolve("silent.test");
                FAIL_CHECK("answered");
            };
            auto until_asked = [&]() -> task<> {
                while (server.asked.size() < 2) co_await bight::sleep_for(1ms);
                CHECK(test::open_descriptors() == before + 2);
            };
            co_await bight::when_any(look_up(), until_asked());
            CHECK(test::open_descriptors() == before);
        };
        co_await with_server(server, ask);
    });
}

TEST_CASE("dns: a host that nobody asks at, and a network without a way, are errors at once") {
    test::on_each_reactor([]() -> task<> {
        dns_options options;
        {
            const bight::datagram_socket closed = bight::datagram_socket::bind("udp:0:interface=127.0.0.1");
            options.servers = {closed.local()};
        }
        options.timeout = 1h;
        dns_resolver nobody(options);
        const auto refused = co_await error_of(nobody.resolve("name.test"));
        CHECK(refused == unanswered);
    });
    bight::sim::world w(1);
    std::error_code error;
    std::string said;
    bight::duration took{};
    w.add("client").run([&]() -> task<> {
        dns_options options;
        options.servers = {address::from_ip("2001:db8::53", 0), address::from_ip("2001:db8::54", 5353)};
        dns_resolver names(options);
        error = co_await error_of(names.resolve("name.test"));
        said = co_await said_of(names, "name.test");
        took = w.elapsed();
    });
    w.run();
    CHECK(error == std::errc::network_unreachable);
    CHECK(took == 0s);
    CHECK_THAT(said, Catch::Contains("[2001:db8::53]:53: " + error.message() + ", [2001:db8::54]:5353: "));
}

TEST_CASE("dns: the other family's answer is waited for 50 ms, and asked for when it is needed") {
    const auto late = GENERATE(0ms, 30ms, 49ms, 70ms, 4000ms);
    const bool six_is_late = GENERATE(false, true);
    CAPTURE(late.count(), six_is_late);
    bight::sim::world_options options;
    options.link.least = options.link.most = 1ms;
    bight::sim::world w(1, options);
    bight::resolved_host found;
    bight::resolved_host kept;
    bight::duration took{};
    std::size_t asked_twice = 0;
    std::size_t asked_later = 0;
    auto& server_host = w.add("dns");
    std::vector<std::string> asked;
    std::uint16_t port = 0;
    server_host.on_boot([&]() -> task<> {
        dns_server server(
            [&](const dns_question& q) -> reply {
                asked.push_back(q.in_words());
                const bool waits = (q.type == 28) == six_is_late;
                const std::string ip = q.type == 1 ? "192.0.2.1" : "::1";
                return {{dns_response(q, {dns_address(ip, 60)})}, waits ? bight::duration(late) : 0s};
            },
            server_host.ip());
        port = server.at().port();
        co_await server.run();
    });
    auto& client = w.add("client");
    client.run([&]() -> task<> {
        while (port == 0) co_await bight::sleep_for(1ms);
        dns_options at;
        at.servers = {address::from_ip(server_host.ip(), port)};
        dns_resolver dns(at);
        bight::caching_resolver names(dns);
        const auto begin = bight::reactor::current()->now();
        found = co_await names.resolve("name.test");
        took = bight::reactor::current()->now() - begin;
        co_await bight::yield();
        CHECK(client.sockets() == 0);
        const std::size_t before = asked.size();
        kept = co_await names.resolve("name.test");
        asked_twice = asked.size() - before;
        bight::resolve_options other;
        other.family = found.missing;
        if (found.missing != address::family_type::none) co_await names.resolve("name.test", "", other);
        asked_later = asked.size() - before;
    });
    w.run();
    const bool in_time = late <= 49ms;
    const auto of_the_late = six_is_late ? address::family_type::ipv6 : address::family_type::ipv4;
    CHECK(found.addresses.size() == (in_time ? 2U : 1U));
    CHECK(found.missing == (in_time ? address::family_type::none : of_the_late));
    CHECK(found.ttl == (in_time ? 60s : 5s));
    CHECK(took == (in_time ? 2ms + bight::duration(late) : 52ms));
    CHECK(in_words(kept) == in_words(found));
    CHECK(kept.missing == found.missing);
    CHECK(asked_twice == 0);
    const bool in_half_its_time = late <= 2500ms;  // otherwise it is asked without EDNS, too
    CHECK(asked_later == (in_time ? 0U : in_half_its_time ? 1U : 2U));
    CHECK((found.addresses[0].family() == of_the_late) == (in_time && six_is_late));
}

TEST_CASE("dns: what one family's servers say, or do not, is not in the way of the other's addresses") {
    test::on_each_in_virtual_time([]() -> task<> {
        dns_server server([](const dns_question& q) -> reply {
            if (q.name == "none.test") return {{dns_response(q, {}, test::no_such_name)}};
            if (q.name == "silent.test" && q.type == 1) return {};
            if (q.name == "failing.test")
                return {{dns_response(q, {}, q.type == 1 ? test::no_such_name : 2)}};
            if (q.name == "odd.test" || q.name == "silent.test") {
                if (q.type == 28) return {{dns_response(q, {}, test::no_such_name)}};
                return {{dns_response(q, {dns_address("127.0.0.1", 3600)})}, 400ms};
            }
            if (q.type == 28) return {{dns_response(q, {}, 2)}};
            return {{dns_response(q, {dns_address("127.0.0.1", q.name == "half.test" ? 3600 : 3)})}};
        });
        auto ask = [&](dns_options options) -> task<> {
            options.timeout = 2s;
            options.attempts = 1;
            dns_resolver names(options);
            const bight::resolved_host odd = co_await names.resolve("odd.test");
            CHECK(in_words(odd) == "127.0.0.1:0");
            CHECK(odd.ttl == 1h);
            const bight::resolved_host half = co_await names.resolve("half.test");
            CHECK(in_words(half) == "127.0.0.1:0");
            CHECK(half.ttl == 5s);  // the other half may be there soon
            const bight::resolved_host short_lived = co_await names.resolve("brief.test");
            CHECK(short_lived.ttl == 3s);
            const auto none = co_await error_of(names.resolve("none.test"));
            CHECK(none == not_found);
            // What one says is not known of the other: a cache must not keep that there is no such name.
            bight::caching_resolver cache(names);
            for (const char* name : {"silent.test", "failing.test"}) {
                const auto unknown = co_await error_of(cache.resolve(name));
                CHECK(unknown == unanswered);
            }
            CHECK(cache.statistics().entries == 0);
        };
        co_await with_server(server, ask);
    });
}

TEST_CASE("dns: queries beyond the bound wait for a place, which is no part of their time") {
    test::on_each_in_virtual_time([]() -> task<> {
        std::size_t done = 0;
        std::size_t most = 0;
        dns_server server([&](const dns_question& q) -> reply {
            most = std::max(most, server.asked.size() - done);
            return {{dns_response(q, {dns_address("127.0.0.1", 60)})}, 40ms};
        });
        auto ask = [&](dns_options options) -> task<> {
            options.timeout = 100ms;
            options.attempts = 1;
            options.most_at_once = 2;
            dns_resolver names(options);
            auto look_up = [&](int number) -> task<> {
                bight::resolve_options four;
                four.family = address::family_type::ipv4;
                const std::string found = co_await said_of(names, std::to_string(number) + ".test", four);
                CHECK(found == "127.0.0.1:80");
                ++done;
            };
            auto all = [&](bight::group& g) -> task<> {
                for (int i = 0; i < 10; ++i) g.spawn(look_up, i);
                co_return;
            };
            co_await bight::with_group(all);
            CHECK(done == 10);
            CHECK(most == 2);
        };
        co_await with_server(server, ask);
    });
}

TEST_CASE("dns: a name that is not there is not found, and losses are made up for") {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        CAPTURE(seed);
        bight::sim::world w(seed);
        bight::sim::fault_plan plan;
        plan.set(bight::sim::fault::lost_datagram, 0.2)
            .set(bight::sim::fault::repeated_datagram, 0.2)
            .set(bight::sim::fault::late_datagram, 0.2);
        if (seed > 1) w.set_faults(plan);
        std::uint16_t port = 0;
        auto& server_host = w.add("dns");
        server_host.on_boot([&]() -> task<> {
            dns_server server(
                [&](const dns_question& q) -> reply {
                    if (q.name == "none.test") return {{dns_response(q, {}, test::no_such_name)}};
                    const std::string ip = q.type == 1 ? "192.0.2.1" : "2001:db8::1";
                    return {{dns_response(q, {dns_address(ip, 60)})}};
                },
                server_host.ip());
            port = server.at().port();
            co_await server.run();
        });
        std::string said;
        std::error_code none;
        bight::duration took{};
        w.add("client").run([&]() -> task<> {
            while (port == 0) co_await bight::sleep_for(1ms);
            dns_options at;
            at.servers = {address::from_ip(server_host.ip(), port)};
            at.attempts = 12;
            dns_resolver names(at);
            said = co_await said_of(names, "name.test");
            const auto begin = bight::reactor::current()->now();
            none = co_await error_of(names.resolve("none.test"));
            took = bight::reactor::current()->now() - begin;
        });
        w.run();
        if (seed == 1) CHECK(took < 1s);
        CHECK_THAT(said, Catch::Contains("192.0.2.1:80") || Catch::Contains("[2001:db8::1]:80"));
        CHECK(none == not_found);
    }
}

TEST_CASE("dns: connect goes by names of DNS, through a cache") {
    test::on_each_reactor([]() -> task<> {
        dns_server server([](const dns_question& q) -> reply {
            return {{q.type == 1 ? dns_response(q, {dns_address("127.0.0.1", 60)}) : dns_response(q, {})}};
        });
        auto ask = [&](dns_options at) -> task<> {
            bight::listener l = bight::listen("tcp:0:interface=127.0.0.1");
            dns_resolver dns(std::move(at));
            bight::caching_resolver names(dns);
            bight::connect_options options;
            options.resolver = &names;
            for (int i = 0; i < 3; ++i) {
                bight::stream s =
                    co_await bight::connect("tcp:web.test:" + std::to_string(l.local().port()), options);
                CHECK(s.peer() == l.local());
                s.abort();
            }
            CHECK(server.asked.size() == 2);
        };
        co_await with_server(server, ask);
    });
}

TEST_CASE("dns: no message ends in anything but an outcome") {
    using bight::detail::dns_outcome;
    using bight::detail::dns_type;
    bight::sim::random_source random(1);
    const address reversed = address::from_ip("192.0.2.1", 0);
    for (const auto type : {dns_type::a, dns_type::aaaa, dns_type::ptr}) {
        const bool edns = GENERATE(true, false);
        const std::string query = bight::detail::make_dns_query("some.name.test", type, 0x1234, edns);
        const dns_question q = dns_server::parsed(query, {}, false);
        CHECK(q.edns_size == (edns ? 1232U : 0U));
        const std::string middle = dns_name("middle.test");
        const std::string data = type == dns_type::a      ? std::string(4, '\1')
                                 : type == dns_type::aaaa ? std::string(16, '\1')
                                                          : dns_name("host.test");
        const std::string good = dns_response(q, {dns_record("\xc0\x0c", cname, 60, middle),
                                                  dns_record(middle, static_cast<int>(type), 60, data)});
        CHECK(bight::detail::is_dns_answer(good, query));
        CHECK(bight::detail::read_dns_answer(good, type, reversed).outcome == dns_outcome::found);
        const auto alias_alone = bight::detail::read_dns_answer(
            dns_response(q, {dns_record("\xc0\x0c", cname, 60, middle)}), type, reversed);
        CHECK(alias_alone.outcome == dns_outcome::no_data);
        CHECK(alias_alone.ttl == 0s);
        // A name that is at its own place, and one of two that are at each other's.
        for (const char* pointer : {"\xc0\x20", "\xc0\x22\xc0\x20"}) {
            const std::string loops =
                dns_response(q, {std::string(pointer) + dns_record("", static_cast<int>(type), 60, data)});
            CHECK(bight::detail::read_dns_answer(loops, type, reversed).outcome != dns_outcome::found);
        }
        int bad = 0;
        for (std::size_t size = query.size(); size < good.size(); ++size) {
            bad += bight::detail::read_dns_answer(std::string_view(good).substr(0, size), type, reversed)
                       .outcome != dns_outcome::found;
        }
        CHECK(bad == static_cast<int>(good.size() - query.size()));
        std::size_t outcomes = 0;
        for (int i = 0; i < 20'000; ++i) {
            std::string changed = good;
            for (std::uint64_t k = random.below(8); k > 0; --k) {
                changed[query.size() - 8 + random.below(changed.size() - query.size() + 8)] =
                    static_cast<char>(random.below(256));
            }
            const auto answer = bight::detail::read_dns_answer(changed, type, reversed);
            outcomes += answer.addresses.size() <= 64 && answer.ttl >= 0s;
        }
        CHECK(outcomes == 20'000);
    }
}

TEST_CASE("dns: resolv.conf and hosts are read as resolv.conf(5) and hosts(5) say") {
    const dns_options read = bight::parse_dns_options(
        "# comment\n"
        "nameserver 192.0.2.53\n"
        "nameserver nonsense\n"
        "  nameserver\tfe80::1%1 ; its scope\n"
        "domain first.test\n"
        "search a.test b.test\n"
        "options ndots:20 timeout:0 attempts:x rotate edns0\n"
        "options attempts:9\n"
        "sortlist 1.2.3.4\r\n"
        "nameserver 192.0.2.54\nnameserver 192.0.2.55\n"  // one too many
        "nameserver",
        "127.0.0.1 localhost\n\n#x\n::1 localhost ip6-localhost");
    REQUIRE(read.servers.size() == 3);
    CHECK(read.servers[2].host() == "192.0.2.54");
    CHECK(read.servers[0].host() == "192.0.2.53");
    CHECK(read.servers[1].family() == address::family_type::ipv6);
    CHECK(read.search == std::vector<std::string>{"a.test", "b.test"});
    CHECK(read.ndots == 15);
    CHECK(read.timeout == 1s);
    CHECK(read.attempts == 5);
    CHECK(read.rotate);
    REQUIRE(read.hosts.size() == 3);
    CHECK(read.hosts[2].name == "ip6-localhost");
    using list = std::vector<std::string>;
    const auto searched = [](std::string_view conf, std::string_view host) {
        return bight::parse_dns_options(conf, "", host).search;
    };
    CHECK(searched("nameserver 192.0.2.53\n", "web.a.test") == list{"a.test"});
    CHECK(searched("# search b.test\nsearch\noptions ndots:2", "web.a.test") == list{"a.test"});
    CHECK(searched("domain b.test", "web.a.test") == list{"b.test"});
    CHECK(searched("search .", "web.a.test").empty());
    CHECK(searched("", "web").empty());
    CHECK(searched("", "").empty());
    const dns_options nothing = bight::parse_dns_options("");
    CHECK(nothing.servers.empty());
    CHECK(nothing.ndots == 1);
    CHECK(nothing.timeout == 5s);
    CHECK(nothing.attempts == 2);
    CHECK_FALSE(nothing.rotate);
    const test::temporary_directory directory;
    CHECK(bight::detail::contents_of_file(directory.file("none")).empty());
    CHECK_THROWS_WITH(bight::detail::contents_of_file(directory.file("")),
                      Catch::StartsWith("cannot read " + directory.file("")));
    const auto refusal = [](auto change) {
        dns_options options;
        change(options);
        try {
            const dns_resolver made(options);
            return std::string("made");
        } catch (const std::invalid_argument& e) {
            return std::string(e.what());
        }
    };
    CHECK(refusal([](dns_options&) {}) == "made");
    CHECK_THAT(refusal([](dns_options& o) { o.attempts = 0; }),
               Catch::StartsWith("dns_options::attempts is 0"));
    CHECK_THAT(refusal([](dns_options& o) { o.timeout = 0s; }),
               Catch::StartsWith("dns_options::timeout leaves"));
    CHECK(refusal([](dns_options& o) { o.servers = {address::from_ip("192.0.2.1", 0), address()}; }) ==
          "dns_options::servers[1] is empty, and no address of IPv4 or IPv6");
    CHECK(refusal([](dns_options& o) { o.servers = {address::from_path("/run/dns")}; }) ==
          "dns_options::servers[0] is unix:/run/dns, and no address of IPv4 or IPv6");
    const dns_resolver by_default(nothing);
    REQUIRE(by_default.options().servers.size() == 1);
    CHECK(by_default.options().servers[0].to_string() == "127.0.0.1:53");
}
