// Resolvers that belong to one reactor, used from another thread.
#include "asked_resolver.hpp"

#include "support/catch.hpp"
#include "support/death.hpp"
#include "support/skip.hpp"

#include <bight/bight.hpp>
#include <bight/net/caching_resolver.hpp>
#include <bight/net/dns_resolver.hpp>

#include <memory>
#include <string>
#include <system_error>
#include <thread>

using bight::address;
using bight::task;

#ifndef NDEBUG

namespace {

/// What is said when the resolver that `make` gives is asked in a reactor of one thread, and then of another.
template <class Make>
std::string said_by(Make make) {
    return test::dying_words([&] {
        auto names = make();
        auto ask = [&]() -> task<> {
            const bight::resolved_host found = co_await names->resolve("known.test");
            CHECK(found.addresses.size() == 1);
        };
        auto run = [&] {
            bight::reactor r;
            r.run(ask());
        };
        run();
        std::thread(run).join();
    });
}

}  // namespace

TEST_CASE("a dns_resolver that two threads use ends the program, naming the ways across") {
    try {
        const bight::dns_resolver offered{bight::dns_options()};
    } catch (const std::system_error& e) {
        test::skip(e.what());
    }
    const std::string said = said_by([] {
        bight::dns_options options;
        options.hosts.push_back({"known.test", address::from_ip("127.0.0.1", 0)});
        return std::make_unique<bight::dns_resolver>(options);
    });
    CHECK_THAT(said, Catch::Contains("a dns_resolver was used from another thread"));
}

TEST_CASE("a caching_resolver that two threads use ends the program, naming the ways across") {
    test::asked_resolver origin;
    origin.names["known.test"] = {"127.0.0.1"};
    const std::string said = said_by([&] { return std::make_unique<bight::caching_resolver>(origin); });
    CHECK_THAT(said, Catch::Contains("a caching_resolver was used from another thread"));
}

#endif
