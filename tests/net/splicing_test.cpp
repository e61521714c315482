// copy and relay where the bytes stay in the kernel: what its pipes cost, and how a copy does without them.
#include "proxied_line.hpp"

#include "support/catch.hpp"
#include "support/connections.hpp"
#include "support/error_of.hpp"
#include "support/few_descriptors.hpp"
#include "support/many_descriptors.hpp"
#include "support/reactors.hpp"
#include "support/system_calls.hpp"

#include <bight/bight.hpp>

#include <dirent.h>
#include <linux/net_tstamp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

using bight::task;
using test::connected_line;
using test::line;
using test::much;
using test::pattern;
using test::send_and_end;
using namespace std::chrono_literals;

namespace {

std::vector<int> open_pipes() {
    std::vector<int> all;
    DIR* const every = ::opendir("/proc/self/fd");
    while (const dirent* const entry = ::readdir(every)) {
        const int fd = std::atoi(entry->d_name);
        struct stat is{};
        if (::fstat(fd, &is) == 0 && S_ISFIFO(is.st_mode)) all.push_back(fd);
    }
    ::closedir(every);
    return all;
}

/// Until nothing more is copied, because the target takes no more.
task<> until_stuck(const std::uint64_t& copied) {
    for (std::uint64_t before = 0; before == 0 || before != copied;) {
        before = copied;
        co_await bight::sleep_for(50ms);
    }
}

/// Writes without end.
task<> flood(bight::stream& to) {
    const std::string part = pattern(0, 1U << 18);
    for (;;) co_await to.write(part);
}

/// The largest of a hundred receives of what comes without end.
task<std::size_t> largest_receive(test::stream_pair& pair) {
    std::size_t largest = 0;
    auto receive = [&]() -> task<> {
        for (int i = 0; i < 100; ++i) {
            const bight::chunk data = co_await pair.server.read_some();
            largest = std::max(largest, data.size());
        }
    };
    co_await bight::race(receive(), flood(pair.client));
    co_return largest;
}

/// `body()` while `l.a()` is copied to `l.b()`, whose peer reads nothing; the copy is cancelled after it.
template <class F>
task<> with_copy_stuck(line& l, F body) {
    std::uint64_t copied = 0;
    co_await bight::with_group([&](bight::group& g) -> task<> {
        g.spawn([&]() -> task<> { co_await flood(l.client()); });
        g.spawn([&]() -> task<> { co_await bight::copy(l.a(), l.b(), copied); });
        co_await until_stuck(copied);
        co_await body();
        g.cancel();
    });
}

std::vector<int> new_pipes(const std::vector<int>& before) {
    std::vector<int> made;
    for (const int fd : open_pipes()) {
        if (std::find(before.begin(), before.end(), fd) == before.end()) made.push_back(fd);
    }
    return made;
}

}  // namespace

TEST_CASE(
    "a filter that refuses splice while bytes are in the pipe loses none, and later copies do without it") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    const int error = GENERATE(EPERM, EINVAL);
    CAPTURE(kind, error);
    const std::string said = test::in_child([=] {
        bight::reactor r(test::options_on(kind));
        auto both = [&]() -> task<std::string> {
            std::string outcome;
            for (const bool refuses : {true, false}) {
                line l = co_await connected_line(test::family::tcp);
                std::uint64_t copied = 0;
                auto pass_on = [&]() -> task<> {
                    co_await bight::copy(l.a(), l.b(), copied);
                    co_await l.b().shutdown_write();
                };
                auto receive = [&]() -> task<std::string> {
                    if (refuses) {
                        co_await until_stuck(copied);
                        test::refuse_system_calls({SYS_splice}, error);
                    }
                    co_return co_await test::read_all(l.server());
                };
                const auto [got, n1, n2] =
                    co_await bight::when_all(receive(), send_and_end(l.client(), 7, 2 * much), pass_on());
                (void)n1, (void)n2;
                outcome += got == pattern(7, 2 * much) && copied == 2 * much ? "whole " : "another ";
            }
            co_return outcome;
        };
        return r.run(both());
    });
    CHECK(said == "whole whole ");
}

TEST_CASE("no pipe is made where a reactor may hold no large buffers") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    const bool allowed = GENERATE(true, false);
    CAPTURE(kind, allowed);
    bight::reactor_options options;
    if (!allowed) options.bulk_memory = 0;
    test::reactor_fixture on(kind, options);
    on.run([&]() -> task<> {
        line l = co_await connected_line(test::family::tcp);
        l.a().unread(bight::chunk::copy_of(std::string(100'000, 'u')));
        const std::vector<int> before = open_pipes();
        co_await with_copy_stuck(l, [&]() -> task<> {
            CHECK(new_pipes(before).size() == (allowed ? 2U : 0U));
            co_return;
        });
    });
}

TEST_CASE("select keeps its low descriptors for sockets: pipes have numbers above them") {
    const test::many_descriptors room = test::need_descriptors(1100);
    test::reactor_fixture on(bight::demultiplexer_kind::select);
    on.run([]() -> task<> {
        line l = co_await connected_line(test::family::tcp);
        const std::vector<int> before = open_pipes();
        co_await with_copy_stuck(l, [&]() -> task<> {
            const std::vector<int> made = new_pipes(before);
            CHECK(made.size() == 2);
            for (const int fd : made) CHECK(fd >= 1024);
            co_return;
        });
    });
}

TEST_CASE("a copy without a pipe holds no large buffer while its target takes no more") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    CAPTURE(kind);
    bight::reactor_options options;
    options.bulk_memory = 64 * 1024;  // one buffer
    test::reactor_fixture on(kind, options);
    on.run([]() -> task<> {
        auto other = co_await test::connected_pair(test::family::tcp);
        line l = co_await connected_line(test::family::tcp);
        const test::few_descriptors none(1);
        std::size_t largest = 0;
        co_await with_copy_stuck(l, [&]() -> task<> { largest = co_await largest_receive(other); });
        CHECK(largest == 64 * 1024);
    });
}

TEST_CASE("a copy whose target is aborted throws the reason, whatever it does in that turn") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    const int turns = GENERATE(0, 1, 2, 3, 5, 64);
    CAPTURE(kind, turns);
    test::reactor_fixture on(kind);
    on.run([&]() -> task<> {
        line l = co_await connected_line(test::family::tcp);
        std::uint64_t copied = 0;
        std::error_code how;
        co_await bight::with_group([&](bight::group& g) -> task<> {
            g.spawn([&]() -> task<> { co_await flood(l.client()); });
            bight::spawned_task copying = g.spawn(
                [&]() -> task<> { how = co_await test::error_of(bight::copy(l.a(), l.b(), copied)); });
            co_await until_stuck(copied);
            std::string room(1U << 20, '\0');
            for (int i = 0; i < 16; ++i)
                (void)::recv(l.server().native_handle(), room.data(), room.size(), MSG_DONTWAIT);
            for (int i = 0; i < turns; ++i) co_await bight::yield();
            l.b().abort(std::make_error_code(std::errc::owner_dead));
            co_await copying.wait();
            g.cancel();
        });
        CHECK(how == std::errc::owner_dead);
    });
}

TEST_CASE("a copy that could have no pipe makes one later, however little its target takes at a time") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    const auto family = GENERATE(test::family::tcp, test::family::unix_path);
    CAPTURE(kind, family);
    test::reactor_fixture on(kind);
    on.run([&]() -> task<> {
        line l = co_await connected_line(family);
        const int little = 40'000;
        REQUIRE(::setsockopt(l.b().native_handle(), SOL_SOCKET, SO_SNDBUF, &little, sizeof little) == 0);
        const std::vector<int> before = open_pipes();
        std::uint64_t copied = 0;
        co_await bight::with_group([&](bight::group& g) -> task<> {
            std::optional<test::few_descriptors> none(1);
            g.spawn([&]() -> task<> { co_await flood(l.client()); });
            g.spawn([&]() -> task<> { co_await bight::copy(l.a(), l.b(), copied); });
            g.spawn([&]() -> task<> {
                for (;;) (void)co_await l.server().read_some();
            });
            while (copied < (1U << 20)) co_await bight::yield();
            none.reset();
            for (std::vector<int> made; made.empty();) {
                co_await bight::yield();
                made = new_pipes(before);
                REQUIRE(copied < (256U << 20));
            }
            g.cancel();
        });
    });
}

TEST_CASE("after a phase in bulk, too, a copy holds no large buffer while its target takes no more") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    CAPTURE(kind);
    bight::reactor_options options;
    options.bulk_memory = 64 * 1024;  // one buffer
    test::reactor_fixture on(kind, options);
    on.run([]() -> task<> {
        auto other = co_await test::connected_pair(test::family::tcp);
        line l = co_await connected_line(test::family::tcp);
        std::size_t largest = 0;
        std::uint64_t copied = 0;
        co_await bight::with_group([&](bight::group& g) -> task<> {
            g.spawn([&]() -> task<> { co_await bight::copy(l.a(), l.b(), copied); });
            std::size_t sent = 0;
            auto pass = [&](std::size_t size) -> task<> {
                std::string got(size, '\0');
                auto send = [&]() -> task<> { co_await l.client().write(pattern(sent, size)); };
                auto receive = [&]() -> task<> { co_await l.server().read_exactly(got); };
                co_await bight::when_all(send(), receive());
                CHECK((got == pattern(sent, size)));
                sent += size;
            };
            co_await pass(2 * much);
            for (int i = 0; i < 20; ++i) co_await pass(1000);  // so that it no longer splices
            auto fill = [&]() -> task<> {
                for (;;) co_await l.client().write(pattern(0, 5000));
            };
            g.spawn(fill);
            co_await until_stuck(copied);
            largest = co_await largest_receive(other);
            g.cancel();
        });
        CHECK(largest == 64 * 1024);
    });
}

TEST_CASE("a message in the error queue does not keep a silent stream's reader busy") {
    // poll and select report it again and again (docs/demultiplexers.md).
    const auto kind = GENERATE(bight::demultiplexer_kind::io_uring, bight::demultiplexer_kind::epoll);
    const bool after_bulk = GENERATE(true, false);
    const bool without_buffers = GENERATE(false, true);
    CAPTURE(kind, after_bulk, without_buffers);
    test::need(kind);
    bight::reactor_options options;
    options.receive_buffers = 4;
    test::reactor_fixture on(kind, options);
    on.run([&]() -> task<> {
        auto holder = co_await test::connected_pair(test::family::tcp);
        auto pair = co_await test::connected_pair(test::family::tcp);
        std::vector<bight::chunk> kept;
        for (int i = 0; without_buffers && i < 4; ++i) {
            co_await holder.client.write("x");
            kept.push_back(co_await holder.server.read_some());
        }
        const int flags =
            SOF_TIMESTAMPING_TX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_OPT_TSONLY;
        REQUIRE(::setsockopt(pair.server.native_handle(), SOL_SOCKET, SO_TIMESTAMPING, &flags,
                             sizeof flags) == 0);
        co_await pair.server.write("a time stamp is made of this");
        if (after_bulk) {
            auto send = [&]() -> task<> { co_await pair.client.write(pattern(0, much)); };
            auto receive = [&]() -> task<> {
                for (std::size_t n = 0; n < much;) n += (co_await pair.server.read_some()).size();
            };
            co_await bight::when_all(send(), receive());
        }
        // Cancelled in that wait, it loses nothing.
        const auto nothing_yet = co_await bight::try_with_timeout(pair.server.read_some(), 20ms);
        CHECK_FALSE(nothing_yet.has_value());
        auto read = [&]() -> task<std::string> {
            const auto data = co_await pair.server.read_some();
            co_return data.to_string();
        };
        auto wait = [&]() -> task<> {
            co_await bight::sleep_for(10ms);
            const std::uint64_t before = on.reactor().statistics().polls;
            co_await bight::sleep_for(50ms);
            CHECK(on.reactor().statistics().polls - before < 10);
            co_await pair.client.write("at last");
        };
        const auto [got, nothing] = co_await bight::when_all(read(), wait());
        (void)nothing;
        CHECK(got == "at last");
    });
}

TEST_CASE(
    "copies have pipes while bytes are in them: silent connections keep none, but for a few of the "
    "reactor's") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    CAPTURE(kind);
    test::reactor_fixture on(kind);
    on.run([&]() -> task<> {
        const std::vector<int> before = open_pipes();
        std::vector<line> lines;
        for (int i = 0; i < 8; ++i) lines.push_back(co_await connected_line(test::family::tcp));
        co_await bight::with_group([&](bight::group& g) -> task<> {
            std::size_t most = 0;
            for (line& l : lines) {
                g.spawn([&l]() -> task<> { (void)co_await bight::as_result(bight::relay(l.a(), l.b())); });
                std::string got(much, '\0');
                auto hear = [&]() -> task<> { co_await l.server().read_exactly(got); };
                auto ask = [&]() -> task<> { co_await l.client().write(pattern(1, much)); };
                co_await bight::when_all(hear(), ask());
                const bool same = got == pattern(1, much);
                CHECK(same);
                most = std::max(most, new_pipes(before).size());
            }
            CHECK(most > 0);
            co_await bight::sleep_for(5ms);
            CHECK(new_pipes(before).size() <= std::size_t{2} * 4);
            g.cancel();
        });
    });
}

TEST_CASE("pipes leave the last eighth of the descriptors to connections") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    CAPTURE(kind);
    test::reactor_fixture on(kind);
    on.run([&]() -> task<> {
        const std::vector<int> before = open_pipes();
        line l = co_await connected_line(test::family::tcp);
        std::string got(much, '\0');
        auto proxy = [&]() -> task<> { (void)co_await bight::as_result(bight::relay(l.a(), l.b())); };
        auto talk = [&]() -> task<> {
            auto hear = [&]() -> task<> { co_await l.server().read_exactly(got); };
            auto ask = [&]() -> task<> { co_await l.client().write(pattern(1, much)); };
            co_await bight::when_all(hear(), ask());
        };
        {
            std::vector<test::raw_socket> others;  // so that an eighth is more than the two that are left
            for (int i = 0; i < 24; ++i) others.emplace_back(::dup(l.a().native_handle()));
            const test::few_descriptors limit(2);
            co_await bight::race(proxy(), talk());
        }
        const bool same = got == pattern(1, much);
        CHECK(same);
        CHECK(new_pipes(before).empty());  // a pipe that it had would be kept
    });
}

TEST_CASE("a write that fails for want of buffers ends a relay at once") {
    // What io_uring sends is seen by no filter.
    const auto kind = GENERATE(bight::demultiplexer_kind::epoll, bight::demultiplexer_kind::poll,
                               bight::demultiplexer_kind::select);
    test::need(kind);
    CAPTURE(kind);
    const std::string said = test::in_child([=] {
        bight::reactor r(test::options_on(kind));
        auto outcome = []() -> task<std::error_code> {
            line l = co_await connected_line(test::family::tcp);
            auto ask = [&]() -> task<> {
                co_await bight::yield();
                test::refuse_system_calls({SYS_sendto, SYS_sendmsg}, ENOBUFS);
                (void)!::write(l.client().native_handle(), "a question", 10);
            };
            const auto [error, n] =
                co_await bight::when_all(test::error_of(bight::relay(l.a(), l.b())), ask());
            (void)n;
            co_return error;
        };
        const auto limited = [&]() -> task<std::error_code> {
            auto ended =
                co_await bight::try_with_timeout(outcome(), 3s);  // less than the patience with a peer
            co_return ended ? *ended : make_error_code(bight::errc::timed_out);
        };
        return std::to_string(r.run(limited()).value());
    });
    CHECK(said == std::to_string(ENOBUFS));
}
