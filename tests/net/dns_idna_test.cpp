// Names beyond ASCII, of which servers of DNS know another form (RFC 5890).
#include "dns_serving.hpp"

#include "net/idna.hpp"

#include "support/catch.hpp"
#include "support/each_reactor.hpp"
#include "support/error_of.hpp"
#include "support/skip.hpp"

#include <bight/bight.hpp>
#include <bight/net/dns_resolver.hpp>

#include <cerrno>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

using bight::address;
using bight::dns_options;
using bight::dns_resolver;
using bight::task;
using test::dns_address;
using test::dns_question;
using test::dns_response;
using test::dns_server;
using test::error_of;
using test::from_errno;
using test::said_of;
using test::with_server;

namespace {

using reply = dns_server::reply;

}  // namespace

TEST_CASE("dns: names beyond ASCII are looked up by their IDNA form, where the system has a library for it") {
    const std::string bucher =
        "b\xc3\xbc"
        "cher.test";
    std::error_code none;
    std::string form;
    try {
        form = bight::detail::idna_form(bucher);
    } catch (const std::system_error& e) {
        none = e.code();
    }
    if (none) {
        CHECK(none == from_errno(EINVAL));
        test::leave_out("libidn2 is not installed");
    } else {
        CHECK(form == "xn--bcher-kva.test");
    }
    test::on_each_reactor([&]() -> task<> {
        dns_server server([](const dns_question& q) -> reply {
            const bool there =
                (q.name == "xn--bcher-kva.test" || q.name == "www.xn--bcher-kva.test") && q.type == 1;
            return {{there ? dns_response(q, {dns_address("127.0.0.1", 60)})
                           : dns_response(q, {}, test::no_such_name)}};
        });
        auto ask = [&](dns_options options) -> task<> {
            auto searching = options;
            searching.search = {"\xc3\xbc.\xe2\x98\x83\xe2\x80\xae",
                                "b\xc3\xbc"
                                "cher.test"};
            options.hosts.push_back({"xn--bcher-kva.hosts", address::from_ip("127.0.0.5", 0)});
            dns_resolver names(std::move(options));
            bight::resolve_options four;
            four.family = address::family_type::ipv4;
            for (const std::string& name : {bucher, std::string("B\xc3\x9c"
                                                                "CHER.Test")}) {
                const std::string said = co_await said_of(names, name, four);
                if (none) {
                    CHECK_THAT(said, Catch::Contains("IDNA"));
                } else {
                    CHECK(said == "127.0.0.1:80");
                }
            }
            if (none) co_return;
            dns_resolver in_domain(std::move(searching));
            CHECK(in_domain.options().search == std::vector<std::string>{"xn--bcher-kva.test"});
            const std::string in_it = co_await said_of(in_domain, "www", four);
            CHECK(in_it == "127.0.0.1:80");
            const std::string known = co_await said_of(names,
                                                       "b\xc3\xbc"
                                                       "cher.hosts",
                                                       four);
            CHECK(known == "127.0.0.5:80");
            const auto before = server.asked.size();
            const std::string wide =
                co_await said_of(names,
                                 "\xef\xbd\x8c\xef\xbd\x8f\xef\xbd\x83\xef\xbd\x81\xef\xbd\x8c"
                                 "\xef\xbd\x88\xef\xbd\x8f\xef\xbd\x93\xef\xbd\x94",
                                 four);
            CHECK(wide == "127.0.0.1:80");
            CHECK(server.asked.size() == before);
            // A symbol of its own is in no name, and 64 characters are too many for a label.
            std::string too_long;
            for (int i = 0; i < 60; ++i) too_long += "\xc3\xbc";
            for (const std::string& wrong : {std::string("a\xe2\x98\x83\xe2\x80\xae.test"), too_long}) {
                const auto error = co_await error_of(names.resolve(wrong, "", four));
                CHECK(error == from_errno(EINVAL));
            }
            // A soft hyphen is left out, and with it all that there is of a label.
            for (const char* name : {"\xc2\xad", "\xc2\xad.test", "a.\xc2\xad.test", "\xc2\xad.\xc2\xad"}) {
                CAPTURE(name);
                const auto error = co_await error_of(names.resolve(name, "", four));
                CHECK(error == from_errno(EINVAL));
            }
            CHECK(server.asked.size() == before);
        };
        co_await with_server(server, ask);
    });
}
