// What children of a simulated host do beyond what those of a machine do: by the seed, in virtual time, with
// faults.
#include "faulty.hpp"
#include "played_programs.hpp"

#include "support/error_of.hpp"
#include "support/exploring.hpp"

#include <bight/bight.hpp>
#include <bight/net/descriptor_passing.hpp>
#include <bight/os/file.hpp>
#include <bight/os/run_process.hpp>
#include <bight/sim/explore.hpp>
#include <bight/sim/leaks.hpp>

#include <signal.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using bight::process;
using bight::process_status;
using bight::task;
using bight::sim::child;
using Catch::Contains;
using test::all_from;
using test::error_of;
using test::from_errno;
namespace sim = bight::sim;

namespace {

// One host, its programs, and a task.
void on_a_host(const std::function<void(sim::host&)>& prepare, std::function<task<>(sim::world&)> body,
               const sim::world_options& options = {}, std::uint64_t seed = 1) {
    sim::world w(seed, options);
    sim::host& here = w.add("here");
    prepare(here);
    here.run([&w, body = std::move(body)]() -> task<> { co_await body(w); });
    w.run();
}

struct counts_its_end {
    explicit counts_its_end(int& c) : count(&c) {}
    counts_its_end(const counts_its_end&) = delete;
    ~counts_its_end() { ++*count; }
    int* count;
};

task<> sleep_for_ever() {
    for (;;) co_await bight::sleep_for(1h);
}

process_status status_in(const std::function<void(sim::host&)>& prepare, const bight::command& c,
                         std::string* errors = nullptr) {
    process_status how;
    on_a_host(prepare, [&](sim::world&) -> task<> {
        const auto ran = co_await bight::run_process(c);
        how = ran.status;
        if (errors) *errors = ran.errors;
    });
    return how;
}

}  // namespace

TEST_CASE("a simulated child ends with what its task gives, or with the exception that leaves it") {
    std::string errors;
    const auto played_by = [&](task<int> (*play)(child&)) {
        return status_in([play](sim::host& h) { h.program("it", play); }, bight::command("it", "x"), &errors);
    };
    CHECK(played_by([](child&) -> task<int> { co_return 256 + 7; }).code() == 7);
    CHECK(errors.empty());
    CHECK(played_by([](child&) -> task<int> {
              throw std::runtime_error("out of luck");
              co_return 0;
          }).code() == 1);
    CHECK(errors == "it: out of luck\n");
    CHECK(played_by([](child&) -> task<int> {
              throw std::system_error(EPIPE, std::system_category(), "write");
              co_return 0;
          }).signal() == SIGPIPE);
    CHECK(errors.empty());
    CHECK(played_by([](child&) -> task<int> {
              throw 7;
              co_return 0;
          }).code() == 1);
    CHECK_THAT(errors, Contains("no std::exception"));
    CHECK(played_by([](child& self) -> task<int> {
              const auto none = co_await error_of(self.raise(0));
              co_return none == from_errno(EINVAL) ? 3 : 4;
          }).code() == 3);
}

TEST_CASE("nothing of a child that is killed runs any more, not even destructors, until the world ends") {
    int ended = 0;
    int turns = 0;
    {
        sim::world w(1);
        sim::host& here = w.add("here");
        here.program("works", [&](child&) -> task<int> {
            const counts_its_end counts(ended);
            for (;;) {
                ++turns;
                co_await bight::sleep_for(1ms);
            }
        });
        here.run([&]() -> task<> {
            process p = process::spawn(bight::command("works"));
            co_await bight::sleep_for(1s);
            CHECK(turns > 100);
            CHECK(p.kill());
            const int before = turns;
            const process_status how = co_await p.wait();
            CHECK(how.signal() == SIGKILL);
            co_await bight::sleep_for(1s);
            CHECK(turns == before);
        });
        w.run();
        CHECK(ended == 0);
    }
    CHECK(ended == 1);
}

TEST_CASE("a child whose task has ended is gone, with what else it has started") {
    int ended = 0;
    int turns = 0;
    on_a_host(
        [&](sim::host& h) {
            h.program("forgets", [&](child&) -> task<int> {
                bight::reactor::current()->start([](int& e, int& t) -> task<> {
                    const counts_its_end counts(e);
                    for (;;) {
                        ++t;
                        co_await bight::sleep_for(1ms);
                    }
                }(ended, turns));
                co_await bight::sleep_for(1s);
                co_return 0;
            });
        },
        [&](sim::world&) -> task<> {
            const auto ran = co_await bight::run_process(bight::command("forgets"));
            CHECK(ran.status.success());
            const int before = turns;
            CHECK(before > 100);
            co_await bight::sleep_for(1s);
            CHECK(turns == before);
            CHECK(ended == 0);
        });
}

TEST_CASE("a simulated child has time, numbers and a network of its own host") {
    std::string answer;
    sim::world w(1);
    sim::host& server = w.add("server");
    server.program("echoes", [](child& self) -> task<int> {
        bight::listener l = bight::listen("tcp:7000");
        co_await self.standard_output().write("ready\n");
        bight::stream peer = co_await l.accept();
        auto said = co_await peer.read_some();
        co_await bight::sleep_for(24min);
        co_await peer.write(said.view());
        co_await peer.close();
        co_return 0;
    });
    server.run([&]() -> task<> {
        process p = process::spawn(bight::command("echoes").pipe_from(1));
        const std::string all = co_await all_from(p.standard_output());
        CHECK(all == "ready\n");
        const process_status how = co_await p.wait_drained();
        CHECK(how.success());
    });
    w.add("client").run([&]() -> task<> {
        co_await bight::sleep_for(1min);
        bight::stream s = co_await bight::connect("tcp:server:7000");
        co_await s.write("hello");
        answer = co_await all_from(s);
    });
    w.run();
    CHECK(answer == "hello");
    CHECK(w.elapsed() > 25min);
    CHECK(server.sockets() == 0);
}

TEST_CASE("what a child has open is closed when it is killed: peers see its end, its port is free") {
    sim::world w(1);
    sim::host& server = w.add("server");
    const auto serve = [](child& self) -> task<int> {
        bight::listener l = bight::listen("tcp:7000");
        co_await self.standard_output().write("ready\n");
        bight::stream peer = co_await l.accept();
        co_await sleep_for_ever();
        co_return 0;
    };
    server.program("serves", serve);
    bool connected = false;
    server.run([&]() -> task<> {
        for (int i = 0; i < 2; ++i) {
            process p = process::spawn(bight::command("serves").pipe_from(1));
            bight::line_reader lines(p.standard_output(), "\n");
            const auto ready = co_await lines.next();
            CHECK(ready);
            while (!std::exchange(connected, false)) co_await bight::sleep_for(1ms);
            CHECK(server.sockets() == 2);
            p.kill();
            co_await p.wait();
            CHECK(server.sockets() == 0);
        }
    });
    w.add("client").run([&]() -> task<> {
        for (int i = 0; i < 2; ++i) {
            bight::stream s;
            while (!s) {
                auto tried = co_await bight::as_result(bight::connect("tcp:server:7000"));
                if (tried) s = std::move(*tried);
                co_await bight::sleep_for(10ms);
            }
            connected = true;
            auto end = co_await bight::as_result(s.read_some());
            CHECK((!end || !*end));
        }
    });
    w.run();
}

TEST_CASE("files that a child has open are closed when it ends, and its locks are free") {
    on_a_host(
        [](sim::host& h) {
            h.program("locks", [](child& self) -> task<int> {
                bight::open_options options;
                options.access = bight::file_access::read_and_write;
                options.creation = bight::file_creation::if_missing;
                bight::file f = co_await bight::open_file("/lock", options);
                const bool got = co_await f.try_acquire_lock(bight::file_lock::exclusive);
                co_await self.standard_output().write(got ? "locked\n" : "not\n");
                co_await sleep_for_ever();
                co_return 0;
            });
        },
        [](sim::world&) -> task<> {
            for (int i = 0; i < 2; ++i) {
                process p = process::spawn(bight::command("locks").pipe_from(1));
                bight::line_reader lines(p.standard_output(), "\n");
                const auto said = co_await lines.next();
                CHECK(*said == "locked");
                p.kill();
                co_await p.wait();
            }
        });
}

TEST_CASE(
    "a child watches signals as a program does, ignores them, or is ended; its host's are not its own") {
    int hang_ups = 0;
    on_a_host(
        [&](sim::host& h) {
            h.program("hears", [&](child& self) -> task<int> {
                self.ignore(SIGINT);
                CHECK_THROWS_AS(self.ignore(SIGKILL), std::system_error);
                CHECK_THROWS_AS(self.ignore(0), std::system_error);
                {
                    bight::signal_watch watch{SIGHUP, SIGINT};
                    co_await self.standard_output().write("ready\n");
                    const auto none = co_await bight::try_with_timeout(watch.next(), 1s);
                    CHECK_FALSE(none);
                    co_await bight::sleep_for(1s);
                    while (watch.try_next()) ++hang_ups;
                    CHECK(hang_ups == 2);  // one of each, however many came
                    const auto last = co_await watch.next();
                    CHECK(last.number == SIGHUP);
                }
                co_await self.standard_output().write("done\n");
                co_await sleep_for_ever();
                co_return 0;
            });
        },
        [&](sim::world& w) -> task<> {
            process p = process::spawn(bight::command("hears").pipe_from(1));
            bight::line_reader lines(p.standard_output(), "\n");
            auto ready = co_await lines.next();
            CHECK(*ready == "ready");
            w.at("here").signal(SIGHUP);
            co_await bight::sleep_for(1500ms);
            static constexpr std::array sent{SIGHUP, SIGINT, SIGHUP, SIGINT};
            for (const int signal : sent) CHECK(p.kill(signal));
            co_await bight::sleep_for(2s);
            CHECK(p.kill(SIGHUP));
            auto done = co_await lines.next();
            CHECK(*done == "done");
            CHECK(p.kill(SIGINT));
            co_await bight::sleep_for(1s);
            CHECK_FALSE(p.status());
            CHECK(p.kill(SIGHUP));
            const process_status how = co_await p.wait();
            CHECK(how.signal() == SIGHUP);
        });
}

TEST_CASE("what SIGTERM is to a program that cleans up: a race with its work") {
    bool cleaned = false;
    on_a_host(
        [&](sim::host& h) {
            h.program("works", [&](child& self) -> task<int> {
                bight::signal_watch told{SIGTERM};
                co_await self.standard_output().write("ready\n");
                auto clean_up = [&]() -> task<> {
                    co_await bight::sleep_for(1s);
                    cleaned = true;
                };
                auto work = [&]() -> task<> { co_await bight::finally(sleep_for_ever(), clean_up); };
                auto until_told = [&]() -> task<> { co_await told.next(); };
                co_await bight::race(work(), until_told());
                co_return 128 + SIGTERM;
            });
        },
        [&](sim::world&) -> task<> {
            process p = process::spawn(bight::command("works").pipe_from(1));
            bight::line_reader lines(p.standard_output(), "\n");
            const auto ready = co_await lines.next();
            CHECK(*ready == "ready");
            const process_status how = co_await p.end();
            CHECK(how.code() == 128 + SIGTERM);
        });
    CHECK(cleaned);
}

TEST_CASE("a crash of its host ends a child, and nothing of it is there when the host starts again") {
    int started = 0;
    int ended = 0;
    {
        sim::world w(1);
        sim::host& here = w.add("here");
        here.program("works", [&](child&) -> task<int> {
            const counts_its_end counts(ended);
            ++started;
            co_await sleep_for_ever();
            co_return 0;
        });
        here.on_boot([]() -> task<> {
            process p = process::spawn(bight::command("works"));
            CHECK(p.id() > 1);
            co_await p.wait();
        });
        w.run_for(1min);
        CHECK(started == 1);
        CHECK(here.reactors().size() == 2);
        here.crash();
        w.run_for(1min);
        CHECK(here.reactors().empty());
        here.restart();
        w.run_for(1min);
        CHECK(started == 2);
        CHECK(ended == 0);
        CHECK(here.reactors().size() == 2);
    }
    CHECK(ended == 2);
}

TEST_CASE(
    "children of a child have its environment, directory and descriptors; they outlive it, and are reaped") {
    std::string said;
    on_a_host(
        [](sim::host& h) {
            h.disk().create_directories("/srv");
            h.program("outer", [](child& self) -> task<int> {
                bight::command inner("inner");
                inner.environment("B", "2").inherit(5, 1);
                process p = process::spawn(inner);
                CHECK_THROWS_AS(process::spawn(bight::command("inner").inherit(3, 7)), std::system_error);
                const process_status how = co_await p.wait();
                CHECK(how.code() == 9);
                p = process::spawn(bight::command("stays"));
                co_await self.raise(SIGKILL);
                co_return 0;
            });
            h.program("inner", [](child& self) -> task<int> {
                co_await self.descriptor(5).write(std::string(*self.variable("A")) +
                                                  std::string(*self.variable("B")) + self.directory());
                co_await self.standard_output().write(", and on 1");
                CHECK_THROWS_AS(self.descriptor(6), std::system_error);
                CHECK_FALSE(self.variable("C"));
                co_return 9;
            });
            h.program("stays", [](child& self) -> task<int> {
                co_await bight::sleep_for(1s);
                co_await self.standard_output().write(", late");
                co_return 0;
            });
        },
        [&](sim::world& w) -> task<> {
            bight::command outer("outer");
            outer.environment("A", "1").directory("/srv").pipe_from(1);
            process p = process::spawn(outer);
            said = co_await all_from(p.standard_output());
            const process_status how = co_await p.wait_drained();
            CHECK(how.signal() == SIGKILL);
            CHECK(w.at("here").reactors().size() == 1);
        });
    CHECK(said == "12/srv, and on 1, late");
}

TEST_CASE("what is not simulated of children is refused, with the reason") {
    const auto text_of = [](const bight::command& c) {
        try {
            const process p = process::spawn(c);
        } catch (const std::system_error& e) {
            return std::string(e.what());
        }
        return std::string("none");
    };
    on_a_host(
        [](sim::host& h) {
            h.program("waits", [](child&) -> task<int> {
                co_await sleep_for_ever();
                co_return 0;
            });
            h.disk().write("/etc/motd", "no program");
        },
        [&](sim::world&) -> task<> {
            CHECK_THAT(text_of(bight::command("waits").user(5)), Contains("the user of waits"));
            CHECK_THAT(text_of(bight::command("waits").group(5)), Contains("the group of waits"));
            CHECK_THAT(text_of(bight::command("waits").groups({5})), Contains("the groups of waits"));
            CHECK_THAT(text_of(bight::command("waits").terminal()), Contains("no terminals"));
            CHECK_THAT(text_of(bight::command("/etc/motd")), Contains("Permission denied"));
            CHECK_THAT(text_of(bight::command("waits").directory("/etc/motd")), Contains("Not a directory"));
            CHECK_THAT(text_of(bight::command("waits").pipe_to(1 << 20)), Contains("descriptor 1048576 of"));
            co_return;
        });
}

TEST_CASE("a host's programs are its own, and a later one of a path takes the place of the first") {
    sim::world w(1);
    sim::host& a = w.add("a");
    sim::host& b = w.add("b");
    CHECK_THROWS_AS(a.program("bin/", [](child&) -> task<int> { co_return 0; }), std::invalid_argument);
    a.program("it", [](child&) -> task<int> { co_return 1; });
    a.program("/usr/bin/it", [](child&) -> task<int> { co_return 2; });
    a.run([]() -> task<> {
        const auto ran = co_await bight::run_process(bight::command("it"));
        CHECK(ran.status.code() == 2);
        const auto by_path = co_await bight::run_process(bight::command("../usr/./bin/it"));
        CHECK(by_path.status.code() == 2);
    });
    b.run([]() -> task<> {
        const auto error = co_await error_of(bight::run_process(bight::command("it")));
        CHECK(error == from_errno(ENOENT));
    });
    w.run();
}

TEST_CASE("a socket may be handed to a child, and what nobody caught of a host's output is in the trace") {
    sim::world w(1);
    sim::host& server = w.add("server");
    server.program("answers", [](child& self) -> task<int> {
        CHECK_THROWS_AS(self.descriptor(3), std::system_error);
        bight::stream s = co_await bight::connect("fd:" + std::to_string(self.native_handle(3)));
        co_await s.write("from the child");
        co_await s.close();
        co_await self.standard_output().write("it is done\n");
        co_return 0;
    });
    server.run([]() -> task<> {
        bight::listener l = bight::listen("tcp:7000");
        bight::stream peer = co_await l.accept();
        bight::owned_descriptor taken = bight::release_descriptor(std::move(peer));
        process p = process::spawn(bight::command("answers").inherit(3, taken.get()));
        taken.reset();
        const process_status how = co_await p.wait();
        CHECK(how.success());
    });
    std::string got;
    w.add("client").run([&]() -> task<> {
        bight::stream s = co_await bight::connect("tcp:server:7000");
        got = co_await all_from(s);
    });
    w.run();
    CHECK(got == "from the child");
    CHECK_THAT(w.trace().to_json_lines(), Contains("it is done"));
}

TEST_CASE("the same seed plays the same children, to the last event") {
    const auto digest = [](std::uint64_t seed) {
        sim::world_options options;
        options.faults = sim::fault_plan::storm().without_harm();
        sim::world w(seed, options);
        sim::host& here = w.add("here");
        for (const auto& p : test::played_programs()) here.program(p.name, p.task);
        here.run([]() -> task<> {
            for (int i = 0; i < 5; ++i) {
                bight::run_process_options with_input;
                with_input.input = "to and fro";
                const auto ran = co_await bight::run_process(bight::command("copies"), with_input);
                CHECK(ran.output == "to and fro");
            }
        });
        w.run();
        return w.trace().digest();
    };
    CHECK(digest(1) == digest(1));
    CHECK(digest(1) != digest(2));
}

TEST_CASE("faults of children: none can be made, one begins late, one is killed") {
    const auto prepare = [](sim::host& h) {
        h.program("exits", [](child&) -> task<int> { co_return 0; });
        h.program("waits", [](child&) -> task<int> {
            for (;;) co_await bight::sleep_for(10ms);
        });
    };
    on_a_host(
        prepare,
        [](sim::world& w) -> task<> {
            std::string text;
            try {
                const process p = process::spawn(bight::command("exits"));
            } catch (const std::system_error& e) {
                CHECK(e.code() == from_errno(EAGAIN));
                text = e.what();
            }
            CHECK_THAT(text, Contains("process: start exits"));
            CHECK(w.count(sim::fault::no_process) == 1);
            co_return;
        },
        test::with(sim::fault::no_process));
    std::vector<bight::duration> all;
    for (std::uint64_t seed = 1; seed <= 40; ++seed) {
        on_a_host(
            prepare,
            [&](sim::world& w) -> task<> {
                const auto before = w.elapsed();
                const auto ran = co_await bight::run_process(bight::command("exits"));
                CHECK(ran.status.success());
                all.push_back(w.elapsed() - before);
            },
            test::with(sim::fault::slow_start), seed);
    }
    test::check_spread(all, 1ms, 5100ms);
    on_a_host(
        prepare,
        [](sim::world& w) -> task<> {
            process p = process::spawn(bight::command("waits"));
            const process_status how = co_await p.wait();
            CHECK(how.signal() == SIGKILL);
            CHECK(w.count(sim::fault::killed_child) == 1);
        },
        test::with(sim::fault::killed_child, 0.05));
}

TEST_CASE("500 simulated children at once, whose memory is given back as they end") {
    on_a_host(
        [](sim::host& h) {
            for (const auto& p : test::played_programs()) h.program(p.name, p.task);
        },
        [](sim::world& w) -> task<> {
            sim::host& here = w.at("here");
            std::vector<process> all;
            const long frames = bight::detail::live_frames();
            for (int i = 0; i < 500; ++i) {
                all.push_back(process::spawn(bight::command("exits", std::to_string(i % 200))));
            }
            CHECK(here.reactors().size() == 501);
            for (int i = 0; i < 500; ++i) {
                const process_status how = co_await all[static_cast<std::size_t>(i)].wait();
                CHECK(how.code() == i % 200);
            }
            CHECK(here.reactors().size() == 1);
            all.clear();
            co_await bight::sleep_for(1ms);
            CHECK(bight::detail::live_frames() <= frames + 1);
        });
}

TEST_CASE("a supervisor keeps its workers running in any storm", "[storm]") {
    auto options = test::quiet(60);
    options.name = "supervised children";
    const auto result = sim::explore(
        [](sim::world& w) {
            auto& done = w.own<std::set<int>>();
            w.set_faults(sim::fault_plan::storm());
            sim::host& here = w.add("here");
            here.program("worker", [](child& self) -> task<int> {
                auto job = co_await self.standard_input().read_some();
                const std::string number(job.view());
                co_await bight::sleep_for(50ms);
                co_await self.standard_output().write("done " + number + "\n");
                co_return 0;
            });
            here.on_boot([&done]() -> task<> {
                for (int i = 0; i < 8; ++i) {
                    while (!done.contains(i)) {
                        const std::string number = std::to_string(i);
                        std::optional<bight::process_output> ran;
                        try {
                            bight::run_process_options with_input;
                            with_input.input = number;
                            ran = co_await bight::try_with_timeout(
                                bight::run_process(bight::command("worker"), with_input), 20s);
                        } catch (const std::system_error&) {  // none could be started
                        }
                        if (ran && ran->status.success()) {
                            if (ran->output != "done " + number + "\n") {
                                throw std::logic_error("a worker said: " + ran->output);
                            }
                            done.insert(i);
                        }
                        co_await bight::sleep_for(10ms);
                    }
                }
            });
            w.run_for(2min);
            w.heal();
            w.run_for(5min);
            if (done.size() != 8) throw std::runtime_error("work is left");
        },
        options);
    INFO((result.ok() ? std::string() : result.failure->report));
    CHECK(result.ok());
}

namespace {

// One child of any program, and something that happens to it.
task<> walk_with_a_child() {
    static constexpr std::array names{"copies",  "waits",  "stubborn", "cleans-up",
                                      "repeats", "leaves", "closes"};
    const std::string name = names[bight::random_below(names.size())];
    bight::command c(name);
    c.pipe_to(0).pipe_from(1).end_patience(std::chrono::milliseconds(bight::random_below(100)));
    if (name == "leaves" || bight::random_below(2) == 0) c.new_group();  // what it leaves ends with it
    process child = process::spawn(c);
    for (auto steps = bight::random_below(6); steps > 0; --steps) {
        static constexpr std::array signals{SIGTERM, SIGHUP, SIGSTOP, SIGCONT, SIGKILL, SIGWINCH};
        switch (bight::random_below(6)) {
            case 0: child.kill(signals[bight::random_below(signals.size())]); break;
            case 1:
                co_await bight::try_with_timeout(child.standard_input().write("some words\n"), 5ms);
                break;
            case 2: co_await bight::try_with_timeout(child.standard_output().read_some(), 5ms); break;
            case 3: co_await bight::try_with_timeout(child.wait(), 5ms); break;
            case 4: co_await child.standard_input().close(); break;
            default: co_await bight::sleep_for(std::chrono::milliseconds(bight::random_below(20))); break;
        }
    }
    if (bight::random_below(2) == 0) co_return;
    child.kill(SIGCONT);
    const process_status how = co_await child.end(10ms);
    if (!how.signal() && !how.code()) throw std::logic_error("a child that ended neither way");
    child.kill(SIGKILL);
    const std::string rest = co_await all_from(child.standard_output());
    co_await child.wait_drained();
}

}  // namespace

TEST_CASE("whatever happens to children, in any storm nothing hangs, and none is left", "[storm]") {
    auto options = test::quiet(100);
    options.name = "children at random";
    const auto result = sim::explore(
        [](sim::world& w) {
            w.set_faults(sim::fault_plan::storm());
            sim::host& here = w.add("here");
            for (const auto& p : test::played_programs()) here.program(p.name, p.task);
            here.on_boot([]() -> task<> {
                for (int i = 0; i < 20; ++i) {
                    try {
                        co_await walk_with_a_child();
                    } catch (const std::system_error&) {  // a child that could not be started, a pipe that
                                                          // has ended
                    }
                }
            });
            w.run_for(10min);
            w.heal();
            w.run_for(10min);
            if (here.reactors().size() != 1) throw std::runtime_error("a child is left");
        },
        options);
    INFO((result.ok() ? std::string() : result.failure->report));
    CHECK(result.ok());
}
