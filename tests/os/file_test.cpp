// file: opening, reading and writing at offsets, on each demultiplexer and on a simulated host's disk.
#include "open_for_both.hpp"

#include "own_directory.hpp"

#include "support/cancellable.hpp"
#include "support/catch.hpp"
#include "support/each_reactor.hpp"

#include <bight/bight.hpp>
#include <bight/os/file.hpp>
#include <bight/os/paths.hpp>
#include <bight/os/whole_file.hpp>
#include <bight/sync/event.hpp>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <span>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

using bight::file;
using bight::file_access;
using bight::file_creation;
using bight::open_file;
using bight::open_options;
using bight::task;
using test::code_of;
using test::on_each_reactor;
using test::own_directory;
using test::words_of_error;

namespace {

open_options to_append() {
    open_options options = test::for_both();
    options.append = true;
    return options;
}

task<std::string> text_of(const file& f) {
    std::string text(100, '?');
    std::size_t filled = 0;
    while (const std::size_t got =
               co_await f.read_at(filled, bight::mutable_buffer(text.data() + filled, text.size() - filled)))
        filled += got;
    co_return text.substr(0, filled);
}

}  // namespace

TEST_CASE("file: is made, written and read at offsets, and has a size") {
    on_each_reactor([]() -> task<> {
        const test::temporary_directory here;
        const std::string path = co_await own_directory(here) + "/file";
        file f = co_await open_file(path, test::for_both());
        CHECK(f);
        CHECK(f.path() == path);
        co_await f.write_at(10, "world");
        co_await f.write_at(4, "hello", ",");
        const std::string text = co_await text_of(f);
        CHECK(text == std::string("\0\0\0\0hello,world", 15));
        const bight::file_status status = co_await f.status();
        CHECK(status.size == 15);
        CHECK(status.type == bight::file_type::regular);
        CHECK(status.links == 1);
        std::string beyond(4, '?');
        const std::size_t got = co_await f.read_at(15, beyond);
        CHECK(got == 0);
        co_await f.close();
        CHECK_FALSE(f);
        co_await f.close();
    });
}

TEST_CASE("file: several pieces are read and written as one") {
    on_each_reactor([]() -> task<> {
        const test::temporary_directory here;
        const std::string path = co_await own_directory(here) + "/file";
        file f = co_await open_file(path, test::for_both());
        std::vector<std::string> texts;
        std::vector<bight::const_buffer> pieces;
        for (int i = 0; i < 3000; ++i)
            texts.push_back(std::to_string(10'000 + i));  // more than one call takes
        texts[7].clear();
        for (const std::string& text : texts) pieces.emplace_back(text);
        co_await f.write_at(3, std::span<bight::const_buffer>(pieces));
        const bight::file_status status = co_await f.status();
        CHECK(status.size == 3 + 2999 * 5);
        std::string last(5, '?');
        co_await f.read_exactly_at(3 + 2998 * 5, last);
        CHECK(last == "12999");

        std::string one(7, '?');
        std::string two(8, '?');
        const std::array<bight::mutable_buffer, 3> into{
            bight::mutable_buffer(one), bight::mutable_buffer(nullptr, 0), bight::mutable_buffer(two)};
        const std::size_t got = co_await f.read_at(3, std::span<const bight::mutable_buffer>(into));
        CHECK(got == 15);
        CHECK(one + two == "100001000110002");
    });
}

TEST_CASE("file: what is appended goes to the end, and to no offset") {
    on_each_reactor([]() -> task<> {
        const test::temporary_directory here;
        const std::string path = co_await own_directory(here) + "/log";
        file log = co_await open_file(path, to_append());
        file other = co_await open_file(path, to_append());
        co_await log.append("one,");
        co_await other.append("two,", "three,");
        co_await log.append("four");
        const std::string text = co_await text_of(log);
        CHECK(text == "one,two,three,four");
        auto at_offset = co_await bight::as_result(log.write_at(0, "x"));
        CHECK(at_offset.error() == std::errc::invalid_argument);
        file plain = co_await open_file(path, test::for_both());
        auto appended = co_await bight::as_result(plain.append("x"));
        CHECK(appended.error() == std::errc::invalid_argument);
        const auto write = [](file& to) -> task<> { co_await to.write_at(0, "x"); };
        const std::string words = co_await words_of_error(write(log));
        CHECK(words.find("which was opened with open_options::append") != std::string::npos);
    });
}

TEST_CASE("file: how it is opened decides what is there, and what is refused") {
    on_each_reactor([]() -> task<> {
        const test::temporary_directory here;
        const std::string directory = co_await own_directory(here);
        const std::string path = directory + "/file";
        std::error_code error = co_await code_of(open_file(path));
        CHECK(error == std::errc::no_such_file_or_directory);
        open_options new_one = test::for_both();
        new_one.creation = file_creation::must_be_new;
        {
            file f = co_await open_file(path, new_one);
            co_await f.write_at(0, "text");
        }
        error = co_await code_of(open_file(path, new_one));
        CHECK(error == std::errc::file_exists);
        file reads = co_await open_file(path);
        std::string text = co_await text_of(reads);
        CHECK(text == "text");
        auto written = co_await bight::as_result(reads.write_at(0, "x"));
        CHECK(written.error() == std::errc::bad_file_descriptor);
        open_options harmless;
        harmless.truncate = true;
        error = co_await code_of(open_file(path, harmless));
        CHECK(error == std::errc::invalid_argument);
        text = co_await text_of(reads);
        CHECK(text == "text");
        open_options emptied;
        emptied.access = file_access::write;
        emptied.truncate = true;
        file writes = co_await open_file(path, emptied);
        text = co_await text_of(reads);
        CHECK(text.empty());
        std::array<char, 4> memory{};
        auto read = co_await bight::as_result(writes.read_at(0, memory));
        CHECK(read.error() == std::errc::bad_file_descriptor);
        error = co_await code_of(open_file(path + "/below", test::for_both()));
        CHECK(error == std::errc::not_a_directory);
        error = co_await code_of(open_file(directory + "/missing/file", test::for_both()));
        CHECK(error == std::errc::no_such_file_or_directory);
        error = co_await code_of(open_file(directory, test::for_both()));
        CHECK(error == std::errc::is_a_directory);
        error = co_await code_of(open_file(std::string("a\0b", 3)));
        CHECK(error == std::errc::invalid_argument);
        error = co_await code_of(open_file(""));
        CHECK(error == std::errc::no_such_file_or_directory);
    });
}

TEST_CASE("file: an error names the call, the place and the path") {
    on_each_reactor([]() -> task<> {
        const test::temporary_directory here;
        const std::string path = co_await own_directory(here) + "/file";
        std::string words = co_await words_of_error(open_file(path));
        CHECK(words.starts_with("open " + path + ": "));
        file f = co_await open_file(path, test::for_both());
        co_await f.write_at(0, "12345");
        std::array<char, 8> memory{};
        const auto write = [](file& to, std::uint64_t offset) -> task<> {
            co_await to.write_at(offset, "x");
        };
        words = co_await words_of_error(write(f, std::uint64_t{1} << 63));
        CHECK(words.starts_with("write to " + path + " at byte 9223372036854775808"));
        words = co_await words_of_error(f.read_exactly_at(1, memory));
        CHECK(words.find("it ends after 4 of them") != std::string::npos);
        file none;
        words = co_await words_of_error(write(none, 0));
        CHECK(words.starts_with("write to a file that is not open"));
        words = co_await words_of_error(none.sync());
        CHECK(words.starts_with("sync a file that is not open"));
        co_await f.close();
        const std::error_code error = co_await code_of(f.truncate(0));
        CHECK(error == std::errc::bad_file_descriptor);
    });
}

TEST_CASE("file: what cannot be meant is refused with what to write") {
    on_each_reactor([]() -> task<> {
        const test::temporary_directory here;
        const std::string path = co_await own_directory(here) + "/file";
        co_await bight::write_file(path, "text");
        bight::open_options appends;
        appends.append = true;
        std::string words = co_await words_of_error(open_file(path, appends));
        CHECK(words.starts_with("open " + path + " with open_options::append, which needs access to write"));
        bight::open_options decimal = test::for_both();
        decimal.permissions = 644;
        words = co_await words_of_error(open_file(path + "2", decimal));
        CHECK(words.find("permissions of 01204") != std::string::npos);
        words = co_await words_of_error(bight::write_file(path + "2", "text", 644));
        CHECK(words.find("permissions of 01204") != std::string::npos);
        const bool made = co_await bight::path_exists(path + "2");
        CHECK_FALSE(made);
        appends.access = bight::file_access::write;
        file log = co_await open_file(path, appends);
        const auto write = [](file& to, std::uint64_t at) -> task<> { co_await to.write_at(at, "x"); };
        for (const std::uint64_t at : {~std::uint64_t{0}, ~std::uint64_t{0} - 1}) {
            const std::error_code error = co_await code_of(write(log, at));
            CHECK(error == std::errc::invalid_argument);
        }
        const bight::file_status status = co_await log.status();
        CHECK(status.size == 4);
    });
    // On a simulated host, as on Linux, a lock needs the access that it is about.
    const test::temporary_directory here;
    test::reactor_fixture on(test::real_reactors().front());
    on.run([&]() -> task<> {
        const std::string path = here.file("file");
        co_await bight::write_file(path, "text");
        file f = co_await open_file(path);
        const std::string words = co_await words_of_error(f.acquire_lock(bight::file_lock::exclusive));
#if defined(_WIN32)
        CHECK(words.empty());  // needs no access there
#else
        CHECK(words.find(": an exclusive lock needs access to write: ") != std::string::npos);
#endif
    });
}

TEST_CASE("file: is synced, and made shorter and longer") {
    on_each_reactor([]() -> task<> {
        const test::temporary_directory here;
        const std::string path = co_await own_directory(here) + "/file";
        file f = co_await open_file(path, test::for_both());
        co_await f.write_at(0, "123456");
        co_await f.sync();
        co_await f.sync_data();
        co_await f.truncate(3);
        std::string text = co_await text_of(f);
        CHECK(text == "123");
        co_await f.truncate(5);
        text = co_await text_of(f);
        CHECK(text == std::string("123\0\0", 5));
        const std::error_code error = co_await code_of(f.truncate(~std::uint64_t{0}));
        CHECK(error == std::errc::invalid_argument);
    });
}

TEST_CASE("file: many reads and writes are under way at a time") {
    on_each_reactor([]() -> task<> {
        const test::temporary_directory here;
        const std::string path = co_await own_directory(here) + "/file";
        file f = co_await open_file(path, test::for_both());
        const auto write = [&](int i) -> task<> {
            co_await f.write_at(static_cast<std::uint64_t>(4 * i), std::to_string(1000 + i));
        };
        const auto read = [&](int i) -> task<> {
            std::string text(4, '?');
            co_await f.read_exactly_at(static_cast<std::uint64_t>(4 * i), text);
            CHECK(text == std::to_string(1000 + i));
        };
        co_await bight::with_group([&](bight::group& g) -> task<> {
            for (int i = 0; i < 100; ++i) g.spawn(write, i);
            co_return;
        });
        co_await bight::with_group([&](bight::group& g) -> task<> {
            for (int i = 0; i < 100; ++i) g.spawn(read, i);
            co_return;
        });
    });
}

TEST_CASE("file: goes away while it is used, and is closed by what used it last") {
    on_each_reactor([]() -> task<> {
        const test::temporary_directory here;
        const std::string path = co_await own_directory(here) + "/file";
        std::string text(1, '?');
        file f = co_await open_file(path, test::for_both());
        co_await f.write_at(0, "x");
        bight::manual_reset_event begun;
        co_await bight::with_group([&](bight::group& g) -> task<> {
            g.spawn([&]() -> task<> {
                auto reading = f.read_at(0, text);
                begun.set();
                const std::size_t got = co_await std::move(reading);
                CHECK(got == 1);
            });
            co_await begun.wait();
            f = file();
        });
        CHECK(text == "x");
    });
}

TEST_CASE("file: a close while it is used is refused") {
    on_each_reactor([]() -> task<> {
        const test::temporary_directory here;
        const std::string path = co_await own_directory(here) + "/file";
        file f = co_await open_file(path, test::for_both());
        co_await bight::with_group([&](bight::group& g) -> task<> {
            g.spawn([&]() -> task<> { co_await f.sync(); });
            co_await bight::yield();
            const std::error_code error = co_await code_of(f.close());
            CHECK((!error || error == bight::errc::busy));
        });
        co_await f.close();
        CHECK_FALSE(f);
    });
}

TEST_CASE("file: what begins during a close finds no file, and not the next one of that descriptor") {
    on_each_reactor([]() -> task<> {
        const test::temporary_directory here;
        const std::string own = co_await own_directory(here);
        for (int i = 0; i < 20; ++i) {
            file f = co_await open_file(own + "/closed", test::for_both());
            file other;
            co_await bight::with_group([&](bight::group& g) -> task<> {
                g.spawn([&]() -> task<> { co_await f.close(); });
                g.spawn([&]() -> task<> { other = co_await open_file(own + "/other", test::for_both()); });
                co_await bight::yield();
                CHECK_FALSE(f);
                for (int write = 0; write < 3; ++write) {
                    auto written = co_await bight::as_result(f.write_at(0, "x"));
                    CHECK(written.error() == std::errc::bad_file_descriptor);
                }
                const std::error_code synced = co_await code_of(f.sync());
                CHECK(synced == std::errc::bad_file_descriptor);
            });
            const bight::file_status status = co_await other.status();
            CHECK(status.size == 0);
        }
    });
}

TEST_CASE("file: a close waits for what is under way, and not for what may come") {
    on_each_reactor([]() -> task<> {
        const test::temporary_directory here;
        const std::string path = co_await own_directory(here) + "/file";
        file f = co_await open_file(path, test::for_both());
        auto written = f.write_at(0, "text");
        co_await std::move(written);
        bight::task<> never = f.sync();
        auto reading = f.read_at(0, bight::mutable_buffer());
        co_await f.close();
        CHECK_FALSE(f);
        const std::error_code error = co_await code_of(std::move(never));
        CHECK(error == std::errc::bad_file_descriptor);
        auto read = co_await bight::as_result(std::move(reading));
        CHECK(read.error() == std::errc::bad_file_descriptor);
    });
}

TEST_CASE("file: empty pieces before others are no end of it") {
    on_each_reactor([]() -> task<> {
        const test::temporary_directory here;
        const std::string path = co_await own_directory(here) + "/file";
        file f = co_await open_file(path, test::for_both());
        co_await f.write_at(0, "text");
        std::string text(4, '?');
        std::vector<bight::mutable_buffer> pieces(3000);
        std::size_t got = co_await f.read_at(0, std::span<const bight::mutable_buffer>(pieces));
        CHECK(got == 0);
        pieces.emplace_back(text);
        got = co_await f.read_at(0, std::span<const bight::mutable_buffer>(pieces));
        CHECK(got == 4);
        CHECK(text == "text");
    });
}

TEST_CASE("file: what has no offsets is neither read nor written") {
#if defined(_WIN32)
    test::skip("numbers of the C library are no handles");
#endif
    for (const auto& kind : test::real_reactors()) {
        CAPTURE(kind);
        test::reactor_fixture on(kind);
        on.run([]() -> task<> {
            std::array<int, 2> ends{};
            REQUIRE(::pipe(ends.data()) == 0);
            file out(ends[0], "a pipe");
            file in(ends[1], "a pipe", true);
            std::array<char, 4> memory{};
            auto read = co_await bight::as_result(out.read_at(0, memory));
            CHECK(read.error() == std::errc::invalid_seek);
            auto appended = co_await bight::as_result(in.append("text"));
            CHECK(appended.error() == std::errc::invalid_seek);
            file also_in(::dup(ends[1]), "a pipe");
            auto written = co_await bight::as_result(also_in.write_at(77, "text"));
            CHECK(written.error() == std::errc::invalid_seek);
        });
    }
}

TEST_CASE("file: an open of a FIFO waits for nobody, and says what is for FIFOs") {
    for (const auto& kind : test::real_reactors()) {
        CAPTURE(kind);
        test::reactor_fixture on(kind);
        on.run([]() -> task<> {
            const test::temporary_directory here;
            const std::string path = here.file("fifo");
            const int made = ::mkfifo(path.c_str(), 0600);
            REQUIRE(made == 0);
            // More of them than there are threads.
            for (int i = 0; i < 6; ++i) {
                const file f = co_await open_file(path);
                char byte = 0;
                std::string why;
                try {
                    co_await f.read_at(0, bight::mutable_buffer(&byte, 1));
                } catch (const std::system_error& e) {
                    CHECK(e.code() == std::errc::invalid_seek);
                    why = e.what();
                }
                CHECK_THAT(why, Catch::Contains("fifo") && Catch::Contains("open_fifo"));
            }
            bight::open_options to_write;
            to_write.access = bight::file_access::write;
            const auto code = co_await test::error_of(open_file(path, to_write));
            CHECK(code == test::from_errno(ENXIO));
            const std::string why = co_await test::words_of_error(open_file(path, to_write));
            CHECK_THAT(why, Catch::Contains("without a reader"));
        });
    }
}

TEST_CASE("file: a task that is cancelled at any turn of its life leaves nothing open") {
    for (int after = 0; after < 40; ++after) {
        CAPTURE(after);
        on_each_reactor([after]() -> task<> {
            const test::temporary_directory here;
            const std::string path = co_await own_directory(here) + "/file";
            test::cancellable one;
            const auto life = [&]() -> task<> {
                for (int i = 0; i < 3; ++i) {
                    file f = co_await open_file(path, test::for_both());
                    co_await f.write_at(0, std::string(100'000, 'x'));
                    co_await f.sync_data();
                    std::string back(100'000, '?');
                    co_await f.read_exactly_at(0, back);
                    CHECK(back == std::string(100'000, 'x'));
                    co_await f.close();
                }
            };
            co_await bight::with_group([&](bight::group& g) -> task<> {
                g.spawn(one.run(life()));
                co_await test::turns(after);
                one.cancel();
            });
            CHECK_FALSE(one.running());
        });
    }
}

TEST_CASE("file: locks of open files are in each other's way, and go with them") {
    on_each_reactor([]() -> task<> {
        const test::temporary_directory here;
        const std::string path = co_await own_directory(here) + "/file";
        using bight::file_lock;
        file one = co_await open_file(path, test::for_both());
        file two = co_await open_file(path, test::for_both());
        bool got = co_await one.try_acquire_lock(file_lock::shared);
        CHECK(got);
        got = co_await two.try_acquire_lock(file_lock::shared);
        CHECK(got);
        got = co_await two.try_acquire_lock(file_lock::exclusive);
        CHECK_FALSE(got);
        co_await one.release_lock();
        got = co_await two.try_acquire_lock(file_lock::exclusive);
        CHECK(got);
        got = co_await one.try_acquire_lock(file_lock::shared);
        CHECK_FALSE(got);
        bool had = false;
        co_await bight::with_group([&](bight::group& g) -> task<> {
            g.spawn([&]() -> task<> {
                co_await one.acquire_lock(file_lock::exclusive);
                had = true;
            });
            co_await bight::sleep_for(std::chrono::milliseconds(5));
            CHECK_FALSE(had);
            two = file();
        });
        CHECK(had);
        const bool in_time = co_await bight::try_with_timeout(
            [](std::string at) -> task<> {
                file three = co_await open_file(at, test::for_both());
                co_await three.acquire_lock(bight::file_lock::shared);
            }(path),
            std::chrono::milliseconds(20));
        CHECK_FALSE(in_time);
    });
}

TEST_CASE("file: a descriptor that is open is taken over, and closed") {
#if defined(_WIN32)
    test::skip("numbers of the C library are no handles");
#endif
    for (const auto& kind : test::real_reactors()) {
        CAPTURE(kind);
        test::reactor_fixture on(kind);
        on.run([]() -> task<> {
            const test::temporary_directory here;
            const std::string path = here.file("file");
            file first = co_await open_file(path, test::for_both());
            file second(::dup(static_cast<int>(first.native_handle())));
            co_await second.write_at(0, "text");
            const std::string text = co_await text_of(first);
            CHECK(text == "text");
            CHECK(second.path() == "file " + std::to_string(second.native_handle()));
        });
    }
}

TEST_CASE("file: goes from one reactor to another, which reads, writes and locks it") {
    const test::temporary_directory here;
    const std::string path = here.file("file");
    const auto run_on = [](const test::reactor_choice& kind, task<> body) {
        bight::reactor_options options;
        options.demultiplexer = kind.kind;
        bight::reactor on(options);
        on.run(std::move(body));
    };
    const auto use = [](file& f, std::uint64_t at) -> task<> {
        co_await f.write_at(at, "text");
        char memory[4] = {};
        const std::size_t got = co_await f.read_at(at, memory);
        CHECK(std::string_view(memory, got) == "text");
        const std::size_t end = co_await f.read_at(at + 4, memory);
        CHECK(end == 0);
        co_await f.acquire_lock(bight::file_lock::exclusive);
        co_await f.release_lock();
        co_await f.sync();
    };
    const auto open_and_use = [&](file& f) -> task<> {
        f = co_await open_file(path, test::for_both());
        co_await f.truncate(0);
        co_await use(f, 0);
    };
    const auto use_and_close = [&](file& f) -> task<> {
        co_await use(f, 4);
        co_await f.close();
    };
    for (const auto& first : test::real_reactors()) {
        for (const auto& second : test::real_reactors()) {
            CAPTURE(first, second);
            file f;
            run_on(first, open_and_use(f));
            run_on(second, use_and_close(f));
        }
    }
}
