// Conversations that nobody thought of: each step gives the same on every demultiplexer and in simulated
// worlds.
#include "conversation.hpp"

#include "support/catch.hpp"
#include "support/places.hpp"

#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

using test::place_fixture;

namespace {

constexpr std::size_t conversations = 100;

// One of 4 to 10 steps, and then a read and a write by each end, which tell how it stands. An end that has
// begun a read reads no more. One read may give a part of what is there, so a step reads on until nothing
// comes; writes that fill the buffers are left out, because how far they get depends on how fast a machine
// is. Nobody aborts on a Unix socket: whether the peer learns of that depends on whether the kernel still had
// input for this end, and io_uring receives ahead.
std::string any_conversation(std::mt19937_64& random, bool tcp) {
    const auto below = [&](std::uint64_t n) { return random() % n; };
    std::string text;
    bool reads[2] = {};
    const auto add = [&](std::size_t end, const char* what) {
        text += (text.empty() ? "" : " ") + std::string(end == 0 ? "A:" : "B:") + what;
    };
    for (std::uint64_t left = 4 + below(7); left > 0; --left) {
        const std::size_t end = below(2);
        switch (below(12)) {
            case 0:
            case 1:
            case 2: add(end, "write"); break;
            case 3:
            case 4:
            case 5:
                if (!reads[end]) add(end, "read");
                break;
            case 6:
            case 7: add(end, "shutdown"); break;
            case 8: add(end, "close"); break;
            case 9: add(end, tcp ? "abort" : "close"); break;
            default:
                if (!reads[end]) add(end, "reads");
                reads[end] = true;
        }
    }
    for (int again = 0; again < 2; ++again) {
        for (const std::size_t end : {0U, 1U}) {
            if (!reads[end]) add(end, "read");
            add(end, "write");
        }
    }
    return text;
}

std::vector<std::string> any_conversations(bool tcp) {
    std::mt19937_64 random(1);
    std::vector<std::string> all;
    for (std::size_t i = 0; i < conversations; ++i) all.push_back(any_conversation(random, tcp));
    return all;
}

}  // namespace

namespace {

std::vector<std::string> play_at(const test::place& at, const std::vector<std::string>& conversations_there,
                                 int slower) {
    place_fixture on(at);
    on.slow_down(slower);
    return test::play_all(on, conversations_there);
}

std::vector<std::size_t> unlike(const std::vector<std::string>& a, const std::vector<std::string>& b) {
    std::vector<std::size_t> which;
    for (std::size_t i = 0; i < a.size(); ++i) {
        if (a[i] != b[i]) which.push_back(i);
    }
    return which;
}

}  // namespace

TEST_CASE("each step of any conversation gives the same everywhere") {
    const bool tcp = GENERATE(true, false);
    const std::vector<std::string> all = any_conversations(tcp);
    const std::vector<test::place> places = test::as_on_linux(tcp ? test::tcp_places() : test::unix_places());
    std::vector<std::string> first;
    for (const test::place& at : places) {
        INFO("in " << at.name() << ", unlike in " << places.front().name());
        std::vector<std::string> gave = play_at(at, all, 1);
        if (first.empty()) first = gave;
        // A machine with much to do is late now and then: what was different is played again there, and where
        // it came first, with ever more time for what is on its way.
        for (const int slower : {10, 100}) {
            const std::vector<std::size_t> which = unlike(gave, first);
            std::vector<std::string> again;
            for (const std::size_t i : which) again.push_back(all[i]);
            if (again.empty()) break;
            WARN(again.size() << " were different in " << at.name() << ", and are played again");
            const std::vector<std::string> here =
                at.simulated() ? std::vector<std::string>() : play_at(at, again, slower);
            const std::vector<std::string> there = play_at(places.front(), again, slower);
            for (std::size_t i = 0; i < which.size(); ++i) {
                if (!here.empty()) gave[which[i]] = here[i];
                first[which[i]] = there[i];
            }
        }
        for (std::size_t i = 0; i < all.size(); ++i) {
            CAPTURE(all[i]);
            CHECK(gave[i] == first[i]);
        }
    }
}
