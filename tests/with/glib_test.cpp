// A reactor inside a main loop of GLib.
#include "support/catch.hpp"
#include "support/connections.hpp"
#include "support/reactors.hpp"

#include <bight/bight.hpp>
#include <bight/net/fd_watch.hpp>
#include <bight/with/glib.hpp>

#include <fcntl.h>
#include <glib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using bight::task;
using namespace std::chrono_literals;

namespace {

// A context of this thread, and a loop in it that ends with an error when it takes ten seconds.
class main_loop {
  public:
    main_loop() : context_(g_main_context_new()), loop_(g_main_loop_new(context_, FALSE)) {
        g_main_context_push_thread_default(context_);
    }
    main_loop(const main_loop&) = delete;
    main_loop& operator=(const main_loop&) = delete;
    ~main_loop() {
        g_main_context_pop_thread_default(context_);
        g_main_loop_unref(loop_);
        g_main_context_unref(context_);
    }

    GMainContext* context() const noexcept { return context_; }
    void quit() const noexcept { g_main_loop_quit(loop_); }
    GSource* call_later(std::chrono::milliseconds after, std::function<void()> call) const {
        GSource* const s = g_timeout_source_new(static_cast<guint>(after.count()));
        const auto fire = [](gpointer what) -> gboolean {
            (*static_cast<std::function<void()>*>(what))();
            return G_SOURCE_REMOVE;
        };
        const auto free = [](gpointer what) { delete static_cast<std::function<void()>*>(what); };
        g_source_set_callback(s, fire, new std::function<void()>(std::move(call)), free);
        g_source_attach(s, context_);
        g_source_unref(s);
        return s;
    }
    void run() const {
        bool too_late = false;
        GSource* const limit = call_later(10s, [&] {
            too_late = true;
            quit();
        });
        g_main_loop_run(loop_);
        if (!too_late) g_source_destroy(limit);
        CHECK_FALSE(too_late);
    }

  private:
    GMainContext* context_;
    GMainLoop* loop_;
};

// A reactor in a main loop of this thread, on each demultiplexer that has a descriptor.
template <class Body>
void in_a_main_loop(Body body) {
    for (const auto kind : test::demultiplexers()) {
        if (!test::has_descriptor(kind)) continue;
        CAPTURE(kind);
        const main_loop loop;
        test::reactor_fixture on(kind);
        std::optional<bight::glib_loop> inside(std::in_place, on.reactor());
        body(on, loop, inside);
        while (on.reactor().has_ready()) on.reactor().run_once();
    }
}

// Two connected sockets, and the endpoint that adopts ours.
struct raw_pair {
    raw_pair() {
        int ends[2] = {-1, -1};
        REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
        ours = test::raw_socket(ends[0]);
        theirs = test::raw_socket(ends[1]);
        where = "fd:" + std::to_string(ends[0]);
    }
    test::raw_socket ours;
    test::raw_socket theirs;
    std::string where;
};

// How often the context has asked the system, and how often without waiting.
int all_polls = 0;
int idle_polls = 0;
gint counting_poll(GPollFD* fds, guint n, gint timeout) {
    ++all_polls;
    const gint ready = g_poll(fds, n, timeout);
    if (ready == 0 && timeout == 0) ++idle_polls;
    return ready;
}

}  // namespace

TEST_CASE("glib: tasks, timers and connections run in a main loop, which sleeps in between") {
    in_a_main_loop([](test::reactor_fixture& on, const main_loop& loop, auto&) {
        const raw_pair pair;
        std::string got;
        auto conversation = [&]() -> task<> {
            auto peer = co_await bight::connect(pair.where);
            auto first = co_await peer.read_some();
            got = first.to_string();
            co_await bight::sleep_for(50ms);
            co_await peer.write("answer");
            loop.quit();
        };
        on.reactor().start(conversation);
        loop.call_later(50ms, [&] { pair.theirs.send("question"); });
        g_main_context_set_poll_func(loop.context(), &counting_poll);
        all_polls = idle_polls = 0;
        loop.run();
        CHECK(got == "question");
        std::string answer(6, '\0');
        CHECK(::recv(pair.theirs.get(), answer.data(), answer.size(), MSG_WAITALL) == 6);
        CHECK(answer == "answer");
        CHECK(all_polls < 30);
        CHECK(idle_polls < 10);
    });
}

TEST_CASE("glib: while tasks wait and nothing comes, the main loop asks the system once, and sleeps") {
    in_a_main_loop([](test::reactor_fixture& on, const main_loop& loop, auto&) {
        const raw_pair pair;
        auto waits = [&]() -> task<> {
            auto peer = co_await bight::connect(pair.where);
            const auto got = co_await bight::try_with_timeout(peer.read_some(), 1h);
            CHECK(got);
            loop.quit();
        };
        on.reactor().start(waits);
        g_main_context_set_poll_func(loop.context(), &counting_poll);
        int polls = -1;
        int polls_in_vain = -1;
        loop.call_later(50ms, [] { all_polls = idle_polls = 0; });
        loop.call_later(200ms, [&] {
            polls = all_polls;
            polls_in_vain = idle_polls;
            pair.theirs.send("x");
        });
        loop.run();
        CHECK(polls <= 2);
        CHECK(polls_in_vain == 0);
    });
}

TEST_CASE("glib: a task that a callback of the main loop starts begins before the loop sleeps") {
    in_a_main_loop([](test::reactor_fixture& on, const main_loop& loop, auto&) {
        auto end = [&]() -> task<> {
            loop.quit();
            co_return;
        };
        loop.call_later(10ms, [&] { on.reactor().start(end); });
        loop.run();
    });
}

TEST_CASE("glib: calls and a stop from another thread wake the main loop") {
    in_a_main_loop([](test::reactor_fixture& on, const main_loop& loop, auto&) {
        bool posted = false;
        bool cancelled = false;
        auto waits = [&]() -> task<> {
            auto ends = [&]() -> task<> {
                cancelled = true;
                loop.quit();
                co_return;
            };
            co_await bight::finally(bight::sleep_for(1h), ends);
        };
        on.reactor().start(waits);
        std::thread other;
        // From a turn on, so that the loop is about to sleep, or sleeps.
        loop.call_later(1ms, [&] {
            other = std::thread([&] {
                on.reactor().post([&] { posted = true; });
                on.reactor().stop();
            });
        });
        loop.run();
        other.join();
        CHECK(posted);
        CHECK(cancelled);
    });
}

TEST_CASE("glib: a long deadline gives way to an earlier one, and to one of GLib's own") {
    in_a_main_loop([](test::reactor_fixture& on, const main_loop& loop, auto&) {
        std::vector<std::string> order;
        auto sleeper = [&](bight::duration time, std::string name) -> task<> {
            co_await bight::sleep_for(time);
            order.push_back(name);
            loop.quit();
        };
        on.reactor().start(sleeper, bight::duration(24h * 365 * 100), std::string("in a hundred years"));
        loop.call_later(5ms, [&] {
            order.push_back("glib");
            on.reactor().start(sleeper, bight::duration(5ms), std::string("soon"));
        });
        loop.run();
        CHECK(order == std::vector<std::string>{"glib", "soon"});
        on.reactor().stop();
    });
}

TEST_CASE("glib: a main loop within a task gives the reactor no turns until it has ended") {
    in_a_main_loop([](test::reactor_fixture& on, const main_loop& loop, auto&) {
        int turns_within = 0;
        bool within = false;
        auto modal = [&]() -> task<> {
            GMainLoop* const dialogue = g_main_loop_new(loop.context(), FALSE);
            loop.call_later(30ms, [&] { g_main_loop_quit(dialogue); });
            within = true;
            g_main_loop_run(dialogue);
            within = false;
            g_main_loop_unref(dialogue);
            co_await bight::sleep_for(1ms);
            loop.quit();
        };
        auto other = [&]() -> task<> {
            for (int i = 0; i < 5; ++i) {
                if (within) ++turns_within;
                co_await bight::sleep_for(2ms);
            }
        };
        on.reactor().start(other);
        on.reactor().start(modal);
        loop.run();
        CHECK(turns_within == 0);
        on.reactor().stop();
    });
}

TEST_CASE("glib: a cancellation by a callback of the main loop ends what waits in the kernel") {
    in_a_main_loop([](test::reactor_fixture& on, const main_loop& loop, auto&) {
        const raw_pair pair;
        bight::group* all = nullptr;
        auto waits = [&]() -> task<> {
            auto peer = co_await bight::connect(pair.where);
            co_await bight::with_group([&](bight::group& g) -> task<> {
                all = &g;
                auto first = co_await peer.read_some();
            });
            loop.quit();
        };
        on.reactor().start(waits);
        loop.call_later(20ms, [&] { all->cancel(); });
        loop.run();
    });
}

TEST_CASE("glib: an fd_watch tells again and again what the main loop has waited for") {
    in_a_main_loop([](test::reactor_fixture& on, const main_loop& loop, auto&) {
        const raw_pair pair;
        const test::raw_socket event(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
        const test::raw_socket file(::open("/tmp", O_RDWR | O_TMPFILE | O_CLOEXEC, 0600));
        bight::fd_watch watch;
        int rounds = 0;
        int of_file = 0;
        // What makes a descriptor ready is a callback of the main loop or another thread, outside the turns.
        const std::function<void()> next = [&] {
            if (++rounds == 40) {
                watch.add(file.get(), {.readable = true}, [&](bight::fd_readiness) {
                    if (++of_file < 3) return;
                    loop.call_later(1ms, [&] {
                        CHECK(watch.remove_all().size() == 3);
                        loop.quit();
                    });
                    watch.change(file.get(), {});
                });
            } else if (rounds % 4 == 0) {
                std::thread([&] { pair.theirs.send("!"); }).join();
            } else if (rounds % 2 == 0) {
                pair.theirs.send("!");
            } else {
                CHECK(::eventfd_write(event.get(), 1) == 0);
            }
        };
        const auto add = [&](int fd) {
            watch.add(fd, {.readable = true}, [&, fd](bight::fd_readiness) {
                char bytes[8];
                CHECK(::read(fd, bytes, sizeof bytes) > 0);
                loop.call_later(0ms, next);
            });
        };
        on.reactor().start(watch.run());
        loop.call_later(1ms, [&] {
            add(pair.ours.get());
            add(event.get());
            next();
        });
        loop.run();
        CHECK(rounds == 40);
        CHECK(of_file == 3);
        on.reactor().stop();
    });
}

TEST_CASE("glib: a main loop within a task of one reactor leaves another one in its place") {
    test::need(bight::demultiplexer_kind::epoll);
    const main_loop loop;
    bight::reactor one(test::options_on(bight::demultiplexer_kind::epoll));
    bight::reactor two(test::options_on(bight::demultiplexer_kind::epoll));
    const bight::glib_loop first(one);
    const bight::glib_loop second(two);
    int ticks = 0;
    int ticks_within = 0;
    auto counts = [&]() -> task<> {
        for (;;) {
            co_await bight::sleep_for(1ms);
            ++ticks;
        }
    };
    auto modal = [&]() -> task<> {
        co_await bight::sleep_for(5ms);
        GMainLoop* const dialogue = g_main_loop_new(loop.context(), FALSE);
        loop.call_later(20ms, [&] { g_main_loop_quit(dialogue); });
        const int before = ticks;
        two.post([] {});  // so that its descriptor is readable
        g_main_context_set_poll_func(loop.context(), &counting_poll);
        all_polls = 0;
        g_main_loop_run(dialogue);
        CHECK(all_polls < 10);
        ticks_within = ticks - before;
        g_main_loop_unref(dialogue);
        const int after = ticks;
        while (ticks < after + 3) co_await bight::sleep_for(1ms);
        loop.quit();
    };
    one.start(modal);
    two.start(counts);
    loop.run();
    CHECK(ticks_within == 0);
    CHECK(first.error() == nullptr);
    CHECK(second.error() == nullptr);
}

TEST_CASE("glib: a task may end the reactor's time in the main loop, which goes on without it") {
    in_a_main_loop([](test::reactor_fixture& on, const main_loop& loop, auto& inside) {
        int turns = 0;
        auto ends_it = [&]() -> task<> {
            for (; turns < 3; ++turns) co_await bight::sleep_for(1ms);
            inside.reset();
            co_await bight::sleep_for(1ms);
            ++turns;
        };
        on.reactor().start(ends_it);
        loop.call_later(50ms, [&] { loop.quit(); });
        loop.run();
        CHECK(turns == 3);
        on.reactor().stop();
    });
}

TEST_CASE("glib: the source has the priority that it is given") {
    in_a_main_loop([](test::reactor_fixture& on, const main_loop& loop, auto& inside) {
        g_source_set_priority(inside->source(), G_PRIORITY_LOW);
        std::vector<std::string> order;
        auto note = [&]() -> task<> {
            order.push_back("task");
            loop.quit();
            co_return;
        };
        on.reactor().start(note);
        loop.call_later(0ms, [&] { order.push_back("callback"); });
        loop.run();
        CHECK(order == std::vector<std::string>{"callback", "task"});
    });
}

TEST_CASE("glib: an error that ends the reactor's waits is told, kept, and leaves the main loop alone") {
    test::need(bight::demultiplexer_kind::epoll);
    const bool told = GENERATE(true, false);
    const main_loop loop;
    test::reactor_fixture on(bight::demultiplexer_kind::epoll);
    std::exception_ptr heard;
    std::function<void(std::exception_ptr)> failed;
    if (told) {
        failed = [&](std::exception_ptr why) {
            heard = why;
            loop.quit();
        };
    }
    const bight::glib_loop inside(on.reactor(), loop.context(), failed);
    CHECK(inside.error() == nullptr);
    std::string logged;
    const auto keep = [](const gchar*, GLogLevelFlags, const gchar* text, gpointer to) {
        *static_cast<std::string*>(to) = text;
    };
    const GLogFunc before = g_log_set_default_handler(keep, &logged);
    // For a while, its descriptor is another one, which has no events.
    const int fd = on.reactor().descriptor();
    const int kept = ::fcntl(fd, F_DUPFD_CLOEXEC, 0);
    const int other = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
    REQUIRE(::dup2(other, fd) == fd);
    if (!told) loop.call_later(20ms, [&] { loop.quit(); });
    loop.run();
    CHECK(inside.error() != nullptr);
    CHECK((heard != nullptr) == told);
    CHECK(logged.empty() == told);
    if (!told) CHECK_THAT(logged, Catch::Contains("no more turns") && Catch::Contains("epoll"));
    g_log_set_default_handler(before, nullptr);
    REQUIRE(::dup2(kept, fd) == fd);
    ::close(kept);
    ::close(other);
}

TEST_CASE("glib: a reactor without a descriptor is refused") {
    for (const auto kind : test::demultiplexers()) {
        if (test::has_descriptor(kind)) continue;
        CAPTURE(kind);
        test::reactor_fixture on(kind);
        CHECK_THROWS_WITH(bight::glib_loop(on.reactor()), Catch::Contains("has no descriptor"));
    }
}
