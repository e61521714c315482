#include "connect_race.hpp"

#include "../core/system_error.hpp"

#include <bight/core/group.hpp>
#include <bight/core/reactor.hpp>
#include <bight/core/timeout.hpp>
#include <bight/sync/event.hpp>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <functional>
#include <system_error>
#include <utility>

namespace bight::detail {

namespace {

// How much an error tells about the other side.
int weight_of(int error) noexcept {
    switch (errno_of(error)) {
        case 0: return -1;
        // Conditions of this machine, which may have no IPv6, say.
        case EAFNOSUPPORT:
        case EPROTONOSUPPORT:
        case EADDRNOTAVAIL:
        case EINVAL: return 0;
        case ENETUNREACH:
        case ENETDOWN: return 1;
        case EHOSTUNREACH: return 2;
#ifdef EHOSTDOWN
        case EHOSTDOWN: return 2;
#endif
        case ETIMEDOUT: return 3;
        default: return 4;  // an answer, or a lack of resources in this process, which affects every address
    }
}

std::string outcome_of(const connect_attempt& a) {
    if (!a.begun) return "not tried";
    if (a.error == 0) return "no answer";
    if (a.error == EAGAIN) return "its backlog is full";
    return system_error_code(a.error).message();
}

connect_attempts::iterator first_to_begin(connect_attempts& among) noexcept {
    return std::find_if(among.begin(), among.end(), [](const connect_attempt& a) { return !a.begun; });
}

// One of `more` comes first.
void take_turns(connect_attempts& attempts, connect_attempts& more) noexcept {
    auto at = first_to_begin(attempts);
    while (!more.empty()) {
        attempts.splice(at, more, more.begin());
        if (at != attempts.end()) ++at;
    }
}

}  // namespace

connect_attempts in_order(const std::vector<address>& found, const address& from) {
    std::vector<address> first;
    std::vector<address> others;
    for (const address& a : found) {
        if (from && a.family() != from.family()) continue;
        auto& of_its_family = first.empty() || first[0].family() == a.family() ? first : others;
        if (std::find(of_its_family.begin(), of_its_family.end(), a) == of_its_family.end()) {
            of_its_family.push_back(a);
        }
    }
    connect_attempts attempts;
    for (std::size_t i = 0; i < std::max(first.size(), others.size()); ++i) {
        if (i < first.size()) attempts.push_back({first[i]});
        if (i < others.size()) attempts.push_back({others[i]});
    }
    return attempts;
}

task<stream> connect_first(connect_attempts& attempts, const connect_setup& setup,
                           const further_attempts& further) {
    stream winner;
    if (attempts.size() == 1 && !further) {
        attempts.front().begun = true;
        winner = co_await connect_to(attempts.front(), setup);
        co_return winner;
    }
    const reactor& here = *reactor::current();
    bool more_may_come = static_cast<bool>(further);
    time_point next_at = here.now();  // the next attempt may begin
    auto_reset_event changed;
    auto add_further = [&]() -> task<> {
        connect_attempts more = co_await further();
        take_turns(attempts, more);
        more_may_come = false;
        changed.set();
    };
    auto attempt = [&](group& others, connect_attempt& a) -> task<> {
        stream s = co_await connect_to(a, setup);
        if (!s) {
            next_at = here.now();
            changed.set();
        } else if (winner) {
            s.abort();  // it succeeded in the same turn as another
        } else {
            winner = std::move(s);
            others.cancel();
        }
    };
    auto race = [&](group& runners) -> task<> {
        if (more_may_come) runners.spawn(add_further);
        for (;;) {
            const auto next = first_to_begin(attempts);
            const duration pause = next_at - here.now();
            if (next == attempts.end()) {
                if (!more_may_come) break;
                co_await changed.wait();
            } else if (pause > duration::zero()) {
                (void)co_await try_with_timeout(changed.wait(), pause);
            } else {
                next->begun = true;
                next_at = here.now() + connection_attempt_delay;
                runners.spawn(attempt, std::ref(runners), std::ref(*next));
            }
        }
    };
    co_await with_group(race);
    co_return winner;
}

int best_error(const connect_attempts& attempts) noexcept {
    int best = 0;
    for (const connect_attempt& a : attempts) {
        if (weight_of(a.error) > weight_of(best)) best = a.error;
    }
    return best != 0 ? best : EHOSTUNREACH;
}

std::string in_words(const connect_attempts& attempts) {
    std::string text;
    for (const connect_attempt& a : attempts) {
        text += (text.empty() ? "" : ", ") + a.to.to_string() + ": " + outcome_of(a);
    }
    return text;
}

}  // namespace bight::detail
