// Looking up names and addresses.
#include "asked_resolver.hpp"

#include "io/socket_headers.hpp"
#include "net/idna.hpp"

#include "support/cancellable.hpp"
#include "support/catch.hpp"
#include "support/connections.hpp"
#include "support/death.hpp"
#include "support/each_reactor.hpp"
#include "support/reactors.hpp"
#include "support/skip.hpp"
#include "support/thread_sanitizer.hpp"

#include <bight/bight.hpp>
#include <bight/net/caching_resolver.hpp>
#include <bight/net/datagram_socket.hpp>
#include <bight/net/resolver.hpp>
#include <bight/sim/world.hpp>

#include <cerrno>
#include <chrono>
#include <cstddef>
#include <map>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

using bight::resolve_options;
using bight::resolved_host;
using bight::system_resolver;
using bight::task;
using test::asked_resolver;
using test::error_of;
using test::from_errno;
using test::in_words;
using namespace std::chrono_literals;

namespace {

// What a look-up came to, in words.
task<> look_up(bight::resolver& by, std::string host, std::string service, std::string& into) {
    try {
        const resolved_host found = co_await by.resolve(std::move(host), std::move(service));
        into = in_words(found);
    } catch (const std::system_error& e) {
        into = e.what();
    }
}

task<std::string> message_of(task<resolved_host> look_up) {
    try {
        const resolved_host found = co_await std::move(look_up);
        co_return in_words(found);
    } catch (const std::system_error& e) {
        co_return e.what();
    }
}

}  // namespace

TEST_CASE("a name is looked up once for all tasks that ask for it meanwhile, each with its own port") {
    test::on_each_reactor([]() -> task<> {
        asked_resolver by(false);
        by.names["one.test"] = {"192.0.2.1", "2001:db8::1"};
        std::vector<std::string> said(5);
        auto body = [&](bight::group& g) -> task<> {
            g.spawn(look_up(by, "one.test", "80", said[0]));
            g.spawn(look_up(by, "One.Test", "443", said[1]));
            g.spawn(look_up(by, "none.test", "80", said[2]));
            g.spawn(look_up(by, "none.test", "80", said[3]));
            co_await test::turns(3);
            CHECK(by.under_way == 2);
            g.spawn(look_up(by, "one.test", "", said[4]));
            co_await test::turns(3);
            by.answering.set();
        };
        co_await bight::with_group(body);
        CHECK(by.asked == std::vector<std::string>{"one.test", "none.test"});
        CHECK(said[0] == "192.0.2.1:80 [2001:db8::1]:80");
        CHECK(said[1] == "192.0.2.1:443 [2001:db8::1]:443");
        CHECK_THAT(said[2], Catch::Contains("none.test is not found"));
        CHECK(said[3] == said[2]);
        CHECK(said[4] == "192.0.2.1:0 [2001:db8::1]:0");
        // What has ended is not kept.
        const resolved_host again = co_await by.resolve("one.test");
        CHECK(in_words(again) == said[4]);
        CHECK(by.asked.size() == 3);
    });
}

TEST_CASE("families, and names of addresses, are look-ups of their own") {
    test::on_each_reactor([]() -> task<> {
        asked_resolver by;
        by.names["one.test"] = {"192.0.2.1", "2001:db8::1"};
        resolve_options only;
        only.family = bight::address::family_type::ipv6;
        const resolved_host six = co_await by.resolve("one.test", "80", only);
        CHECK(in_words(six) == "[2001:db8::1]:80");
        only.family = bight::address::family_type::ipv4;
        const resolved_host four = co_await by.resolve("one.test", "80", only);
        CHECK(in_words(four) == "192.0.2.1:80");
        const std::string name = co_await by.reverse(four.addresses[0]);
        CHECK(name == "one.test");
        const auto nameless = co_await error_of(by.reverse(bight::address::from_ip("192.0.2.2", 80)));
        CHECK(nameless == std::errc::address_not_available);
        CHECK(by.asked == std::vector<std::string>{"one.test over IPv6", "one.test over IPv4",
                                                   "the name of 192.0.2.1", "the name of 192.0.2.2"});
        const auto of_a_path = co_await error_of(by.reverse(bight::address::from_path("/run/x")));
        CHECK(of_a_path == from_errno(EAFNOSUPPORT));
    });
}

TEST_CASE("a task that is cancelled leaves its look-up to the others, and the last one ends it") {
    test::on_each_reactor([]() -> task<> {
        asked_resolver by(false);
        by.names["one.test"] = {"192.0.2.1"};
        std::string said;
        std::string unheard;
        test::cancellable first;
        test::cancellable second;
        auto body = [&](bight::group& g) -> task<> {
            g.spawn(first.run(look_up(by, "one.test", "1", unheard)));
            g.spawn(second.run(look_up(by, "one.test", "2", said)));
            co_await test::turns(3);
            first.cancel();  // it had begun the look-up
            co_await test::turns(3);
            CHECK_FALSE(first.running());
            CHECK(by.under_way == 1);
            second.cancel();
            co_await test::turns(5);
            CHECK_FALSE(second.running());
            CHECK(by.under_way == 0);
            g.spawn(look_up(by, "one.test", "3", said));
            co_await test::turns(3);
            by.answering.set();
        };
        co_await bight::with_group(body);
        CHECK(unheard.empty());
        CHECK(said == "192.0.2.1:3");
        CHECK(by.asked.size() == 2);
    });
}

TEST_CASE("whoever asks while a look-up is being cancelled has one of his own, and an answer beats the end") {
    test::on_each_reactor([]() -> task<> {
        asked_resolver by(false);
        by.names["one.test"] = {"192.0.2.1"};
        std::string early;
        std::string late;
        test::cancellable cancelled;
        auto body = [&](bight::group& g) -> task<> {
            g.spawn(cancelled.run(look_up(by, "one.test", "1", early)));
            co_await test::turns(3);
            by.answering.set();
            cancelled.cancel();  // too late: it has been answered
            g.spawn(look_up(by, "one.test", "2", late));
        };
        co_await bight::with_group(body);
        CHECK(early == "192.0.2.1:1");
        CHECK(late == "192.0.2.1:2");
        CHECK(by.under_way == 0);
    });
}

TEST_CASE("a look-up in a shield goes on through a stop") {
    for (const auto& kind : test::reactors()) {
        CAPTURE(kind);
        asked_resolver by(false);
        by.names["one.test"] = {"192.0.2.1"};
        std::string said;
        test::reactor_fixture on(kind);
        auto main = [&]() -> task<> {
            auto late = [&]() -> task<> {
                bight::reactor::current()->stop();
                co_await test::turns(3);
                by.answering.set();
            };
            auto both = [&]() -> task<> {
                co_await bight::when_all(look_up(by, "one.test", "1", said), late());
            };
            co_await bight::shield(both(), 20s);
        };
        on.run(main());
        CHECK(said == "192.0.2.1:1");
    }
}

TEST_CASE("connect and datagram_socket::connect ask the resolver that they are given, for names only") {
    test::on_each_reactor([]() -> task<> {
        asked_resolver by;
        by.names["here.test"] = {"127.0.0.1"};
        bight::listener l = bight::listen("tcp:0:interface=127.0.0.1");
        const std::string port = std::to_string(l.local().port());
        bight::connect_options options;
        options.resolver = &by;
        bight::stream s = co_await bight::connect("tcp:here.test:" + port, options);
        CHECK(s.peer() == l.local());
        s.abort();
        s = co_await bight::connect("tcp:localhost:" + port, options);
        s.abort();
        const auto unknown = co_await error_of(bight::connect("tcp:gone.test:" + port, options));
        CHECK(unknown == std::errc::address_not_available);
        bight::datagram_options of_datagrams;
        of_datagrams.resolver = &by;
        const auto d = co_await bight::datagram_socket::connect("udp:here.test:9", of_datagrams);
        CHECK(d.peer().to_string() == "127.0.0.1:9");
        CHECK(by.asked == std::vector<std::string>{"here.test", "gone.test", "here.test"});
    });
}

TEST_CASE("numeric addresses, localhost and services need no look-up of a name") {
    test::on_each_reactor([]() -> task<> {
        asked_resolver by;
        const struct {
            const char* host;
            const char* service;
            const char* found;
        } rows[] = {
            {"192.0.2.7", "", "192.0.2.7:0"},
            {"192.0.2.7", "65535", "192.0.2.7:65535"},
            {"2001:db8::7", "80", "[2001:db8::7]:80"},
            {"localhost", "7", "127.0.0.1:7 [::1]:7"},
            {"192.0.2.7", "http", "192.0.2.7:80"},
            {"192.0.2.7", "domain", "192.0.2.7:53"},
            {"LocalHost", "7", "127.0.0.1:7 [::1]:7"},
            {"localhost.", "7", "127.0.0.1:7 [::1]:7"},
            {"a.b.LOCALHOST", "", "127.0.0.1:0 [::1]:0"},
            {"x.localhost.", "", "127.0.0.1:0 [::1]:0"},
        };
        for (const auto& row : rows) {
            const std::string found = co_await message_of(by.resolve(row.host, row.service));
            CHECK(found == row.found);
        }
        resolve_options six;
        six.family = bight::address::family_type::ipv6;
        const std::string own = co_await message_of(by.resolve("localhost", "7", six));
        CHECK(own == "[::1]:7");
        const auto other = co_await error_of(by.resolve("192.0.2.7", "7", six));
        CHECK(other == from_errno(EAFNOSUPPORT));
        for (const char* none : {"no-such-service", "65536", "-1", "8 "}) {
            const auto unknown = co_await error_of(by.resolve("192.0.2.7", none));
            CHECK(unknown.category() == bight::resolver_category());
            // The host is looked at first.
            const auto no_name = co_await error_of(by.resolve("a..test", none));
            CHECK(no_name == from_errno(EINVAL));
        }
        CHECK(by.asked.empty());
        for (const char* other_name : {"notlocalhost", "localhost.test", "ocalhost"}) {
            const auto unknown = co_await error_of(by.resolve(other_name));
            CHECK(unknown == std::errc::address_not_available);
        }
        CHECK(by.asked.size() == 3);
        bight::listener l = bight::listen("tcp:0:interface=LOCALHOST");
        bight::connect_options options;
        options.resolver = &by;
        bight::stream s =
            co_await bight::connect("tcp:A.localhost.:" + std::to_string(l.local().port()), options);
        CHECK(s.peer() == l.local());
        s.abort();
        CHECK(by.asked.size() == 3);
    });
}

TEST_CASE("the services that are known by themselves have the ports that IANA has for them") {
    const std::map<std::string, int> known{
        {"discard", 9},      {"domain", 53},       {"daytime", 13}, {"echo", 7},    {"ftp", 21},
        {"http", 80},        {"https", 443},       {"imap", 143},   {"imap2", 143}, {"imaps", 993},
        {"irc", 194},        {"ldap", 389},        {"ldaps", 636},  {"ntp", 123},   {"pop3", 110},
        {"pop3s", 995},      {"smtp", 25},         {"snmp", 161},   {"ssh", 22},    {"telnet", 23},
        {"submission", 587}, {"submissions", 465}, {"time", 37},
    };
    // A simulated host has no others, and no thread that could ask.
    bight::sim::world w(1);
    std::size_t found = 0;
    w.add("host").run([&]() -> task<> {
        asked_resolver by;
        for (const bool datagrams : {false, true}) {
            resolve_options options;
            options.datagrams = datagrams;
            for (const auto& [service, port] : known) {
                const std::string said = co_await message_of(by.resolve("192.0.2.7", service, options));
                CHECK(said == "192.0.2.7:" + std::to_string(port));
                ++found;
            }
            for (const char* none : {"nntp", "HTTP", "http ", "doma", "domains"}) {
                const auto unknown = co_await error_of(by.resolve("192.0.2.7", none, options));
                CHECK(unknown == std::error_code(EAI_SERVICE, bight::resolver_category()));
            }
        }
    });
    w.run();
    CHECK(found == 2 * known.size());
}

TEST_CASE("what a resolver gives is of what it was asked for, and a name with nothing of it is not found") {
    test::on_each_reactor([]() -> task<> {
        asked_resolver by;
        by.names["one.test"] = {"192.0.2.1"};
        by.of_each_family = true;  // as a resolver that does not look at the family
        bight::caching_resolver names(by);
        resolve_options six;
        six.family = bight::address::family_type::ipv6;
        for (int i = 0; i < 2; ++i) {
            const std::string said = co_await message_of(names.resolve("One.Test", "80", six));
            CHECK_THAT(said, Catch::Contains("look-up of one.test: "));
            const auto error = co_await error_of(names.resolve("One.Test", "80", six));
            CHECK(error == std::error_code(EAI_NONAME, bight::resolver_category()));
        }
        by.paths = true;
        const std::string found = co_await message_of(names.resolve("ONE.test", "80"));
        CHECK(found == "192.0.2.1:80");
        CHECK(by.asked == std::vector<std::string>{"one.test over IPv6", "one.test"});
    });
}

TEST_CASE("what can be no name is an error at once, which says what is wrong") {
    test::on_each_reactor([]() -> task<> {
        asked_resolver by;
        const std::string long_label(64, 'a');
        std::string long_name;
        while (long_name.size() < 254) long_name += "abcdefg.";
        long_name.resize(254, 'z');
        const struct {
            std::string host;
            int error;
            const char* says;
        } rows[] = {
            {"", EINVAL, "at least one character"},
            {".", EINVAL, "an empty label"},
            {"a..test", EINVAL, "\"a..test\": it has an empty label"},
            {".test", EINVAL, "an empty label"},
            {"a.test..", EINVAL, "an empty label"},
            {"a\tb.test", EINVAL, "no control characters"},
            {std::string("a\0b", 3), EINVAL, "\"a\\x00b\": a name has no control characters"},
            {long_label + ".test", EINVAL, "at most 63 characters, and \"aaaaaaaaaa"},
            {long_name, EINVAL, "at most 253 characters, and this one 254"},
            {"b\xfc"
             "cher.test",
             EILSEQ, "not UTF-8"},
            {"\xc0\xae.test", EILSEQ, "not UTF-8"},
            {"\xed\xa0\x80.test", EILSEQ, "not UTF-8"},
            {"a\xe2\x82", EILSEQ, "not UTF-8"},
        };
        for (const auto& row : rows) {
            CAPTURE(row.host);
            const auto error = co_await error_of(by.resolve(row.host));
            CHECK(error == from_errno(row.error));
            const std::string said = co_await message_of(by.resolve(row.host));
            CHECK_THAT(said, Catch::Contains(row.says));
        }
        CHECK(by.asked.empty());
        const std::string longest = std::string(63, 'b') + "." + std::string(63, 'c') + "." +
                                    std::string(63, 'd') + "." + std::string(61, 'e');
        for (const std::string& name :
             {longest, longest + ".",
              std::string("b\xc3\xbc"
                          "cher.test"),
              std::string("_tcp.a.test"), std::string("other server"), std::string("a.test.")}) {
            by.names[name] = {"192.0.2.1"};
            const std::string found = co_await message_of(by.resolve(name));
            CHECK(found == "192.0.2.1:0");
        }
        CHECK(by.asked.size() == 6);
    });
}

TEST_CASE("the system's resolver finds services, and the name of the loopback's address") {
    test::on_each_of(test::real_reactors(), []() -> task<> {
        const std::string found = co_await message_of(system_resolver().resolve("localhost", "https"));
        CHECK(found == "127.0.0.1:443 [::1]:443");
        // In the hosts file: no server is asked.
        const std::string name = co_await system_resolver().reverse(bight::address::from_ip("127.0.0.1", 80));
        CHECK_FALSE(name.empty());
        CHECK(name.find("127.0.0.1") == std::string::npos);
    });
}

TEST_CASE("beyond ASCII the system's resolver has no other names than a dns_resolver, with the same errors") {
    std::error_code without_idna;
    try {
        (void)bight::detail::idna_form("\xc3\xbc");
    } catch (const std::system_error& e) {
        without_idna = e.code();
    }
    if (without_idna) test::leave_out("libidn2 is not installed");
    test::on_each_of(test::real_reactors(), [&]() -> task<> {
        std::string too_long;
        for (int i = 0; i < 64; ++i) too_long += "\xc3\xbc";
        // A soft hyphen is left out, and with it all that there is of a label.
        for (const std::string& none : {too_long + ".test", std::string("\xc2\xad.test")}) {
            const auto error = co_await error_of(system_resolver().resolve(none));
            CHECK(error == from_errno(EINVAL));
        }
        const std::string said = co_await message_of(system_resolver().resolve(too_long + ".test"));
        CHECK_THAT(said, Catch::Contains("IDNA form (xn--\xe2\x80\xa6)"));
        if (without_idna) co_return;
        // In wide letters and numbers: no server is asked.
        const std::string localhost =
            co_await message_of(system_resolver().resolve("\xef\xbd\x8c\xef\xbd\x8f\xef\xbd\x83\xef\xbd\x81"
                                                          "\xef\xbd\x8c\xef\xbd\x88\xef\xbd\x8f\xef\xbd\x93"
                                                          "\xef\xbd\x94",
                                                          "443"));
        CHECK(localhost == "127.0.0.1:443 [::1]:443");
        const std::string numeric = co_await message_of(
            system_resolver().resolve("\xef\xbc\x91\xef\xbc\x92\xef\xbc\x97.0.0.2", "443"));
        CHECK(numeric == "127.0.0.2:443");
    });
}

TEST_CASE("a look-up that asks for itself is an error, and waits for nobody") {
    class asks_itself final : public bight::resolver {
        task<resolved_host> look_up(std::string host, bight::address::family_type) override {
            auto ask = [&]() -> task<resolved_host> { co_return co_await resolve(host); };
            co_return co_await bight::with_timeout(ask(), 1h);
        }
    };
    test::on_each_reactor([]() -> task<> {
        asks_itself by;
        const auto error = co_await error_of(by.resolve("one.test"));
        CHECK(error == from_errno(EDEADLK));
    });
}

TEST_CASE("a resolver that only looks up names says so of addresses") {
    class names_only final : public bight::resolver {
        task<resolved_host> look_up(std::string, bight::address::family_type) override {
            co_return resolved_host();
        }
    };
    test::reactor_fixture on(test::any_demultiplexer);
    on.run([]() -> task<> {
        names_only by;
        const auto error = co_await error_of(by.reverse(bight::address::from_ip("192.0.2.1", 0)));
        CHECK(error == from_errno(EOPNOTSUPP));
    });
}

TEST_CASE("a resolver that is destroyed while a task waits for it ends the process, and says so") {
    if (!test::forked_children_have_threads) test::skip("ThreadSanitizer: no threads in a forked child");
    class silent final : public bight::resolver {
        task<resolved_host> look_up(std::string, bight::address::family_type) override {
            co_await bight::shield(bight::sleep_for(1h), 1h);
            co_return resolved_host();
        }
    };
    const bool is_cancelled = GENERATE(false, true);  // then it waits for the look-up's end
    CAPTURE(is_cancelled);
    const std::string said = test::dying_words([is_cancelled] {
        auto* const by = new silent;
        bight::reactor r;
        r.run([](silent* destroyed, bool cancels) -> task<> {
            test::cancellable waiting;
            auto destroy = [&]() -> task<> {
                co_await test::turns(3);
                if (cancels) waiting.cancel();
                co_await test::turns(3);
                delete destroyed;
            };
            std::string unheard;
            co_await bight::when_all(waiting.run(look_up(*destroyed, "one.test", "", unheard)), destroy());
        }(by, is_cancelled));
    });
    CHECK(
        said ==
        "bight: a resolver was destroyed while a task waits for its look-up of one.test; it must outlive all "
        "that ask it\n");
}
