// file_watch where memory is out: no change is lost.
#include "os/told_changes.hpp"

#include "support/allocation_faults.hpp"
#include "support/catch.hpp"

#include <bight/bight.hpp>
#include <bight/os/file_watch.hpp>
#include <bight/os/paths.hpp>
#include <bight/os/whole_file.hpp>

#include <new>
#include <string>
#include <system_error>
#include <vector>

using bight::file_event;
using bight::file_watch;
using bight::task;

namespace {

/// The next change, with a fault in what that allocates; false when it failed.
task<bool> next_with(file_watch& watch, test::allocation_fault& fault, file_event& into) {
    try {
        const test::failing now(fault);
        into = co_await watch.next();
    } catch (const std::bad_alloc&) {
        co_return false;
    } catch (const std::system_error& e) {
        if (e.code() != std::errc::not_enough_memory) throw;
        co_return false;
    }
    co_return true;
}

}  // namespace

TEST_CASE("file_watch: an allocation that fails loses no change, and tells none twice") {
    test::on_each([]() -> task<> {
        const test::temporary_directory here;
        const std::string own = co_await test::own_directory(here);
        long failed = 0;
        for (long n = 0; n < 200; ++n) {
            CAPTURE(n);
            const std::string root = own + "/" + std::to_string(n);
            co_await bight::create_directories(root + "/x");
            file_watch watch;
            co_await watch.add(root, true);
            const std::string one = "/a directory with a name that is on the heap";
            co_await bight::create_directories(root + one);
            co_await bight::write_file(root + one + "/a file with a name that is on the heap", "");
            co_await bight::rename_path(root + one, root + "/x/moved, with a name that is on the heap");
            co_await bight::write_file(root + "/end", "");
            test::allocation_fault fault{n, false, false};
            std::vector<std::string> told;
            const long failed_before = failed;
            while (told.empty() || told.back() != "created end") {
                file_event e;
                const bool has_told = co_await next_with(watch, fault, e);
                if (!has_told) {
                    ++failed;
                } else if (e.what != bight::file_change::changed) {
                    told.push_back(test::text_of(e, root));
                }
            }
            const std::vector<std::string> wanted{
                "created a directory with a name that is on the heap/",
                "moved a directory with a name that is on the heap x/moved, with a name that is on the heap/",
                "created x/moved, with a name that is on the heap/a file with a name that is on the heap",
                "created end"};
            CHECK(told == wanted);
            if (failed == failed_before && n > 100) break;
        }
        CHECK(failed > 10);
    });
}
