// Scripts that play the other side of a protocol; and with them, what lines, outboxes and the chat do when
// their bytes are cut, or their connection is, at each place.
#include "samples.hpp"

#include "support/catch.hpp"
#include "support/connections.hpp"
#include "support/reactors.hpp"

#include <bight/bight.hpp>
#include <bight/sim/memory_stream.hpp>
#include <bight/sim/scripted_peer.hpp>
#include <bight/sim/world.hpp>

#include <cerrno>
#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using bight::errc;
using bight::stream;
using bight::task;
using test::error_of;
using test::from_errno;
using test::read_all;
namespace sim = bight::sim;

namespace {

// What a play fails with.
struct failure {
    std::string what;
    std::size_t step = 0;
    std::uint64_t position = 0;
    std::error_code code;
};

task<failure> failure_of(sim::scripted_peer& script, stream& on) {
    failure f;
    try {
        co_await script.play(on);
    } catch (const sim::script_error& e) {
        f.what = e.what();
        f.step = e.step();
        f.position = e.position();
        f.code = e.code();
    }
    co_return f;
}

sim::memory_direction cut_by(sim::chunking reads) {
    sim::memory_direction d;
    d.reads = std::move(reads);
    return d;
}

// Each way to cut `size` bytes that is worth a try: at each place, into bytes, at random.
std::vector<sim::memory_direction> all_cuts(std::size_t size) {
    std::vector<sim::memory_direction> all;
    all.push_back(cut_by(sim::chunking::one_byte()));
    all.push_back(cut_by(sim::chunking::merged()));
    for (std::uint64_t at = 1; at < size; ++at) all.push_back(cut_by(sim::chunking::split_at({at})));
    for (std::uint64_t seed = 1; seed <= 10; ++seed) all.push_back(cut_by(sim::chunking::random(seed, 5)));
    return all;
}

sim::memory_direction reset_at(std::uint64_t place) {
    sim::memory_direction d;
    d.reset_at = place;
    return d;
}

}  // namespace

TEST_CASE("a script plays its side, on memory streams and on sockets of each demultiplexer") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    const bool in_memory = GENERATE(true, false);
    CAPTURE(kind, in_memory);
    test::virtual_fixture on(kind);
    sim::scripted_peer script;
    script.send("220 ready\r\n").expect_line("HELO me").wait(2s).send_in_pieces("250 ok\r\n", 3);
    script.skip_until(".\r\n").send("354 thanks\r\n").expect("QUIT\r\n").expect_end().close();
    on.run([&]() -> task<> {
        std::optional<stream> here;
        std::optional<stream> there;
        if (in_memory) {
            auto pair = sim::memory_pair(cut_by(sim::chunking::random(3, 4)));
            here.emplace(std::move(pair.first));
            there.emplace(std::move(pair.second));
        } else {
            auto pair = co_await test::connected_pair(test::family::tcp);
            here.emplace(std::move(pair.client));
            there.emplace(std::move(pair.server));
        }
        auto client = [&here]() -> task<> {
            const std::string ready = co_await here->read_until("\r\n");
            CHECK(ready == "220 ready\r\n");
            co_await here->write("HE", "LO me\r\n");
            const std::string ok = co_await here->read_until("\r\n");
            CHECK(ok == "250 ok\r\n");
            co_await here->write("a text\r\nof lines\r\n.\r\nQUIT\r\n");
            co_await here->shutdown_write();
            const std::string rest = co_await read_all(*here);
            CHECK(rest == "354 thanks\r\n");
        };
        co_await bight::when_all(script.play(*there), client());
        CHECK_FALSE(there->is_open());
    });
    CHECK(on.elapsed() == 2s);
}

TEST_CASE("other bytes than expected: the error names the step, the place, what was expected and what came") {
    test::virtual_fixture on;
    on.run([]() -> task<> {
        auto [one, other] = sim::memory_pair();
        sim::scripted_peer script;
        script.expect_line("HELO");
        script.expect("QUIT\r\n");  // the line that the error names
        const int line = __LINE__ - 1;
        co_await one.write("HELO\r\nQU\x01T \"now\"\xff\r\n");
        const failure f = co_await failure_of(script, other);
        CHECK(f.step == 2);
        CHECK(f.position == 8);
        CHECK_FALSE(f.code);
        CHECK(f.what == "step 2 (scripted_peer_test.cpp:" + std::to_string(line) +
                            "): expect \"QUIT\\r\\n\": at byte 2 (byte 8 of all): "
                            "\"QU\\x01T \\\"now\\\"\\xff\\r\\n\" came");
        // What came is still there.
        const auto rest = co_await other.read_some();
        CHECK(rest.size() == 13);
    });
}

TEST_CASE("a difference is an error at once, not when everything has come") {
    test::virtual_fixture on;
    on.run([&]() -> task<> {
        auto [one, other] = sim::memory_pair();
        sim::scripted_peer script;
        script.expect("abcdef");
        co_await one.write("abX");
        const failure f = co_await failure_of(script, other);
        CHECK(f.position == 2);
        CHECK(on.elapsed() == 0s);
    });
}

TEST_CASE("time that is up, an early end and a failure of the stream are errors with their codes") {
    test::virtual_fixture on;
    on.run([&]() -> task<> {
        sim::scripted_peer script;
        script.expect("ab").limit(3s).expect("cdef");
        {
            auto [one, other] = sim::memory_pair();
            co_await one.write("abcd");
            const auto begun = on.elapsed();
            const failure f = co_await failure_of(script, other);
            CHECK(on.elapsed() - begun == 3s);
            CHECK(f.code == errc::timed_out);
            CHECK(f.step == 2);
            CHECK(f.position == 4);
            CHECK_THAT(f.what,
                       Catch::Contains("expect \"cdef\": at byte 2 (byte 4 of all): \"cd\" came, and no "
                                       "more within 3 s"));
        }
        {
            auto [one, other] = sim::memory_pair();
            co_await one.write("abc");
            co_await one.close();
            const failure f = co_await failure_of(script, other);
            CHECK(f.code == errc::end_of_stream);
            CHECK_THAT(f.what, Catch::Contains("\"c\" came, then the end of the stream"));
        }
        {
            auto [one, other] = sim::memory_pair();
            co_await one.write("ab");
            one.abort();
            const failure f = co_await failure_of(script, other);
            CHECK(f.code == from_errno(ECONNRESET));
            CHECK_THAT(f.what, Catch::Contains("nothing came, then " + f.code.message()));
        }
    });
}

TEST_CASE("the limit is for a whole step, however many reads it takes") {
    test::virtual_fixture on;
    on.run([&]() -> task<> {
        auto [one, other] = sim::memory_pair();
        sim::scripted_peer script;
        script.limit(10s).expect("abcd");
        sim::scripted_peer slow;
        slow.send_in_pieces("abcd", 1, 4s);
        auto play = [&]() -> task<failure> { co_return co_await failure_of(script, other); };
        const auto [nothing, f] = co_await bight::when_all(slow.play(one), play());
        (void)nothing;
        CHECK(f.code == errc::timed_out);
        CHECK(f.position == 3);
        CHECK(on.elapsed() == 12s);
    });
}

TEST_CASE("silence, the end and a reset can be expected, and anything else there is an error") {
    test::virtual_fixture on;
    on.run([&]() -> task<> {
        sim::scripted_peer silence;
        silence.expect_silence(5s);
        sim::scripted_peer end;
        end.expect_end();
        sim::scripted_peer reset;
        reset.expect_reset();
        auto [one, other] = sim::memory_pair();
        co_await silence.play(other);
        CHECK(on.elapsed() == 5s);
        co_await one.write("x");
        const failure loud = co_await failure_of(silence, other);
        CHECK_THAT(loud.what, Catch::Contains("expect silence for 5 s: at byte 0: \"x\" came"));
        const failure early = co_await failure_of(end, other);
        CHECK_THAT(early.what, Catch::Contains("expect the end of the stream: at byte 0: \"x\" came"));
        const failure whole = co_await failure_of(reset, other);
        CHECK_THAT(whole.what, Catch::Contains("expect a reset: at byte 0: \"x\" came"));
        const auto x = co_await other.read_some();
        CHECK(x.view() == "x");
        co_await one.shutdown_write();
        co_await end.play(other);
        const failure ended = co_await failure_of(reset, other);
        CHECK(ended.code == errc::end_of_stream);
        const failure gone = co_await failure_of(silence, other);
        CHECK(gone.code == errc::end_of_stream);

        auto [three, four] = sim::memory_pair();
        three.abort();
        co_await reset.play(four);

        sim::memory_direction breaks;
        breaks.reset_at = 0;
        breaks.reset_error = std::make_error_code(std::errc::timed_out);
        auto [five, six] = sim::memory_pair(sim::memory_options(breaks, {}));
        const failure other_error = co_await failure_of(reset, six);
        CHECK(other_error.code == std::errc::timed_out);
    });
}

TEST_CASE("a send that nobody takes is over with the limit, and one that fails has the stream's code") {
    test::virtual_fixture on;
    on.run([&]() -> task<> {
        sim::memory_direction narrow;
        narrow.capacity = 3;
        auto [one, other] = sim::memory_pair(narrow);
        sim::scripted_peer script;
        script.limit(1s).send("12345678");
        const failure full = co_await failure_of(script, one);
        CHECK(full.code == errc::timed_out);
        CHECK_THAT(full.what, Catch::Contains("send \"12345678\": not taken within 1 s"));
        other.abort();
        const failure gone = co_await failure_of(script, one);
        CHECK(gone.code == from_errno(ECONNRESET));
    });
}

TEST_CASE("what a script does not use stays in the stream, also when it is cancelled") {
    test::virtual_fixture on;
    on.run([]() -> task<> {
        auto [one, other] = sim::memory_pair();
        co_await one.write("abcdef");
        sim::scripted_peer script;
        script.expect("ab");
        co_await script.play(other);
        script.skip_until("!");
        sim::scripted_peer rest;
        rest.expect("cd");
        co_await rest.play(other);
        co_await one.write("abxyz");
        sim::scripted_peer ef;
        ef.expect("ef");
        co_await ef.play(other);
        const bool ended = co_await bight::try_with_timeout(script.play(other), 1s);
        CHECK_FALSE(ended);
        const auto left = co_await other.read_some();
        CHECK(left.view() == "xyz");
    });
}

TEST_CASE("pieces go out one by one, and the other side reads them so") {
    test::virtual_fixture on;
    on.run([&]() -> task<> {
        auto [one, other] = sim::memory_pair();
        sim::scripted_peer script;
        std::vector<std::string> pieces;
        for (const char* text : {"a", "bcd", "ef"}) pieces.emplace_back(text);
        script.send_in_pieces(pieces, 10ms).shutdown_write();
        std::string seen;
        auto read = [&]() -> task<> {
            while (auto data = co_await other.read_some())
                seen += data.to_string() + '@' + std::to_string(on.elapsed() / 1ms) + ' ';
        };
        co_await bight::when_all(script.play(one), read());
        CHECK(seen == "a@0 bcd@10 ef@20 ");
    });
}

TEST_CASE("one script serves several connections at once, in a simulated world too") {
    sim::world w(4);
    sim::scripted_peer script;
    script.expect_line("PING").wait(1s).send("PONG\r\n").expect_end();
    w.add("server").on_boot([&]() -> task<> {
        auto each = [&script](stream peer) -> task<> { co_await script.play(peer); };
        co_await bight::serve("tcp:7", each);
    });
    int answered = 0;
    for (const char* name : {"a", "b"}) {
        w.add(name).run([&]() -> task<> {
            stream peer = co_await bight::connect("tcp:server:7");
            co_await peer.write("PING\r\n");
            const std::string answer = co_await peer.read_until("\n");
            CHECK(answer == "PONG\r\n");
            ++answered;
        });
    }
    w.run();
    CHECK(answered == 2);
}

// Lines, outboxes and the chat.

namespace {

// The lines of `from`, each with a '|' behind it; then what ended them.
task<std::string> lines_of(stream& from) {
    bight::line_reader reader(from);
    std::string all;
    try {
        while (auto line = co_await reader.next()) all += *line + '|';
        all += "end";
    } catch (const std::system_error& e) {
        all += e.code() == from_errno(ECONNRESET) ? "reset" : e.what();
    }
    co_return all;
}

}  // namespace

TEST_CASE("lines are the same wherever their bytes are cut; a reset at any byte loses no whole line") {
    const std::string text = "ab\r\n\rc\r\r\n\r\n\nd\r\nrest";
    test::virtual_fixture on;
    for (const sim::memory_direction& d : all_cuts(text.size())) {
        const std::string got = on.run([&]() -> task<std::string> {
            auto [from, to] = sim::memory_pair(d);
            co_await from.write(text);
            co_await from.shutdown_write();
            co_return co_await lines_of(to);
        });
        CHECK(got == "ab|\rc\r||\nd|end");
    }
    for (std::size_t at = 0; at <= text.size(); ++at) {
        CAPTURE(at);
        const std::string got = on.run([&]() -> task<std::string> {
            sim::memory_direction d = reset_at(at);
            d.reads = sim::chunking::at_most(3);
            auto [from, to] = sim::memory_pair(d);
            (void)co_await bight::as_result(from.write(text));
            co_return co_await lines_of(to);
        });
        std::string expected;
        if (at >= 4) expected += "ab|";
        if (at >= 9) expected += "\rc\r|";
        if (at >= 11) expected += "|";
        if (at >= 15) expected += "\nd|";
        CHECK(got == expected + "reset");
    }
}

TEST_CASE(
    "an outbox whose connection breaks at any byte has sent what came before, and counts what it drops") {
    std::string all;
    for (int i = 0; i < 5; ++i) all += "message " + std::to_string(i) + "\r\n";
    test::virtual_fixture on;
    for (const std::size_t capacity : {4U, 1000U}) {
        for (std::size_t at = 0; at <= all.size() + 1; ++at) {
            CAPTURE(capacity, at);
            on.run([&]() -> task<> {
                sim::memory_direction d = reset_at(at);
                d.capacity = capacity;
                auto [from, to] = sim::memory_pair(sim::memory_options(d, {}));
                bight::outbox out(from);
                std::uint64_t refused = 0;
                for (int i = 0; i < 5; ++i) {
                    if (!out.send("message " + std::to_string(i) + "\r\n")) ++refused;
                }
                auto flush = [&out]() -> task<std::error_code> { co_return co_await error_of(out.flush()); };
                auto read = [&]() -> task<std::string> {
                    std::string got;
                    while (got.size() < std::min(at, all.size())) {
                        const auto data = co_await to.read_some();
                        got += data.view();
                    }
                    if (at <= all.size()) {
                        const auto error = co_await error_of(to.read_some());
                        CHECK(error == from_errno(ECONNRESET));
                    }
                    co_return got;
                };
                const auto [error, got] = co_await bight::when_all(flush(), read());
                CHECK(got == all.substr(0, at));
                if (at < all.size()) {
                    CHECK(error == from_errno(ECONNRESET));
                    CHECK(out.dropped() >= 1);
                    CHECK(refused <= out.dropped());
                    CHECK(out.queued() == 0);
                    CHECK_FALSE(out.send("more"));
                } else {
                    CHECK_FALSE(error);
                    CHECK(out.dropped() == 0);
                }
            });
        }
    }
}

namespace {

// Alice talks to a chat in which Bob is already; what Bob hears.
const std::string from_alice = "Bob\r\nAlice\r\nhello\r\nbye\r\n";
const std::string to_alice =
    "What's your name?\r\nName taken, please choose another.\r\nWelcome, Alice!\r\n<Bob> hi Alice\r\n";

sim::scripted_peer alice() {
    sim::scripted_peer script;
    script.expect_line("What's your name?").send("Bob\r\n");
    script.expect_line("Name taken, please choose another.").send("Alice\r\n");
    script.expect_line("Welcome, Alice!").send("hello\r\n").expect_line("<Bob> hi Alice");
    script.send("bye\r\n").shutdown_write().expect_end();
    return script;
}

struct chatted {
    std::string bob_heard;
    std::string alice_failed;  // and at which step; empty if she did not
    std::error_code chat_ended;
};

// One conversation: `to_server` and `to_client` are what becomes of Alice's connection. When she has gone,
// her name is free, and Bob is still there.
task<chatted> converse(sim::memory_direction to_server, sim::memory_direction to_client) {
    chat_sample::room room;
    sim::memory_options options(std::move(to_server), std::move(to_client));
    auto [alices, for_alice] = sim::memory_pair(options);
    auto [bobs, for_bob] = sim::memory_pair();
    chatted result;
    auto bob = [&]() -> task<> {
        bight::line_reader lines(bobs);
        co_await bobs.write("Bob\r\n");
        for (int greeting = 0; greeting < 2; ++greeting) (void)co_await lines.next();
        while (auto line = co_await lines.next()) {
            result.bob_heard += *line + '|';
            // He may have left by then, as she has.
            if (*line == "<Alice> hello") (void)co_await bight::as_result(bobs.write("hi Alice\r\n"));
        }
    };
    auto she = [&]() -> task<> {
        while (!room.has("Bob")) co_await bight::yield();
        sim::scripted_peer script = alice();
        try {
            co_await script.play(alices);
        } catch (const sim::script_error& e) {
            result.alice_failed = e.what();
            CHECK(e.code() == from_errno(ECONNRESET));
            alices.abort();
        }
    };
    auto chat = [&]() -> task<> {
        result.chat_ended = co_await error_of(chat_sample::chat(room, std::move(for_alice)));
    };
    auto both = [&]() -> task<> {
        co_await bight::when_all(she(), chat());
        CHECK_FALSE(room.has("Alice"));
        CHECK(room.has("Bob"));
        co_await bobs.shutdown_write();
    };
    auto bobs_chat = [&]() -> task<> { co_await chat_sample::chat(room, std::move(for_bob)); };
    co_await bight::when_all(bob(), bobs_chat(), both());
    CHECK_FALSE(room.has("Bob"));
    co_return result;
}

}  // namespace

TEST_CASE("a chat goes the same way wherever its bytes are cut") {
    test::virtual_fixture on;
    const auto as_ever = [&](const sim::memory_direction& to_server, const sim::memory_direction& to_client) {
        const chatted c = on.run([&] { return converse(to_server, to_client); });
        CHECK(c.bob_heard == "<Alice> hello|<Alice> bye|");
        CHECK(c.alice_failed.empty());
        CHECK_FALSE(c.chat_ended);
    };
    for (const auto& d : all_cuts(from_alice.size())) as_ever(d, {});
    for (const auto& d : all_cuts(to_alice.size())) as_ever({}, d);
    for (const std::size_t capacity : {1U, 3U}) {
        sim::memory_direction narrow;
        narrow.capacity = capacity;
        narrow.latency = 20ms;
        as_ever(narrow, narrow);
    }
}

TEST_CASE("a chat client whose connection breaks at any byte leaves, and the others hear whole lines only") {
    test::virtual_fixture on;
    for (std::size_t at = 0; at <= from_alice.size(); ++at) {
        CAPTURE(at);
        const chatted c = on.run([&] { return converse(reset_at(at), {}); });
        std::string heard;
        if (at >= 19) heard += "<Alice> hello|";
        if (at >= 24) heard += "<Alice> bye|";
        CHECK(c.bob_heard == heard);
        CHECK(c.chat_ended == from_errno(ECONNRESET));
        CHECK_FALSE(c.alice_failed.empty());
    }
    for (std::size_t at = 0; at <= to_alice.size(); ++at) {
        CAPTURE(at);
        const chatted c = on.run([&] { return converse({}, reset_at(at)); });
        CHECK(std::string("<Alice> hello|<Alice> bye|").starts_with(c.bob_heard));
        CHECK(c.bob_heard.empty() == (at <= to_alice.find("<Bob>")));
        CHECK(c.chat_ended == from_errno(ECONNRESET));
    }
}

TEST_CASE("a chat client that falls silent keeps its seat, costs its outbox and disturbs nobody") {
    test::virtual_fixture on;
    on.run([]() -> task<> {
        chat_sample::room room;
        sim::memory_direction silent;
        silent.silent_from = 30;
        silent.capacity = 1000;
        auto [alices, for_alice] = sim::memory_pair(sim::memory_options({}, silent));
        auto [bobs, for_bob] = sim::memory_pair();
        auto chat = [&]() -> task<std::error_code> {
            co_return co_await error_of(chat_sample::chat(room, std::move(for_alice)));
        };
        auto bob = [&]() -> task<> {
            co_await alices.write("Alice\r\n");
            co_await bobs.write("Bob\r\n");
            const std::string line = std::string(1000, 'x') + "\r\n";
            for (int i = 0; i < 400; ++i) co_await bobs.write(line);  // more than an outbox takes
            co_await bobs.shutdown_write();
            const std::string all = co_await read_all(bobs);
            CHECK(all == "What's your name?\r\nWelcome, Bob!\r\n");
        };
        auto bobs_chat = [&]() -> task<> { co_await chat_sample::chat(room, std::move(for_bob)); };
        const auto [error, n1, n2] = co_await bight::when_all(chat(), bobs_chat(), bob());
        (void)n1;
        (void)n2;
        CHECK(error == errc::backlog_exceeded);
        CHECK_FALSE(room.has("Alice"));
    });
}

TEST_CASE("a chat that is cancelled after any number of turns leaves nothing") {
    int ended = 0;
    for (int turns = 0; turns < 120; ++turns) {
        CAPTURE(turns);
        test::virtual_fixture on;
        on.run([&]() -> task<> {
            auto cancels = [&]() -> task<bool> {
                for (int i = 0; i < turns; ++i) co_await bight::yield();
                co_return false;
            };
            auto chats = []() -> task<bool> {
                const sim::memory_direction bytes = cut_by(sim::chunking::at_most(2));
                (void)co_await converse(bytes, bytes);
                co_return true;
            };
            const auto first = co_await bight::race(chats(), cancels());
            if (first.index() == 0) ++ended;
        });
    }
    CHECK(ended > 0);  // there were turns enough to cancel it anywhere
    CHECK(ended < 120);
}
