// The files of Unix sockets: a listener removes the one that it made, and no other.
#include "path_exists.hpp"

#include "support/catch.hpp"
#include "support/connections.hpp"
#include "support/reactors.hpp"

#include <bight/bight.hpp>

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
