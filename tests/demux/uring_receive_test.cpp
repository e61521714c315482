// How many buffers a connection takes on io_uring, with what the kernel has for that and without.
#include "probes.hpp"
#include "ring_options.hpp"

#include "demux/uring.hpp"

#include <algorithm>
#include <memory>
#include <string>

using bight::demultiplexer_kind;
using test::demultiplexer_fixture;
using test::operation_kind;
using test::pair_kind;
using test::receive_probe;
using test::with_entries;

namespace {

/// Receives as Linux from 6.17 on knows them, or as it did before.
class receive_cap {
  public:
    explicit receive_cap(bool wanted) { bight::detail::uring::uses_receive_cap = wanted; }
    receive_cap(const receive_cap&) = delete;
    receive_cap& operator=(const receive_cap&) = delete;
    ~receive_cap() { bight::detail::uring::uses_receive_cap = true; }
};

}  // namespace

TEST_CASE("connections that nobody reads take the documented number of buffers, and leave some for others") {
    test::need(demultiplexer_kind::io_uring);
    const receive_cap cap(GENERATE(true, false));
    const auto kind = GENERATE(pair_kind::tcp, pair_kind::unix_pair);
    const std::size_t size = GENERATE(1U, 1000U, 65536U);
    const unsigned ring = GENERATE(64U, 1024U);
    CAPTURE(size, ring);
    demultiplexer_fixture on(demultiplexer_kind::io_uring, with_entries(64, ring));
    constexpr std::size_t count = 31;
    const std::size_t each = ring == 64 ? 2 : 4;
    std::vector<test::connection*> all;
    std::vector<std::unique_ptr<receive_probe>> reads;
    for (std::size_t i = 0; i < count; ++i) {
        auto& c = *all.emplace_back(&on.connect(kind));
        auto& op = *reads.emplace_back(std::make_unique<receive_probe>(c.ours, operation_kind::receive));
        on.start(op);
    }
    on.turns();
    for (auto* c : all) c->say("x");
    for (std::size_t i = 0; i < count; ++i) {
        REQUIRE(on.until_completed(*reads[i]));
        reads[i]->data.reset();
    }
    const std::string block(size, 'y');
    std::vector<std::size_t> sent(count, 0);
    std::size_t most = 0;
    for (int round = 0; round < 64; ++round) {
        for (std::size_t i = 0; i < count; ++i) {
            for (int burst = 0; burst < 40 && sent[i] < (std::size_t{1} << 20); ++burst) {
                const ssize_t more = ::send(all[i]->theirs, block.data(), block.size(), MSG_DONTWAIT);
                if (more <= 0) break;
                sent[i] += static_cast<std::size_t>(more);
            }
        }
        on.turns(1);
        most = std::max(most, on.demux().lent_buffers());
    }
    CHECK(most <= count * each);
    auto& other = on.connect(kind);
    receive_probe served(other.ours, operation_kind::receive);
    const std::size_t before = on.demux().lent_buffers();
    other.say("served");
    on.start(served);
    REQUIRE(on.until_completed(served));
    CHECK(served.data.to_string() == "served");
    CHECK(on.demux().lent_buffers() == before + 1);  // not one from the heap
    served.data.reset();
    for (std::size_t i = 0; i < count; i += 6) {  // and nothing is lost
        std::string got;
        for (int n = 2; got.size() < sent[i]; ++n) {
            on.start(*reads[i]);
            REQUIRE(on.until_completed(*reads[i], n));
            REQUIRE(reads[i]->result > 0);
            got += reads[i]->data.to_string();
        }
        CHECK(got == std::string(sent[i], 'y'));
        reads[i]->data.reset();
    }
}

TEST_CASE("everything works without the cap on multishot receives, as before Linux 6.17") {
    test::need(demultiplexer_kind::io_uring);
    const receive_cap none(false);
    demultiplexer_fixture on(demultiplexer_kind::io_uring, with_entries(16, 64));
    auto& c = on.connect(GENERATE(pair_kind::tcp, pair_kind::unix_pair));
    receive_probe op(c.ours, operation_kind::receive);
    std::string got;
    for (int i = 1; i <= 50; ++i) {
        const bool early = i % 2 == 0;
        if (early) c.say(std::to_string(i % 10));
        on.start(op);
        if (i % 3 == 0) on.turns(2);
        if (!early) c.say(std::to_string(i % 10));
        if (i % 5 == 0 && op.completions < i) {
            on.cancel(op);
            REQUIRE(on.until_completed(op, i));
            got += op.result > 0 ? op.data.to_string() : "";
            continue;
        }
        REQUIRE(on.until_completed(op, i));
        got += op.data.to_string();
    }
    c.hang_up();
    for (int i = 51; op.result != 0; ++i) {
        REQUIRE(i < 70);
        on.start(op);
        REQUIRE(on.until_completed(op, i));
        if (op.result > 0) got += op.data.to_string();
    }
    std::string expected;
    for (int i = 1; i <= 50; ++i) expected += std::to_string(i % 10);
    CHECK(got == expected);
    op.data.reset();
}
