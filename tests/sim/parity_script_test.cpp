// Short conversations, step by step: what each step gives is the same on every demultiplexer and in a
// simulated world, where Linux has been asked.
#include "conversation.hpp"

#include "support/catch.hpp"
#include "support/places.hpp"

#include <cstddef>
#include <string>
#include <vector>

using test::place_fixture;

namespace {

struct known_script {
    const char* steps;
    const char* over_tcp;
    const char* over_unix = nullptr;  ///< where it is another
};

const known_script scripts[] = {
    {"A:shutdown B:read B:write B:shutdown A:read", "ok end ok ok bytes+end"},
    {"A:shutdown B:shutdown A:read B:read", "ok ok end end"},
    {"A:shutdown A:shutdown B:read B:write A:read", "ok ok end ok bytes+pending"},
    {"A:write A:shutdown B:read B:shutdown A:read", "ok ok bytes+end ok end"},
    {"A:write B:close A:read A:write A:write A:read", "ok ok end ok ok end"},
    {"A:write B:abort A:read A:write A:write", "ok ok ECONNRESET ECONNRESET ECONNRESET"},
    {"B:close A:write A:write A:read", "ok ok ok end"},
    {"B:abort A:write A:write A:read", "ok ECONNRESET ECONNRESET ECONNRESET", "ok EPIPE EPIPE end"},
    {"B:shutdown B:abort A:read A:write A:write A:read", "ok ok end EPIPE EPIPE end"},
    {"A:shutdown B:shutdown B:abort A:read A:write", "ok ok ok end closed"},
    {"A:write A:abort B:read B:write B:read", "ok ok bytes+ECONNRESET ECONNRESET ECONNRESET",
     "ok ok bytes+end EPIPE end"},
    {"A:fills B:abort A:read", "ECONNRESET ok ECONNRESET", "EPIPE ok ECONNRESET"},
    {"A:reads B:write", "bytes ok"},
    {"A:reads B:close A:write A:write", "end ok ok ok"},
    {"A:reads B:abort", "ECONNRESET ok", "end ok"},
    {"A:reads A:abort", "aborted ok"},
    {"A:reads A:close B:read", "closed ok end"},
    {"A:reads A:shutdown B:write B:read", "bytes ok ok end"},
    {"A:write A:shutdown B:write B:close A:read A:write", "ok ok ok ok bytes+end closed"},
    {"B:write A:close B:write B:write B:read", "ok ok ok ok end"},
    {"B:write A:shutdown A:close B:write B:write B:read", "ok ok ok ok ok end"},
    {"A:close B:shutdown B:read", "ok ok end"},
    {"A:close B:close", "ok ok"},
    {"A:abort B:shutdown B:read B:write", "ok ok ECONNRESET closed", "ok ok end closed"},
    {"A:close B:abort", "ok ok"},
    {"A:abort B:close", "ok ok"},
    {"A:shutdown B:abort A:read A:write", "ok ok ECONNRESET closed", "ok ok end closed"},
    {"A:shutdown B:close A:read A:write", "ok ok end closed"},
    {"B:abort A:shutdown A:read A:shutdown", "ok ok ECONNRESET ok", "ok ok end ok"},
    {"A:shutdown B:shutdown A:shutdown A:write B:abort A:read A:write", "ok ok ok closed ok end closed"},
    {"A:write B:write A:shutdown B:shutdown B:close A:close", "ok ok ok ok ok ok"},
    {"A:reads A:fills B:abort", "ECONNRESET ECONNRESET ok"},
    {"A:shutdown A:reads B:abort", "ok ECONNRESET ok", "ok end ok"},
    {"A:shutdown A:reads B:close", "ok end ok"},
    {"A:shutdown B:read B:reads A:abort B:write", "ok end end ok EPIPE"},
    {"B:shutdown A:write B:abort A:write A:read", "ok ok ok EPIPE end", "ok ok ok EPIPE ECONNRESET"},
    {"B:shutdown A:read A:write B:abort A:write A:read", "ok end ok ok EPIPE end"},
    {"A:write A:close B:read B:write B:write", "ok ok bytes+end ok ok"},
    {"A:write A:shutdown A:abort B:read B:write", "ok ok ok bytes+end EPIPE"},
    {"A:write B:write A:shutdown B:abort A:read A:read", "ok ok ok ok bytes+ECONNRESET ECONNRESET"},
    {"B:write B:abort A:read A:write B:write A:read A:write",
     "ok ok bytes+ECONNRESET ECONNRESET aborted ECONNRESET ECONNRESET",
     "ok ok bytes+end EPIPE aborted end EPIPE"},
    {"A:abort A:write A:read A:shutdown A:close", "ok aborted aborted ok ok"},
    {"A:close A:write A:read A:shutdown A:abort", "ok closed closed ok ok"},
    {"A:fills B:takes B:abort", "ECONNRESET bytes ok", "EPIPE bytes ok"},
    {"A:gives_up B:shutdown A:read B:read", "pending ok end pending"},
    {"A:gives_up B:write A:read", "pending ok bytes+pending"},
    {"A:reads A:fills B:shutdown", "end aborted ok"},
    {"A:write B:takes B:close A:read A:write", "ok bytes ok end ok"},
    {"B:shutdown A:read A:write B:read B:close A:write A:write", "ok end ok bytes+pending ok ok ok"},
};

}  // namespace

TEST_CASE("each step of a conversation gives what it gives on Linux") {
    place_fixture on(GENERATE(from_range(test::as_on_linux(test::places()))));
    std::vector<std::string> steps;
    for (const known_script& s : scripts) steps.emplace_back(s.steps);
    const std::vector<std::string> gave = test::play_all(on, steps);
    for (std::size_t i = 0; i < steps.size(); ++i) {
        CAPTURE(on.at().name(), steps[i]);
        const char* const over_unix = scripts[i].over_unix;
        CHECK(gave[i] == (on.is_tcp() || !over_unix ? scripts[i].over_tcp : over_unix));
    }
}
