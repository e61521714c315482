// send_file where the bytes stay in the kernel, and where they cannot.
#include "demux/sendfile_calls.hpp"

#include "pattern_file.hpp"

#include "support/catch.hpp"
#include "support/connections.hpp"
#include "support/error_of.hpp"
#include "support/reactors.hpp"
#include "support/system_calls.hpp"

#include <bight/bight.hpp>
#include <bight/net/send_file.hpp>

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <sstream>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

using bight::send_file;
using bight::task;
using test::error_of;
using test::pattern;
using test::pattern_file;
using test::stream_pair;

namespace {

constexpr std::size_t all_bytes = 3'000'000;

/// Sends `size` bytes of `file`, and the end, and gives what the peer got.
task<std::string> sent_through(stream_pair& pair, bight::native_file file, std::size_t size) {
    auto serve = [&]() -> task<> {
        co_await send_file(pair.server, file, 0, size);
        co_await pair.server.shutdown_write();
    };
    auto [got, n] = co_await bight::when_all(test::read_all(pair.client), serve());
    (void)n;
    co_return std::move(got);
}

/// Skips the case where a file that was just written is not said to be in the page cache.
void need_told_pages(int file, std::size_t size) {
    if (!bight::detail::is_at_hand(file, 0, size))
        test::skip("the file system does not tell what is in the page cache");
}

template <class F>
void on_each_demultiplexer(F body) {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    CAPTURE(kind);
    test::reactor_fixture on(kind);
    on.run(body);
}

}  // namespace

TEST_CASE("what is not in the page cache is read elsewhere first, and what is there is not") {
    constexpr std::size_t little = 200'000;  // one part, for which the buffers have room
    const pattern_file file(little);
    REQUIRE(::fsync(file.fd()) == 0);
    need_told_pages(file.fd(), little);
    auto evict = [&] { return ::posix_fadvise(file.fd(), 0, 0, POSIX_FADV_DONTNEED) == 0; };
    if (!evict() || bight::detail::is_at_hand(file.fd(), 0, little))
        test::skip("the temporary directory is one that stays in memory");
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    CAPTURE(kind);
    test::reactor_fixture on(kind);
    on.run([&]() -> task<> {
        stream_pair pair = co_await test::connected_pair(test::family::tcp);
        auto operations = [] { return bight::reactor::current()->statistics().operations; };
        REQUIRE(evict());
        const auto before = operations();
        co_await send_file(pair.server, file.fd(), 0, little);
        const auto between = operations();
        CHECK(bight::detail::is_at_hand(file.fd(), 0, little));
        co_await send_file(pair.server, file.fd(), 0, little);
        CHECK(between - before >= 2);  // reads and writes
        CHECK(operations() - between == 1);
        co_await pair.server.shutdown_write();
        const std::string got = co_await test::read_all(pair.client);
        const bool same = got == pattern(0, little) + pattern(0, little);
        CHECK(same);
    });
}

TEST_CASE("a filter that refuses sendfile, from the beginning or amid a file, has it copied") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    const auto error = GENERATE(EPERM, ENOSYS, EINVAL);
    const bool amid = GENERATE(false, true);
    CAPTURE(kind, error, amid);
    const std::string said = test::in_child([=] {
        bight::reactor r(test::options_on(kind));
        auto both = [&]() -> task<std::string> {
            const pattern_file file(all_bytes);
            stream_pair pair = co_await test::connected_pair(test::family::tcp);
            if (!amid) test::refuse_system_calls({SYS_sendfile}, error);
            std::string got;
            auto receive = [&]() -> task<> {
                got = (co_await pair.client.read_some()).view();
                if (amid) test::refuse_system_calls({SYS_sendfile}, error);
                got += co_await test::read_all(pair.client);
            };
            auto serve = [&]() -> task<> {
                co_await send_file(pair.server, file.fd(), 0, all_bytes);
                co_await pair.server.shutdown_write();
            };
            co_await bight::when_all(receive(), serve());
            co_return got == pattern(0, all_bytes) ? "whole" : "another";
        };
        return r.run(both());
    });
    CHECK(said == "whole");
}

TEST_CASE("where the kernel does not tell what is in the page cache, a file is sent all the same") {
    constexpr long cachestat = 451;
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    const auto refused = GENERATE(std::vector<long>{cachestat}, std::vector<long>{cachestat, SYS_preadv2});
    CAPTURE(kind, refused);
    const std::string said = test::in_child([=] {
        bight::reactor r(test::options_on(kind));
        const pattern_file file(all_bytes);
        for (const long number : refused) test::refuse_system_calls({number}, ENOSYS);
        auto send = [&]() -> task<std::string> {
            stream_pair pair = co_await test::connected_pair(test::family::tcp);
            const std::string got = co_await sent_through(pair, file.fd(), all_bytes);
            co_return got == pattern(0, all_bytes) ? "whole" : "another";
        };
        return r.run(send());
    });
    CHECK(said == "whole");
}

TEST_CASE("a file without pages is copied: one of /proc") {
    on_each_demultiplexer([]() -> task<> {
        std::ostringstream version;
        version << std::ifstream("/proc/version").rdbuf();
        REQUIRE_FALSE(version.str().empty());
        const int file = ::open("/proc/version", O_RDONLY | O_CLOEXEC);
        REQUIRE(file >= 0);
        stream_pair pair = co_await test::connected_pair(test::family::tcp);
        const std::string got = co_await sent_through(pair, file, version.str().size());
        CHECK(got == version.str());
        ::close(file);
    });
}

TEST_CASE("a socket that appends, and one that blocks, get the file by copies, and hold up nobody") {
    const bool blocks = GENERATE(false, true);
    on_each_demultiplexer([blocks]() -> task<> {
        const pattern_file file(all_bytes);
        stream_pair pair = co_await test::connected_pair(test::family::tcp);
        const int fd = pair.server.native_handle();
        const int flags = ::fcntl(fd, F_GETFL);
        REQUIRE(::fcntl(fd, F_SETFL, blocks ? flags & ~O_NONBLOCK : flags | O_APPEND) == 0);
        const std::string got = co_await sent_through(pair, file.fd(), all_bytes);
        const bool same = got == pattern(0, all_bytes);
        CHECK(same);
    });
}

TEST_CASE("a directory, a pipe and an eventfd are no files to send") {
    on_each_demultiplexer([]() -> task<> {
        stream_pair pair = co_await test::connected_pair(test::family::tcp);
        const int directory = ::open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        const auto of_directory = co_await error_of(send_file(pair.server, directory, 0, 1));
        CHECK(of_directory == test::from_errno(EISDIR));
        ::close(directory);
        int ends[2];
        REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
        const auto of_pipe = co_await error_of(send_file(pair.server, ends[0], 0, 1));
        CHECK(of_pipe == test::from_errno(ESPIPE));
        ::close(ends[0]);
        ::close(ends[1]);
        const int event = ::eventfd(1, EFD_CLOEXEC);
        const auto of_event = co_await error_of(send_file(pair.server, event, 0, 8));
        CHECK(of_event == test::from_errno(ESPIPE));
        ::close(event);
    });
}

TEST_CASE("what is missing amid a part is known, where the kernel counts pages") {
    constexpr std::size_t unit = std::size_t{1} << 20;  // two are no less than the kernel keeps as one
    const pattern_file file(16 * unit);
    REQUIRE(::fsync(file.fd()) == 0);
    need_told_pages(file.fd(), 16 * unit);
    if (::posix_fadvise(file.fd(), 4 * unit, 2 * unit, POSIX_FADV_DONTNEED) != 0 ||
        bight::detail::is_at_hand(file.fd(), 4 * unit, 2 * unit))
        test::skip("the temporary directory is one that stays in memory");
    if (bight::detail::is_at_hand(file.fd(), 0, 16 * unit)) test::skip("Linux counts pages from 6.5 on");
    CHECK(bight::detail::is_at_hand(file.fd(), 0, 4 * unit));
    CHECK(bight::detail::is_at_hand(file.fd(), 6 * unit, 10 * unit));
}

TEST_CASE("an error of the file is none of the connection") {
    on_each_demultiplexer([]() -> task<> {
        const pattern_file file(1000);
        stream_pair pair = co_await test::connected_pair(test::family::tcp);
        for (const std::uint64_t far : {std::uint64_t{1} << 44, std::uint64_t{1} << 62}) {
            const auto beyond = co_await error_of(send_file(pair.server, file.fd(), far, 1));
            CHECK(beyond == bight::errc::end_of_stream);
        }
        pair.client.abort();
        const auto reset = co_await error_of(pair.server.read_some());
        CHECK(reset == test::from_errno(ECONNRESET));
    });
}

TEST_CASE("a forked child sends no file to its parent's connection") {
    on_each_demultiplexer([]() -> task<> {
        const pattern_file file(1000);
        stream_pair pair = co_await test::connected_pair(test::family::tcp);
        const pid_t child = ::fork();
        if (child == 0) {
            ::alarm(20);
            const auto told = co_await error_of(send_file(pair.server, file.fd(), 0, 1000));
            ::_exit(told == std::errc::bad_file_descriptor ? 0 : 1);
        }
        int status = -1;
        REQUIRE(::waitpid(child, &status, 0) == child);
        CHECK(status == 0);
        co_await pair.server.write("the parent's");
        co_await pair.server.shutdown_write();
        const std::string got = co_await test::read_all(pair.client);
        CHECK(got == "the parent's");
    });
}
