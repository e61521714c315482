// A file as a stream: what takes streams takes it, on each demultiplexer and on a simulated host.
#include "open_for_both.hpp"

#include "own_directory.hpp"

#include "support/cancellable.hpp"
#include "support/catch.hpp"
#include "support/each_reactor.hpp"

#include <bight/bight.hpp>
#include <bight/os/file_stream.hpp>
#include <bight/os/whole_file.hpp>

#include <cstdint>
#include <string>
#include <system_error>
#include <utility>

using bight::file_stream;
using bight::open_file;
using bight::stream;
using bight::task;
using test::code_of;
using test::on_each_reactor;
using test::own_directory;

namespace {

task<stream> open_stream(std::string path, bight::open_options options = {}, std::uint64_t offset = 0) {
    bight::file f = co_await open_file(std::move(path), options);
    co_return file_stream(std::move(f), offset);
}
std::string much_text() {
    std::string text;
    for (int i = 0; i < 50'000; ++i) text += std::to_string(i) + "\n";
    return text;
}

}  // namespace

TEST_CASE("file_stream: is read to its end, and from an offset, and goes on when the file grows") {
    on_each_reactor([]() -> task<> {
        const test::temporary_directory here;
        const std::string path = co_await own_directory(here) + "/file";
        const std::string text = much_text();
        co_await bight::write_file(path, text);
        stream all = co_await open_stream(path);
        std::string got = co_await test::read_all(all);
        CHECK(got == text);
        stream end = co_await open_stream(path, {}, text.size() - 6);
        got = co_await test::read_all(end);
        CHECK(got == "49999\n");
        bight::open_options appends = test::for_both();
        appends.append = true;
        bight::file grows = co_await open_file(path, appends);
        co_await grows.append("more");
        got = co_await test::read_all(all);
        CHECK(got == "more");
        co_await all.close();
        const std::error_code error = co_await code_of([](stream& of) -> task<> {
            auto chunk = co_await of.read_some();
            CHECK(chunk.empty());
        }(all));
        CHECK(error == bight::errc::closed);
    });
}

TEST_CASE("file_stream: lines are read, and written through a buffer") {
    on_each_reactor([]() -> task<> {
        const test::temporary_directory here;
        const std::string path = co_await own_directory(here) + "/file";
        stream out = co_await open_stream(path, test::for_both());
        {
            bight::buffered_writer writer(out);
            for (int i = 0; i < 1000; ++i) co_await writer.write("line " + std::to_string(i) + "\n");
            co_await writer.flush();
        }
        co_await out.close();
        stream in = co_await open_stream(path);
        bight::line_reader lines(in, "\n");
        int count = 0;
        while (auto line = co_await lines.next()) {
            CHECK(*line == "line " + std::to_string(count));
            ++count;
        }
        CHECK(count == 1000);
    });
}

TEST_CASE("file_stream: one is copied into another, and into a connection") {
    on_each_reactor([]() -> task<> {
        const test::temporary_directory here;
        const std::string own = co_await own_directory(here);
        const std::string text = much_text();
        co_await bight::write_file(own + "/from", text);
        stream from = co_await open_stream(own + "/from");
        stream to = co_await open_stream(own + "/to", test::for_both());
        const std::uint64_t copied = co_await bight::copy(from, to);
        CHECK(copied == text.size());
        co_await to.close();
        const std::string back = co_await bight::read_file(own + "/to");
        CHECK(back == text);
        auto pair = co_await test::connected_pair(test::family::tcp);
        stream again = co_await open_stream(own + "/from");
        co_await bight::with_group([&](bight::group& g) -> task<> {
            g.spawn([&]() -> task<> {
                co_await bight::copy(again, pair.client);
                co_await pair.client.shutdown_write();
            });
            const std::string received = co_await test::read_all(pair.server);
            CHECK(received == text);
        });
    });
}

TEST_CASE("file_stream: what is written goes to its place, or to the end") {
    on_each_reactor([]() -> task<> {
        const test::temporary_directory here;
        const std::string path = co_await own_directory(here) + "/file";
        co_await bight::write_file(path, "0123456789");
        stream at = co_await open_stream(path, test::for_both(), 3);
        co_await at.write("abc", "d");
        co_await at.write("e");
        std::string got = co_await test::read_all(at);
        CHECK(got == "abcde89");
        bight::open_options appends = test::for_both();
        appends.append = true;
        stream end = co_await open_stream(path, appends);
        co_await end.write("!");
        co_await end.close();
        got = co_await bight::read_file(path);
        CHECK(got == "012abcde89!");
    });
}

TEST_CASE("file_stream: a read that is cancelled at any turn loses nothing") {
    const std::string text = much_text();
    for (int after = 0; after < 12; ++after) {
        CAPTURE(after);
        on_each_reactor([&, after]() -> task<> {
            const test::temporary_directory here;
            const std::string path = co_await own_directory(here) + "/file";
            co_await bight::write_file(path, text);
            stream in = co_await open_stream(path);
            std::string got;
            test::cancellable one;
            co_await bight::with_group([&](bight::group& g) -> task<> {
                g.spawn(one.run([](stream& from, std::string& into) -> task<> {
                    for (;;) {
                        auto chunk = co_await from.read_some();
                        if (!chunk) co_return;
                        into += chunk.view();
                    }
                }(in, got)));
                co_await test::turns(after);
                one.cancel();
            });
            got += co_await test::read_all(in);
            CHECK(got == text);
        });
    }
}

TEST_CASE(
    "file_stream: a stream that is aborted or dropped while it is used ends who waits, and closes the file") {
    for (int after = 0; after < 6; ++after) {
        CAPTURE(after);
        on_each_reactor([after]() -> task<> {
            const test::temporary_directory here;
            const std::string path = co_await own_directory(here) + "/file";
            co_await bight::write_file(path, much_text());
            stream both = co_await open_stream(path, test::for_both());
            co_await bight::with_group([&](bight::group& g) -> task<> {
                g.spawn([&]() -> task<> {
                    auto got = co_await bight::as_result(both.read_some());
                    CHECK((got || got.error() == bight::errc::aborted));
                });
                g.spawn([&]() -> task<> {
                    auto written = co_await bight::as_result(both.write(std::string(100'000, 'x')));
                    CHECK((written || written.error() == bight::errc::aborted));
                });
                co_await test::turns(after);
                both.abort();
            });
            const stream dropped = co_await open_stream(path);
            CHECK(dropped.is_open());
        });
    }
}

TEST_CASE("file_stream: a close that was made before it is not one of the stream's file") {
    on_each_reactor([]() -> task<> {
        const test::temporary_directory here;
        const std::string path = co_await own_directory(here) + "/file";
        co_await bight::write_file(path, "text");
        bight::file f = co_await open_file(path);
        task<> before = f.close();
        task<> synced = f.sync();
        stream s = file_stream(std::move(f));
        std::error_code error = co_await code_of(std::move(before));
        CHECK(error == bight::errc::busy);
        const std::string text = co_await test::read_all(s);
        CHECK(text == "text");
        co_await s.close();
        error = co_await code_of(std::move(synced));
        CHECK(error == std::errc::bad_file_descriptor);
    });
}

TEST_CASE("file_stream: begins at no offset that a file cannot have") {
    on_each_reactor([]() -> task<> {
        const test::temporary_directory here;
        const std::string path = co_await own_directory(here) + "/file";
        co_await bight::write_file(path, "text");
        for (const std::uint64_t offset : {~std::uint64_t{0}, std::uint64_t{1} << 63}) {
            const std::error_code error = co_await code_of(open_stream(path, {}, offset));
            CHECK(error == std::errc::invalid_argument);
        }
        stream far = co_await open_stream(path, {}, std::uint64_t{1} << 30);
        const std::string text = co_await test::read_all(far);
        CHECK(text.empty());
    });
}

TEST_CASE("file_stream: an error of the file is one of the stream") {
    on_each_reactor([]() -> task<> {
        const test::temporary_directory here;
        const std::string path = co_await own_directory(here) + "/file";
        co_await bight::write_file(path, "text");
        stream reads = co_await open_stream(path);
        auto written = co_await bight::as_result(reads.write("x"));
        CHECK(written.error() == std::errc::bad_file_descriptor);
        const std::error_code empty = co_await code_of([]() -> task<> {
            const stream none = file_stream(bight::file());
            CHECK_FALSE(none.is_open());
            co_return;
        }());
        CHECK(empty == std::errc::bad_file_descriptor);
    });
}
