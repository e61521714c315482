// root_directory: no path leads out of it.
#include "own_directory.hpp"

#include "support/catch.hpp"
#include "support/each_reactor.hpp"

#include <bight/bight.hpp>
#include <bight/os/paths.hpp>
#include <bight/os/root_directory.hpp>
#include <bight/os/whole_file.hpp>

#include <array>
#include <string>
#include <system_error>
#include <utility>

using bight::open_root;
using bight::root_directory;
using bight::task;
using test::code_of;
using test::on_each_reactor;
using test::own_directory;

namespace {

task<std::string> text_below(const root_directory& root, std::string path) {
    auto opened = co_await bight::as_result(root.open(std::move(path)));
    if (!opened) {
        if (opened.error() == std::errc::cross_device_link) co_return "leads out";
        co_return opened.error().message();
    }
    std::string text(20, '?');
    const std::size_t got = co_await opened->read_at(0, text);
    co_return text.substr(0, got);
}

}  // namespace

TEST_CASE("root_directory: files below it are opened, and no path leads out") {
    on_each_reactor([]() -> task<> {
        const test::temporary_directory here;
        const std::string own = co_await own_directory(here);
        co_await bight::create_directories(own + "/root/a/b");
        co_await bight::write_file(own + "/secret", "secret");
        co_await bight::write_file(own + "/root/file", "file");
        co_await bight::write_file(own + "/root/a/b/deep", "deep");
        const root_directory root = co_await open_root(own + "/root");
        const std::array<std::pair<std::string, std::string>, 7> wanted{
            {{"file", "file"},
             {"./a/../file", "file"},
             {"a//b/deep", "deep"},
             {"../secret", "leads out"},
             {"a/../../secret", "leads out"},
             {"/" + own + "/root/file", "leads out"},
             {"../root/file", "leads out"}}};
        for (const auto& [path, text] : wanted) {
            CAPTURE(path);
            const std::string found = co_await text_below(root, path);
            CHECK(found == text);
        }
        std::error_code error = co_await code_of(root.open("missing"));
        CHECK(error == std::errc::no_such_file_or_directory);
        error = co_await code_of(root.open("a/../missing/../file"));
        CHECK(error == std::errc::no_such_file_or_directory);
        error = co_await code_of(open_root(own + "/secret"));
        CHECK(error == std::errc::not_a_directory);
        error = co_await code_of(root_directory().open("file"));
        CHECK(error == std::errc::bad_file_descriptor);
        const std::string words = co_await test::words_of_error(root.open("../secret"));
        CHECK(words.find("open below " + own + "/root: ../secret: ") == 0);
        bight::open_options makes;
        makes.access = bight::file_access::write;
        makes.creation = bight::file_creation::must_be_new;
        bight::file made = co_await root.open("a/new", makes);
        co_await made.write_at(0, "new");
        co_await made.close();
        const std::string back = co_await bight::read_file(own + "/root/a/new");
        CHECK(back == "new");
        error = co_await code_of(root.open("../new", makes));
        CHECK(error == std::errc::cross_device_link);
        const bool there = co_await bight::path_exists(own + "/new");
        CHECK_FALSE(there);
    });
}

TEST_CASE("root_directory: it is the directory that was opened, whatever its name is by now") {
    on_each_reactor([]() -> task<> {
        const test::temporary_directory here;
        const std::string own = co_await own_directory(here);
        co_await bight::create_directory(own + "/root");
        co_await bight::write_file(own + "/root/file", "file");
        const root_directory root = co_await open_root(own + "/root");
        co_await bight::rename_path(own + "/root", own + "/moved");
        const std::string moved = co_await text_below(root, "file");
        CHECK(moved == "file");
    });
}
