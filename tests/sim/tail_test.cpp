// The tail sample on a simulated host: under every personality and with faults it shows what was written.
#include "support/catch.hpp"

#include <bight/bight.hpp>
#include <bight/os/file.hpp>
#include <bight/os/file_watch.hpp>
#include <bight/os/paths.hpp>
#include <bight/sim/world.hpp>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <map>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wsubobject-linkage"
#endif
#pragma GCC diagnostic ignored "-Wunused-function"

#define main unused_main  // NOLINT(readability-identifier-naming)
namespace {
namespace tail_sample {
#include "../../samples/tail.cpp"  // NOLINT(bugprone-suspicious-include)
}
}  // namespace
#undef main

using namespace std::chrono_literals;
namespace sim = bight::sim;

namespace {

/// What a program writes there.
class written {
  public:
    written() : file_(std::tmpfile()) { REQUIRE(file_); }
    written(const written&) = delete;
    written& operator=(const written&) = delete;
    ~written() { std::fclose(file_); }
    std::FILE* file() const { return file_; }
    std::string text() const {
        std::string all;
        char bytes[4096];
        std::fflush(file_);
        std::rewind(file_);
        while (const std::size_t got = std::fread(bytes, 1, sizeof bytes, file_)) all.append(bytes, got);
        return all;
    }

  private:
    std::FILE* file_;
};

}  // namespace

TEST_CASE("tail: whatever the faults, it shows all lines of a log, in order, under each name") {
    for (std::uint64_t seed = 1; seed <= 30; ++seed) {
        CAPTURE(seed);
        sim::world_options options;
        options.personality = sim::personalities[seed % sim::personalities.size()];
        options.faults = sim::fault_plan::storm();
        for (const sim::fault f : {sim::fault::crash, sim::fault::disk_error}) options.faults.leave_out(f);
        options.faults.set(sim::fault::lost_changes, seed % 3 == 0 ? 1 : 0.05);
        const written output, errors;
        sim::world w(seed, options);
        sim::host& host = w.add("host");
        host.disk().write("/log/a", "1\n2\n");
        host.disk().write("/log/b", "");
        host.run([&]() -> bight::task<> {
            const std::vector<std::string> names{"/log/a", "/log/b", "/log/c"};
            (void)co_await bight::try_with_timeout(tail_sample::follow(names, output.file(), errors.file()),
                                                   300s);
        });
        std::string shown = "==> /log/a <==\n1\n2\n\n==> /log/b <==\n";
        w.run_for(20s);
        for (int i = 0; i < 5; ++i) {
            const std::string line = "line " + std::to_string(i) + "\n";
            host.disk().append("/log/b", line);
            shown += line;
            w.run_for(20s);
        }
        // Rotated: nothing is lost of the old file.
        host.disk().append("/log/a", "3\n");
        shown += "\n==> /log/a <==\n3\n";
        w.run_for(20s);
        host.disk().remove("/log/a");
        host.disk().write("/log/a", "new\n");
        shown += "new\n";
        w.run_for(20s);
        host.disk().write("/log/c", "appeared\n");
        shown += "\n==> /log/c <==\nappeared\n";
        w.run();
        CHECK(output.text() == shown);
        const std::string said = errors.text();
        CHECK_THAT(said, Catch::Contains("tail: '/log/c' has appeared;  following new file\n"));
        CHECK_THAT(said, Catch::Contains("tail: '/log/a' has been replaced;  following new file\n") ||
                             Catch::Contains("tail: '/log/a' has become inaccessible"));
    }
}
