// Descriptors that are passed over Unix sockets.
#include "full_socket.hpp"

#include "support/cancellable.hpp"
#include "support/catch.hpp"
#include "support/connections.hpp"
#include "support/error_of.hpp"
#include "support/few_descriptors.hpp"
#include "support/open_descriptors.hpp"
#include "support/reactors.hpp"

#include <bight/bight.hpp>
#include <bight/net/descriptor_passing.hpp>
#include <bight/sim/world.hpp>

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <random>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

using bight::owned_descriptor;
using bight::task;
using test::family;
using namespace std::chrono_literals;

namespace {

#define ON_EACH_DEMULTIPLEXER  \
    test::need_unix_sockets(); \
    test::reactor_fixture on(GENERATE(from_range(test::demultiplexers())))

/// A reactor that is busy looks at the kernel every 64 turns. Then an operation has ended, and its task does
/// not know yet.
constexpr std::array turns_until_told{0, 1, 2, 60, 61, 62, 63, 64};

/// A descriptor that can be told from others: the read end of a pipe that holds `mark`.
owned_descriptor marked(int mark) {
    int ends[2];
    REQUIRE(::pipe(ends) == 0);
    REQUIRE(::write(ends[1], &mark, sizeof mark) == sizeof mark);
    ::close(ends[1]);
    return owned_descriptor(ends[0]);
}

int mark_of(const owned_descriptor& d) {
    int mark = -1;
    return ::read(d.get(), &mark, sizeof mark) == sizeof mark ? mark : -1;
}

std::vector<int> marks_of(const std::vector<owned_descriptor>& all) {
    std::vector<int> marks;
    for (const auto& d : all) marks.push_back(mark_of(d));
    return marks;
}

bool is_close_on_exec(const owned_descriptor& d) { return (::fcntl(d.get(), F_GETFD) & FD_CLOEXEC) != 0; }

/// A message with `count` copies of `fd`, by a plain call that waits.
void send_raw(int to, const std::string& bytes, int fd, std::size_t count) {
    alignas(cmsghdr) std::array<char, CMSG_SPACE(253 * sizeof(int))> control{};
    iovec piece{const_cast<char*>(bytes.data()), bytes.size()};
    msghdr message{};
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = static_cast<decltype(message.msg_controllen)>(CMSG_SPACE(count * sizeof fd));
    cmsghdr* const header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = static_cast<decltype(header->cmsg_len)>(CMSG_LEN(count * sizeof fd));
    for (std::size_t i = 0; i < count; ++i) std::memcpy(CMSG_DATA(header) + i * sizeof fd, &fd, sizeof fd);
    REQUIRE(::sendmsg(to, &message, 0) == static_cast<ssize_t>(bytes.size()));
}

/// test::fill without the second look that TCP needs.
std::size_t fill_unix(int socket) { return test::detail::send_until_refused(socket, 4096); }

/// A stream whose peer is a plain socket. No listener that is yet to be closed disturbs the counts.
task<test::half_pair> beside_raw() {
    int ends[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    const owned_descriptor first(ends[0]);
    test::raw_socket raw(ends[1]);
    bight::stream s = co_await bight::connect(first.as_endpoint());
    co_return test::half_pair(std::move(s), std::move(raw));
}

/// What a call throws.
template <class F>
std::error_code code_thrown_by(F call) {
    try {
        call();
    } catch (const std::system_error& e) {
        return e.code();
    }
    return {};
}

}  // namespace

TEST_CASE("passing: as many as a message takes arrive in their order, with the first of its bytes") {
    ON_EACH_DEMULTIPLEXER;
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
    ON_EACH_DEMULTIPLEXER;
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
    ON_EACH_DEMULTIPLEXER;
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
    ON_EACH_DEMULTIPLEXER;
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
    ON_EACH_DEMULTIPLEXER;
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
    ON_EACH_DEMULTIPLEXER;
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
    ON_EACH_DEMULTIPLEXER;
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

TEST_CASE("passing: a full buffer is waited for; cancelled there, nothing was sent") {
    ON_EACH_DEMULTIPLEXER;
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
    ON_EACH_DEMULTIPLEXER;
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
    ON_EACH_DEMULTIPLEXER;
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
    ON_EACH_DEMULTIPLEXER;
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
    ON_EACH_DEMULTIPLEXER;
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
    ON_EACH_DEMULTIPLEXER;
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

TEST_CASE("passing: what cannot be passed is refused with words, and harms nothing") {
    ON_EACH_DEMULTIPLEXER;
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
    ON_EACH_DEMULTIPLEXER;
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
    ON_EACH_DEMULTIPLEXER;
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

TEST_CASE("passing: connections that one has accepted are served by another") {
    test::need_unix_sockets();
    test::reactor_fixture on(GENERATE(from_range(test::reactors_and_personalities())));
    on.run([]() -> task<> {
        const test::temporary_directory directory;
        auto to_worker = co_await test::connected_pair(family::unix_path);
        for (const auto f : {family::tcp, family::unix_path}) {
            bight::listener front = bight::listen(test::new_endpoint(f, directory));
            bight::stream client = co_await bight::connect(test::endpoint_to(front.local()));
            bight::stream accepted = co_await front.accept();
            co_await client.write("who? me");
            char who[5];
            co_await accepted.read_exactly(bight::mutable_buffer(who, 5));
            {
                const owned_descriptor socket = bight::release_descriptor(std::move(accepted));
                CHECK_FALSE(accepted);
                co_await bight::send_descriptor(to_worker.client, socket.get(), "take");
            }
            char word[4];
            const auto got =
                co_await bight::receive_descriptors(to_worker.server, bight::mutable_buffer(word, 4));
            REQUIRE(got.descriptors.size() == 1);
            bight::stream taken = co_await bight::connect(got.descriptors[0].as_endpoint());
            const bight::chunk rest = co_await taken.read_some();
            CHECK(rest.view() == "me");
            co_await taken.write("you");
            const bight::chunk answer = co_await client.read_some();
            CHECK(answer.view() == "you");
            CHECK(code_thrown_by([&] { (void)bight::release_descriptor(std::move(taken)); }) ==
                  bight::errc::busy);  // it may have read more than it gave
            CHECK(taken);

            // The listener, too. (The file of a Unix socket goes with its first one.)
            if (f != family::tcp) continue;
            co_await bight::send_descriptor(to_worker.client, front.native_handle(), "take");
            front.close();
            const auto passed =
                co_await bight::receive_descriptors(to_worker.server, bight::mutable_buffer(word, 4));
            bight::listener second = bight::listen(passed.descriptors.at(0).as_endpoint());
            const bight::stream another = co_await bight::connect(test::endpoint_to(second.local()));
            const bight::stream served = co_await second.accept();
            CHECK(served);
        }
    });
}

TEST_CASE("passing: a socket is not taken out of a stream that is in use") {
    ON_EACH_DEMULTIPLEXER;
    on.run([]() -> task<> {
        auto pair = co_await test::connected_pair(family::unix_path);
        char byte = 0;
        auto read = [&]() -> task<> { co_await pair.server.read_some(bight::mutable_buffer(&byte, 1)); };
        auto refuse = [&]() -> task<> {
            co_await bight::yield();
            CHECK(code_thrown_by([&] { (void)bight::release_descriptor(std::move(pair.server)); }) ==
                  bight::errc::busy);
            co_await pair.client.write("x");
        };
        co_await bight::when_all(read(), refuse());
        CHECK(byte == 'x');
        bight::accept_descriptors(pair.client);
        co_await bight::send_descriptor(pair.server, marked(1).get(), "x");
        co_await pair.client.read_exactly(bight::mutable_buffer(&byte, 1));
        CHECK(code_thrown_by([&] { (void)bight::release_descriptor(std::move(pair.client)); }) ==
              bight::errc::busy);
        pair.server.unread(bight::chunk::copy_of("given back"));
        CHECK(code_thrown_by([&] { (void)bight::release_descriptor(std::move(pair.server)); }) ==
              bight::errc::busy);
        bight::stream none;
        CHECK(code_thrown_by([&] { (void)bight::release_descriptor(std::move(none)); }) ==
              std::errc::bad_file_descriptor);
        auto memory = co_await test::connected_pair(family::memory);
        CHECK(code_thrown_by([&] { (void)bight::release_descriptor(std::move(memory.server)); }) ==
              std::errc::operation_not_supported);
        co_await memory.client.write("x");
        const bight::chunk unharmed = co_await memory.server.read_some();
        CHECK(unharmed.view() == "x");
    });
}

TEST_CASE("passing: a socket is not taken out of a stream whose write was cut short, or that read ahead") {
    ON_EACH_DEMULTIPLEXER;
    on.run([]() -> task<> {
        const auto release = [](bight::stream& s) {
            return code_thrown_by([&] { (void)bight::release_descriptor(std::move(s)); });
        };
        char byte = 0;
        const bight::mutable_buffer memory(&byte, 1);
        const std::string much(1 << 20, 'x');
        for (const bool message : {false, true}) {
            auto pair = co_await test::connected_pair(family::unix_path);
            auto write = [&]() -> task<> {
                if (message) co_await bight::send_descriptor(pair.client, marked(1).get(), much);
                if (!message) co_await pair.client.write(much);
            };
            const auto in_part = co_await bight::try_with_timeout(write(), 1ms);
            CHECK_FALSE(in_part);
            CHECK(release(pair.client) == bight::errc::aborted);
            const auto error = co_await test::error_of(pair.client.close());
            CHECK(error == bight::errc::aborted);
        }
        for (const bool message : {false, true}) {
            auto [server, raw] = co_await beside_raw();
            const std::size_t full = fill_unix(server.native_handle());
            auto write = [&]() -> task<> {
                if (message) co_await bight::send_descriptor(server, marked(1).get(), "lost");
                if (!message) co_await server.write("lost");
            };
            const auto in_vain = co_await bight::try_with_timeout(write(), 1ms);
            CHECK_FALSE(in_vain);
            {
                const owned_descriptor whole = bight::release_descriptor(std::move(server));
            }
            CHECK(raw.receive_all() == std::string(full, 'x'));
        }
        for (const bool accepts : {false, true}) {
            auto [server, raw] = co_await beside_raw();
            if (accepts) bight::accept_descriptors(server);
            raw.send("a");
            const bight::chunk first = co_await server.read_some();
            raw.send("b");
            co_await server.read_some(memory);
            CHECK(first.view() == "a");
            CHECK(byte == 'b');
            CHECK(release(server) == (accepts ? std::error_code() : make_error_code(bight::errc::busy)));
        }
    });
}

TEST_CASE("passing: in a forked child a socket is not taken out of its parent's stream") {
    ON_EACH_DEMULTIPLEXER;
    on.run([]() -> task<> {
        auto [server, raw] = co_await beside_raw();
        const pid_t child = ::fork();
        REQUIRE(child >= 0);
        if (child == 0) {
            bool told = false;
            try {
                (void)bight::release_descriptor(std::move(server)).release();
            } catch (const std::system_error& e) {
                told = e.code() == bight::errc::wrong_thread &&
                       std::string(e.what()).find("parent") != std::string::npos;
            }
            ::_exit(told ? 0 : 1);
        }
        int status = -1;
        REQUIRE(::waitpid(child, &status, 0) == child);
        CHECK(status == 0);
        raw.send("x");
        char byte = 0;
        co_await server.read_some(bight::mutable_buffer(&byte, 1));
        CHECK(byte == 'x');
    });
}

TEST_CASE("passing: a random walk of writes, messages, reads and takes loses nothing, and keeps the order") {
    ON_EACH_DEMULTIPLEXER;
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
    ON_EACH_DEMULTIPLEXER;
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

namespace {

task<> echo_passed(bight::stream peer) {
    while (auto chunk = co_await peer.read_some()) co_await peer.write(chunk);
}

/// Serves what the front passes on.
task<> serve_passed() {
    bight::listener l = bight::listen("unix:@work");
    bight::stream front = co_await l.accept();
    auto each = [&](bight::group& g) -> task<> {
        char byte = 0;
        for (;;) {
            auto got = co_await bight::receive_descriptors(front, bight::mutable_buffer(&byte, 1));
            if (got.size == 0) break;
            for (auto& one : got.descriptors) {
                bight::stream s = co_await bight::connect(one.as_endpoint());
                g.spawn(echo_passed(std::move(s)));
            }
        }
    };
    co_await bight::with_group(each);
}

/// Accepts, and keeps nothing, so that one connection at a time is enough.
task<> pass_to_worker(bight::stream& worker, int& connections, bight::stream client) {
    const owned_descriptor socket = bight::release_descriptor(std::move(client));
    co_await bight::send_descriptor(worker, socket.get(), "c");
    --connections;
}

task<> accept_for_others(int connections) {
    bight::stream worker = co_await bight::connect("unix:@work");
    bight::serve_options one;
    one.max_connections = 1;
    auto all_are_passed = [&]() -> task<> {
        while (connections > 0) co_await bight::sleep_for(100ms);
    };
    co_await bight::race(
        bight::serve("tcp:7000", one, pass_to_worker, std::ref(worker), std::ref(connections)),
        all_are_passed());
    co_await worker.close();
}

}  // namespace

TEST_CASE("passing: on a simulated host, too, and nothing is left open, whatever the seed") {
    for (std::uint64_t seed = 0; seed < 40; ++seed) {
        CAPTURE(seed);
        bight::sim::world_options options;
        options.personality = bight::sim::personalities[seed % bight::sim::personalities.size()];
        options.faults = bight::sim::fault_plan::storm().without_harm();
        bight::sim::world w(seed, options);
        auto& server = w.add("server");
        int echoed = 0;
        server.run([] { return serve_passed(); });
        server.run([]() -> task<> {
            co_await bight::sleep_for(1s);
            co_await accept_for_others(3);
        });
        auto& client = w.add("client");
        for (int i = 0; i < 3; ++i) {
            client.run([&echoed]() -> task<> {
                co_await bight::sleep_for(2s);
                bight::stream s = co_await bight::connect("tcp:server:7000");
                co_await s.write("hello");
                char answer[5];
                co_await s.read_exactly(bight::mutable_buffer(answer, 5));
                if (std::string(answer, 5) == "hello") ++echoed;
                co_await s.close();
            });
        }
        w.run();
        CHECK(echoed == 3);
        w.run_for(1min);
        CHECK(server.sockets() == 0);
    }
}

TEST_CASE("passing: a simulated host closes what nobody takes, and refuses more than it can have open") {
    bight::sim::world_options options;
    options.sockets_per_host = 20;
    bight::sim::world w(7, options);
    auto& server = w.add("server");
    server.run([&]() -> task<> {
        auto pair = co_await test::connected_pair(family::unix_abstract);
        bight::listener l = bight::listen("tcp:7000");
        const std::size_t before = server.sockets();
        co_await bight::send_descriptor(pair.client, l.native_handle(), "a");
        CHECK(server.sockets() == before + 1);
        const bight::chunk unwanted = co_await pair.server.read_some();
        CHECK(unwanted.view() == "a");
        CHECK(server.sockets() == before);

        auto asked = co_await test::connected_pair(family::unix_abstract);
        bight::accept_descriptors(asked.server, 2);
        const std::vector<int> four(4, l.native_handle());
        co_await bight::send_descriptors(asked.client, four, "b");
        co_await asked.server.read_some();
        auto got = bight::take_descriptors(asked.server);
        CHECK(got.descriptors.size() == 2);
        CHECK(got.missing == bight::errc::too_long);
        got = {};
        CHECK(server.sockets() == before + 2);

        const std::vector<int> many(30, l.native_handle());
        const auto error = co_await test::error_of(bight::send_descriptors(asked.client, many, "c"));
        CHECK(error == test::from_errno(ETOOMANYREFS));
        const auto unknown = co_await test::error_of(bight::send_descriptor(asked.client, 0, "c"));
        CHECK(unknown == std::errc::bad_file_descriptor);
        co_await bight::send_descriptor(asked.client, l.native_handle(), "d");
        asked.server.abort();
        asked.client.abort();
        CHECK(server.sockets() == before);
    });
    w.run();
}
