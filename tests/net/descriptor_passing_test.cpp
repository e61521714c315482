// Descriptors that are passed over Unix streams.
#include "passed_descriptors.hpp"

#include "support/cancellable.hpp"
#include "support/catch.hpp"
#include "support/connections.hpp"
#include "support/error_of.hpp"
#include "support/few_descriptors.hpp"
#include "support/open_descriptors.hpp"
#include "support/reactors.hpp"

#include <bight/bight.hpp>
#include <bight/net/descriptor_passing.hpp>

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <string>
#include <system_error>
#include <vector>

using bight::owned_descriptor;
using bight::task;
using test::beside_raw;
using test::code_thrown_by;
using test::family;
using test::fill_unix;
using test::is_close_on_exec;
using test::marked;
using test::marks_of;
using test::send_raw;
using test::turns_until_told;

TEST_CASE("passing: as many as a message takes arrive in their order, with the first of its bytes") {
    ON_EACH_WITH_UNIX_SOCKETS;
    on.run([]() -> task<> {
        auto pair = co_await test::connected_pair(family::unix_path);
        bight::accept_descriptors(pair.server, 300);
        std::vector<owned_descriptor> all;
        std::vector<int> numbers;
        std::vector<int> marks;
        for (int i = 0; i < 253; ++i) {
            all.push_back(marked(i));
            numbers.push_back(all.back().get());
            marks.push_back(i);
        }
        co_await pair.client.write("before,");
        co_await bight::send_descriptors(pair.client, numbers, "with,");
        all.clear();  // they are on their way
        co_await bight::send_descriptor(pair.client, marked(999).get(), "next,");
        co_await pair.client.write("after");

        char bytes[7];
        auto got = co_await bight::receive_descriptors(pair.server, bight::mutable_buffer(bytes, 7));
        CHECK(std::string(bytes, got.size) == "before,");
        CHECK(got.descriptors.empty());
        const bight::chunk first = co_await pair.server.read_some();
        CHECK(first.view() == "with,");
        auto many = bight::take_descriptors(pair.server);
        CHECK_FALSE(many.missing);
        CHECK(marks_of(many.descriptors) == marks);
        for (const auto& d : many.descriptors) {
            if (!is_close_on_exec(d)) FAIL_CHECK("not close-on-exec");
        }
        pair.client.abort();
        std::string rest;
        while (auto chunk = co_await bight::as_result(pair.server.read_some())) {
            if (chunk->empty()) break;
            rest += chunk->view();
        }
        CHECK(rest == "next,after");
        const auto last = bight::take_descriptors(pair.server);
        CHECK(marks_of(last.descriptors) == std::vector{999});
        const auto none = bight::take_descriptors(pair.server);
        CHECK(none.descriptors.empty());
    });
}

TEST_CASE("passing: reads that do not ask close what comes, and so does an abort of one that did") {
    ON_EACH_WITH_UNIX_SOCKETS;
    on.run([]() -> task<> {
        const owned_descriptor sent = marked(1);
        const bool into_memory = GENERATE(true, false);
        for (const bool asks : {false, true}) {
            auto [server, raw] = co_await beside_raw();
            if (asks) bight::accept_descriptors(server, 10);
            const int before = test::open_descriptors();
            for (int i = 0; i < 5; ++i) send_raw(raw.get(), "x", sent.get(), 4);
            std::string all;
            while (all.size() < 5) {
                if (into_memory) {
                    char byte = 0;
                    const std::size_t got = co_await server.read_some(bight::mutable_buffer(&byte, 1));
                    all.append(&byte, got);
                } else {
                    const bight::chunk got = co_await server.read_some();
                    all += got.view();
                }
                CHECK(test::open_descriptors() <= before + (asks ? 10 : 0));
            }
            CHECK(all == "xxxxx");
            if (asks) {
                CHECK(test::open_descriptors() == before + 10);
                server.abort();
                CHECK(test::open_descriptors() == before - 1);
                const auto nothing = bight::take_descriptors(server);
                CHECK(nothing.descriptors.empty());
            } else {
                CHECK(test::open_descriptors() == before);
                const auto nothing = bight::take_descriptors(server);
                CHECK(nothing.descriptors.empty());
            }
        }
    });
}

TEST_CASE("passing: a limit bounds what a flood of descriptors takes; it is told that some are missing") {
    ON_EACH_WITH_UNIX_SOCKETS;
    on.run([]() -> task<> {
        const owned_descriptor sent = marked(1);
        auto [server, raw] = co_await beside_raw();
        bight::accept_descriptors(server, 3);
        const int before = test::open_descriptors();
        char byte = 0;
        const bight::mutable_buffer memory(&byte, 1);
        for (int i = 0; i < 20; ++i) {
            send_raw(raw.get(), "x", sent.get(), 253);
            auto got = co_await bight::receive_descriptors(server, memory);
            CHECK(got.size == 1);
            CHECK(got.descriptors.size() == 3);
            CHECK(got.missing == bight::errc::too_long);
            CHECK(test::open_descriptors() == before + 3);
        }
        CHECK(test::open_descriptors() == before);
        send_raw(raw.get(), "x", sent.get(), 3);  // as many as there may be
        bight::received_descriptors got = co_await bight::receive_descriptors(server, memory);
        CHECK(got.descriptors.size() == 3);
        CHECK_FALSE(got.missing);
        bight::accept_descriptors(server, 4);
        for (int i = 0; i < 2; ++i) {
            send_raw(raw.get(), "x", sent.get(), 3);
            co_await server.read_some(memory);
        }
        got = bight::take_descriptors(server);
        CHECK(got.descriptors.size() == 4);
        CHECK(got.missing == bight::errc::too_long);
        // What a stream that is closed holds goes with it, although its peer stays.
        send_raw(raw.get(), "x", sent.get(), 3);
        co_await server.read_some(memory);
        got = {};
        CHECK(test::open_descriptors() == before + 3);
        co_await server.close();
        CHECK(test::open_descriptors() == before);
    });
}

TEST_CASE("passing: a limit that is lowered while a read waits holds for that read") {
    ON_EACH_WITH_UNIX_SOCKETS;
    on.run([]() -> task<> {
        const owned_descriptor sent = marked(1);
        auto [server, raw] = co_await beside_raw();
        bight::accept_descriptors(server, 16);
        const int before = test::open_descriptors();
        char byte = 0;
        auto read = [&]() -> task<> { co_await server.read_some(bight::mutable_buffer(&byte, 1)); };
        auto lower = [&]() -> task<> {
            bight::accept_descriptors(server, 2);
            send_raw(raw.get(), "x", sent.get(), 10);
            co_return;
        };
        co_await bight::when_all(read(), lower());
        CHECK(test::open_descriptors() == before + 2);
        const auto got = bight::take_descriptors(server);
        CHECK(got.descriptors.size() == 2);
        CHECK(got.missing == bight::errc::too_long);
    });
}

TEST_CASE("passing: what was not taken is closed with the connection, although its stream is still there") {
    ON_EACH_WITH_UNIX_SOCKETS;
    on.run([]() -> task<> {
        const owned_descriptor sent = marked(1);
        auto [server, raw] = co_await beside_raw();
        bight::accept_descriptors(server);
        const int before = test::open_descriptors();
        send_raw(raw.get(), "x", sent.get(), 3);
        char byte = 0;
        co_await server.read_some(bight::mutable_buffer(&byte, 1));
        REQUIRE(::shutdown(raw.get(), SHUT_WR) == 0);
        const std::size_t end = co_await server.read_some(bight::mutable_buffer(&byte, 1));
        CHECK(end == 0);
        CHECK(test::open_descriptors() == before + 3);
        co_await server.close();
        CHECK(test::open_descriptors() == before - 1);
        // What has come for a read whose task does not know it yet, too.
        for (const int wait : turns_until_told) {
            CAPTURE(wait);
            auto [aborted, peer] = co_await beside_raw();
            bight::accept_descriptors(aborted);
            const int with_it = test::open_descriptors();
            auto receive = [&]() -> task<> {
                (void)co_await bight::as_result(aborted.read_some(bight::mutable_buffer(&byte, 1)));
            };
            auto abort = [&]() -> task<> {
                send_raw(peer.get(), "x", sent.get(), 3);
                co_await test::turns(wait);
                aborted.abort();
            };
            co_await bight::when_all(receive(), abort());
            CHECK(test::open_descriptors() == with_it - 1);
        }
    });
}

#ifdef __linux__

TEST_CASE("passing: credentials that come with each message take no room of descriptors") {
    ON_EACH_WITH_UNIX_SOCKETS;
    static constexpr int pass_pidfd = 76;  // SO_PASSPIDFD
    const int option = GENERATE(SO_PASSCRED, SO_PASSSEC, pass_pidfd);
    on.run([option]() -> task<> {
        const owned_descriptor sent = marked(1);
        auto [server, raw] = co_await beside_raw();
        const int yes = 1;
        if (::setsockopt(server.native_handle(), SOL_SOCKET, option, &yes, sizeof yes) < 0) {
            REQUIRE(errno == ENOPROTOOPT);  // before Linux 6.5
            co_return;
        }
        char byte = 0;
        const bight::mutable_buffer memory(&byte, 1);
        for (const std::size_t count : {4U, 5U, 0U}) {
            CAPTURE(count);
            if (count > 0) send_raw(raw.get(), "x", sent.get(), count);
            if (count == 0) REQUIRE(::send(raw.get(), "x", 1, 0) == 1);
            const auto got = co_await bight::receive_descriptors(server, memory, 4);
            CHECK(got.descriptors.size() == std::min<std::size_t>(count, 4));
            CHECK(got.missing == (count > 4 ? make_error_code(bight::errc::too_long) : std::error_code()));
        }
        // As many as there may be wait: of bytes that come alone nothing is missing.
        send_raw(raw.get(), "x", sent.get(), 4);
        REQUIRE(::send(raw.get(), "x", 1, 0) == 1);
        co_await server.read_some(memory);
        co_await server.read_some(memory);
        const auto got = bight::take_descriptors(server);
        CHECK(got.descriptors.size() == 4);
        CHECK_FALSE(got.missing);
    });
}

#endif

TEST_CASE("passing: a process that can have no more descriptors gets the bytes, and is told") {
    ON_EACH_WITH_UNIX_SOCKETS;
    on.run([]() -> task<> {
        const owned_descriptor sent = marked(1);
        auto [server, raw] = co_await beside_raw();
        send_raw(raw.get(), "ab", sent.get(), 8);
        char bytes[2];
        bight::received_message got;
        {
            const test::few_descriptors few(5);
            got = co_await bight::receive_descriptors(server, bight::mutable_buffer(bytes, 2));
        }
        CHECK(std::string(bytes, got.size) == "ab");
        CHECK(got.descriptors.size() < 8);
        CHECK(got.missing == std::errc::too_many_files_open);
        send_raw(raw.get(), "c", sent.get(), 1);
        got = co_await bight::receive_descriptors(server, bight::mutable_buffer(bytes, 2));
        CHECK(got.descriptors.size() == 1);
        CHECK_FALSE(got.missing);
    });
}

TEST_CASE("passing: what cannot be passed is refused with words, and harms nothing") {
    ON_EACH_WITH_UNIX_SOCKETS;
    on.run([]() -> task<> {
        auto pair = co_await test::connected_pair(family::unix_path);
        const owned_descriptor good = marked(1);
        auto error = co_await test::error_of(bight::send_descriptor(pair.client, 1 << 20, "x"));
        CHECK(error == std::errc::bad_file_descriptor);
        error = co_await test::error_of(
            bight::send_descriptors(pair.client, std::vector<int>(254, good.get()), "x"));
        CHECK(error == std::errc::invalid_argument);
        error = co_await test::error_of(bight::send_descriptor(pair.client, good.get(), ""));
        CHECK(error == std::errc::invalid_argument);
        error = co_await test::error_of(bight::send_descriptors(pair.client, std::vector<int>(), "x"));
        CHECK(error == std::errc::invalid_argument);
        char byte = 0;
        error = co_await test::error_of(bight::receive_descriptors(pair.server, {&byte, 0}));
        CHECK(error == std::errc::invalid_argument);
        const bight::mutable_buffer memory(&byte, 1);
        co_await bight::send_descriptor(pair.client, good.get(), "g");  // nothing is missing before it
        const auto got = co_await bight::receive_descriptors(pair.server, memory);
        CHECK(got.descriptors.size() == 1);
        co_await pair.client.close();
        const std::size_t end = co_await pair.server.read_some(memory);
        CHECK(end == 0);
        error = co_await test::error_of(bight::send_descriptor(pair.client, good.get(), "x"));
        CHECK(error == bight::errc::closed);
        bight::stream none;
        error = co_await test::error_of(bight::send_descriptor(none, good.get(), "x"));
        CHECK(error == std::errc::bad_file_descriptor);

        for (const auto f : {family::tcp, family::memory}) {
            auto other = co_await test::connected_pair(f);
            std::string said;
            try {
                co_await bight::send_descriptor(other.client, good.get(), "x");
            } catch (const std::system_error& e) {
                CHECK(e.code() == std::errc::operation_not_supported);
                said = e.what();
            }
            CHECK(said.find(f == family::tcp ? "Unix sockets" : "no socket") != std::string::npos);
            CHECK(code_thrown_by([&] { bight::accept_descriptors(other.client); }) ==
                  std::errc::operation_not_supported);
        }

        auto late = co_await test::connected_pair(family::unix_path);
        CHECK(code_thrown_by([&] { bight::accept_descriptors(late.server, 0); }) ==
              std::errc::invalid_argument);
        co_await late.client.write("x");
        co_await late.server.read_some();
        CHECK(code_thrown_by([&] { bight::accept_descriptors(late.server); }) == bight::errc::busy);
    });
}

TEST_CASE("passing: a peer that has gone is told to who sends, and ends what is received") {
    ON_EACH_WITH_UNIX_SOCKETS;
    on.run([]() -> task<> {
        auto pair = co_await test::connected_pair(family::unix_path);
        co_await bight::send_descriptor(pair.client, marked(1).get(), "last");
        pair.client.abort();
        char bytes[8];
        auto got = co_await bight::receive_descriptors(pair.server, bight::mutable_buffer(bytes, 8));
        CHECK(std::string(bytes, got.size) == "last");
        CHECK(marks_of(got.descriptors) == std::vector{1});
        got = co_await bight::receive_descriptors(pair.server, bight::mutable_buffer(bytes, 8));
        CHECK(got.size == 0);
        for (int i = 0; i < 2; ++i) {
            const auto error =
                co_await test::error_of(bight::send_descriptor(pair.server, marked(2).get(), "x"));
            CHECK(error == std::errc::broken_pipe);
        }
    });
}

TEST_CASE("passing: a peer that resets is told alike to a read and to a message that wait") {
    ON_EACH_WITH_UNIX_SOCKETS;
    const bool read_first = GENERATE(true, false);
    on.run([read_first]() -> task<> {
        auto [server, raw] = co_await beside_raw();
        bight::accept_descriptors(server);
        fill_unix(server.native_handle());
        std::error_code read;
        std::error_code sent;
        auto receive = [&]() -> task<> {
            char byte = 0;
            read = co_await test::error_of(server.read_some(bight::mutable_buffer(&byte, 1)));
        };
        auto send = [&]() -> task<> {
            sent = co_await test::error_of(bight::send_descriptor(server, marked(1).get(), "x"));
        };
        auto reset = [&]() -> task<> {  // with bytes that it has not read
            co_await bight::yield();
            raw.close();
        };
        if (read_first) {
            co_await bight::when_all(receive(), send(), reset());
        } else {
            co_await bight::when_all(send(), receive(), reset());
        }
        CHECK(read == std::errc::connection_reset);
        CHECK(sent == read);
    });
}
