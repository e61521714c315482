#include "io/payload_queue.hpp"

#include "support/catch.hpp"

#include <bight/io/payload.hpp>

#include <string>

using bight::payload;
using bight::detail::payload_queue;

namespace {

std::string all_of(payload_queue& queue) {
    std::string all;
    for (std::size_t i = 0; i < queue.size(); ++i) all += queue[i].view();
    return all;
}

void push(payload_queue& queue, char message) { queue.push_back(payload(std::string(1, message))); }

}  // namespace

TEST_CASE("messages of an outbox come out in their order, however the ring has turned and grown") {
    payload_queue queue;
    std::string expected;
    char next = 'a';
    for (int round = 0; round < 6; ++round) {
        for (int i = 0; i < 5 + round; ++i) {
            push(queue, next);
            expected += next++;
            if (next > 'z') next = 'a';
        }
        for (int i = 0; i < 3; ++i) {
            REQUIRE(queue.front().view() == expected.substr(0, 1));
            expected.erase(0, 1);
            queue.pop_front();
        }
        REQUIRE(all_of(queue) == expected);
        REQUIRE(queue.back().view() == expected.substr(expected.size() - 1));
    }
    queue.clear();
    CHECK(queue.empty());
    push(queue, '!');
    CHECK(all_of(queue) == "!");
}

TEST_CASE("a message is removed from the middle of an outbox's queue, wherever the ring begins") {
    for (std::size_t turned = 0; turned < 4; ++turned) {
        for (std::size_t which = 0; which < 4; ++which) {
            payload_queue queue;
            for (std::size_t i = 0; i < turned; ++i) push(queue, '-');
            std::string expected = "abcd";
            for (const char c : expected) {
                if (!queue.empty() && queue.front().view() == "-") queue.pop_front();
                push(queue, c);
            }
            while (queue.front().view() == "-") queue.pop_front();
            queue.erase(which);
            expected.erase(which, 1);
            INFO("the ring has turned by " << turned << ", removed is " << which);
            CHECK(all_of(queue) == expected);
        }
    }
}

TEST_CASE("the queue of an outbox lets go of each message that is taken out") {
    std::string text = "held once";
    payload_queue queue;
    const payload message(text);
    const char* const bytes = message.data();
    for (int i = 0; i < 40; ++i) queue.push_back(payload(message));
    CHECK(queue[39].data() == bytes);  // all refer to the same bytes
    queue.erase(7);
    while (!queue.empty()) queue.pop_front();
    CHECK(message.view() == text);
}
