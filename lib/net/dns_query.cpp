#include "dns_query.hpp"

#include "../demux/network_platform.hpp"
#include "../io/socket_headers.hpp"
#include "destination_order.hpp"
#include "dns_exchange.hpp"
#include "resolve.hpp"

#include <bight/core/error.hpp>
#include <bight/core/group.hpp>
#include <bight/core/random.hpp>
#include <bight/core/reactor.hpp>
#include <bight/core/timeout.hpp>
#include <bight/sync/event.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <optional>
#include <random>
#include <system_error>
#include <utility>
#include <vector>

namespace bight::detail {

namespace {

// How long the other family's answer is waited for when one has come (RFC 8305, 3).
constexpr std::chrono::milliseconds resolution_delay{50};
// How long what one family has given may be kept when the other's servers have failed, or are late.
constexpr std::chrono::seconds longest_ttl_of_a_part{5};

// How long a server is asked without EDNS that has answered without it alone: queries with it may have been
// lost by chance, and after an end of the trouble long answers are to come over UDP again.
constexpr std::chrono::minutes while_edns_is_dropped{5};

// One that nobody can foresee (RFC 5452, 9.2), which bight::random is not; in a world the seed decides.
std::uint16_t new_id() {
    if (network_platform::current()) return static_cast<std::uint16_t>(bight::random());
    return static_cast<std::uint16_t>(std::random_device()());
}

// Whether an error says that nothing could be sent.
bool is_of_this_machine(const std::error_code& error) noexcept {
    for (const auto e : {std::errc::network_unreachable, std::errc::network_down,
                         std::errc::address_not_available, std::errc::address_family_not_supported,
                         std::errc::permission_denied, std::errc::operation_not_permitted,
                         std::errc::too_many_files_open, std::errc::too_many_files_open_in_system,
                         std::errc::no_buffer_space, std::errc::not_enough_memory}) {
        if (error == e) return true;
    }
    return false;
}

// What has become of a server.
struct server_outcome {
    std::string words = "not asked";
    std::error_code of_this_machine{};
    bool silent = false;
    // It has failed, or refused, and does not seem to know EDNS: so its next attempt is without that.
    bool failed_without_edns = false;
};

const char* failure_in_words(dns_outcome failure) noexcept {
    switch (failure) {
        case dns_outcome::server_failure: return "it has failed (SERVFAIL)";
        case dns_outcome::refused: return "it refuses (REFUSED)";
        case dns_outcome::malformed: return "its answer is malformed";
        default: return "it cannot answer that";
    }
}

bool is_answer(dns_outcome o) noexcept {
    return o == dns_outcome::found || o == dns_outcome::no_name || o == dns_outcome::no_data;
}

// The question with an id of its own.
std::string message_of(const dns_query& query, bool edns) {
    return make_dns_query(query.name, query.type, new_id(), edns);
}

// Asks a server that does not know EDNS without it; and remembers that, or that it is silent to EDNS, when it
// has an answer then.
task<dns_reply> ask_server(dns_client by, std::size_t which, const dns_query& query,
                           const dns_queries& queries, bool was_silent) {
    const address& server = by.options.servers[which];
    time_point& until = by.without_edns_until[which];
    dns_reply reply = co_await exchange_dns(server, queries);
    if (reply.to_plain) {
        if (was_silent || !queries.with_edns.empty()) {
            until = std::max(until, saturating_add(reactor::current()->now(), while_edns_is_dropped));
        }
        co_return reply;
    }
    if (!refuses_edns(reply.message)) co_return reply;
    dns_queries plain;
    plain.plain = message_of(query, false);
    reply = co_await exchange_dns(server, plain);
    if (!refuses_edns(reply.message)) until = time_point::max();
    co_return reply;
}

// Nothing, and the reason in `of`, when the server has no answer.
task<std::optional<dns_answer>> ask_one(dns_client by, std::size_t which, const dns_query& query,
                                        server_outcome& of) {
    const semaphore_guard place = co_await by.places.scoped_acquire();
    const time_point now = reactor::current()->now();
    const bool was_silent = of.silent;
    const bool edns =
        by.options.edns && by.without_edns_until[which] <= now && !was_silent && !of.failed_without_edns;
    of = {};
    dns_queries queries;
    if (edns) queries.with_edns = message_of(query, true);
    queries.plain = message_of(query, false);
    // What is silent may drop what it does not know, or the network what is long.
    queries.patience = by.options.timeout / 2;
    std::optional<dns_reply> got;
    try {
        got =
            co_await try_with_timeout(ask_server(by, which, query, queries, was_silent), by.options.timeout);
        if (!got) {
            of.words = "no answer";
            of.silent = true;
        }
    } catch (const std::system_error& e) {
        of.words = e.code().message();
        if (is_of_this_machine(e.code())) of.of_this_machine = e.code();
    }
    if (!got) co_return std::nullopt;
    dns_answer answer = read_dns_answer(got->message, query.type, query.reversed);
    if (is_answer(answer.outcome)) co_return answer;
    of.words = failure_in_words(answer.outcome);
    const bool failed =
        answer.outcome == dns_outcome::server_failure || answer.outcome == dns_outcome::refused;
    of.failed_without_edns = edns && failed && !has_edns(got->message);
    co_return std::nullopt;
}

[[noreturn]] void throw_unanswered(const dns_query& query, const std::vector<address>& servers,
                                   std::size_t first, const std::vector<server_outcome>& outcomes) {
    std::string text = "look-up of " + query.asked;
    if (query.name != query.asked && query.type != dns_type::ptr) text += " as " + query.name;
    text += " (";
    for (std::size_t i = 0; i < servers.size(); ++i) {
        text += (i == 0 ? "" : ", ") + servers[(first + i) % servers.size()].to_string() + ": " +
                outcomes[i].words;
    }
    std::error_code code(EAI_AGAIN, resolver_category());
    const auto here = [](const server_outcome& o) { return static_cast<bool>(o.of_this_machine); };
    if (std::all_of(outcomes.begin(), outcomes.end(), here)) code = outcomes.front().of_this_machine;
    throw std::system_error(code, text + ")");
}

// One of two families that are asked together.
struct family_answer {
    dns_type type;
    std::optional<dns_answer> answer{};
    std::exception_ptr error{};

    bool ended() const noexcept { return answer || error; }
    bool is(dns_outcome o) const noexcept { return answer && answer->outcome == o; }
    // Whether it has an address to which this machine has a way, among those that are tried first.
    bool is_of_use() const {
        if (!is(dns_outcome::found)) return false;
        const auto first = answer->addresses.begin();
        const std::size_t count = std::min(answer->addresses.size(), most_to_order);
        return std::any_of(first, first + static_cast<std::ptrdiff_t>(count),
                           [](const address& a) { return source_here(a); });
    }
};

dns_answer together(const family_answer& six, const family_answer& four) {
    dns_answer all;
    all.outcome = dns_outcome::no_data;
    all.ttl = duration::max();
    for (const family_answer* f : {&six, &four}) {
        if (!f->is(dns_outcome::found)) continue;
        all.outcome = dns_outcome::found;
        all.addresses.insert(all.addresses.end(), f->answer->addresses.begin(), f->answer->addresses.end());
        all.ttl = std::min(all.ttl, f->answer->ttl);
    }
    if (all.outcome == dns_outcome::found) {
        if (!six.ended()) all.missing = address::family_type::ipv6;
        if (!four.ended()) all.missing = address::family_type::ipv4;
        if (!six.answer || !four.answer) all.ttl = std::min<duration>(all.ttl, longest_ttl_of_a_part);
    } else if (six.error || four.error) {
        // That the name is not there is not known from one family alone (RFC 4074, 4.2).
        std::rethrow_exception(six.error ? six.error : four.error);
    } else if (six.is(dns_outcome::no_name) || four.is(dns_outcome::no_name)) {
        all.outcome = dns_outcome::no_name;
    }
    return all;
}

}  // namespace

task<dns_answer> ask_dns_servers(dns_client by, std::size_t first, dns_query query) {
    const std::size_t count = by.options.servers.size();
    std::vector<server_outcome> outcomes(count);
    bool reached = true;  // some server, as far as is known
    for (unsigned attempt = 0; attempt < by.options.attempts && reached; ++attempt) {
        reached = false;
        for (std::size_t i = 0; i < count; ++i) {
            std::optional<dns_answer> answer = co_await ask_one(by, (first + i) % count, query, outcomes[i]);
            if (answer) co_return std::move(*answer);
            if (!outcomes[i].of_this_machine) reached = true;
        }
    }
    throw_unanswered(query, by.options.servers, first, outcomes);
}

task<dns_answer> ask_dns_for_both(dns_client by, std::size_t first, std::string asked, std::string name) {
    family_answer six{dns_type::aaaa};
    family_answer four{dns_type::a};
    auto_reset_event one_ended;
    auto ask = [&](family_answer& of) -> task<> {
        dns_query query{asked, name, of.type};
        try {
            of.answer = co_await ask_dns_servers(by, first, std::move(query));
        } catch (const std::system_error&) {
            of.error = std::current_exception();
        }
        one_ended.set();
    };
    auto until_enough = [&](group& both) -> task<> {
        both.spawn(ask, std::ref(six));
        both.spawn(ask, std::ref(four));
        // Some servers say of a name that it is not there when they only have no address of IPv6 (RFC 4074,
        // 4.2): so that of one family is no answer for the other.
        while (!(six.ended() && four.ended())) {
            if (!six.is_of_use() && !four.is_of_use()) {
                co_await one_ended.wait();
                continue;
            }
            const auto other = co_await try_with_timeout(one_ended.wait(), resolution_delay);
            if (!other) break;
        }
        both.cancel();
    };
    co_await with_group(until_enough);
    co_return together(six, four);
}

}  // namespace bight::detail
