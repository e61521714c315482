// read_file, write_file, replace_file; temporary files.
#include "own_directory.hpp"

#include "support/cancellable.hpp"
#include "support/catch.hpp"
#include "support/each_reactor.hpp"
#include "support/own_file.hpp"

#include <bight/bight.hpp>
#include <bight/os/paths.hpp>
#include <bight/os/temporary.hpp>
#include <bight/os/whole_file.hpp>

#include <cerrno>
#include <cstddef>
#include <limits>
#include <set>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

using bight::read_file;
using bight::replace_file;
using bight::task;
using bight::write_file;
using test::code_of;
using test::on_each_reactor;
using test::own_directory;
using test::words_of_error;

TEST_CASE("whole_file: what is written is read, whatever its size, up to a limit") {
    on_each_reactor([]() -> task<> {
        const test::temporary_directory here;
        const std::string path = co_await own_directory(here) + "/file";
        for (const std::size_t size : {0UL, 1UL, 4095UL, 4096UL, 4097UL, 1'000'000UL}) {
            CAPTURE(size);
            const std::string text(size, 'x');
            co_await write_file(path, text);
            const std::string back = co_await read_file(path, size);
            CHECK(back == text);
            if (size == 0) continue;
            const std::error_code error = co_await code_of(read_file(path, size - 1));
            CHECK(error == bight::errc::too_long);
        }
        const std::string all = co_await read_file(path, std::numeric_limits<std::size_t>::max());
        CHECK(all.size() == 1'000'000);
        const std::string words = co_await words_of_error(read_file(path, 10));
        CHECK(words.find(path + ": more than 10 bytes") != std::string::npos);
        std::error_code error = co_await code_of(read_file(path + "x"));
        CHECK(error == std::errc::no_such_file_or_directory);
        error = co_await code_of(read_file(bight::directory_of(path)));
        CHECK(error == std::errc::is_a_directory);
    });
}

TEST_CASE("whole_file: a file is replaced in whole, and nothing is left beside it") {
    on_each_reactor([]() -> task<> {
        const test::temporary_directory here;
        const std::string own = co_await own_directory(here);
        co_await replace_file(own + "/file", "one");
        bight::file before = co_await bight::open_file(own + "/file");
        co_await replace_file(own + "/file", "another");
        const std::string text = co_await read_file(own + "/file");
        CHECK(text == "another");
        std::string old(3, '?');
        co_await before.read_exactly_at(0, old);
        CHECK(old == "one");
        co_await bight::create_directory(own + "/directory");
        const std::error_code error = co_await code_of(replace_file(own + "/directory", "x"));
        CHECK(error == std::errc::is_a_directory);
        const auto names = co_await bight::list_directory(own);
        CHECK(names.size() == 2);
        const std::error_code missing = co_await code_of(replace_file(own + "/missing/file", "x"));
        CHECK(missing == std::errc::no_such_file_or_directory);
    });
}

TEST_CASE("whole_file: a file with a name that is as long as it may be is replaced") {
    on_each_reactor([]() -> task<> {
        const test::temporary_directory here;
        const std::string own = co_await own_directory(here);
        std::string umlauts;
        for (int i = 0; i < 120; ++i) umlauts += "\xc3\xbc";
        for (const std::string& name :
             {std::string(255, 'n'), std::string(233, 'n'), umlauts, "n" + umlauts}) {
            CAPTURE(name);
            for (const char* text : {"old", "new"}) co_await replace_file(own + "/" + name, text);
            const std::string text = co_await read_file(own + "/" + name);
            CHECK(text == "new");
        }
        const auto names = co_await bight::list_directory(own);
        CHECK(names.size() == 4);
        const std::string words = co_await words_of_error(replace_file(own + "/x/n" + umlauts, "text"));
        CHECK(words.find("\\x") == std::string::npos);
    });
}

TEST_CASE(
    "whole_file: a replacement that is cancelled at any turn leaves the old file or the new one, and no "
    "other") {
    std::set<std::string> seen;
    for (int after = 0; after < 60; ++after) {
        CAPTURE(after);
        on_each_reactor([&, after]() -> task<> {
            const test::temporary_directory here;
            const std::string own = co_await own_directory(here);
            co_await write_file(own + "/file", "old");
            test::cancellable one;
            const std::string text(50'000, 'n');
            co_await bight::with_group([&](bight::group& g) -> task<> {
                g.spawn(one.run(replace_file(own + "/file", text)));
                co_await test::turns(after);
                one.cancel();
            });
            const std::string left = co_await read_file(own + "/file");
            CHECK((left == "old" || left == text));
            seen.insert(left.substr(0, 3));
            const auto names = co_await bight::list_directory(own);
            CHECK(names.size() == 1);
        });
    }
    CHECK(seen.contains("old"));
}

TEST_CASE("temporary: files and directories have names of their own, and a nameless file has none") {
    on_each_reactor([]() -> task<> {
        const test::temporary_directory here;
        const std::string own = co_await own_directory(here);
        std::set<std::string> names;
        for (int i = 0; i < 5; ++i) {
            bight::file f = co_await bight::create_temporary_file(own, "a-");
            co_await f.write_at(0, "x");
            CHECK(f.path().starts_with(own + "/a-"));
            names.insert(f.path());
            const std::string directory = co_await bight::create_temporary_directory(own + "/");
            const bight::file_status status = co_await bight::path_status(directory);
            CHECK(status.type == bight::file_type::directory);
            CHECK((status.permissions & 077) == (test::own_file_mode & 077U));
            names.insert(directory);
        }
        CHECK(names.size() == 10);
        bight::file nameless = co_await bight::open_temporary_file(own);
        co_await nameless.write_at(0, "text");
        std::string text(4, '?');
        co_await nameless.read_exactly_at(0, text);
        CHECK(text == "text");
        const auto there = co_await bight::list_directory(own);
        CHECK(there.size() == 10);
        const std::error_code error = co_await code_of(bight::create_temporary_file(own + "/missing"));
        CHECK(error == std::errc::no_such_file_or_directory);
        const std::string usual = bight::temporary_directory();
        const bight::file_status status = co_await bight::path_status(usual);
        CHECK(status.type == bight::file_type::directory);
    });
}
