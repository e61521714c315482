// Files by their paths: on each demultiplexer, and on a simulated host's disk.
#include "own_directory.hpp"

#include "support/catch.hpp"
#include "support/each_reactor.hpp"

#include <bight/bight.hpp>
#include <bight/os/file.hpp>
#include <bight/os/paths.hpp>
#include <bight/os/whole_file.hpp>

#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

using bight::create_directories;
using bight::create_directory;
using bight::file_type;
using bight::list_directory;
using bight::path_exists;
using bight::path_status;
using bight::read_file;
using bight::remove_directory;
using bight::remove_file;
using bight::remove_tree;
using bight::rename_path;
using bight::task;
using bight::write_file;
using test::code_of;
using test::on_each_reactor;
using test::own_directory;

namespace {

// "a/, b" of a directory a and a file b.
task<std::string> names_in(std::string directory) {
    const std::vector<bight::directory_entry> all = co_await list_directory(directory);
    std::string text;
    for (const bight::directory_entry& entry : all) {
        if (!text.empty()) text += ", ";
        text += entry.name;
        if (entry.type == file_type::directory) text += "/";
    }
    co_return text;
}

task<> check_names(std::string directory, std::string wanted) {
    const std::string names = co_await names_in(std::move(directory));
    CHECK(names == wanted);
}

template <class T>
task<> fails(task<T> call, std::errc wanted) {
    const std::error_code error = co_await code_of(std::move(call));
    CHECK(error == wanted);
}

}  // namespace

TEST_CASE("paths: directories are made, listed and removed") {
    on_each_reactor([]() -> task<> {
        const test::temporary_directory here;
        const std::string own = co_await own_directory(here);
        co_await check_names(own, "");
        co_await create_directory(own + "/b");
        co_await fails(create_directory(own + "/b"), std::errc::file_exists);
        co_await fails(create_directory(own + "/x/y"), std::errc::no_such_file_or_directory);
        bool made = co_await create_directories(own + "/c/d//e/");
        CHECK(made);
        made = co_await create_directories(own + "/c/d/e");
        CHECK_FALSE(made);
        co_await write_file(own + "/a", "text");
        co_await fails(create_directories(own + "/a/f"), std::errc::not_a_directory);
        co_await fails(create_directories(own + "/a"), std::errc::not_a_directory);
        co_await check_names(own, "a, b/, c/");
        co_await check_names(own + "/c/d/", "e/");
        co_await fails(list_directory(own + "/a"), std::errc::not_a_directory);
        co_await fails(list_directory(own + "/x"), std::errc::no_such_file_or_directory);
        co_await fails(list_directory(own, 2), std::errc::value_too_large);
        co_await fails(remove_directory(own + "/c"), std::errc::directory_not_empty);
        co_await fails(remove_directory(own + "/a"), std::errc::not_a_directory);
        co_await remove_directory(own + "/b");
        co_await remove_file(own + "/a");
        co_await fails(remove_file(own + "/a"), std::errc::no_such_file_or_directory);
        co_await fails(remove_directory(own + "/b"), std::errc::no_such_file_or_directory);
        co_await check_names(own, "c/");
    });
}

TEST_CASE("paths: a tree with many names in a directory is removed a part at a time") {
    on_each_reactor([]() -> task<> {
        const test::temporary_directory here;
        const std::string own = co_await own_directory(here);
        co_await create_directories(own + "/many/below");
        for (int i = 0; i < 2100; ++i) co_await create_directory(own + "/many/" + std::to_string(i));
        const std::size_t removed = co_await remove_tree(own + "/many");
        CHECK(removed == 2102);
        co_await check_names(own, "");
    });
}

TEST_CASE(
    "paths: directories that cannot be made are an error, and no endless search for one that is there") {
    on_each_reactor(
        []() -> task<> { co_await fails(create_directories(""), std::errc::no_such_file_or_directory); });
#if defined(__linux__)
    for (const auto& kind : test::real_reactors()) {
        CAPTURE(kind);
        test::reactor_fixture on(kind);
        on.run([]() -> task<> {
            co_await fails(create_directories("/proc/none/x"), std::errc::no_such_file_or_directory);
        });
    }
#endif
}

TEST_CASE("paths: a status by its path, and whether anything is there") {
    on_each_reactor([]() -> task<> {
        const test::temporary_directory here;
        const std::string own = co_await own_directory(here);
        const std::string path = own + "/file";
        bool there = co_await path_exists(path);
        CHECK_FALSE(there);
        co_await write_file(path, "12345", 0640);
        there = co_await path_exists(path);
        CHECK(there);
        there = co_await path_exists(path + "/below");
        CHECK_FALSE(there);
        bight::file_status status = co_await path_status(path);
        CHECK(status.size == 5);
        CHECK(status.type == file_type::regular);
        CHECK((status.permissions & 0600) == 0600);
        CHECK(status.modified == status.changed);
        status = co_await path_status(own);
        CHECK(status.type == file_type::directory);
        co_await fails(path_status(own + "/missing"), std::errc::no_such_file_or_directory);
#if !defined(_WIN32)  // which leaves out ".." and the name before it in any path
        co_await fails(path_status(own + "/missing/../file"), std::errc::no_such_file_or_directory);
#endif
    });
}

TEST_CASE("paths: a rename takes the place of what was there, files and directories") {
    on_each_reactor([]() -> task<> {
        const test::temporary_directory here;
        const std::string own = co_await own_directory(here);
        co_await write_file(own + "/old", "old");
        co_await write_file(own + "/new", "new");
        co_await rename_path(own + "/new", own + "/old");
        std::string text = co_await read_file(own + "/old");
        CHECK(text == "new");
        co_await fails(rename_path(own + "/new", own + "/x"), std::errc::no_such_file_or_directory);
        co_await fails(rename_path(own + "/old", own + "/x/y"), std::errc::no_such_file_or_directory);
        co_await create_directories(own + "/d/e");
        co_await write_file(own + "/d/e/file", "below");
        co_await create_directory(own + "/empty");
        co_await fails(rename_path(own + "/old", own + "/d"), std::errc::is_a_directory);
        co_await fails(rename_path(own + "/d", own + "/d/e/f"), std::errc::invalid_argument);
        co_await rename_path(own + "/d", own + "/f");
        text = co_await read_file(own + "/f/e/file");
        CHECK(text == "below");
        co_await check_names(own, "empty/, f/, old");
    });
}

TEST_CASE("paths: a tree is removed with all that is in it") {
    on_each_reactor([]() -> task<> {
        const test::temporary_directory here;
        const std::string own = co_await own_directory(here);
        const std::string tree = own + "/tree";
        co_await create_directories(tree + "/a/b/c");
        co_await create_directories(tree + "/a/d");
        for (const char* name : {"/one", "/a/two", "/a/b/three", "/a/d/four"}) {
            co_await write_file(tree + name, name);
        }
        std::size_t removed = co_await remove_tree(tree);
        CHECK(removed == 9);
        co_await check_names(own, "");
        removed = co_await remove_tree(tree);
        CHECK(removed == 0);
        co_await write_file(tree, "");
        removed = co_await remove_tree(tree);
        CHECK(removed == 1);
        co_await bight::sync_directory(own);
        co_await fails(bight::sync_directory(own + "/missing"), std::errc::no_such_file_or_directory);
    });
}

TEST_CASE("paths: links are told apart from what they lead to, and not followed where that would do harm") {
    for (const auto& kind : test::real_reactors()) {
        CAPTURE(kind);
        test::reactor_fixture on(kind);
        on.run([]() -> task<> {
            const test::temporary_directory here;
            const std::string own = co_await own_directory(here);
            co_await create_directory(own + "/target");
            co_await write_file(own + "/target/file", "kept");
            const int linked = ::symlink((own + "/target").c_str(), (own + "/link").c_str());
            REQUIRE(linked == 0);
            bight::file_status status = co_await path_status(own + "/link");
            CHECK(status.type == file_type::directory);
            status = co_await path_status(own + "/link", false);
            CHECK(status.type == file_type::link);
            const std::size_t removed = co_await remove_tree(own + "/link");
            CHECK(removed == 1);
            const std::string text = co_await read_file(own + "/target/file");
            CHECK(text == "kept");
            const int again = ::symlink((own + "/target/file").c_str(), (own + "/link").c_str());
            REQUIRE(again == 0);
            bight::open_options itself;
            itself.follow_link = false;
            co_await fails(bight::open_file(own + "/link", itself), std::errc::too_many_symbolic_link_levels);
        });
    }
}

TEST_CASE("paths: the directory of a path is a matter of text") {
    CHECK(bight::directory_of("/etc/hosts") == "/etc");
    CHECK(bight::directory_of("hosts") == ".");
    CHECK(bight::directory_of("/hosts") == "/");
    CHECK(bight::directory_of("/") == "/");
    CHECK(bight::directory_of("a/b//") == "a");
    CHECK(bight::directory_of("a//b") == "a");
    CHECK(bight::directory_of("") == ".");
}
