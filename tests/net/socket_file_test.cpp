// The files of Unix sockets: a listener removes the one that it made, and no other, and so does a socket of
// datagrams.
#include "path_exists.hpp"

#include "support/catch.hpp"
#include "support/connections.hpp"
#include "support/reactors.hpp"

#include <bight/bight.hpp>
#include <bight/net/datagram_socket.hpp>

#include <array>
#include <filesystem>
#include <fstream>
#include <string>

using bight::task;

namespace {

/// The working directory is put back at the end.
class working_directory {
  public:
    working_directory() : before_(std::filesystem::current_path()) {}
    working_directory(const working_directory&) = delete;
    working_directory& operator=(const working_directory&) = delete;
    ~working_directory() { std::filesystem::current_path(before_); }
    void change(const std::string& to) const { std::filesystem::current_path(to); }

  private:
    std::filesystem::path before_;
};

}  // namespace

TEST_CASE("a listener that closes leaves its successor's socket alone, however that took the path") {
    if (const auto& why = test::no_unix_sockets()) test::skip(*why);
    test::reactor_fixture on(GENERATE(from_range(test::real_reactors())));
    const bool by_rename = GENERATE(false, true);
    on.run([&]() -> task<> {
        const test::temporary_directory directory;
        const std::string path = directory.file("socket");
        bight::listener old_one = bight::listen("unix:" + test::escaped(path));
        bight::listener successor;
        if (by_rename) {
            successor = bight::listen("unix:" + test::escaped(path + ".new"));
            std::filesystem::rename(path + ".new", path);
        } else {
            REQUIRE(std::filesystem::remove(path));
            successor = bight::listen("unix:" + test::escaped(path));
        }
        old_one.close();
        CHECK(test::path_exists(path));
        bight::stream client = co_await bight::connect("unix:" + test::escaped(path));
        bight::stream server = co_await successor.accept();
        successor.close();
        CHECK(test::path_exists(path) ==
              by_rename);  // a file that was renamed is not at its listener's path any more
    });
}

TEST_CASE(
    "the file of a socket goes with its reactor, and the file of its successor stays when it goes later") {
    if (const auto& why = test::no_unix_sockets()) test::skip(*why);
    bight::reactor_options options;
    options.demultiplexer = GENERATE(from_range(test::demultiplexers()));
    const bool of_datagrams = GENERATE(false, true);
    if (of_datagrams && !test::has_unix_datagrams()) return;
    const bool while_one_waits = GENERATE(false, true);  // then the reactor ends its operations first
    const test::temporary_directory directory;
    const std::string path = directory.file("socket");
    const std::string where = "unix:" + test::escaped(path);
    struct either {
        bight::listener streams;
        bight::datagram_socket datagrams;
    };
    const auto make = [&](either& s) {
        if (of_datagrams) {
            s.datagrams = bight::datagram_socket::bind(where);
        } else {
            s.streams = bight::listen(where);
        }
    };
    either old_one;
    std::array<char, 8> memory{};
    auto wait = [&]() -> task<> {
        if (of_datagrams) {
            (void)co_await old_one.datagrams.receive_from(memory);
        } else {
            (void)co_await old_one.streams.accept();
        }
    };
    {
        bight::reactor r(options);
        auto begin = [&]() -> task<> {
            make(old_one);
            co_await bight::yield();
        };
        r.run(begin());
        auto go_on = [&]() -> task<> {
            r.start(wait);
            co_await bight::yield();
        };
        if (while_one_waits) r.run(go_on());
        CHECK(test::path_exists(path));
    }
    CHECK_FALSE(test::path_exists(path));
    // Its number may be that of the old one, as with ext4.
    bight::reactor next(options);
    auto succeed = [&]() -> task<> {
        either successor;
        make(successor);
        old_one = either();
        CHECK(test::path_exists(path));
        co_return;
    };
    next.run(succeed());
}

TEST_CASE("a file that is not the listener's own is not deleted, whatever its name") {
    if (const auto& why = test::no_unix_sockets()) test::skip(*why);
    test::reactor_fixture on(GENERATE(from_range(test::real_reactors())));
    on.run([]() -> task<> {
        const test::temporary_directory directory;
        const std::string path = directory.file("socket");
        bight::listener l = bight::listen("unix:" + test::escaped(path));
        REQUIRE(std::filesystem::remove(path));
        std::ofstream(path) << "precious";
        l.close();
        CHECK(test::path_exists(path));
        co_return;
    });
}

TEST_CASE("a listener at a relative path finds its file again from another working directory") {
    if (const auto& why = test::no_unix_sockets()) test::skip(*why);
    test::reactor_fixture on(GENERATE(from_range(test::real_reactors())));
    on.run([]() -> task<> {
        const test::temporary_directory one;
        const test::temporary_directory other;
        const working_directory here;
        here.change(one.file(""));
        bight::listener l = bight::listen("unix:run.sock");
        here.change(other.file(""));
        std::ofstream("run.sock") << "precious";
        l.close();
        CHECK(test::path_exists(other.file("run.sock")));
        CHECK_FALSE(test::path_exists(one.file("run.sock")));
        co_return;
    });
}
