// What two ends of a connection see of each other, the same on every demultiplexer and in a simulated world.
// Where they differ, one of them is wrong; where Linux is asked, it is right.
#include "parity.hpp"

#include "support/catch.hpp"
#include "support/places.hpp"

#include <bight/bight.hpp>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <string>
#include <vector>

using namespace std::chrono_literals;
using bight::errc;
using bight::stream;
using bight::task;
using test::answer_of;
using test::error_of;
using test::from_errno;
using test::pattern;
using test::place_fixture;
using test::read_all;
using test::reset_error;
using test::rest;

namespace {

bool is_broken_pipe_or_reset(std::error_code e) {
    return e == from_errno(EPIPE) || e == from_errno(ECONNRESET);
}

// What the next read gives: text, "end", or the error's number.
task<std::string> next(stream& from) {
    std::string got;
    try {
        const auto chunk = co_await from.read_some();
        got = chunk ? std::string(chunk.view()) : "end";
    } catch (const std::system_error& e) {
        got = test::error_by_number(e.code());
    }
    co_return got;
}

}  // namespace

TEST_CASE("both ends talk, in both directions") {
    place_fixture on(GENERATE(from_range(test::places())));
    std::string at_server;
    std::string at_client;
    on.run_pair(
        [&](stream& peer) -> task<> {
            at_server = co_await answer_of(peer, pattern(0, 5000));
            co_await peer.shutdown_write();
            at_server += co_await rest(peer);
        },
        [&](stream& peer) -> task<> {
            std::string question(5000, '\0');
            co_await peer.read_exactly(question);
            co_await peer.write(question);
            at_client = co_await next(peer);
            co_await peer.write("and more");
        });
    CHECK(at_server == pattern(0, 5000) + "and more, end");
    CHECK(at_client == "end");
}

TEST_CASE("each end ends its direction when it likes, and both go on reading") {
    place_fixture on(GENERATE(from_range(test::places())));
    const std::string text = pattern(7, 300'000);
    std::vector<std::string> seen;
    on.run_pair(
        [&](stream& peer) -> task<> {
            const std::string first = co_await rest(peer);
            CHECK(first == "question, end");
            co_await peer.write(text);
            co_await peer.shutdown_write();
            const std::string again = co_await next(peer);
            CHECK(again == "end");
            const auto late = co_await error_of(peer.write("late"));
            CHECK(late == errc::closed);
        },
        [&](stream& peer) -> task<> {
            co_await peer.write("question");
            co_await peer.shutdown_write();
            co_await peer.shutdown_write();
            const auto late = co_await error_of(peer.write("late"));
            CHECK(late == errc::closed);
            const std::string all = co_await rest(peer);
            CHECK((all == text + ", end"));
        });
}

TEST_CASE("a stream that is closed with unread bytes ends with its end") {
    place_fixture on(GENERATE(from_range(test::places())));
    bool written = false;
    bool closed = false;
    on.run_pair(
        [&](stream& peer) -> task<> {
            co_await peer.write("words");
            co_await on.until([&] { return written; });
            co_await on.settle();
            co_await peer.close();
            closed = true;
        },
        [&](stream& peer) -> task<> {
            co_await peer.write("unread");
            written = true;
            co_await on.until([&] { return closed; });
            co_await on.settle();
            const std::string all = co_await rest(peer);
            CHECK(all == "words, end");
        });
}

TEST_CASE(
    "a peer that has closed takes writes in until its deadline; then TCP takes one more, and they fail") {
    place_fixture on(GENERATE(from_range(test::as_on_linux(test::places()))));
    bool closed = false;
    on.run_pair(
        [&](stream& peer) -> task<> {
            co_await peer.write("words");
            co_await peer.close(12 * on.moment());
            closed = true;
        },
        [&](stream& peer) -> task<> {
            co_await on.until([&] { return closed; });
            for (int i = 0; i < 3; ++i) {
                const auto taken = co_await error_of(peer.write("x"));
                CHECK(!taken);
            }
            for (int i = 0; i < 16; ++i) co_await on.settle();
            const auto first = co_await error_of(peer.write("x"));
            if (on.is_tcp()) {
                CHECK(!first);
            } else {
                CHECK(first == from_errno(EPIPE));
            }
            co_await on.settle();
            const auto second = co_await error_of(peer.write("x"));
            CHECK(second == from_errno(EPIPE));
            const auto third = co_await error_of(peer.write("x"));
            CHECK(third == from_errno(EPIPE));
            const std::string all = co_await rest(peer);
            CHECK(all == "words, end");
        });
}

TEST_CASE("what arrived before a reset is read, then the error, and it stays; whoever writes is told, too") {
    place_fixture on(GENERATE(from_range(test::places())));
    bool aborted = false;
    on.run_pair(
        [&](stream& peer) -> task<> {
            co_await peer.write("last words");
            co_await on.settle();
            peer.abort();
            aborted = true;
        },
        [&](stream& peer) -> task<> {
            co_await on.until([&] { return aborted; });
            co_await on.settle();
            const std::string end = on.is_tcp() ? reset_error : "end";
            const std::string all = co_await rest(peer);
            CHECK(all == "last words, " + end);
            const std::string again = co_await next(peer);
            CHECK(again == end);
            const auto write = co_await error_of(peer.write("x"));
            CHECK(write == from_errno(on.is_tcp() ? ECONNRESET : EPIPE));
            co_await peer.shutdown_write();
        });
}

TEST_CASE("a write after a reset learns of it, and so do a second one and who reads: it was no end") {
    place_fixture on(GENERATE(from_range(test::tcp_places())));
    bool aborted = false;
    on.run_pair(
        [&](stream& peer) -> task<> {
            co_await on.settle();
            peer.abort();
            aborted = true;
        },
        [&](stream& peer) -> task<> {
            co_await on.until([&] { return aborted; });
            co_await on.settle();
            const auto first = co_await error_of(peer.write("x"));
            CHECK(first == from_errno(ECONNRESET));
            const auto second = co_await error_of(peer.write("x"));
            CHECK(second == from_errno(ECONNRESET));
            for (int i = 0; i < 2; ++i) {
                const std::string got = co_await next(peer);
                CHECK(got == reset_error);
            }
        });
}

TEST_CASE("a write after the end of the peer and its reset is a broken pipe, and the end stays an end") {
    place_fixture on(GENERATE(from_range(test::as_on_linux(test::tcp_places()))));
    bool aborted = false;
    on.run_pair(
        [&](stream& peer) -> task<> {
            co_await peer.shutdown_write();
            co_await on.settle();
            peer.abort();
            aborted = true;
        },
        [&](stream& peer) -> task<> {
            co_await on.until([&] { return aborted; });
            co_await on.settle();
            const auto first = co_await error_of(peer.write("x"));
            CHECK(first == from_errno(EPIPE));
            const std::string got = co_await next(peer);
            CHECK(got == "end");
        });
}

TEST_CASE("a reset after both directions have ended changes nothing") {
    place_fixture on(GENERATE(from_range(test::places())));
    int ended = 0;
    on.run_pair(
        [&](stream& peer) -> task<> {
            co_await peer.shutdown_write();
            const std::string got = co_await next(peer);
            CHECK(got == "end");
            ++ended;
            co_await on.until([&] { return ended == 2; });
            co_await on.settle();
            peer.abort();
            ++ended;
        },
        [&](stream& peer) -> task<> {
            co_await peer.shutdown_write();
            const std::string got = co_await next(peer);
            CHECK(got == "end");
            ++ended;
            co_await on.until([&] { return ended == 3; });
            co_await on.settle();
            const std::string again = co_await next(peer);
            CHECK(again == "end");
        });
}

TEST_CASE(
    "a writer that waits for room goes on when the peer reads, and it waits before too much is on its way") {
    place_fixture on(GENERATE(from_range(test::places())));
    const std::string part = pattern(0, 1024);
    std::size_t written = 0;
    std::size_t read = 0;
    bool full = false;
    bool same = true;
    on.run_pair(
        [&](stream& peer) -> task<> {
            std::size_t before = 0;
            do {  // until nothing moves any more
                before = written;
                co_await on.settle();
            } while (written != before || written == 0);
            full = true;
            while (auto chunk = co_await peer.read_some()) {
                for (const char c : chunk.view()) same = same && c == part[read++ % part.size()];
            }
        },
        [&](stream& peer) -> task<> {
            while (!full) {
                co_await peer.write(part);
                written += part.size();
                REQUIRE(written < on.more_than_buffers());
            }
            co_await peer.close();
        });
    CHECK(read == written);
    CHECK(same);
}

TEST_CASE("a writer goes on when its peer closes, until the peer's deadline: then it gets an error") {
    place_fixture on(GENERATE(from_range(test::places())));
    const std::string large = pattern(0, on.more_than_buffers());
    std::error_code error;
    on.run_pair(
        [&](stream& peer) -> task<> {
            co_await on.settle();
            co_await peer.close(on.moment());
        },
        [&](stream& peer) -> task<> {
            while (!error) {
                error = co_await error_of(peer.write(large));
                co_await on.settle();
            }
        });
    CHECK(is_broken_pipe_or_reset(error));
    if (!on.is_tcp()) CHECK(error == from_errno(EPIPE));
}

TEST_CASE("a writer that waits for room when the peer aborts gets an error, and so does a reader beside it") {
    place_fixture on(GENERATE(from_range(test::places())));
    const std::string large = pattern(0, on.more_than_buffers());
    std::error_code write_error;
    std::string read;
    on.run_pair(
        [&](stream& peer) -> task<> {
            co_await on.settle();
            peer.abort();
        },
        [&](stream& peer) -> task<> {
            auto writer = [&]() -> task<> { write_error = co_await error_of(peer.write(large)); };
            auto reader = [&]() -> task<> { read = co_await rest(peer); };
            co_await bight::when_all(reader(), writer());
        });
    CHECK(is_broken_pipe_or_reset(write_error));
    CHECK(read == ", " + reset_error);
}

TEST_CASE("reads of any form share what arrives: exactly, until, some into memory") {
    place_fixture on(GENERATE(from_range(test::places())));
    std::vector<std::string> got;
    on.run_pair(
        [&](stream& peer) -> task<> {
            std::string five(5, '\0');
            co_await peer.read_exactly(five);
            got.push_back(five);
            std::string line = co_await peer.read_until("\r\n");
            got.push_back(line);
            std::string part;
            while (part.size() < 4) {
                char two[2];
                const std::size_t most = std::min<std::size_t>(2, 4 - part.size());
                const std::size_t n = co_await peer.read_some(bight::mutable_buffer(two, most));
                CHECK((n >= 1 && n <= most));
                part.append(two, n);
            }
            got.push_back(part);
            const auto too_long = co_await error_of(peer.read_until("never", 10));
            CHECK(too_long == errc::too_long);
            std::string ten(10, '\0');
            co_await peer.read_exactly(ten);
            got.push_back(ten);
            std::string more(100, '\0');
            const auto ended = co_await error_of(peer.read_exactly(more));
            CHECK(ended == errc::end_of_stream);
            char memory[8];
            const std::size_t none = co_await peer.read_some(bight::mutable_buffer(memory, sizeof memory));
            CHECK(none == 0);
        },
        [&](stream& peer) -> task<> {
            co_await peer.write("hello", "a line\r", "\n", "", "abcd");
            co_await peer.write("0123456789");
            co_await peer.write("tail");
            co_await peer.close();
        });
    CHECK(got == std::vector<std::string>{"hello", "a line\r\n", "abcd", "0123456789"});
}

TEST_CASE("a gather write larger than all buffers arrives whole and in order") {
    place_fixture on(GENERATE(from_range(test::places())));
    std::vector<std::string> parts;
    std::string whole;
    const std::size_t step = on.more_than_buffers() / 1700;  // 1 + 2 + … + 59 of them
    for (std::size_t i = 0; i < 60; ++i) {
        parts.push_back(pattern(i * 31, i * step));
        whole += parts.back();
    }
    std::string got;
    on.run_pair(
        [&](stream& peer) -> task<> {
            co_await on.settle();
            got = co_await read_all(peer);
        },
        [&](stream& peer) -> task<> {
            std::vector<bight::const_buffer> pieces(parts.begin(), parts.end());
            co_await peer.write(pieces);
            co_await peer.close();
        });
    CHECK((got == whole));
}

TEST_CASE("one task reads and one writes at a time: others are told that it is busy") {
    place_fixture on(GENERATE(from_range(test::places())));
    const std::string large = pattern(0, on.more_than_buffers());
    std::vector<std::string> order;
    std::size_t read = 0;
    on.run_pair(
        [&](stream& peer) -> task<> {
            co_await on.settle();
            while (auto chunk = co_await peer.read_some()) read += chunk.size();
            co_await peer.write("x");
        },
        [&](stream& peer) -> task<> {
            auto reader = [&]() -> task<> {
                const std::string got = co_await next(peer);
                order.push_back("read " + got);
            };
            auto writer = [&]() -> task<> {
                co_await peer.write(large);
                order.push_back("written");
                co_await peer.shutdown_write();
            };
            auto others = [&]() -> task<> {
                const auto second_read = co_await error_of(peer.read_some());
                CHECK(second_read == errc::busy);
                const auto second_write = co_await error_of(peer.write("y"));
                CHECK(second_write == errc::busy);
                order.emplace_back("busy");
            };
            co_await bight::when_all(reader(), writer(), others());
        });
    CHECK(read == large.size());
    CHECK(order == std::vector<std::string>{"busy", "written", "read x"});
}

TEST_CASE("a read that is cancelled, or times out, loses no bytes") {
    place_fixture on(GENERATE(from_range(test::places())));
    std::string got;
    int timeouts = 0;
    on.run_pair(
        [&](stream& peer) -> task<> {
            const auto limit = bight::duration(on.at().simulated() ? 20ms : 2ms);
            while (got.size() < 300) {
                auto chunk = co_await bight::try_with_timeout(peer.read_some(), limit);
                if (chunk) {
                    if (!*chunk) break;
                    got += chunk->view();
                } else {
                    ++timeouts;
                }
            }
        },
        [&](stream& peer) -> task<> {
            for (std::size_t i = 0; i < 300; i += 60) {
                co_await bight::sleep_for(on.at().simulated() ? 100ms : 10ms);
                co_await peer.write(pattern(i, 60));
            }
            const std::string end = co_await next(peer);
            CHECK(end == "end");
        });
    CHECK(got == pattern(0, 300));
    CHECK(timeouts > 0);
}

TEST_CASE("what arrived before a read is cancelled is the read's: success beats cancellation") {
    place_fixture on(GENERATE(from_range(test::places())));
    bool written = false;
    std::string got;
    on.run_pair(
        [&](stream& peer) -> task<> {
            co_await on.until([&] { return written; });
            co_await on.settle();
            auto chunk = co_await bight::try_with_timeout(peer.read_some(), bight::duration::zero());
            if (chunk) got = std::string(chunk->view());
            while (got.size() < 5) got += co_await next(peer);
        },
        [&](stream& peer) -> task<> {
            co_await peer.write("bytes");
            written = true;
            const std::string end = co_await next(peer);
            CHECK(end == "end");
        });
    CHECK(got == "bytes");
}

TEST_CASE("a write that is cancelled has sent a beginning, and the peer can tell: a reset follows") {
    place_fixture on(GENERATE(from_range(test::places())));
    const std::string large = pattern(0, on.more_than_buffers());
    std::string got;
    on.run_pair(
        [&](stream& peer) -> task<> {
            co_await on.settle();
            co_await on.settle();
            got = co_await rest(peer);
        },
        [&](stream& peer) -> task<> {
            const bool all = co_await bight::try_with_timeout(peer.write(large), on.moment());
            CHECK_FALSE(all);
            const auto closed = co_await error_of(peer.close());
            CHECK(closed == errc::aborted);
        });
    const std::string how = on.is_tcp() ? ", " + reset_error : ", end";
    REQUIRE(got.ends_with(how));
    got.resize(got.size() - how.size());
    CHECK(!got.empty());
    CHECK(got.size() < large.size());
    CHECK((large.compare(0, got.size(), got) == 0));
}

TEST_CASE("close and shutdown_write wait for the writer, at most until their deadline") {
    place_fixture on(GENERATE(from_range(test::places())));
    const bool only_writing = GENERATE(false, true);
    const std::string large = pattern(0, on.more_than_buffers());
    bool ended = false;
    on.run_pair([&](stream&) -> task<> { co_await on.until([&] { return ended; }); },
                [&](stream& peer) -> task<> {
                    auto writer = [&]() -> task<> {
                        const auto error = co_await error_of(peer.write(large));
                        CHECK(error == errc::timed_out);
                    };
                    auto closer = [&]() -> task<> {
                        std::error_code error;
                        if (only_writing) {
                            error = co_await error_of(peer.shutdown_write(on.moment()));
                        } else {
                            error = co_await error_of(peer.close(on.moment()));
                        }
                        CHECK(error == errc::timed_out);
                    };
                    co_await bight::when_all(writer(), closer());
                    CHECK_FALSE(peer.is_open());
                    ended = true;
                });
}

TEST_CASE("both ends know where they are, also after the connection has gone") {
    place_fixture on(GENERATE(from_range(test::places())));
    std::string server[2];
    std::string client[2];
    std::string after;
    on.run_pair(
        [&](stream& peer) -> task<> {
            server[0] = peer.local().to_string();
            server[1] = peer.peer().to_string();
            const std::string end = co_await next(peer);
            CHECK((end == reset_error || end == "end"));  // of a Unix socket it is the end
            after = peer.peer().to_string();
        },
        [&](stream& peer) -> task<> {
            client[0] = peer.local().to_string();
            client[1] = peer.peer().to_string();
            co_await on.settle();
            peer.abort();
        });
    CHECK(server[0] == client[1]);
    CHECK(server[1] == client[0]);
    CHECK(after == server[1]);
    if (!on.is_tcp()) CHECK(client[0] == "unix:(unnamed)");
}
