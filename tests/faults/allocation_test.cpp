// Memory that runs out: whatever allocation fails, the error comes out where something was asked for, nothing
// is left behind, and the reactor goes on.
#include "ended.hpp"
#include "support/allocation_faults.hpp"
#include "support/catch.hpp"
#include "support/connections.hpp"
#include "support/listen_no_more.hpp"
#include "support/reactors.hpp"

#include <bight/bight.hpp>
#include <bight/io/frame_parser.hpp>
#include <bight/io/frame_reader.hpp>
#include <bight/net/caching_resolver.hpp>
#include <bight/net/datagram_socket.hpp>
#include <bight/net/descriptor_passing.hpp>
#include <bight/sim/failing_new.hpp>

#include "net/resolve.hpp"

#include <sys/socket.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <exception>
#include <memory>
#include <new>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

using bight::stream;
using bight::task;
using test::allocation_fault;
using test::anywhere;
using test::fail_each_allocation;
using test::fail_each_allocation_on;
using test::failing;
using test::reactor_fixture;
using namespace std::chrono_literals;

namespace {

const std::string long_text(100, 't');

bight::demultiplexer_kind best() { return test::demultiplexers().front(); }

void no_more_memory_on_this_thread() {
    static thread_local allocation_fault of_this_thread{0, true, false};
    // Until it ends, without a destructor: on mingw-w64 that would find its memory freed (GCC PR 80816).
    alignas(failing) static thread_local std::byte until_it_ends[sizeof(failing)];
    ::new (until_it_ends) failing(of_this_thread);
}

task<std::string> leaf(std::string text) {
    co_await bight::yield();
    co_return text + text;
}

task<std::size_t> nested(int depth) {
    if (depth == 0) {
        const std::string text = co_await leaf(long_text);
        co_return text.size();
    }
    const std::size_t below = co_await nested(depth - 1);
    co_return below + 1;
}

}  // namespace

TEST_CASE("making a reactor fails as a whole when memory is out") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    CAPTURE(kind);
    bight::reactor_options options;
    options.demultiplexer = kind;
    options.receive_buffers = 8;
    const int descriptors = test::open_descriptors();
    const auto tally = fail_each_allocation([&](allocation_fault& fault) {
        {
            const failing here(fault);
            bight::reactor r(options);
            r.run_once();
        }
        CHECK(test::open_descriptors() == descriptors);
    });
    CHECK(tally.allocations > 1);
    CHECK(tally.endured == 0);
    CHECK(test::open_descriptors() == descriptors);
}

TEST_CASE("a task whose frames cannot be had throws bad_alloc where it is called") {
    const auto tally = fail_each_allocation([&](allocation_fault& fault) {
        reactor_fixture on(best());
        std::size_t got = 0;
        {
            const failing here(fault);
            got = on.reactor().run(nested(3));
        }
        CHECK(got == 203);
    });
    CHECK(tally.allocations >= 5);
    CHECK(tally.endured == 0);
}

TEST_CASE("spawn starts a task as a whole or throws bad_alloc, and the others go on") {
    const auto tally =
        fail_each_allocation_on(best(), [](reactor_fixture&, allocation_fault& fault) -> task<> {
            int begun = 0;
            int ended = 0;
            auto child = [&](std::string) -> task<> {
                ++begun;
                co_await bight::yield();
                ++ended;
            };
            bool failed = false;
            co_await bight::with_group([&](bight::group& g) -> task<> {
                g.spawn(child, long_text);
                try {
                    const failing here(fault);
                    g.spawn(child, long_text);
                } catch (const std::bad_alloc&) {
                    failed = true;
                }
                co_await bight::yield();
            });
            CHECK(failed == fault.happened);
            CHECK(begun >= 1);
            CHECK(begun == ended);
            if (failed) throw std::bad_alloc();
        });
    CHECK(tally.allocations >= 3);
    CHECK(tally.endured == 0);
}

TEST_CASE("a scope whose first frame cannot be had leaves no trace of itself in its task") {
    enum scope { with_group, service_tree, serve };
    const auto which = GENERATE(with_group, service_tree, serve);
    const auto tally =
        fail_each_allocation_on(best(), [which](reactor_fixture&, allocation_fault& fault) -> task<> {
            bool failed = false;
            auto opens = [&]() -> task<> {
                try {
                    auto nothing = [](bight::group&) -> task<> { co_return; };
                    auto echo = [](stream) -> task<> { co_return; };
                    if (which == with_group) {
                        auto inner = bight::with_group(nothing);
                        const failing here(fault);
                        co_await std::move(inner);
                    } else if (which == service_tree) {
                        bight::service_tree tree;
                        auto serves = []() -> task<> { co_return; };
                        tree.add("one", serves);
                        auto inner = tree.run();
                        const failing here(fault);
                        co_await std::move(inner);
                    } else {
                        const bight::serve_options options;
                        auto inner = bight::serve(bight::listen(anywhere), options, echo);
                        auto briefly = bight::try_with_timeout(std::move(inner), 1ms);
                        const failing here(fault);
                        co_await std::move(briefly);
                    }
                } catch (const std::bad_alloc&) {
                    failed = true;
                }
            };
            // The task goes on, and is cancelled at an await of its own.
            bool unwound = false;
            struct sets {
                bool& flag;
                ~sets() { flag = true; }
            };
            co_await bight::with_group([&](bight::group& g) -> task<> {
                auto child = [&]() -> task<> {
                    const sets at_end{unwound};
                    co_await opens();
                    g.cancel();
                    co_await bight::sleep_for(1h);
                };
                g.spawn(child);
                co_return;
            });
            CHECK(unwound);
            if (failed) throw std::bad_alloc();
        });
    CHECK(tally.allocations >= 1);
}

TEST_CASE("the reactors of a runtime end together although memory runs out before their tasks end") {
    bight::runtime_options options;
    options.reactors = 2;
    options.handle_signals = false;
    bight::runtime both(options);
    auto root = [](std::size_t) -> task<> {
        co_await bight::yield();
        no_more_memory_on_this_thread();
    };
    CHECK(both.run(root) == 0);
}

TEST_CASE("a tree of tasks for which there is no memory is not shown, and the reactor goes on") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    const auto tally =
        fail_each_allocation_on(kind, [](reactor_fixture& on, allocation_fault& fault) -> task<> {
            {
                const failing here(fault);
                on.reactor().request_dump();
                co_await bight::sleep_for(1ms);
            }
            const auto said = on.take_log();
            CHECK(said.size() <= 1);  // the fixture's own handler needs memory
        });
    CHECK(tally.allocations >= 1);
}

TEST_CASE("when_all and when_any throw bad_alloc where their tasks are made") {
    const auto tally =
        fail_each_allocation_on(best(), [](reactor_fixture&, allocation_fault& fault) -> task<> {
            const failing here(fault);
            const auto both = co_await bight::when_all(leaf(long_text), nested(2));
            std::vector<task<std::string>> list;
            for (int i = 0; i < 3; ++i) list.push_back(leaf(long_text));
            const auto all = co_await bight::when_all(std::move(list));
            const auto any = co_await bight::when_any(leaf(long_text), bight::sleep_for(1h));
            if (std::get<1>(both) != 202 || all.size() != 3 || any.index != 0)
                throw std::logic_error("wrong");
        });
    CHECK(tally.allocations >= 10);
    CHECK(tally.endured == 0);
}

TEST_CASE("with_timeout and shield of an operation throw bad_alloc") {
    const auto tally =
        fail_each_allocation_on(best(), [](reactor_fixture& on, allocation_fault& fault) -> task<> {
            {
                const failing here(fault);
                co_await bight::with_timeout(nested(1), 1h);
                co_await bight::with_timeout(bight::sleep_for(1ns), 1h);
                co_await bight::try_with_timeout(bight::sleep_for(1h), 1ns);
                co_await bight::shield(bight::sleep_for(1ns), 1h);
            }
            CHECK(on.reactor().statistics().live_timers == 0);
        });
    CHECK(tally.allocations >= 6);
    CHECK(tally.endured == 0);
}

TEST_CASE("a send into a channel that finds no memory sends nothing, and what was sent is received") {
    const auto tally =
        fail_each_allocation_on(best(), [](reactor_fixture&, allocation_fault& fault) -> task<> {
            bight::channel<std::string> ch(100);
            std::size_t sent = 0;
            bool failed = false;
            try {
                const failing here(fault);
                for (int i = 0; i < 40; ++i) {
                    co_await ch.send(long_text);
                    ++sent;
                }
            } catch (const std::bad_alloc&) {
                failed = true;
            }
            CHECK(ch.size() == sent);
            co_await ch.send("last");
            ch.close();
            std::size_t received = 0;
            while (auto one = co_await ch.receive()) {
                CHECK(*one == (received < sent ? long_text : "last"));
                ++received;
            }
            CHECK(received == sent + 1);
            if (failed) throw std::bad_alloc();
        });
    CHECK(tally.allocations >= 40);
    CHECK(tally.endured == 0);
}

TEST_CASE("a deferred that finds no memory throws where it is made or fired, and stays unfired") {
    const auto tally =
        fail_each_allocation_on(best(), [](reactor_fixture&, allocation_fault& fault) -> task<> {
            std::optional<bight::deferred<std::string>> made;
            bool failed = false;
            try {
                const failing here(fault);
                made.emplace();
                made->on_abandoned([text = long_text] { (void)text; });
                made->set_value(std::string(long_text));
            } catch (const std::bad_alloc&) {
                failed = true;
            }
            if (!made) throw std::bad_alloc();
            if (failed) made->set_value("again");
            const std::string got = co_await *made;
            CHECK(got == (failed ? "again" : long_text));
            if (failed) throw std::bad_alloc();
        });
    CHECK(tally.allocations >= 3);
    CHECK(tally.endured == 0);
}

TEST_CASE(
    "a connection and an echo find no memory: what was asked for fails, and nothing is left of either side") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    CAPTURE(kind);
    const auto tally =
        fail_each_allocation_on(kind, [](reactor_fixture& on, allocation_fault& fault) -> task<> {
            bight::listen_options options;
            options.when_exhausted = bight::exhaustion_policy::wait;
            bight::listener l = bight::listen(anywhere, options);
            const std::string where = test::endpoint_to(l.local());
            {
                const failing here(fault);
                stream client = co_await bight::connect(where);
                // A listener waits until there is memory again.
                auto accepted = co_await bight::try_with_timeout(l.accept(), 1s);
                if (!accepted) throw std::bad_alloc();
                stream server = std::move(*accepted);
                co_await client.write(long_text, "and more");
                auto chunk = co_await server.read_some();
                co_await server.write(chunk);
                chunk.reset();
                std::string answer(long_text.size() + 8, '\0');
                co_await client.read_exactly(answer);
                if (answer != long_text + "and more") throw std::logic_error("wrong");
                co_await client.close();
                co_await server.close();
            }
            on.take_log();
        });
    CHECK(tally.allocations >= 6);
}

TEST_CASE("a server that finds no memory refuses that connection, or resets it, and goes on") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    CAPTURE(kind);
    const auto tally =
        fail_each_allocation_on(kind, [](reactor_fixture& on, allocation_fault& fault) -> task<> {
            auto echo = [](stream peer) -> task<> {
                while (auto chunk = co_await peer.read_some()) co_await peer.write(chunk);
            };
            std::string ended;
            // What a client gets for a byte: the byte, or nothing when it is refused with a reset.
            auto ask = [](const bight::address& where) -> task<std::string> {
                const auto client = test::raw_connect(where);
                client.send("x");
                for (int i = 0; i < 1000; ++i) {
                    char byte = 0;
                    const auto got = ::recv(client.get(), &byte, 1, MSG_DONTWAIT);
                    if (got == 1) co_return std::string(1, byte);
                    if (got == 0) co_return "the end, as if all were well";
                    if (errno != EAGAIN) co_return std::string();
                    co_await bight::sleep_for(1ms);
                }
                co_return "no answer";
            };
            co_await bight::with_group([&](bight::group& g) -> task<> {
                bight::listener l = bight::listen(anywhere);
                const auto where = l.local();
                bight::serve_options options;
                auto serve = [&]() -> task<> {
                    const auto code = co_await test::error_of(bight::serve(std::move(l), options, echo));
                    ended = "the server: " + code.message();
                };
                g.spawn(serve);
                co_await bight::yield();
                std::string first;
                {
                    auto asked = ask(where);
                    const failing here(fault);
                    first = co_await std::move(asked);
                }
                CHECK((first == "x" || first.empty()));
                CHECK(ended.empty());
                const std::string later = co_await ask(where);
                CHECK(later == "x");
                g.cancel();
            });
            on.take_errors();
            on.take_log();
        });
    CHECK(tally.allocations >= 3);
}

TEST_CASE("a listener and its server are not begun when memory is out") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    CAPTURE(kind);
    const auto tally = fail_each_allocation_on(kind, [](reactor_fixture&, allocation_fault& fault) -> task<> {
        auto nobody = [](stream) -> task<> { co_return; };
        const failing here(fault);
        bight::listener l = bight::listen(anywhere);
        bight::serve_options options;
        co_await bight::try_with_timeout(bight::serve(std::move(l), options, nobody), 0s);
        co_await bight::try_with_timeout(bight::serve(anywhere, nobody), 0s);
    });
    CHECK(tally.allocations >= 6);
}

TEST_CASE("an outbox that finds no memory queues a message as a whole or not at all") {
    const auto tally =
        fail_each_allocation_on(best(), [](reactor_fixture&, allocation_fault& fault) -> task<> {
            auto pair = co_await test::connected_pair(test::family::tcp);
            std::size_t queued = 0;
            bool failed = false;
            try {
                const failing here(fault);
                bight::outbox box(pair.server);
                for (int i = 0; i < 40; ++i) {
                    if (!box.send(long_text)) throw std::logic_error("not queued");
                    ++queued;
                }
                co_await box.push(long_text);
                ++queued;
                co_await box.flush();
            } catch (const std::bad_alloc&) {
                failed = true;
            } catch (const std::system_error& e) {
                CHECK(e.code() == std::errc::not_enough_memory);
                failed = true;
            }
            co_await pair.server.close();
            const std::string got = co_await test::read_all(pair.client);
            CHECK(got.size() == queued * long_text.size());
            if (failed) throw std::bad_alloc();
        });
    CHECK(tally.allocations >= 2);  // the outbox and a message
    // Each batch does without the memory for its send, and on an io_uring without that for several messages
    // together.
    CHECK(tally.endured <= 14);
}

TEST_CASE("a line_reader that finds no memory loses no bytes: the next call gives the line") {
    const auto tally =
        fail_each_allocation_on(best(), [](reactor_fixture&, allocation_fault& fault) -> task<> {
            auto pair = co_await test::connected_to_raw(test::family::tcp);
            bight::line_reader lines(pair.stream);
            bool failed = false;
            for (int i = 0; i < 3; ++i) {
                const std::string line = long_text + std::to_string(i) + std::string(1000, 'l');
                pair.raw.send(line + "\r\nand");
                std::optional<std::string> got;
                try {
                    const failing here(fault);
                    got = co_await lines.next();
                } catch (const std::bad_alloc&) {
                    failed = true;
                }
                if (!got) got = co_await lines.next();
                CHECK(got == (i == 0 ? line : "and" + line));
                CHECK(lines.buffered() == "and");
            }
            try {
                const failing here(fault);
                lines.give_back();
            } catch (const std::bad_alloc&) {
                failed = true;
                CHECK(lines.buffered() == "and");
                lines.give_back();
            }
            const auto rest = co_await pair.stream.read_some();
            CHECK(rest.view() == "and");
            if (failed) throw std::bad_alloc();
        });
    CHECK(tally.allocations >= 4);
    CHECK(tally.endured == 0);
}

TEST_CASE("what a line_reader has read and found no memory for is given back") {
    const auto tally =
        fail_each_allocation_on(best(), [](reactor_fixture&, allocation_fault& fault) -> task<> {
            auto pair = co_await test::connected_to_raw(test::family::tcp);
            bight::line_reader lines(pair.stream);
            const std::string line = long_text + "\r\n";
            pair.raw.send(line);
            bool failed = false;
            bool whole = false;
            try {
                const failing here(fault);
                const auto got = co_await lines.next();
                whole = got == long_text;
            } catch (const std::bad_alloc&) {
                failed = true;
            }
            CHECK(whole != failed);
            if (!failed) co_return;
            lines.give_back();
            const auto rest = co_await pair.stream.read_some();
            CHECK(rest.view() == line);
            throw std::bad_alloc();
        });
    CHECK(tally.allocations >= 2);
    CHECK(tally.endured == 0);
}

TEST_CASE("a frame_parser and a frame_reader that find no memory lose no bytes") {
    const std::string frame = long_text + std::string(1000, 'f');
    const bight::framing how = bight::framing::netstrings();
    const std::string bytes = how.encode(frame);
    const auto parser_tally = fail_each_allocation([&](allocation_fault& fault) {
        bight::frame_parser parser(how);
        bool failed = false;
        std::string got;
        for (const std::string_view piece :
             {std::string_view(bytes).substr(0, 500), std::string_view(bytes).substr(500)}) {
            parser.feed(piece);
            std::optional<std::string_view> found;
            try {
                const failing here(fault);
                found = parser.next();
            } catch (const std::bad_alloc&) {
                failed = true;
                found = parser.next();
            }
            if (found) got = *found;
        }
        CHECK(got == frame);
        if (failed) throw std::bad_alloc();
    });
    CHECK(parser_tally.allocations >= 2);
    CHECK(parser_tally.endured == 0);
    const auto reader_tally =
        fail_each_allocation_on(best(), [&](reactor_fixture&, allocation_fault& fault) -> task<> {
            auto pair = co_await test::connected_to_raw(test::family::tcp);
            bight::frame_reader frames(pair.stream, how);
            bool failed = false;
            for (int i = 0; i < 3; ++i) {
                pair.raw.send(bytes.substr(i == 0 ? 0 : 2) + bytes.substr(0, 2));
                std::optional<std::string> got;
                try {
                    const failing here(fault);
                    got = co_await frames.next();
                } catch (const std::bad_alloc&) {
                    failed = true;
                }
                if (!got) got = co_await frames.next();
                CHECK(got == frame);
                CHECK(frames.buffered() == bytes.substr(0, 2));
            }
            if (failed) throw std::bad_alloc();
        });
    CHECK(reader_tally.allocations >= 3);
    CHECK(reader_tally.endured == 0);
}

TEST_CASE("a call that is posted without memory is not made; else it is made once") {
    const auto tally =
        fail_each_allocation_on(best(), [](reactor_fixture& on, allocation_fault& fault) -> task<> {
            int calls = 0;
            {
                const failing here(fault);
                on.reactor().post([&calls, text = long_text] { calls += text.empty() ? 0 : 1; });
            }
            co_await bight::yield();
            co_await bight::yield();
            CHECK(calls == 1);
        });
    CHECK(tally.allocations >= 2);
    CHECK(tally.endured == 0);
}

TEST_CASE("an endpoint that cannot be parsed for want of memory throws bad_alloc") {
    const auto tally = fail_each_allocation([](allocation_fault& fault) {
        const failing here(fault);
        for (const char* text : {"tcp:host=a.name.that.is.not.short.example:port=80:timeout=5",
                                 "tcp6:port=8123:interface=\\:\\:1:backlog=50",
                                 "unix:/a/path/that/is/long/enough/not/to/be/kept/in/place:mode=660"}) {
            const auto e = bight::endpoint::parse(text);
            const std::string again = e.to_string();
            if (again.empty()) throw std::logic_error("wrong");
        }
    });
    CHECK(tally.allocations >= 6);
    CHECK(tally.endured == 0);
}

TEST_CASE("finally cleans up, or says that it found no memory for it") {
    const auto tally =
        fail_each_allocation_on(best(), [](reactor_fixture& on, allocation_fault& fault) -> task<> {
            bool cleaned = false;
            bool in_body = false;
            {
                const failing here(fault);
                auto body = [&]() -> task<> {
                    in_body = true;
                    co_await bight::yield();
                };
                auto clean = [&, text = long_text]() -> task<> {
                    co_await bight::yield();
                    cleaned = !text.empty();
                };
                co_await bight::finally(body(), clean);
            }
            CHECK(in_body);
            CHECK(cleaned);
            CHECK(on.reactor().statistics().live_timers == 0);
        });
    CHECK(tally.allocations >= 3);
    CHECK(tally.endured == 0);
}

TEST_CASE("an offloaded job runs once and gives its result, or finds no memory and never runs") {
    int runs = 0;
    const auto tally =
        fail_each_allocation_on(best(), [&](reactor_fixture&, allocation_fault& fault) -> task<> {
            runs = 0;
            std::size_t size = 0;
            try {
                const failing here(fault);
                auto job = [&runs, text = long_text] {
                    ++runs;
                    return text.size();
                };
                size = co_await bight::offload(std::move(job));
            } catch (const std::bad_alloc&) {
                CHECK(runs == 0);
                throw;
            }
            CHECK(size == long_text.size());
            CHECK(runs == 1);
        });
    CHECK(tally.allocations >= 1);
    CHECK(tally.endured == 0);
}

TEST_CASE("a look-up that finds no memory throws bad_alloc") {
    const auto tally =
        fail_each_allocation_on(best(), [](reactor_fixture&, allocation_fault& fault) -> task<> {
            std::size_t found = 0;
            {
                const failing here(fault);
                // The resolver knows it, and bight does not.
                const auto host =
                    co_await bight::detail::resolve("127.1", 80, bight::address::family_type::none, nullptr);
                found = host.addresses.size();
            }
            CHECK(found == 1);
        });
    CHECK(tally.allocations >= 3);
    CHECK(tally.endured == 0);
}

TEST_CASE("a look-up through a cache is had, and kept, as a whole or not at all") {
    class one_name final : public bight::resolver {
        task<bight::resolved_host> look_up(std::string, bight::address::family_type) override {
            co_await bight::yield();
            bight::resolved_host found;
            found.addresses.push_back(bight::address::from_ip("192.0.2.1", 0));
            co_return found;
        }
    };
    const auto tally =
        fail_each_allocation_on(best(), [](reactor_fixture&, allocation_fault& fault) -> task<> {
            one_name origin;
            bight::caching_resolver names(origin);
            bool failed = false;
            bight::resolved_host found;
            try {
                const failing here(fault);
                found = co_await names.resolve("a.rather.long.name.test", "80");
            } catch (const std::bad_alloc&) {
                failed = true;
            }
            CHECK(found.addresses.size() == (failed ? 0 : 1));
            // Nothing is left that would be waited for, and what is kept is whole.
            const bight::resolved_host again = co_await names.resolve("a.rather.long.name.test", "80");
            CHECK(again.addresses.size() == 1);
            CHECK(names.statistics().entries == 1);
            if (failed) throw std::bad_alloc();
        });
    CHECK(tally.allocations >= 5);
    CHECK(tally.endured == 0);
}

TEST_CASE("a concurrent_channel is made as a whole, and then needs no memory for a value") {
    const auto tally =
        fail_each_allocation_on(best(), [](reactor_fixture&, allocation_fault& fault) -> task<> {
            int received = 0;
            {
                const failing here(fault);
                bight::concurrent_channel<std::unique_ptr<int>> channel(2);
                for (int i = 0; i < 5; ++i) {
                    co_await channel.send(nullptr);
                    const auto got = co_await channel.receive();
                    received += got.has_value() ? 1 : 0;
                }
            }
            CHECK(received == 5);  // here a reporter has memory
        });
    CHECK(tally.allocations >= 1);
    CHECK(tally.allocations < 5);
    CHECK(tally.endured == 0);
}

TEST_CASE("a runtime is made as a whole, with its threads, or not at all") {
    const int descriptors = test::open_descriptors();
    const auto tally = fail_each_allocation([&](allocation_fault& fault) {
        {
            const failing here(fault);
            bight::runtime_options options;
            options.reactors = 2;
            options.reactor.demultiplexer = best();
            bight::runtime machine(options);
            if (machine.size() != 2) throw std::logic_error("wrong");
        }
        CHECK(test::open_descriptors() == descriptors);
    });
    CHECK(tally.allocations >= 2);
    CHECK(tally.endured == 0);
}

TEST_CASE(
    "the last of the listeners that share a socket closes it without memory, on whatever reactor it is") {
    bight::runtime_options options;
    options.reactors = 2;
    options.reactor.demultiplexer = GENERATE(from_range(test::demultiplexers()));
    options.handle_signals = false;
    CAPTURE(options.reactor.demultiplexer);
    bight::runtime both(options);
    bight::listen_options handed_over;
    handed_over.sharding = bight::sharding::hand_over;
    bight::sharded_listener where(both, anywhere, handed_over);
    enum step { accepts_here, shared, last_is_elsewhere, over };
    std::atomic<int> next{accepts_here};
    std::atomic<bool> refused{false};
    auto until = [&](step s) -> task<> {
        while (next != s) co_await bight::sleep_for(1ms);
    };
    auto root = [&](std::size_t i) -> task<> {
        if (i == 0) {
            bight::listener first = where.listen();
            next = shared;
            co_await until(last_is_elsewhere);
            first.close();
            next = over;
        } else {
            co_await until(shared);
            bight::listener last = where.listen();
            next = last_is_elsewhere;
            co_await until(over);
            {
                allocation_fault all{0, true, false};
                const failing here(all);
                last.close();
            }
            for (int tries = 0; tries < 5000 && !refused; ++tries) {
                co_await bight::sleep_for(1ms);
                try {
                    (void)test::raw_connect(where.local());
                } catch (const std::system_error&) {
                    refused = true;
                }
            }
        }
    };
    CHECK(both.run(root) == 0);
    CHECK(refused);
}

TEST_CASE("the listeners of all reactors are told without memory that accepting has failed") {
    bight::runtime_options options;
    options.reactors = 2;
    options.reactor.demultiplexer = GENERATE(from_range(test::demultiplexers()));
    options.handle_signals = false;
    CAPTURE(options.reactor.demultiplexer);
    bight::runtime both(options);
    const test::raw_socket original(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const auto any = bight::address::from_ip("127.0.0.1", 0);
    REQUIRE(::bind(original.get(), static_cast<const sockaddr*>(any.native()),
                   static_cast<socklen_t>(any.native_size())) == 0);
    REQUIRE(::listen(original.get(), 8) == 0);
    bight::listen_options handed_over;
    handed_over.sharding = bight::sharding::hand_over;
    bight::sharded_listener where(both, "fd:" + std::to_string(original.get()), handed_over);
    std::atomic<bool> accepts_here{false};
    std::atomic<bool> waits_elsewhere{false};
    std::atomic<bool> told{false};
    auto root = [&](std::size_t i) -> task<> {
        if (i == 0) {
            bight::listener first = where.listen();  // its reactor accepts for both
            accepts_here = true;
            while (!waits_elsewhere) co_await bight::sleep_for(1ms);
            allocation_fault all{0, true, false};
            const failing here(all);
            const test::listen_no_more from_here_on(original.get());
            for (int tries = 0; tries < 5000 && !told; ++tries) co_await bight::sleep_for(1ms);
            both.stop();
        } else {
            while (!accepts_here) co_await bight::sleep_for(1ms);
            bight::listener other = where.listen();
            waits_elsewhere = true;
            const auto code = co_await test::error_of(other.accept());
            told = code == test::from_errno(EINVAL);
        }
    };
    CHECK(both.run(root) == 0);
    CHECK(told);
}

TEST_CASE("a runtime that finds no memory for a run throws bad_alloc, and the next run is complete") {
    bight::runtime_options options;
    options.reactors = 2;
    options.reactor.demultiplexer = best();
    bight::runtime machine(options);
    std::atomic<int> ran{0};
    const auto root = [&ran, text = long_text]() -> task<> {
        ran += text.empty() ? 0 : 1;
        co_return;
    };
    const auto tally = fail_each_allocation([&](allocation_fault& fault) {
        ran = 0;
        int status = -1;
        try {
            const failing here(fault);
            status = machine.run(root);
        } catch (const std::bad_alloc&) {
            CHECK(ran == 0);
            REQUIRE(machine.run(root) == 0);
            CHECK(ran == 2);
            throw;
        }
        CHECK(status == 0);
        CHECK(ran == 2);
    });
    CHECK(tally.allocations >= 2);
    CHECK(tally.endured == 0);
}

#ifndef _WIN32

TEST_CASE("descriptors are passed, or nothing is where memory is out, and none is left open") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    test::need_unix_sockets();
    const auto tally = fail_each_allocation_on(kind, [](reactor_fixture&, allocation_fault& fault) -> task<> {
        int ends[2];
        if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) std::abort();
        const bight::owned_descriptor first(ends[0]);
        const bight::owned_descriptor second(ends[1]);
        bight::stream a = co_await bight::connect(first.as_endpoint());
        bight::stream b = co_await bight::connect(second.as_endpoint());
        std::exception_ptr error;
        std::size_t came = 0;
        {
            const failing now(fault);
            try {
                bight::accept_descriptors(b, 3);
                co_await bight::send_descriptor(a, first.get(), "x");
                const bight::chunk got = co_await b.read_some();
                came = bight::take_descriptors(b).descriptors.size();
                bight::stream gone = std::move(a);
                bight::release_descriptor(std::move(gone)).reset();
            } catch (...) {
                error = std::current_exception();
            }
        }
        if (error) std::rethrow_exception(error);
        CHECK(came == 1);
    });
    CHECK(tally.allocations > 3);
}

TEST_CASE("descriptors go with a datagram, or nothing does where memory is out, and none is left open") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    test::need_unix_sockets();
    const auto tally = fail_each_allocation_on(kind, [](reactor_fixture&, allocation_fault& fault) -> task<> {
        int ends[2];
        if (::socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, ends) != 0) std::abort();
        const bight::owned_descriptor first(ends[0]);
        const bight::owned_descriptor second(ends[1]);
        bight::datagram_socket a = bight::datagram_socket::bind(first.as_endpoint());
        bight::datagram_socket b = bight::datagram_socket::bind(second.as_endpoint());
        std::exception_ptr error;
        std::size_t came = 0;
        {
            const failing now(fault);
            try {
                co_await bight::send_descriptor(a, first.get(), "x");
                char byte = 0;
                const auto got = co_await bight::receive_descriptors(b, bight::mutable_buffer(&byte, 1));
                came = got.descriptors.size();
            } catch (...) {
                error = std::current_exception();
            }
        }
        if (error) std::rethrow_exception(error);
        CHECK(came == 1);
    });
    CHECK(tally.allocations > 1);
}

TEST_CASE("a listener is taken out, or stays as it is where memory is out") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    const auto tally = fail_each_allocation_on(kind, [](reactor_fixture&, allocation_fault& fault) -> task<> {
        bight::listener l = bight::listen("tcp:0:interface=127.0.0.1");
        const bight::address at = l.local();
        const auto none = co_await bight::try_with_timeout(l.accept(), std::chrono::milliseconds(1));
        CHECK_FALSE(none);
        const test::raw_socket client = test::raw_connect(at);
        for (int i = 0; i < 70; ++i) co_await bight::yield();  // io_uring has accepted it
        bight::released_listener released;
        std::exception_ptr error;
        {
            const failing now(fault);
            try {
                released = bight::release_listener(std::move(l));
            } catch (...) {
                error = std::current_exception();
            }
        }
        if (error) {
            const bight::stream s = co_await l.accept();  // nothing is lost
            CHECK(s);
            std::rethrow_exception(error);
        }
        CHECK_FALSE(l);
        if (released.accepted.empty()) {
            l = bight::listen(released.socket.as_endpoint());
            const bight::stream s = co_await l.accept();
            CHECK(s);
        }
    });
    if (kind == bight::demultiplexer_kind::io_uring) CHECK(tally.allocations > 0);
}

#endif
