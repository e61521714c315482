// copy and relay into a stream to which others write, too: each write waits for its turn.
#include "proxied_line.hpp"

#include "support/cancellable.hpp"

#include <bight/net/relay.hpp>
#include <bight/sim/world.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <system_error>

using bight::stream;
using bight::task;
using test::line;
using test::much;
using test::pattern;
using namespace std::chrono_literals;

namespace {

bool has_resets(const stream& s) {
    return s.native_handle() < 0 || s.local().family() != bight::address::family_type::unix_domain;
}

}  // namespace

TEST_CASE("what a buffered_writer holds goes out before what is relayed") {
    test::on_each_line([](line& l) -> task<> {
        auto proxy = [&]() -> task<> {
            bight::buffered_writer out(l.b());
            co_await out.write("PROXY\r\n");
            const bight::relayed all = co_await bight::relay(l.a(), l.b());
            CHECK(all.from_a == 4);
        };
        auto ask = [&]() -> task<> {
            co_await l.client().write("body");
            co_await l.client().shutdown_write();
        };
        auto serve = [&]() -> task<> {
            const std::string got = co_await test::read_all(l.server());
            CHECK(got == "PROXY\r\nbody");
            co_await l.server().shutdown_write();
        };
        co_await bight::when_all(proxy(), ask(), serve());
    });
}

TEST_CASE("a copy waits for an outbox that has much to write, and its bytes come behind") {
    test::on_each_line([](line& l) -> task<> {
        auto proxy = [&]() -> task<> {
            bight::outbox out(l.b(), {.capacity = 2 * much});
            CHECK(out.send(bight::payload(pattern(0, much))));
            co_await bight::copy(l.a(), l.b());
            co_await l.b().shutdown_write();
        };
        co_await bight::when_all(proxy(), test::send_and_end(l.client(), much, much),
                                 test::expect(l.server(), 0, 2 * much));
    });
}

TEST_CASE("messages of an outbox go between the parts of a copy, whole and in order") {
    test::on_each_line([](line& l) -> task<> {
        constexpr std::size_t messages = 200;
        auto proxy = [&]() -> task<> {
            bight::outbox out(l.b(), {.capacity = much});
            bool copied = false;
            std::size_t sent = 0;
            auto beats = [&]() -> task<> {
                for (; sent < messages; ++sent) {
                    CHECK(out.send("<beat>"));
                    co_await bight::sleep_for(100us);
                    if (copied) break;
                }
            };
            auto copies = [&]() -> task<> {
                const std::uint64_t bytes = co_await bight::copy(l.a(), l.b());
                CHECK(bytes == much);
                copied = true;
            };
            co_await bight::when_all(beats(), copies());
            co_await l.b().shutdown_write();
        };
        auto ask = [&]() -> task<> {
            co_await l.client().write(std::string(much, '.'));
            co_await l.client().shutdown_write();
        };
        auto serve = [&]() -> task<> {
            std::string got = co_await test::read_all(l.server());
            std::size_t dots = 0;
            std::size_t beats = 0;
            for (std::size_t at = 0; at < got.size();) {
                if (got[at] == '.') {
                    ++dots;
                    ++at;
                } else {
                    if (got.compare(at, 6, "<beat>") != 0) FAIL("a message was cut");
                    ++beats;
                    at += 6;
                }
            }
            CHECK(dots == much);
            CHECK(beats > 0);
        };
        co_await bight::when_all(proxy(), ask(), serve());
    });
}

TEST_CASE("a copy that is cancelled while it waits for its turn leaves the turn of others alone") {
    const bool in_line = GENERATE(true, false);  // or in the turn in which it would write
    test::on_each_line([in_line](line& l) -> task<> {
        bight::outbox first(l.b(), {.capacity = 2 * much});
        bight::outbox last(l.b());
        CHECK(first.send(bight::payload(pattern(0, much))));
        if (first.queued() == 0) co_return;  // a memory stream has taken it all
        test::cancellable copying;
        auto copies = [&]() -> task<> { (void)co_await bight::copy(l.a(), l.b()); };
        co_await l.client().write("never");
        co_await bight::with_group([&](bight::group& g) -> task<> {
            g.spawn(copying.run(copies()));
            co_await bight::sleep_for(5ms);  // it has read, and waits
            CHECK(last.send("behind"));
            auto cancels = [&]() -> task<> {
                if (!in_line) co_await first.flush();
                copying.cancel();
            };
            auto reads = [&]() -> task<> {
                std::string got(much + 6, ' ');
                co_await l.server().read_exactly(got);
                CHECK(got.substr(much) == "behind");
            };
            g.spawn(cancels);
            g.spawn(reads);
        });
        CHECK_FALSE(copying.ended());
        // It had read what it did not write.
        l.b() = stream();
        const std::string how = co_await test::rest(l.server());
        if (has_resets(l.server())) CHECK_THAT(how, Catch::Contains("error"));
    });
}

TEST_CASE("a copy that waits for its turn learns that the stream was aborted") {
    test::on_each_line([](line& l) -> task<> {
        bight::outbox first(l.b(), {.capacity = 2 * much});
        CHECK(first.send(bight::payload(pattern(0, much))));
        co_await l.client().write("never");
        std::error_code code;
        auto copies = [&]() -> task<> { code = co_await test::error_of(bight::copy(l.a(), l.b())); };
        auto aborts = [&]() -> task<> {
            co_await bight::sleep_for(5ms);
            l.b().abort();
        };
        co_await bight::when_all(copies(), aborts());
        CHECK(code == bight::errc::aborted);
    });
}

TEST_CASE("in a simulated world whose sends take their time, a header goes out before what is relayed") {
    for (std::uint64_t seed = 1; seed <= 30; ++seed) {
        bight::sim::world_options options;
        options.faults.set(bight::sim::fault::slow_completion, 0.5);
        bight::sim::world w(seed, options);
        std::string got;
        w.add("server").on_boot([&got] {
            return bight::serve("tcp:7000", [&got](stream s) -> task<> {
                while (auto data = co_await s.read_some()) got += data.view();
            });
        });
        w.add("proxy").on_boot([] {
            return bight::serve("tcp:8000", [](stream a) -> task<> {
                stream b = co_await bight::connect("tcp:server:7000");
                bight::buffered_writer out(b);
                co_await out.write("PROXY\r\n");
                co_await bight::relay(a, b);
            });
        });
        w.add("client").run([]() -> task<> {
            stream s = co_await bight::connect("tcp:proxy:8000");
            co_await s.write("body");
            co_await s.shutdown_write();
            const std::string rest = co_await test::read_all(s);
            CHECK(rest == "");
        });
        w.run();
        CHECK(got == "PROXY\r\nbody");
    }
}

TEST_CASE("a copy and a second outbox have their turns beside an outbox that is never empty") {
    test::on_each_line([](line& l) -> task<> {
        constexpr std::size_t to_copy = 1U << 20;
        bool all_out = false;
        std::size_t of_second = 0;
        auto pushes = [&]() -> task<> {
            bight::outbox out(l.b(), {.capacity = 262144});
            while (!all_out) co_await out.push(bight::payload(std::string(65536, '-')));
        };
        auto pushes_too = [&]() -> task<> {
            bight::outbox out(l.b(), {.capacity = 262144});
            for (; of_second < 20; ++of_second) co_await out.push(bight::payload(std::string(65536, '+')));
            co_await out.flush();
        };
        auto copies = [&]() -> task<> {
            co_await bight::copy(l.a(), l.b());
            all_out = true;
        };
        auto reads = [&]() -> task<> {
            while (auto got = co_await l.server().read_some()) {
            }
        };
        auto writes = [&]() -> task<> {
            co_await bight::when_all(pushes(), pushes_too(), copies());
            co_await l.b().shutdown_write();
        };
        co_await bight::when_all(test::send_and_end(l.client(), 0, to_copy), writes(), reads());
        CHECK(of_second == 20);
    });
}
