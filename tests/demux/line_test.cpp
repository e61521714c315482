// Many operations of one direction on one descriptor: each has its turn, in the order in which they were
// started.
#include "probes.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>
#include <string>
#include <vector>

using bight::const_buffer;
using bight::mutable_buffer;
using test::demultiplexer_fixture;
using test::each_pair_kind;
using test::operation_kind;
using test::pair_kind;
using test::plain_probe;
using test::receive_probe;
using test::send_probe;

namespace {

#define ON_EACH_DEMULTIPLEXER demultiplexer_fixture on(GENERATE(from_range(test::demultiplexers())))

/// Receives of both kinds, each with memory of its own, that are started in order.
class receives {
  public:
    receives(demultiplexer_fixture& on, test::connection& c, std::size_t count) : memory_(count) {
        for (std::size_t i = 0; i < count; ++i) {
            const auto kind = i % 3 == 1 ? operation_kind::receive : operation_kind::receive_into;
            auto& op = *all_.emplace_back(std::make_unique<receive_probe>(c.ours, kind));
            op.memory = mutable_buffer(memory_[i].data(), 2);
            op.then = [this, i] { order_.push_back(i); };
            if (on.demux().start(op)) {
                ++op.completions;
                order_.push_back(i);
            }
        }
    }
    receives(const receives&) = delete;
    receives& operator=(const receives&) = delete;

    receive_probe& operator[](std::size_t i) { return *all_[i]; }
    std::string text(std::size_t i) {
        receive_probe& op = *all_[i];
        if (op.result <= 0) return {};
        return op.kind == operation_kind::receive
                   ? op.data.to_string()
                   : std::string(memory_[i].data(), static_cast<std::size_t>(op.result));
    }
    std::string all_text() {
        std::string got;
        for (const std::size_t i : order_) got += text(i);
        return got;
    }
    const std::vector<std::size_t>& order() const { return order_; }
    bool all_done() const {
        for (const auto& op : all_) {
            if (op->completions == 0) return false;
        }
        return true;
    }
    void drop_data() {
        for (const auto& op : all_) op->data.reset();
    }

  private:
    std::vector<std::array<char, 2>> memory_;
    std::vector<std::unique_ptr<receive_probe>> all_;
    std::vector<std::size_t> order_;
};

std::vector<std::size_t> first_numbers(std::size_t count) {
    std::vector<std::size_t> numbers;
    for (std::size_t i = 0; i < count; ++i) numbers.push_back(i);
    return numbers;
}

}  // namespace

TEST_CASE("receives on one descriptor get what comes in the order in which they were started") {
    ON_EACH_DEMULTIPLEXER;
    INFO(on.name());
    auto& c = on.connect(each_pair_kind());
    const std::string text = "abcdefghijklmnopqrstuvwxyz";
    const int how = GENERATE(0, 1, 2);
    CAPTURE(how);
    if (how == 0) c.say(text);  // it is there
    receives all(on, c, 12);
    if (how == 1) c.say(text);  // all at once
    if (how == 2) {             // piece by piece
        on.turns(2);
        for (const char letter : text) {
            c.say(std::string_view(&letter, 1));
            on.turns(2);
        }
    }
    on.until([&] { return all.order().size() >= (how == 2 ? 12U : 2U); });
    on.turns();
    CHECK(all.order() == first_numbers(all.order().size()));
    CHECK(text.starts_with(all.all_text()));
    c.hang_up();
    REQUIRE(on.until([&] { return all.all_done(); }));
    CHECK(all.order() == first_numbers(12));
    const std::string got = all.all_text();
    CHECK(text.starts_with(got));
    all.drop_data();
}

TEST_CASE("one that is cancelled leaves the line, wherever it stands, and the others go on") {
    ON_EACH_DEMULTIPLEXER;
    INFO(on.name());
    auto& c = on.connect(each_pair_kind());
    receives all(on, c, 6);
    const std::size_t which = GENERATE(0U, 1U, 3U, 5U);
    const bool turned = GENERATE(true, false);
    CAPTURE(which, turned);
    if (turned) on.turns();
    on.cancel(all[which]);
    REQUIRE(on.until_completed(all[which]));
    CHECK(all[which].result == -ECANCELED);
    c.say("x");
    const std::size_t next = which == 0 ? 1 : 0;
    REQUIRE(on.until_completed(all[next]));
    CHECK(all.text(next) == "x");
    on.turns();
    for (std::size_t i = 0; i < 6; ++i) CHECK(all[i].completions == (i == which || i == next ? 1 : 0));
    on.cancel(all[4]);
    for (std::size_t i = 0; i < 6; ++i) {
        if (all[i].completions > 0 || !all[i].in_flight) continue;
        c.say("yy");
        REQUIRE(on.until_completed(all[i]));
        CHECK(all.text(i) == "yy");
    }
    all.drop_data();
}

TEST_CASE("a detach ends all that wait in a line, each once") {
    ON_EACH_DEMULTIPLEXER;
    INFO(on.name());
    auto& c = on.connect(each_pair_kind());
    const int when = GENERATE(0, 1, 2);
    CAPTURE(when);
    receives all(on, c, 7);
    const std::string text(std::size_t{1} << 22, 'x');
    std::array<const_buffer, 3> pieces{const_buffer(text), const_buffer(text), const_buffer(text)};
    std::vector<std::unique_ptr<send_probe>> sends;
    for (auto& piece : pieces) {
        auto& op = *sends.emplace_back(std::make_unique<send_probe>(c.ours, operation_kind::send));
        op.pieces = &piece;
        op.piece_count = 1;
        on.start(op);
    }
    if (when > 0) on.turns();
    if (when == 2) {
        c.say("x");
        REQUIRE(on.until_queued(all[0]));
    }
    on.demux().detach(c.ours, true);
    REQUIRE(on.until([&] { return all.all_done(); }));
    for (auto& op : sends) REQUIRE(on.until_completed(*op));
    on.turns();
    for (std::size_t i = 0; i < 7; ++i) {
        CHECK(all[i].completions == 1);
        if (i > 0) CHECK(all[i].result == -ECANCELED);
    }
    for (auto& op : sends) {
        CHECK(op->completions == 1);
        CHECK(op->result == -ECANCELED);
    }
    all.drop_data();
}

TEST_CASE("the bytes of several sends on one descriptor do not mix") {
    ON_EACH_DEMULTIPLEXER;
    INFO(on.name());
    auto& c = on.connect(each_pair_kind());
    constexpr std::size_t count = 8;
    std::vector<std::string> texts;
    std::vector<const_buffer> pieces;
    std::vector<std::unique_ptr<send_probe>> sends;
    std::string expected;
    for (std::size_t i = 0; i < count; ++i) {
        texts.push_back(std::string(i % 2 ? 3 : 300'000, static_cast<char>('a' + i)));
    }
    for (const auto& text : texts) {
        pieces.push_back(const_buffer(text));
        expected += text;
    }
    std::vector<std::size_t> order;
    for (std::size_t i = 0; i < count; ++i) {
        auto& op = *sends.emplace_back(std::make_unique<send_probe>(c.ours, operation_kind::send));
        op.pieces = &pieces[i];
        op.piece_count = 1;
        op.then = [&order, i] { order.push_back(i); };
        on.start(op);
    }
    std::string heard;
    REQUIRE(on.until([&] {
        std::array<char, 65536> part;
        for (ssize_t got; (got = ::recv(c.theirs, part.data(), part.size(), MSG_DONTWAIT)) > 0;) {
            heard.append(part.data(), static_cast<std::size_t>(got));
        }
        return heard.size() == expected.size();
    }));
    CHECK(heard == expected);
    for (auto& op : sends) {
        REQUIRE(on.until_completed(*op));
        CHECK(op->result == 0);
    }
    CHECK(std::is_sorted(order.begin(), order.end()));
}

TEST_CASE("several accepts get a connection each") {
    ON_EACH_DEMULTIPLEXER;
    INFO(on.name());
    sockaddr_in where;
    auto& listening = on.add(test::listen_on_loopback(where));
    std::vector<std::unique_ptr<plain_probe>> accepts;
    for (int i = 0; i < 5; ++i) {
        auto& op = *accepts.emplace_back(std::make_unique<plain_probe>(listening, operation_kind::accept));
        REQUIRE_FALSE(on.demux().start(op));
    }
    on.turns();
    std::vector<int> peers;
    for (int i = 0; i < 4; ++i) peers.push_back(test::connect_to(where));
    for (std::size_t i = 0; i < 4; ++i) {
        REQUIRE(on.until_completed(*accepts[i]));
        REQUIRE(accepts[i]->result >= 0);
        ::close(accepts[i]->handle());
    }
    on.turns();
    CHECK(accepts[4]->completions == 0);
    on.end(*accepts[4]);
    for (const int peer : peers) ::close(peer);
}

TEST_CASE("an operation that is started while another one is queued does not overtake it") {
    ON_EACH_DEMULTIPLEXER;
    INFO(on.name());
    auto& c = on.connect(each_pair_kind());
    receive_probe first(c.ours, operation_kind::receive_into);
    receive_probe second(c.ours, operation_kind::receive_into);
    std::array<char, 1> a{};
    std::array<char, 1> b{};
    first.memory = mutable_buffer(a.data(), 1);
    second.memory = mutable_buffer(b.data(), 1);
    on.start(first);
    on.turns();
    REQUIRE(first.completions == 0);
    c.say("12");
    REQUIRE(on.until_queued(first));
    on.start(second);
    REQUIRE(on.until_completed(first));
    REQUIRE(on.until_completed(second));
    CHECK(a[0] == '1');
    CHECK(b[0] == '2');
}

TEST_CASE("an operation may be started again, behind the others, from its completion") {
    ON_EACH_DEMULTIPLEXER;
    INFO(on.name());
    auto& c = on.connect(each_pair_kind());
    constexpr std::size_t count = 4;
    std::array<std::array<char, 1>, count> memory{};
    std::vector<std::unique_ptr<receive_probe>> all;
    std::string got;
    std::vector<std::size_t> order;
    for (std::size_t i = 0; i < count; ++i) {
        auto& op = *all.emplace_back(std::make_unique<receive_probe>(c.ours, operation_kind::receive_into));
        op.memory = mutable_buffer(memory[i].data(), 1);
        op.then = [&, i] {
            if (all[i]->result != 1) return;
            got += memory[i][0];
            order.push_back(i);
            REQUIRE_FALSE(on.demux().start(*all[i]));
        };
        REQUIRE_FALSE(on.demux().start(op));
    }
    on.turns();
    const std::string text = "0123456789abcdef";
    for (const char letter : text) {
        c.say(std::string_view(&letter, 1));
        const std::size_t before = order.size();
        REQUIRE(on.until([&] { return order.size() > before; }));
    }
    CHECK(got == text);
    for (std::size_t i = 0; i < order.size(); ++i) CHECK(order[i] == i % count);
    for (auto& op : all) on.end(*op);
}

TEST_CASE("who comes after the last of a line has left it stands behind the one before") {
    ON_EACH_DEMULTIPLEXER;
    INFO(on.name());
    auto& c = on.connect(each_pair_kind());
    receives all(on, c, 3);
    on.cancel(all[2]);
    REQUIRE(on.until_completed(all[2]));
    receive_probe later(c.ours, operation_kind::receive);
    on.start(later);
    for (std::size_t i = 0; i < 2; ++i) {
        c.say("a");
        REQUIRE(on.until_completed(all[i]));
    }
    CHECK(later.completions == 0);
    c.say("b");
    REQUIRE(on.until_completed(later));
    CHECK(later.data.to_string() == "b");
    later.data.reset();
    all.drop_data();
}
