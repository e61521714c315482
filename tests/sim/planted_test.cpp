// Bugs that servers have had, planted on purpose: storms find them, and pass the servers that are right.
#include "storms.hpp"

#include "planted/chat.hpp"
#include "planted/journal.hpp"
#include "planted/queue.hpp"
#include "planted/sharded_chat.hpp"
#include "planted/store.hpp"

#include "support/catch.hpp"
#include "support/exploring.hpp"
#include "support/skip.hpp"

#include <bight/sim/explore.hpp>

#include <cstdint>

namespace sim = bight::sim;
using planted::chat_bug;
using planted::journal_bug;
using planted::queue_bug;
using planted::sharded_chat_bug;
using planted::store_bug;

namespace {

template <class Storm>
sim::exploration explore(Storm storm, std::uint64_t seeds, bool quiet) {
    sim::explore_options options;
    options.seeds = seeds;
    options.world = storms::options();
    options.quiet = quiet;
    options.most_shrinking_runs = 0;
    return sim::explore(storm, options);
}

template <class Storm>
void check_found(Storm storm) {
    const auto result = explore(storm, 1000, true);
    REQUIRE_FALSE(result.ok());
    INFO(result.failure->report);
    // It was the bug, and no mistake of the test.
    CHECK((result.failure->kind == sim::failure_kind::error ||
           result.failure->kind == sim::failure_kind::crash));
}

// It may be found by a crash.
template <class Storm>
void check_crash_found(Storm storm) {
    if (!test::seeds_have_processes) test::skip(test::no_processes);
    check_found(storm);
}

template <chat_bug Bug>
void chat(sim::world& w) {
    storms::chat(w, planted::chat_server<Bug>);
}
template <sharded_chat_bug Bug>
void sharded_chat(sim::world& w) {
    const bool handed_over = w.seed() % 2 == 0;
    storms::chat_at(w, [handed_over](sim::host& server) {
        server.on_boot([handed_over] {
            return planted::sharded_chat_server<Bug>(handed_over ? bight::sharding::hand_over
                                                                 : bight::sharding::reuse_port);
        });
    });
}
template <store_bug Bug>
void store(sim::world& w) {
    storms::store(w, Bug);
}
template <queue_bug Bug>
void queue(sim::world& w) {
    storms::queue(w, Bug);
}
template <journal_bug Bug>
void journal(sim::world& w) {
    storms::journal(w, Bug);
}

}  // namespace

TEST_CASE("storms pass a chat, one on several reactors, a store, a queue and a journal that are right") {
    CHECK(explore(chat<chat_bug::none>, 30, false).ok());
    CHECK(explore(sharded_chat<sharded_chat_bug::none>, 30, false).ok());
    CHECK(explore(store<store_bug::none>, 60, false).ok());
    CHECK(explore(queue<queue_bug::none>, 60, false).ok());
    CHECK(explore(journal<journal_bug::none>, 60, false).ok());
}

TEST_CASE("storms find a wake-up that is lost while something is written") {
    check_found(chat<chat_bug::wake_up_lost_in_a_write>);
}
TEST_CASE("storms find a lost wake-up that a look every five seconds makes up for") {
    check_found(chat<chat_bug::wake_up_hidden_by_a_poll>);
}
TEST_CASE("storms find an await between the check of a name and its entry") {
    check_found(chat<chat_bug::name_entered_late>);
}
TEST_CASE("storms find a name that is told from another by its beginning") {
    check_found(chat<chat_bug::prefix_taken_for_name>);
}
TEST_CASE("storms find the use of a frame that was freed") {
    check_crash_found(chat<chat_bug::seat_kept_over_an_await>);
}
TEST_CASE("storms find a reference that is kept for a millisecond") {
    check_crash_found(chat<chat_bug::reference_kept_for_1_ms>);
}
TEST_CASE("storms find a count that leaks, and a limit of twelve") {
    check_found(chat<chat_bug::count_kept_on_errors>);
}
TEST_CASE("storms find a retry that is done twice") { check_found(store<store_bug::retry_done_twice>); }
TEST_CASE("storms find that one of several who wait is woken") {
    check_found(store<store_bug::one_of_several_woken>);
}
TEST_CASE("storms find a race between two reactors of a host") {
    check_found(sharded_chat<sharded_chat_bug::name_entered_late>);
}
TEST_CASE("storms find that any one is notified, and not who waits for it") {
    check_found(store<store_bug::any_one_woken>);
}
TEST_CASE("storms find an acknowledgement that looks at no lease") {
    check_found(queue<queue_bug::any_lease_acknowledged>);
}
TEST_CASE("storms find a restart that gives nothing out again") {
    check_found(queue<queue_bug::leases_kept_at_restart>);
}
TEST_CASE("storms find that a sync is taken to cover what is written after it began") {
    check_found(journal<journal_bug::confirmed_by_a_sync_of_before>);
}
