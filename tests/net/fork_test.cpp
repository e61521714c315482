// A forked child and the connections and listeners of its parent.
#include "blocking_mode.hpp"
#include "listening_socket.hpp"
#include "proxied_line.hpp"
#include "reap.hpp"

#include "support/cancellable.hpp"
#include "support/catch.hpp"
#include "support/child.hpp"
#include "support/connections.hpp"
#include "support/reactors.hpp"

#include <bight/bight.hpp>
#include <bight/net/resolver.hpp>

#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

using namespace std::chrono_literals;
using bight::task;
using test::connected_to_raw;
using test::error_of;

namespace {

std::string receive(const test::raw_socket& from, std::size_t size) {
    std::string text(size, 0);
    const auto got = ::recv(from.get(), text.data(), size, MSG_WAITALL);
    text.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
    return text;
}

/// Bytes go both ways.
task<bool> works(test::half_pair& pair) {
    pair.raw.send("ping");
    const auto got = co_await pair.stream.read_some();
    if (got.view() != "ping") co_return false;
    co_await pair.stream.write("pong");
    co_return receive(pair.raw, 4) == "pong";
}

task<bool> accepts(bight::listener& l) {
    bight::stream client = co_await bight::connect(test::endpoint_to(l.local()));
    bight::stream server = co_await l.accept();
    co_return true;
}

/// In a forked child, of which a task may be cancelled by the failure of another.
struct exits_with_its_task {
    exits_with_its_task() = default;
    exits_with_its_task(const exits_with_its_task&) = delete;
    exits_with_its_task& operator=(const exits_with_its_task&) = delete;
    ~exits_with_its_task() { ::_exit(0); }
};

}  // namespace

TEST_CASE("a forked child that unwinds leaves its parent's connections and listeners as they were") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    const test::family f = GENERATE(test::family::tcp, test::family::unix_path);
    CAPTURE(kind, f);
    const test::temporary_directory directory;
    test::child parent([&](const test::witness_pipe& pipe) {
        pid_t child = -1;
        bight::reactor r(test::options_on(kind));
        auto root = [&]() -> task<> {
            bight::listener l = bight::listen(test::new_endpoint(f, directory));
            auto pair = co_await connected_to_raw(f);
            if (const bool ok = co_await works(pair); !ok) ::_exit(1);
            auto wait_for_bytes = [&]() -> task<> {
                const auto got = co_await pair.stream.read_some();
                pipe.say(std::string(got.view()));
            };
            auto wait_for_clients = [&]() -> task<> {
                while (true) bight::stream dropped = co_await l.accept();
            };
            co_await bight::with_group([&](bight::group& g) -> task<> {
                g.spawn(wait_for_bytes);
                g.spawn(wait_for_clients);
                co_await bight::sleep_for(1ms);
                child = ::fork();
                if (child == 0) {
                    bight::reactor::current()->stop();
                    co_await bight::sleep_for(1h);
                }
                int status = 0;
                ::waitpid(child, &status, 0);
                if (status != 0) ::_exit(2);
                pair.raw.send("for the parent");
                bight::stream client = co_await bight::connect(test::endpoint_to(l.local()));
                const auto end = co_await client.read_some();  // it was accepted, and dropped
                if (end) ::_exit(3);
                co_await bight::yield();
                g.cancel();
            });
            if (const bool ok = co_await works(pair); !ok) ::_exit(4);
        };
        try {
            r.run(root());
        } catch (const bight::run_cancelled&) {
            return child == 0 ? 0 : 5;
        }
        return child > 0 ? 0 : 6;
    });
    CHECK(parent.exit_status() == 0);
    CHECK(parent.said() == "for the parent");
}

TEST_CASE("a forked child that closes a listener, or a stream in good order, says nothing to anybody") {
    test::reactor_fixture fixture(GENERATE(from_range(test::demultiplexers())));
    const test::family f = GENERATE(test::family::tcp, test::family::unix_path);
    CAPTURE(f);
    const test::temporary_directory directory;
    fixture.run([&]() -> task<> {
        bight::listener l = bight::listen(test::new_endpoint(f, directory));
        auto pair = co_await connected_to_raw(f);
        const bool works_before = co_await works(pair);
        CHECK(works_before);
        const bool accepts_before = co_await accepts(l);
        CHECK(accepts_before);
        const pid_t child = ::fork();
        if (child == 0) {
            ::alarm(20);
            co_await pair.stream.close();
            l.close();
            ::_exit(0);
        }
        test::reap(child);
        const bool works_after = co_await works(pair);
        CHECK(works_after);
        const bool accepts_after = co_await accepts(l);
        CHECK(accepts_after);
    });
}

TEST_CASE("in a forked child, streams and listeners of its parent's refuse new operations") {
    test::reactor_fixture fixture(GENERATE(from_range(test::demultiplexers())));
    fixture.run([&]() -> task<> {
        bight::listener l = bight::listen("tcp:0:interface=127.0.0.1");
        auto pair = co_await connected_to_raw(test::family::tcp);
        const bool works_before = co_await works(pair);
        CHECK(works_before);
        pair.raw.send("for the parent");
        const pid_t child = ::fork();
        if (child == 0) {
            ::alarm(20);
            const auto bad = std::errc::bad_file_descriptor;
            if (const auto told = co_await error_of(pair.stream.read_some()); told != bad) ::_exit(1);
            if (const auto told = co_await error_of(pair.stream.write("from the child")); told != bad)
                ::_exit(2);
            if (const auto told = co_await error_of(l.accept()); told != bad) ::_exit(3);
            try {
                (void)bight::listen("tcp:0:interface=127.0.0.1");
                ::_exit(4);
            } catch (const std::system_error& e) {
                ::_exit(e.code() == bight::errc::unavailable ? 0 : 5);
            }
        }
        test::reap(child);
        const auto got = co_await pair.stream.read_some();
        CHECK(got.view() == "for the parent");
        const bool works_after = co_await works(pair);
        CHECK(works_after);
    });
}

TEST_CASE("a forked child leaves alone what its parent passes on") {
    test::reactor_fixture fixture(GENERATE(from_range(test::demultiplexers())));
    fixture.run([]() -> task<> {
        test::line l = co_await test::connected_line(test::family::tcp);
        std::uint64_t copied = 0;
        constexpr std::size_t all = 8 * test::much;
        auto pass_on = [&]() -> task<> {
            co_await bight::copy(l.a(), l.b(), copied);
            co_await l.b().shutdown_write();
        };
        auto fork_meanwhile = [&]() -> task<> {
            for (int i = 0; i < 10; ++i) {
                const std::uint64_t before = copied;
                while (before == copied && copied < all) co_await bight::yield();
                const pid_t child = ::fork();
                if (child == 0) {
                    const exits_with_its_task end;
                    co_await bight::sleep_for(5ms);  // the copies of the other tasks go on, and fail
                }
                test::reap(child);
            }
        };
        co_await bight::when_all(test::send_and_end(l.client(), 5, all), pass_on(), fork_meanwhile(),
                                 test::expect(l.server(), 5, all));
        CHECK(copied == all);
    });
}

TEST_CASE("workers forked from a program that has used its reactor look names up, and serve") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    CAPTURE(kind);
    bight::reactor master(test::options_on(kind));
    auto look_up = []() -> task<std::error_code> {
        co_return co_await error_of(bight::connect("tcp:no-such-name.invalid:1"));
    };
    const std::error_code expected = master.run(look_up());
    CHECK(expected);
    test::child worker([&](const test::witness_pipe&) {
        bight::reactor own(test::options_on(kind));
        if (own.run(look_up()) != expected) return 1;
        auto serve = []() -> task<> {
            auto l = bight::listen("tcp:0:interface=127.0.0.1");
            if (const bool ok = co_await accepts(l); !ok) ::_exit(2);
        };
        own.run(serve());
        return 0;
    });
    CHECK(worker.exit_status() == 0);
}

TEST_CASE("a forked child waits for no look-up of a reactor that its parent had") {
    class silent_at_first final : public bight::resolver {
      public:
        int asked = 0;

      private:
        task<bight::resolved_host> look_up(std::string, bight::address::family_type) override {
            if (++asked == 1) co_await bight::sleep_for(1h);
            bight::resolved_host found;
            found.addresses.push_back(bight::address::from_ip("192.0.2.1", 0));
            co_return found;
        }
    };
    auto by = std::make_unique<silent_at_first>();
    std::optional<bight::reactor> r(std::in_place);
    pid_t child = -1;
    auto look_up = [&]() -> task<> { (void)co_await bight::as_result(by->resolve("one.test")); };
    auto fork_meanwhile = [&]() -> task<> {
        r->start(look_up);
        while (by->asked == 0) co_await bight::yield();
        child = ::fork();
    };
    r->run(fork_meanwhile());
    if (child == 0) {
        r.emplace();  // in the same place
        auto ask = [&]() -> task<bool> {
            const auto found = co_await bight::try_with_timeout(by->resolve("one.test"), 5s);
            co_return found.has_value();
        };
        const bool found = r->run(ask()) && by->asked == 2;
        by.reset();  // the parent's look-up, which has ended here, is none of this process
        ::_exit(found ? 0 : 1);
    }
    REQUIRE(child > 0);
    int status = -1;
    REQUIRE(::waitpid(child, &status, 0) == child);
    CHECK(status == 0);
    r.reset();
}

TEST_CASE("a forked child may destroy a resolver that its parent's tasks wait for") {
    class silent final : public bight::resolver {
        task<bight::resolved_host> look_up(std::string, bight::address::family_type) override {
            co_await bight::sleep_for(1h);
            co_return bight::resolved_host();
        }
    };
    const bool cancels = GENERATE(false, true);
    auto by = std::make_unique<silent>();
    pid_t child = -1;
    auto look_up = [&]() -> task<> { (void)co_await bight::as_result(by->resolve("one.test")); };
    test::cancellable waiting;
    auto fork_meanwhile = [&](bight::group& g) -> task<> {
        g.spawn(waiting.run(look_up()));
        co_await test::turns(3);
        child = ::fork();
        if (child == 0) {
            if (cancels) waiting.cancel();
            co_await test::turns(5);
            if (cancels == waiting.running()) ::_exit(1);
            by.reset();
            ::_exit(0);
        }
        waiting.cancel();
    };
    bight::reactor r;
    auto root = [&]() -> task<> { co_await bight::with_group(fork_meanwhile); };
    r.run(root());
    REQUIRE(child > 0);
    test::reap(child);
}

TEST_CASE("a forked child that drops what was bound for reactors leaves its parent's socket and file alone") {
    const test::temporary_directory directory;
    const std::string path = directory.file("socket");
    const test::raw_socket shared = test::listening_socket();
    bight::runtime_options two;
    two.reactors = 2;
    bight::runtime all(two);
    std::optional<bight::sharded_listener> adopted(std::in_place, all, "fd:" + std::to_string(shared.get()));
    std::optional<bight::sharded_listener> own(std::in_place, all, "unix:" + test::escaped(path));
    test::child one([&](const test::witness_pipe&) {
        adopted.reset();
        own.reset();
        return 0;
    });
    CHECK(one.exit_status() == 0);
    CHECK(test::blocks_as(shared.get(), false));
    CHECK(::access(path.c_str(), F_OK) == 0);
    own.reset();
    CHECK(::access(path.c_str(), F_OK) != 0);
}
