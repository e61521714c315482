// Unix datagrams: files, peers, and receivers that are full.
#include "support/cancellable.hpp"
#include "support/catch.hpp"
#include "support/connections.hpp"
#include "support/each_reactor.hpp"
#include "support/error_of.hpp"
#include "support/reactors.hpp"

#include "datagrams.hpp"

#include <bight/bight.hpp>
#include <bight/net/datagram_socket.hpp>

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

using bight::address;
using bight::datagram_socket;
using bight::errc;
using bight::task;
using test::error_of;
using test::message;
using test::receive;
using namespace std::chrono_literals;

namespace {

task<datagram_socket> sender(const test::temporary_directory& directory, bool has_peer) {
    if (has_peer) {
        datagram_socket s = co_await datagram_socket::connect(test::unix_endpoint(directory.file("server")));
        co_return s;
    }
    co_return datagram_socket::bind(test::unix_endpoint(directory.file("free")));
}

task<> send_from(datagram_socket& s, bool has_peer, const datagram_socket& server, std::string text) {
    if (has_peer) {
        co_await s.send(text);
    } else {
        co_await s.send_to(server.local(), text);
    }
}

task<> send_and_note(datagram_socket& s, address to, std::string text, std::vector<std::string>& sent) {
    co_await s.send_to(to, text);
    sent.push_back(text);
}

template <class F>
void in_directory_on_each_of(const std::vector<test::reactor_choice>& choices, F body) {
    if (!test::has_unix_datagrams()) test::skip("there are no Unix sockets of datagrams");
    const auto kind = GENERATE_COPY(from_range(choices));
    CAPTURE(kind);
    const test::temporary_directory directory;
    test::reactor_fixture on(kind);
    on.run([&] { return body(directory); });
}

template <class F>
void in_directory_on_each(F body) {
    in_directory_on_each_of(test::reactors_and_personalities(), std::move(body));
}

}  // namespace

TEST_CASE("Unix datagrams come whole, from named and unnamed senders, and are answered") {
    in_directory_on_each([](const test::temporary_directory& directory) -> task<> {
        datagram_socket server = datagram_socket::bind(test::unix_endpoint(directory.file("server")));
        CHECK(server.local() == address::from_path(directory.file("server")));
        bight::datagram_options answered;
        answered.local = address::from_path(directory.file("client"));
        datagram_socket client =
            co_await datagram_socket::connect(test::unix_endpoint(directory.file("server")), answered);
        co_await client.send("question");
        const message question = co_await receive(server);
        CHECK(question.text == "question");
        CHECK(question.about.from == client.local());
        CHECK(question.about.to == server.local());
        co_await server.send_to(question.about.from, "answer");
        const message answer = co_await receive(client);
        CHECK(answer.text == "answer");
        CHECK(answer.about.from == server.local());

        datagram_socket nameless =
            co_await datagram_socket::connect(test::unix_endpoint(directory.file("server")));
        co_await nameless.send("");
        const message empty = co_await receive(server);
        CHECK(empty.text.empty());
        CHECK(empty.about.from.path().empty());
    });
}

TEST_CASE("a Unix socket's file goes with it, has its mode, and replaces one that was left") {
    in_directory_on_each_of(test::real_reactors(), [](const test::temporary_directory& directory) -> task<> {
        const std::string path = directory.file("here");
        datagram_socket first = datagram_socket::bind(test::unix_endpoint(path) + ":mode=600");
        struct stat file{};
        REQUIRE(::lstat(path.c_str(), &file) == 0);
        CHECK((file.st_mode & 0777) == 0600);
        std::error_code code;
        try {
            const datagram_socket second = datagram_socket::bind(test::unix_endpoint(path));
        } catch (const std::system_error& e) {
            code = e.code();
        }
        CHECK(code == std::errc::address_in_use);
        // What a killed program leaves.
        std::filesystem::rename(path, directory.file("elsewhere"));
        first.close();
        CHECK(std::filesystem::exists(directory.file("elsewhere")));
        std::filesystem::rename(directory.file("elsewhere"), path);
        datagram_socket third = datagram_socket::bind(test::unix_endpoint(path));
        CHECK(std::filesystem::exists(path));
        third.close();
        CHECK_FALSE(std::filesystem::exists(path));
        co_return;
    });
}

TEST_CASE("abstract names take datagrams") {
    if (!test::has_abstract_names()) test::skip("only Linux has abstract names");
    in_directory_on_each([](const test::temporary_directory& directory) -> task<> {
        const std::string where = test::unix_endpoint("@" + directory.file("name"));
        datagram_socket server = datagram_socket::bind(where);
        datagram_socket client = co_await datagram_socket::connect(where);
        co_await client.send("hello");
        const message m = co_await receive(server);
        CHECK(m.text == "hello");
    });
}

TEST_CASE("a Unix datagram to nobody is an error of its own send, and the socket goes on") {
    in_directory_on_each([](const test::temporary_directory& directory) -> task<> {
        datagram_socket server = datagram_socket::bind(test::unix_endpoint(directory.file("server")));
        datagram_socket other = datagram_socket::bind(test::unix_endpoint(directory.file("other")));
        datagram_socket client =
            co_await datagram_socket::connect(test::unix_endpoint(directory.file("server")));
        const auto none = co_await error_of(other.send_to(address::from_path(directory.file("nobody")), "x"));
        CHECK(none == std::errc::no_such_file_or_directory);
        const auto family = co_await error_of(other.send_to(address::from_ip("127.0.0.1", 9), "x"));
        CHECK(family == std::errc::address_family_not_supported);
        server.close();
        const auto gone = co_await error_of(client.send("x"));
        CHECK(gone == std::errc::connection_refused);
        const auto still_gone = co_await error_of(client.send("x"));
        CHECK(still_gone == std::errc::connection_refused);
        co_await other.send_to(other.local(), "to itself");
        const message m = co_await receive(other);
        CHECK(m.text == "to itself");
        const auto refused =
            co_await error_of(datagram_socket::connect(test::unix_endpoint(directory.file("nobody"))));
        CHECK(refused == std::errc::no_such_file_or_directory);
    });
}

TEST_CASE("sends wait while the receiver of Unix datagrams is full, with a peer and without one") {
    in_directory_on_each([](const test::temporary_directory& directory) -> task<> {
        datagram_socket server = datagram_socket::bind(test::unix_endpoint(directory.file("server")));
        datagram_socket free = datagram_socket::bind(test::unix_endpoint(directory.file("free")));
        datagram_socket bound =
            co_await datagram_socket::connect(test::unix_endpoint(directory.file("server")));
        constexpr int each = 500;
        int free_sent = 0;
        int bound_sent = 0;
        auto all = [&](bight::group& g) -> task<> {
            g.spawn([&]() -> task<> {
                for (; free_sent < each; ++free_sent) co_await free.send_to(server.local(), "free");
            });
            g.spawn([&]() -> task<> {
                for (; bound_sent < each; ++bound_sent) co_await bound.send("bound");
            });
            co_await bight::sleep_for(20ms);
            CHECK(free_sent + bound_sent < 2 * each);
            int free_seen = 0;
            int bound_seen = 0;
            while (free_seen + bound_seen < 2 * each) {
                const message m = co_await receive(server);
                m.text == "free" ? ++free_seen : ++bound_seen;
            }
            CHECK(free_seen == each);
            CHECK(bound_seen == each);
        };
        co_await bight::with_group(all);
    });
}

TEST_CASE("a send that is cancelled while the receiver is full has sent nothing, and the next has its turn") {
    in_directory_on_each([](const test::temporary_directory& directory) -> task<> {
        datagram_socket server = datagram_socket::bind(test::unix_endpoint(directory.file("server")));
        for (const bool has_peer : {false, true}) {
            datagram_socket s = co_await sender(directory, has_peer);
            std::size_t filled = 0;
            for (;; ++filled) {
                const bool sent =
                    co_await bight::try_with_timeout(send_from(s, has_peer, server, "fill"), 20ms);
                if (!sent) break;
            }
            REQUIRE(filled > 0);
            test::cancellable given_up;
            bool second_sent = false;
            auto all = [&](bight::group& g) -> task<> {
                g.spawn(given_up.run(send_from(s, has_peer, server, "given up")));
                co_await test::turns(3);
                g.spawn([&]() -> task<> {
                    co_await send_from(s, has_peer, server, "second");
                    second_sent = true;
                });
                co_await test::turns(3);
                given_up.cancel();
                co_await bight::sleep_for(1ms);  // it takes a while in the simulation, and success wins
                CHECK_FALSE(second_sent);
                for (; filled > 0; --filled) {
                    const message m = co_await receive(server);
                    CHECK(m.text == "fill");
                }
                const message last = co_await receive(server);
                CHECK(last.text == "second");
            };
            co_await bight::with_group(all);
        }
    });
}

TEST_CASE("a socket that is closed ends the sends that wait there with closed") {
    in_directory_on_each([](const test::temporary_directory& directory) -> task<> {
        datagram_socket server = datagram_socket::bind(test::unix_endpoint(directory.file("server")));
        for (const bool has_peer : {false, true}) {
            datagram_socket s = co_await sender(directory, has_peer);
            std::vector<std::error_code> codes;
            auto all = [&](bight::group& g) -> task<> {
                for (int i = 0; i < 2; ++i) {
                    g.spawn([&]() -> task<> {
                        std::error_code code;
                        while (!code) {
                            code = co_await error_of(send_from(s, has_peer, server, "x"));
                        }
                        codes.push_back(code);
                    });
                }
                co_await bight::sleep_for(20ms);
                CHECK(codes.empty());
                s.close();
            };
            co_await bight::with_group(all);
            REQUIRE(codes.size() == 2);
            CHECK(codes[0] == errc::closed);
            // The second asks again, of the empty socket, or is ended with the first.
            CHECK((codes[1] == errc::closed || codes[1] == std::errc::bad_file_descriptor));
            CHECK_FALSE(s);
        }
    });
}

TEST_CASE("a socket that is closed as its send of several completes has sent some of them, or is closed") {
    in_directory_on_each([](const test::temporary_directory& directory) -> task<> {
        datagram_socket server = datagram_socket::bind(test::unix_endpoint(directory.file("server")));
        const std::array<bight::outgoing_datagram, 2> both{{{{}, "one"}, {{}, "two"}}};
        for (int round = 0; round < 8; ++round) {
            datagram_socket s = co_await sender(directory, true);
            for (;;) {
                const bool sent = co_await bight::try_with_timeout(s.send("fill"), 10ms);
                if (!sent) break;
            }
            std::optional<bight::result<std::size_t>> sent;
            auto all = [&](bight::group& g) -> task<> {
                g.spawn([&]() -> task<> { sent.emplace(co_await bight::as_result(s.send_many(both))); });
                co_await bight::sleep_for(10ms);
                (void)co_await receive(server);
                co_await test::turns(round);
                s.close();
            };
            co_await bight::with_group(all);
            REQUIRE(sent);
            CHECK((*sent ? **sent == 1 || **sent == 2 : sent->error() == errc::closed));
        }
    });
}

TEST_CASE("a receiver that reads nothing holds up those who send to it, and no others") {
    in_directory_on_each([](const test::temporary_directory& directory) -> task<> {
        datagram_socket s = datagram_socket::bind(test::unix_endpoint(directory.file("sender")));
        datagram_socket deaf = datagram_socket::bind(test::unix_endpoint(directory.file("deaf")));
        datagram_socket quick = datagram_socket::bind(test::unix_endpoint(directory.file("quick")));
        const address to_deaf = deaf.local();
        std::size_t filled = 0;
        for (;; ++filled) {
            const bool sent = co_await bight::try_with_timeout(s.send_to(to_deaf, "fill"), 20ms);
            if (!sent) break;
        }
        test::cancellable given_up;
        std::vector<std::string> sent;
        auto all = [&](bight::group& g) -> task<> {
            g.spawn(given_up.run(send_and_note(s, to_deaf, "given up", sent)));
            co_await test::turns(2);
            g.spawn(send_and_note(s, to_deaf, "first", sent));
            co_await test::turns(2);
            g.spawn(send_and_note(s, to_deaf, "second", sent));
            for (int i = 0; i < 20; ++i) {
                const bool passed = co_await bight::try_with_timeout(s.send_to(quick.local(), "x"), 5s);
                REQUIRE(passed);
                const message m = co_await receive(quick);
                CHECK(m.text == "x");
                co_await bight::sleep_for(2ms);
            }
            CHECK(sent.empty());
            given_up.cancel();
            // When it has room, that is for who asked first, although nobody has noticed yet.
            const message makes_room = co_await receive(deaf);
            CHECK(makes_room.text == "fill");
            --filled;
            const std::array<bight::outgoing_datagram, 3> several{
                {{quick.local(), "one"}, {to_deaf, "two"}, {quick.local(), "three"}}};
            const auto taken = co_await bight::try_with_timeout(s.send_many(several), 5s);
            CHECK(taken == std::size_t{1});
            g.spawn(send_and_note(s, to_deaf, "third", sent));
            co_await test::turns(2);
            for (; filled > 0; --filled) {
                const message m = co_await receive(deaf);
                CHECK(m.text == "fill");
            }
            for (const char* expected : {"first", "second", "third"}) {
                const message m = co_await receive(deaf);
                CHECK(m.text == expected);
            }
        };
        co_await bight::with_group(all);
        CHECK(sent == std::vector<std::string>{"first", "second", "third"});
    });
}

TEST_CASE(
    "a descriptor of a stream, of packets, or of no socket is none of datagrams, and is left as it was") {
    test::on_each_of(test::real_reactors(), []() -> task<> {
        const auto refused = [](int fd) {
            const int before = ::fcntl(fd, F_GETFL);
            std::string said;
            try {
                const datagram_socket s = datagram_socket::bind("fd:" + std::to_string(fd));
                said = "adopted";
            } catch (const std::system_error& e) {
                said = e.what();
            }
            CHECK(::fcntl(fd, F_GETFL) == before);
            return said;
        };
        for (const int type : {SOCK_STREAM, SOCK_SEQPACKET}) {
            int ends[2];
            REQUIRE(::socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, ends) == 0);
            const test::raw_socket one(ends[0]);
            const test::raw_socket two(ends[1]);
            const test::raw_socket third(::socket(AF_UNIX, type | SOCK_CLOEXEC, 0));
            const test::temporary_directory directory;
            const address at = address::from_path(directory.file("listening"));
            REQUIRE(::bind(third.get(), static_cast<const sockaddr*>(at.native()),
                           static_cast<socklen_t>(at.native_size())) == 0);
            REQUIRE(::listen(third.get(), 1) == 0);
            for (const int fd : {one.get(), third.get()}) {
                const std::string said = refused(fd);
                CHECK_THAT(said, Catch::Contains(": it is a socket of streams or packets, and not of "
                                                 "datagrams: " +
                                                 test::from_errno(EPROTOTYPE).message()));
            }
        }
        int ends[2];
        REQUIRE(::socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, ends) == 0);
        const test::raw_socket one(ends[0]);
        const test::raw_socket two(ends[1]);
        CHECK(refused(one.get()) == "adopted");
        const test::raw_socket file(::open("/dev/null", O_RDONLY | O_CLOEXEC));
        CHECK_THAT(refused(file.get()), Catch::Contains(test::from_errno(ENOTSOCK).message()));
        co_return;
    });
}
