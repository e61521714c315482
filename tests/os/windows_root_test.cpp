// root_directory on Windows: names that stand for something else there.
#include "own_directory.hpp"

#include "support/catch.hpp"
#include "support/each_reactor.hpp"

#include <bight/bight.hpp>
#include <bight/os/paths.hpp>
#include <bight/os/root_directory.hpp>
#include <bight/os/whole_file.hpp>

#include <string>
#include <system_error>

using bight::task;
using test::code_of;

TEST_CASE("root_directory: drives, streams and names with an end that is left out are no names") {
    for (const auto& kind : test::real_reactors()) {
        CAPTURE(kind);
        test::reactor_fixture on(kind);
        on.run([]() -> task<> {
            const test::temporary_directory here;
            const std::string own = co_await test::own_directory(here);
            co_await bight::create_directories(own + "/root/a");
            co_await bight::write_file(own + "/root/a/file", "text");
            const bight::root_directory root = co_await bight::open_root(own + "/root");
            const bight::file f = co_await root.open("a\\.\\..\\a/file");
            const bight::file_status status = co_await f.status();
            CHECK(status.size == 4);
            for (const char* path : {"C:\\Windows", "c:a", "\\a", "..\\root", "a\\..\\..\\root"}) {
                CAPTURE(path);
                const std::error_code error = co_await code_of(root.open(path));
                CHECK(error == std::errc::cross_device_link);
            }
            for (const char* path : {"a/file:stream", "a/file.", "a/file ", "a./file"}) {
                CAPTURE(path);
                const std::error_code error = co_await code_of(root.open(path));
                CHECK(error == std::errc::invalid_argument);
            }
            bight::open_options truncates;
            truncates.access = bight::file_access::write;
            truncates.truncate = true;
            bight::file again = co_await root.open("a/file", truncates);
            const bight::file_status cut = co_await again.status();
            CHECK(cut.size == 0);
            const std::error_code error = co_await code_of(root.open("a", truncates));
            CHECK(error == std::errc::is_a_directory);
        });
    }
}
