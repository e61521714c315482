// Descriptors that are passed while others read, write, wait and are cancelled.
#include "passed_descriptors.hpp"

#include "support/cancellable.hpp"
#include "support/catch.hpp"
#include "support/connections.hpp"
#include "support/error_of.hpp"
#include "support/open_descriptors.hpp"
#include "support/reactors.hpp"

#include <bight/bight.hpp>
#include <bight/net/descriptor_passing.hpp>

#include <unistd.h>

#include <chrono>
#include <cstddef>
#include <random>
#include <string>
#include <system_error>
#include <vector>

using bight::owned_descriptor;
using bight::task;
using test::beside_raw;
using test::family;
using test::fill_unix;
using test::marked;
using test::marks_of;
using test::send_raw;
using test::turns_until_told;
using namespace std::chrono_literals;

TEST_CASE("passing: a full buffer is waited for; cancelled there, nothing was sent") {
    ON_EACH_WITH_UNIX_SOCKETS;
    on.run([]() -> task<> {
        auto pair = co_await test::connected_pair(family::unix_path);
        bight::accept_descriptors(pair.server, 10);
        const std::size_t full = fill_unix(pair.client.native_handle());
        const auto in_vain = co_await bight::try_with_timeout(
            bight::send_descriptor(pair.client, marked(1).get(), "lost"), 1ms);
        CHECK_FALSE(in_vain);
        std::string all;
        auto send = [&]() -> task<> {
            // More than the buffer holds: the first call takes a part, with the descriptor.
            co_await bight::send_descriptor(pair.client, marked(2).get(), std::string(1 << 20, 'y'));
            co_await bight::send_descriptor(pair.client, marked(3).get(), "end");
        };
        auto receive = [&]() -> task<> {
            while (all.size() < full + (1 << 20) + 3) {
                const bight::chunk got = co_await pair.server.read_some();
                all += got.view();
            }
        };
        co_await bight::when_all(send(), receive());
        CHECK(all == std::string(full, 'x') + std::string(1 << 20, 'y') + "end");
        const auto got = bight::take_descriptors(pair.server);
        CHECK(marks_of(got.descriptors) == std::vector{2, 3});
    });
}

TEST_CASE("passing: cancelled in the middle of its bytes, the descriptor has gone, and the end is a reset") {
    ON_EACH_WITH_UNIX_SOCKETS;
    on.run([]() -> task<> {
        auto pair = co_await test::connected_pair(family::unix_path);
        bight::accept_descriptors(pair.server);
        const auto in_part = co_await bight::try_with_timeout(
            bight::send_descriptor(pair.client, marked(1).get(), std::string(1 << 20, 'x')), 1ms);
        CHECK_FALSE(in_part);
        std::string all;
        auto receive = [&]() -> task<> {
            while (all.empty() || all.back() != '.') {
                const bight::chunk got = co_await pair.server.read_some();
                all += got.view();
            }
        };
        auto go_on = [&]() -> task<> { co_await pair.client.write("more."); };
        co_await bight::when_all(receive(), go_on());  // what follows does not make up for what is missing
        CHECK(all.size() > 5);
        CHECK(all.size() < (1 << 20));
        const auto error = co_await test::error_of(pair.client.close());
        CHECK(error == bight::errc::aborted);
        const auto got = bight::take_descriptors(pair.server);
        CHECK(marks_of(got.descriptors) == std::vector{1});
    });
}

TEST_CASE("passing: a message that is cancelled as room comes has gone, or not, with its descriptor") {
    ON_EACH_WITH_UNIX_SOCKETS;
    on.run([]() -> task<> {
        for (const int wait : turns_until_told) {
            CAPTURE(wait);
            auto pair = co_await test::connected_pair(family::unix_path);
            bight::accept_descriptors(pair.server);
            const std::size_t full = fill_unix(pair.client.native_handle());
            test::cancellable one;
            auto send = [&]() -> task<> {
                co_await bight::send_descriptor(pair.client, marked(1).get(), std::string(1 << 20, 'x'));
            };
            auto interrupt = [&]() -> task<> {
                std::string bytes(full, '\0');
                for (std::size_t got = 0; got < full;) {
                    got += static_cast<std::size_t>(
                        ::recv(pair.server.native_handle(), bytes.data(), full - got, 0));
                }
                co_await test::turns(wait);
                one.cancel();
            };
            co_await bight::when_all(one.run(send()), interrupt());  // ends, although nobody reads
            CHECK_FALSE(one.ended());
            const auto error = co_await test::error_of(pair.client.close());
            CHECK(error == bight::errc::aborted);
            std::string all;
            while (auto got = co_await bight::as_result(pair.server.read_some())) {
                if (got->empty()) break;
                all += got->view();
            }
            const auto got = bight::take_descriptors(pair.server);
            CHECK(got.descriptors.size() == (all.empty() ? 0U : 1U));
        }
    });
}

TEST_CASE("passing: a receive that is cancelled, whenever that is, loses no descriptor") {
    ON_EACH_WITH_UNIX_SOCKETS;
    on.run([]() -> task<> {
        auto [server, raw] = co_await beside_raw();
        const owned_descriptor sent = marked(7);
        bight::accept_descriptors(server);
        const int before = test::open_descriptors();
        std::size_t held = 0;
        std::size_t sized = 0;
        char byte = 0;
        for (const int wait : turns_until_told) {
            for (const int sends_at : {0, 1, 2}) {
                test::cancellable one;
                auto receive = [&]() -> task<> {
                    const auto got =
                        co_await bight::receive_descriptors(server, bight::mutable_buffer(&byte, 1));
                    held += got.descriptors.size();
                    sized += got.size;
                };
                auto interrupt = [&]() -> task<> {
                    if (sends_at == 0) send_raw(raw.get(), "x", sent.get(), 2);
                    co_await test::turns(wait);
                    if (sends_at == 1) send_raw(raw.get(), "x", sent.get(), 2);
                    one.cancel();
                    if (sends_at == 2) send_raw(raw.get(), "x", sent.get(), 2);
                };
                co_await bight::when_all(one.run(receive()), interrupt());
            }
        }
        constexpr std::size_t sent_in_all = 3 * turns_until_told.size();
        while (sized < sent_in_all) {
            const auto got = co_await bight::receive_descriptors(server, bight::mutable_buffer(&byte, 1));
            held += got.descriptors.size();
            sized += got.size;
        }
        // One that ended with its result, and was cancelled at the next await, has taken what came.
        CHECK(held == 2 * sent_in_all);
        CHECK(test::open_descriptors() == before);
    });
}

TEST_CASE("passing: a message that waits for room ends with its stream, and with its peer") {
    ON_EACH_WITH_UNIX_SOCKETS;
    on.run([]() -> task<> {
        const bool own_end = GENERATE(true, false);
        auto pair = co_await test::connected_pair(family::unix_path);
        fill_unix(pair.client.native_handle());
        std::error_code first;
        std::error_code in_line;
        auto send = [&]() -> task<> {
            first = co_await test::error_of(bight::send_descriptor(pair.client, marked(1).get(), "x"));
        };
        auto behind = [&]() -> task<> {
            in_line = co_await test::error_of(bight::send_descriptor(pair.client, marked(2).get(), "y"));
        };
        auto leave_the_line = [&]() -> task<> {
            const auto done = co_await bight::try_with_timeout(
                bight::send_descriptor(pair.client, marked(3).get(), "z"), 1ms);
            CHECK_FALSE(done);
        };
        auto end = [&]() -> task<> {
            co_await leave_the_line();
            (own_end ? pair.client : pair.server).abort();
        };
        co_await bight::when_all(send(), behind(), end());
        CHECK((own_end ? first == bight::errc::aborted
                       : first == std::errc::broken_pipe || first == std::errc::connection_reset));
        CHECK(in_line == first);
    });
}

TEST_CASE("passing: it has its turn among outboxes, and keeps the order") {
    ON_EACH_WITH_UNIX_SOCKETS;
    on.run([]() -> task<> {
        auto pair = co_await test::connected_pair(family::unix_path);
        bight::accept_descriptors(pair.server, 10);
        const std::size_t full = fill_unix(pair.client.native_handle());
        bight::outbox box(pair.client);
        box.send("one,");
        auto pass = [&]() -> task<> {
            co_await bight::send_descriptor(pair.client, marked(1).get(), "two,");
        };
        auto later = [&]() -> task<> {
            co_await bight::yield();
            box.send("three");
            std::string all;
            while (all.size() < full + 13) {
                const bight::chunk got = co_await pair.server.read_some();
                all += got.view();
            }
            CHECK(all.substr(full) == "one,two,three");
        };
        co_await bight::when_all(pass(), later());
        const auto got = bight::take_descriptors(pair.server);
        CHECK(marks_of(got.descriptors) == std::vector{1});
    });
}

TEST_CASE("passing: a random walk of writes, messages, reads and takes loses nothing, and keeps the order") {
    ON_EACH_WITH_UNIX_SOCKETS;
    const auto seed = Catch::rngSeed();
    on.run([seed]() -> task<> {
        auto pair = co_await test::connected_pair(family::unix_path);
        bight::accept_descriptors(pair.server, 100'000);
        std::string written;
        std::vector<int> passed;
        auto writer = [&]() -> task<> {
            std::mt19937 draw(seed);
            for (int i = 0; i < 200; ++i) {
                const std::string bytes(1 + draw() % (draw() % 20 == 0 ? 300'000 : 50), char('a' + i % 26));
                written += bytes;
                if (draw() % 3 == 0) {
                    co_await pair.client.write(bytes);
                    continue;
                }
                std::vector<owned_descriptor> some;
                std::vector<int> numbers;
                for (auto n = 1 + draw() % 3; n > 0; --n) {
                    passed.push_back(int(passed.size()));
                    some.push_back(marked(passed.back()));
                    numbers.push_back(some.back().get());
                }
                co_await bight::send_descriptors(pair.client, numbers, bytes);
            }
            co_await pair.client.shutdown_write();
        };
        std::string read;
        std::vector<int> came;
        auto reader = [&]() -> task<> {
            std::mt19937 draw(seed + 1);
            std::vector<char> memory(10'000);
            for (;;) {
                std::size_t size = 0;
                if (draw() % 3 == 0) {
                    // A deadline that mostly strikes while it waits.
                    auto got = co_await bight::try_with_timeout(pair.server.read_some(), 1ns);
                    if (!got) continue;
                    size = got->size();
                    read += got->view();
                } else {
                    size = co_await pair.server.read_some(
                        bight::mutable_buffer(memory.data(), 1 + draw() % memory.size()));
                    read.append(memory.data(), size);
                }
                if (size == 0) break;
                if (draw() % 4 > 0) continue;
                const auto got = bight::take_descriptors(pair.server);
                CHECK_FALSE(got.missing);
                for (const int mark : marks_of(got.descriptors)) came.push_back(mark);
            }
            for (const int mark : marks_of(bight::take_descriptors(pair.server).descriptors)) {
                came.push_back(mark);
            }
        };
        co_await bight::when_all(writer(), reader());
        CHECK(read == written);
        CHECK(came == passed);
    });
}

TEST_CASE("passing: a copy passes on the bytes; descriptors that were accepted can be taken") {
    ON_EACH_WITH_UNIX_SOCKETS;
    const bool accepts = GENERATE(true, false);
    on.run([accepts]() -> task<> {
        auto in = co_await test::connected_pair(family::unix_path);
        auto out = co_await test::connected_pair(family::unix_path);
        if (accepts) bight::accept_descriptors(in.server, 10);
        const std::string much(1 << 18, 'm');
        int ends[2];
        REQUIRE(::pipe(ends) == 0);
        owned_descriptor read_end(ends[0]);
        owned_descriptor write_end(ends[1]);
        auto send = [&]() -> task<> {
            for (int i = 0; i < 4; ++i) co_await bight::send_descriptor(in.client, write_end.get(), much);
            write_end.reset();
            co_await in.client.shutdown_write();
        };
        auto copy_on = [&]() -> task<> {
            co_await bight::copy(in.server, out.client);
            co_await out.client.shutdown_write();
        };
        auto receive = [&]() -> task<> {
            const std::string all = co_await test::read_all(out.server);
            CHECK(all.size() == 4 * much.size());
        };
        co_await bight::when_all(send(), copy_on(), receive());
        auto got = bight::take_descriptors(in.server);
        CHECK(got.descriptors.size() == (accepts ? 4U : 0U));
        got = {};
        char byte = 0;
        CHECK(::read(read_end.get(), &byte, 1) == 0);  // the end: nobody has the other one
    });
}
