// Files where memory or descriptors are out.
#include "os/own_directory.hpp"

#include "support/allocation_faults.hpp"
#include "support/catch.hpp"
#include "support/few_descriptors.hpp"

#include <bight/bight.hpp>
#include <bight/os/file.hpp>
#include <bight/os/file_stream.hpp>
#include <bight/os/paths.hpp>
#include <bight/os/root_directory.hpp>
#include <bight/os/temporary.hpp>
#include <bight/os/whole_file.hpp>

#include <filesystem>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>

using bight::task;

namespace {

bight::open_options for_both() {
    bight::open_options options;
    options.access = bight::file_access::read_and_write;
    options.creation = bight::file_creation::if_missing;
    return options;
}

task<> use_a_file(const std::string& directory) {
    const std::string path = directory + "/a file with a name that is long enough for the heap";
    bight::file f = co_await bight::open_file(path, for_both());
    co_await f.write_at(0, "text");
    std::string back(4, '?');
    co_await f.read_exactly_at(0, back);
    co_await f.sync();
    co_await f.close();
}
task<> use_a_stream(const std::string& directory) {
    bight::file f = co_await bight::open_file(directory + "/stream", for_both());
    bight::stream s = bight::file_stream(std::move(f));
    co_await s.write("text");
    const auto chunk = co_await s.read_some();
    if (chunk.view() != "text") throw std::logic_error("other bytes");
    co_await s.close();
}
// Without its name when it is there, and without it when it is not.
task<> make_a_nameless_file(const std::string& directory) {
    const bight::file f = co_await bight::open_temporary_file(directory);
    if (!f) throw std::logic_error("no file");
}
task<> replace_a_file(const std::string& directory) {
    co_await bight::replace_file(directory + "/a file with a name that is long enough for the heap", "text");
}
task<> use_paths(const std::string& directory) {
    co_await bight::create_directories(directory + "/a/b");
    co_await bight::replace_file(directory + "/a/b/file", "text");
    const auto names = co_await bight::list_directory(directory + "/a");
    const bight::root_directory root = co_await bight::open_root(directory);
    const bight::file inside = co_await root.open("a/b/file");
    co_await bight::remove_tree(directory + "/a");
}

template <class F>
void endures(F use) {
    for (const auto kind : test::demultiplexers()) {
        CAPTURE(kind);
        const test::temporary_directory here;
        const int before = test::open_descriptors();
        const auto tally = test::fail_each_allocation_on(
            kind, [&](test::reactor_fixture&, test::allocation_fault& fault) -> task<> {
                co_await bight::yield();
                const test::failing now(fault);
                co_await use(here.file("").substr(0, here.file("").size() - 1));
            });
        CHECK(tally.allocations > 0);
        CHECK(test::open_descriptors() == before);
    }
}

}  // namespace

TEST_CASE("file: without memory it is opened, used and closed, or nothing is left open") {
    endures(use_a_file);
}

TEST_CASE("file: as a stream without memory it ends, and nothing is left open") { endures(use_a_stream); }

TEST_CASE("file: paths without memory end with an error, and leave nothing open") { endures(use_paths); }

TEST_CASE("file: no temporary file is left without memory") {
    const auto names_left = [](const std::string& directory) {
        std::size_t temporary = 0;
        for (const auto& entry : std::filesystem::directory_iterator(directory)) {
            const std::string name = entry.path().filename().string();
            if (name.starts_with("tmp-") || name.starts_with(".")) ++temporary;
        }
        return temporary;
    };
    for (const auto use : {make_a_nameless_file, replace_a_file}) {
        for (const auto kind : test::demultiplexers()) {
            CAPTURE(kind);
            const test::temporary_directory here;
            const std::string directory = here.file("own");
            std::filesystem::create_directory(directory);
            const auto tally = test::fail_each_allocation_on(
                kind, [&](test::reactor_fixture&, test::allocation_fault& fault) -> task<> {
                    co_await bight::write_file(directory + "/first", "");  // the threads are there
                    const test::failing now(fault);
                    co_await use(directory);
                });
            CHECK(tally.allocations > 0);
            CHECK(names_left(directory) == 0);
        }
    }
}

TEST_CASE("file: an open without memory or descriptors leaves nothing open") {
    for (const auto kind : test::demultiplexers()) {
        CAPTURE(kind);
        test::reactor_fixture on(kind);
        on.run([]() -> task<> {
            const test::temporary_directory here;
            const std::string path = here.file("file");
            co_await bight::write_file(path, "text");  // what is made once is made
            {
                const test::few_descriptors few(0);
                const std::error_code error = co_await test::code_of(bight::open_file(path));
                CHECK(error == std::errc::too_many_files_open);
                const std::error_code list = co_await test::code_of(bight::list_directory(here.file("")));
                CHECK(list == std::errc::too_many_files_open);
            }
            const std::string text = co_await bight::read_file(path);
            CHECK(text == "text");
        });
    }
}
