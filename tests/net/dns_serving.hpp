// What tests of a dns_resolver share: servers that run while it is asked.
#pragma once

#include "asked_resolver.hpp"

#include "io/socket_headers.hpp"

#include "support/dns_server.hpp"

#include <bight/core/group.hpp>
#include <bight/core/task.hpp>
#include <bight/net/dns_resolver.hpp>
#include <bight/net/resolver.hpp>

#include <string>
#include <system_error>
#include <utility>
#include <vector>

namespace test {

/// What is asked with these servers, as long as `body` runs.
template <class Body>
bight::task<> with_servers(std::vector<dns_server*> servers, Body body) {
    auto run_all = [&](bight::group& g) -> bight::task<> {
        for (dns_server* s : servers) {
            auto run = [s]() -> bight::task<> { co_await s->run(); };
            g.spawn(run);
        }
        bight::dns_options options;
        for (const dns_server* s : servers) options.servers.push_back(s->at());
        co_await body(std::move(options));
        g.cancel();
    };
    co_await bight::with_group(run_all);
}

template <class Body>
bight::task<> with_server(dns_server& server, Body body) {
    std::vector<dns_server*> one{&server};
    co_await with_servers(std::move(one), std::move(body));
}

inline bight::task<std::string> said_of(bight::resolver& by, std::string host,
                                        bight::resolve_options options = {}) {
    try {
        const bight::resolved_host found = co_await by.resolve(std::move(host), "80", options);
        co_return in_words(found);
    } catch (const std::system_error& e) {
        co_return e.what();
    }
}

inline const std::error_code not_found(EAI_NONAME, bight::resolver_category());
inline const std::error_code unanswered(EAI_AGAIN, bight::resolver_category());

}  // namespace test
