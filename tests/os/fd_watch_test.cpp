// Descriptors of others: told when they are ready, as poll(2) tells it, on each demultiplexer.
#include "support/catch.hpp"
#include "support/child.hpp"
#include "support/connections.hpp"
#include "support/few_descriptors.hpp"
#include "support/reactors.hpp"

#include <bight/core/group.hpp>
#include <bight/core/sleep.hpp>
#include <bight/core/timeout.hpp>
#include <bight/core/when_all.hpp>
#include <bight/os/fd_watch.hpp>
#include <bight/sync/event.hpp>

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

using bight::fd_event;
using bight::fd_handled;
using bight::fd_watch;
using bight::task;
using namespace std::chrono_literals;

namespace {

#define ON_EACH_DEMULTIPLEXER test::reactor_fixture on(GENERATE(from_range(test::real_reactors())))

/// Two connected sockets: `ours` is watched.
struct pair {
    pair() {
        int ends[2] = {-1, -1};
        REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
        ours = test::raw_socket(ends[0]);
        theirs = test::raw_socket(ends[1]);
    }
    int fd() const { return ours.get(); }
    /// Takes what has come; "" when that is nothing.
    std::string take() const {
        char bytes[256];
        const auto got = ::recv(ours.get(), bytes, sizeof bytes, MSG_DONTWAIT);
        return got > 0 ? std::string(bytes, static_cast<std::size_t>(got)) : std::string();
    }
    /// Nothing more can be sent by `ours` without waiting.
    void fill() const {
        const std::string block(65536, 'x');
        while (::send(ours.get(), block.data(), block.size(), MSG_DONTWAIT | MSG_NOSIGNAL) > 0) {
        }
    }
    void empty() const {
        std::vector<char> block(65536);
        while (::recv(theirs.get(), block.data(), block.size(), MSG_DONTWAIT) > 0) {
        }
    }
    test::raw_socket ours;
    test::raw_socket theirs;
};

/// A file with a few bytes in it.
class temporary_file {
  public:
    temporary_file() {
        char name[] = "/tmp/bight-fd-watch-XXXXXX";
        fd_ = ::mkstemp(name);
        REQUIRE(fd_ >= 0);
        ::unlink(name);
        REQUIRE(::write(fd_, "text", 4) == 4);
    }
    ~temporary_file() { ::close(fd_); }
    temporary_file(const temporary_file&) = delete;
    temporary_file& operator=(const temporary_file&) = delete;
    int fd() const { return fd_; }

  private:
    int fd_ = -1;
};

task<> turns(int count) {
    for (int i = 0; i < count; ++i) co_await bight::yield();
}

std::string message_of(const std::exception_ptr& error) {
    if (!error) return "in good order";
    try {
        std::rethrow_exception(error);
    } catch (const std::exception& e) {
        return e.what();
    }
}

std::error_code code_of(const std::exception_ptr& error) {
    try {
        if (error) std::rethrow_exception(error);
    } catch (const std::system_error& e) {
        return e.code();
    } catch (...) {
    }
    return {};
}

template <class F>
std::error_code refusal_of(F call) {
    try {
        call();
    } catch (const std::system_error& e) {
        return e.code();
    }
    return {};
}

}  // namespace

TEST_CASE("fd_watch: a function is called as long as its descriptor is ready, and not while it is not") {
    ON_EACH_DEMULTIPLEXER;
    on.run([&]() -> task<> {
        pair p;
        fd_watch watch;
        int calls = 0;
        std::string got;
        bight::auto_reset_event called;
        watch.add(p.fd(), fd_event::readable, [&](fd_event ready) {
            CHECK(ready == fd_event::readable);
            if (++calls >= 3) got += p.take();  // it is told again until it takes what there is
            called.set();
        });
        co_await turns(5);
        CHECK(calls == 0);
        p.theirs.send("one");
        while (got.empty()) co_await called.wait();
        CHECK(calls == 3);
        CHECK(got == "one");
        co_await turns(5);
        CHECK(calls == 3);
        p.theirs.send("two");
        co_await called.wait();
        CHECK(got == "onetwo");
        p.theirs.close();  // the end is readable, too
        co_await called.wait();
        CHECK(p.take().empty());
    });
}

TEST_CASE("fd_watch: writable is told when there is room, and both in one call") {
    ON_EACH_DEMULTIPLEXER;
    on.run([&]() -> task<> {
        pair p;
        p.fill();
        fd_watch watch;
        fd_event seen = fd_event::none;
        bight::auto_reset_event called;
        watch.add(p.fd(), fd_event::readable | fd_event::writable, [&](fd_event ready) {
            seen = ready;
            watch.set_interest(p.fd(), fd_event::none);
            called.set();
        });
        co_await turns(5);
        CHECK(seen == fd_event::none);
        p.theirs.send("x");
        p.empty();
        co_await called.wait();
        CHECK(seen == (fd_event::readable | fd_event::writable));
        CHECK(watch.contains(p.fd()));
        CHECK(watch.interest(p.fd()) == fd_event::none);
        seen = fd_event::none;
        co_await turns(5);  // of no interest
        CHECK(seen == fd_event::none);
        CHECK(watch.set_interest(p.fd(), fd_event::writable));
        co_await called.wait();
        CHECK(seen == fd_event::writable);
    });
}

TEST_CASE("fd_watch: urgent data is priority") {
    ON_EACH_DEMULTIPLEXER;
    on.run([&]() -> task<> {
        auto c = co_await test::connected_to_raw(test::family::tcp);
        fd_watch watch;
        const int fd = ::dup(c.stream.native_handle());
        const test::raw_socket held(fd);
        bight::auto_reset_event urgent;
        watch.add(fd, fd_event::priority, [&](fd_event ready) {
            CHECK(ready == fd_event::priority);
            char byte = 0;
            CHECK(::recv(fd, &byte, 1, MSG_OOB | MSG_DONTWAIT) == 1);
            CHECK(byte == '!');
            urgent.set();
            return fd_handled::done;
        });
        co_await turns(3);
        REQUIRE(::send(c.raw.get(), "!", 1, MSG_OOB | MSG_NOSIGNAL) == 1);
        co_await urgent.wait();
        CHECK_FALSE(watch.contains(fd));
    });
}

TEST_CASE("fd_watch: what is watched can be listed, and removed one by one or all at once") {
    ON_EACH_DEMULTIPLEXER;
    on.run([&]() -> task<> {
        pair a;
        pair b;
        pair c;
        fd_watch watch;
        const auto never = [](fd_event) { FAIL_CHECK("it was removed"); };
        CHECK(watch.list().empty());
        watch.add(a.fd(), fd_event::readable, never);
        watch.add(b.fd(), fd_event::readable | fd_event::priority, never);
        watch.add(c.fd(), fd_event::none, never);
        auto all = watch.list();
        REQUIRE(all.size() == 3);
        for (std::size_t i = 1; i < all.size(); ++i) CHECK(all[i - 1].fd < all[i].fd);
        CHECK(watch.interest(b.fd()) == (fd_event::readable | fd_event::priority));
        a.theirs.send("x");
        b.theirs.send("x");
        CHECK(watch.remove(a.fd()));
        CHECK_FALSE(watch.remove(a.fd()));
        CHECK_FALSE(watch.contains(a.fd()));
        CHECK_FALSE(watch.set_interest(a.fd(), fd_event::readable));
        const auto removed = watch.remove_all();
        REQUIRE(removed.size() == 2);
        CHECK(watch.list().empty());
        co_await turns(5);
        int calls = 0;
        watch.add(a.fd(), fd_event::readable, [&](fd_event) {
            ++calls;
            watch.remove_all();
        });
        while (calls == 0) co_await bight::yield();
        co_await turns(3);
        CHECK(calls == 1);
    });
}

TEST_CASE("fd_watch: a function removes itself and others in the turn in which all are ready") {
    ON_EACH_DEMULTIPLEXER;
    on.run([&]() -> task<> {
        std::vector<std::unique_ptr<pair>> all;
        for (int i = 0; i < 8; ++i) all.push_back(std::make_unique<pair>());
        fd_watch watch;
        int calls = 0;
        std::vector<int> told;
        const auto first_ends_all = [&](int fd) {
            return [&, fd](fd_event) {
                told.push_back(fd);
                for (const auto& p : all) watch.remove(p->fd());
            };
        };
        for (const auto& p : all) watch.add(p->fd(), fd_event::readable, first_ends_all(p->fd()));
        for (const auto& p : all) p->theirs.send("x");
        while (told.empty()) co_await bight::yield();
        co_await turns(5);
        CHECK(told.size() == 1);

        // One that is removed and added again is another: what was reported of the first is not told to it.
        std::vector<int> again;
        for (const auto& p : all) {
            watch.add(p->fd(), fd_event::readable, [&](fd_event) {
                ++calls;
                for (const auto& q : all) {
                    watch.remove(q->fd());
                    q->take();
                    watch.add(q->fd(), fd_event::readable,
                              [&again, &q](fd_event) { again.push_back(q->fd()); });
                }
            });
        }
        while (calls == 0) co_await bight::yield();
        co_await turns(5);
        CHECK(calls == 1);
        CHECK(again.empty());
    });
}

TEST_CASE("fd_watch: a function may destroy the fd_watch") {
    ON_EACH_DEMULTIPLEXER;
    on.run([&]() -> task<> {
        pair a;
        pair b;
        auto watch = std::make_unique<fd_watch>();
        int calls = 0;
        const auto end_it = [&](fd_event) {
            ++calls;
            watch.reset();
        };
        watch->add(a.fd(), fd_event::readable, end_it);
        watch->add(b.fd(), fd_event::readable, end_it);
        a.theirs.send("x");
        b.theirs.send("x");
        while (watch) co_await bight::yield();
        co_await turns(5);
        CHECK(calls == 1);
    });
}

TEST_CASE("fd_watch: the end is told once, with its reason, when the descriptor is removed already") {
    ON_EACH_DEMULTIPLEXER;
    const bool fails = GENERATE(false, true);
    on.run([&]() -> task<> {
        pair p;
        fd_watch watch;
        std::vector<std::string> ends;
        bight::auto_reset_event ended;
        watch.add(
            p.fd(), fd_event::readable,
            [&](fd_event) {
                if (fails) throw std::runtime_error("no more");
                return fd_handled::done;
            },
            [&](const std::exception_ptr& reason) {
                CHECK_FALSE(watch.contains(p.fd()));
                ends.push_back(message_of(reason));
                ended.set();
            });
        p.theirs.send("x");
        co_await ended.wait();
        co_await turns(5);
        CHECK(ends == std::vector<std::string>{fails ? "no more" : "in good order"});
    });
    CHECK(on.take_errors().empty());
}

TEST_CASE("fd_watch: an error that nobody is told of goes to the error handler, and the others go on") {
    ON_EACH_DEMULTIPLEXER;
    int fd = -1;
    on.run([&]() -> task<> {
        pair bad;
        pair good;
        fd = bad.fd();
        fd_watch watch;
        int calls = 0;
        watch.add(bad.fd(), fd_event::readable, [](fd_event) { throw std::runtime_error("broken"); });
        watch.add(good.fd(), fd_event::readable, [&](fd_event) {
            good.take();
            ++calls;
        });
        bad.theirs.send("x");
        good.theirs.send("x");
        while (calls == 0 || watch.contains(bad.fd())) co_await bight::yield();
        good.theirs.send("y");
        while (calls == 1) co_await bight::yield();
    });
    const auto errors = on.take_errors();
    REQUIRE(errors.size() == 1);
    CHECK_THAT(errors[0],
               Catch::Contains("the function of fd " + std::to_string(fd)) && Catch::Contains("broken"));
}

TEST_CASE("fd_watch: files are always ready, and do not hold up others") {
    ON_EACH_DEMULTIPLEXER;
    on.run([&]() -> task<> {
        const temporary_file file;
        const test::raw_socket null(::open("/dev/null", O_RDWR | O_CLOEXEC));
        const test::raw_socket directory(::open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        pair p;
        fd_watch watch;
        int of_file = 0;
        int of_directory = 0;
        int of_pair = 0;
        watch.add(file.fd(), fd_event::readable | fd_event::writable | fd_event::priority,
                  [&](fd_event ready) {
                      CHECK(ready == (fd_event::readable | fd_event::writable));
                      ++of_file;
                  });
        watch.add(directory.get(), fd_event::readable, [&](fd_event) { ++of_directory; });
        watch.add(p.fd(), fd_event::readable, [&](fd_event) {
            p.take();
            ++of_pair;
        });
        const auto ready = co_await watch.until_ready(null.get(), fd_event::writable);
        CHECK(ready == fd_event::writable);
        while (of_file < 3 || of_directory < 3) co_await bight::yield();
        p.theirs.send("x");
        while (of_pair == 0) co_await bight::yield();
        bool slept = false;
        co_await bight::sleep_for(1ms);  // timers have their turns
        slept = true;
        CHECK(slept);
        watch.set_interest(directory.get(), fd_event::none);
        const int before = of_directory;
        CHECK(watch.remove(file.fd()));
        const int last = of_file;
        co_await turns(5);
        CHECK(of_file == last);
        CHECK(of_directory == before);
    });
}

TEST_CASE("fd_watch: with nothing ready the loop sleeps") {
    ON_EACH_DEMULTIPLEXER;
    on.run([&]() -> task<> {
        pair p;
        const temporary_file file;
        fd_watch watch;
        watch.add(p.fd(), fd_event::readable, [](fd_event) {});
        watch.add(file.fd(), fd_event::priority, [](fd_event) {});
        const auto before = on.reactor().statistics();
        co_await bight::sleep_for(20ms);
        const auto after = on.reactor().statistics();
        CHECK(after.polls - before.polls < 20);
    });
}

TEST_CASE("fd_watch: a descriptor that was closed and is another file now is told to nobody") {
    ON_EACH_DEMULTIPLEXER;
    const bool lives_on = GENERATE(false, true);  // as a duplicate
    on.run([&]() -> task<> {
        auto old = std::make_unique<pair>();
        pair other;
        fd_watch watch;
        std::vector<std::exception_ptr> ends;
        const int fd = old->fd();
        watch.add(
            fd, fd_event::readable, [&](fd_event) { FAIL_CHECK("told of another file"); },
            [&](const std::exception_ptr& reason) { ends.push_back(reason); });
        const test::raw_socket copy(lives_on ? ::dup(fd) : ::dup(other.fd()));
        co_await turns(2);
        REQUIRE(::dup2(other.fd(), fd) == fd);  // closes the old one, and takes its number
        int calls = 0;
        watch.add(other.fd(), fd_event::readable, [&](fd_event) {
            other.take();
            ++calls;
        });
        other.theirs.send("x");
        while (calls == 0) co_await bight::yield();
        if (lives_on) {  // the kernel still knows the file, and tells of it
            old->theirs.send("x");
            while (ends.empty()) co_await bight::yield();
            const auto before = on.reactor().statistics();
            co_await bight::sleep_for(20ms);  // and tells no more
            CHECK(on.reactor().statistics().polls - before.polls < 20);
        } else {
            co_await turns(5);
            CHECK(watch.list().size() == 1);
        }
        REQUIRE(ends.size() == 1);
        CHECK(code_of(ends[0]) == std::errc::bad_file_descriptor);
        CHECK_FALSE(watch.contains(fd));
        other.theirs.send("x");
        while (calls == 1) co_await bight::yield();
    });
}

TEST_CASE("fd_watch: a number that is another file can be added anew, and the old owner is told first") {
    ON_EACH_DEMULTIPLEXER;
    on.run([&]() -> task<> {
        auto old = std::make_unique<pair>();
        pair other;
        fd_watch watch;
        std::error_code why;
        const int fd = old->fd();
        watch.add(
            fd, fd_event::readable, [](fd_event) { FAIL_CHECK("told of another file"); },
            [&](const std::exception_ptr& reason) { why = code_of(reason); });
        REQUIRE(::dup2(other.fd(), fd) == fd);
        int calls = 0;
        watch.add(fd, fd_event::readable, [&](fd_event) {
            other.take();
            ++calls;
        });
        CHECK(why == std::errc::bad_file_descriptor);
        other.theirs.send("x");
        while (calls == 0) co_await bight::yield();

        // One that was closed and is no file can be removed, and its number used again.
        old->ours.close();
        CHECK(refusal_of([&] { watch.set_interest(fd, fd_event::writable); }) ==
              std::errc::bad_file_descriptor);
        CHECK_FALSE(watch.contains(fd));
        CHECK_FALSE(watch.remove(fd));
    });
    (void)on.take_errors();
}

TEST_CASE("fd_watch: what cannot be watched is refused, and nothing has changed") {
    ON_EACH_DEMULTIPLEXER;
    on.run([&]() -> task<> {
        pair p;
        fd_watch watch;
        const auto add = [&](int fd) { watch.add(fd, fd_event::readable, [](fd_event) {}); };
        CHECK(refusal_of([&] { add(-1); }) == std::errc::bad_file_descriptor);
        const int closed = ::dup(p.fd());
        ::close(closed);
        CHECK(refusal_of([&] { add(closed); }) == std::errc::bad_file_descriptor);
        CHECK(watch.list().empty());
        add(p.fd());
        CHECK(refusal_of([&] { add(p.fd()); }) == std::errc::file_exists);
        CHECK(watch.list().size() == 1);
        std::error_code why = co_await test::error_of(watch.until_ready(closed, fd_event::readable));
        CHECK(why == std::errc::bad_file_descriptor);
        why = co_await test::error_of(watch.until_ready(p.fd(), fd_event::none));
        CHECK(why == std::errc::invalid_argument);
    });
}

TEST_CASE("fd_watch: without a descriptor for itself it says so, and works when there is one") {
    ON_EACH_DEMULTIPLEXER;
    on.run([&]() -> task<> {
        pair p;
        fd_watch watch;
        int calls = 0;
        const auto count = [&](fd_event) {
            p.take();
            ++calls;
        };
        {  // UBSan needs a pipe the first time that it sees a type
            fd_watch before;
            before.add(p.fd(), fd_event::none, count);
        }
        {
            const test::few_descriptors none(0);
            CHECK(refusal_of([&] { watch.add(p.fd(), fd_event::readable, count); }) ==
                  std::errc::too_many_files_open);
        }
        watch.add(p.fd(), fd_event::readable, count);
        p.theirs.send("x");
        while (calls == 0) co_await bight::yield();
    });
}

TEST_CASE("fd_watch: a descriptor is left as it is, and can be a stream's meanwhile") {
    ON_EACH_DEMULTIPLEXER;
    on.run([&]() -> task<> {
        pair p;
        {
            fd_watch watch;
            watch.add(p.fd(), fd_event::readable, [](fd_event) {});
            co_await turns(2);
            CHECK((::fcntl(p.fd(), F_GETFL) & O_NONBLOCK) == 0);
        }
        CHECK(::fcntl(p.fd(), F_GETFD) >= 0);
        auto c = co_await test::connected_to_raw(test::family::tcp);
        fd_watch watch;
        int calls = 0;
        watch.add(c.stream.native_handle(), fd_event::writable, [&](fd_event) {
            ++calls;
            watch.remove_all();
        });
        c.raw.send("hello");
        const auto got = co_await c.stream.read_some();
        CHECK(got.view() == "hello");
        while (calls == 0) co_await bight::yield();
        CHECK(calls == 1);
    });
}

TEST_CASE("fd_watch: tasks wait for a descriptor, each for its own, and beside a function") {
    ON_EACH_DEMULTIPLEXER;
    on.run([&]() -> task<> {
        pair p;
        p.fill();
        fd_watch watch;
        int calls = 0;
        std::vector<std::string> order;
        watch.add(p.fd(), fd_event::readable, [&](fd_event) {
            if (++calls == 3) p.take();
        });
        auto wait = [&](fd_event what, std::string name) -> task<> {
            const fd_event ready = co_await watch.until_ready(p.fd(), what);
            CHECK(ready == what);
            order.push_back(std::move(name));
        };
        auto act = [&]() -> task<> {
            co_await turns(3);
            CHECK(order.empty());
            p.theirs.send("x");
            while (order.size() < 2) co_await bight::yield();
            CHECK(order == std::vector<std::string>{"reads", "reads, too"});
            p.empty();
        };
        co_await bight::when_all(wait(fd_event::readable, "reads"), wait(fd_event::readable, "reads, too"),
                                 wait(fd_event::writable, "writes"), act());
        CHECK(order.back() == "writes");
        CHECK(watch.list().size() == 1);
        while (calls < 3) co_await bight::yield();
        // At once, when it is ready already.
        const fd_event ready = co_await watch.until_ready(p.fd(), fd_event::readable | fd_event::writable);
        CHECK(ready == fd_event::writable);
    });
}

TEST_CASE("fd_watch: a wait that is cancelled changes nothing, and one that has succeeded is delivered") {
    ON_EACH_DEMULTIPLEXER;
    on.run([&]() -> task<> {
        pair p;
        fd_watch watch;
        const auto late =
            co_await bight::try_with_timeout(watch.until_ready(p.fd(), fd_event::readable), 1ms);
        CHECK_FALSE(late);
        CHECK(watch.list().empty());
        p.theirs.send("x");
        const auto in_time =
            co_await bight::try_with_timeout(watch.until_ready(p.fd(), fd_event::readable), 10s);
        CHECK(in_time);
        CHECK(p.take() == "x");

        // Cancelled after it was told, in the same turn: it is delivered.
        bool delivered = false;
        bight::group* waiting = nullptr;
        auto body = [&](bight::group& g) -> task<> {
            waiting = &g;
            auto one = [&]() -> task<> {
                (void)co_await watch.until_ready(p.fd(), fd_event::readable);
                delivered = true;
            };
            g.spawn(one);
            co_await turns(3);
            watch.add(p.fd(), fd_event::readable, [&](fd_event) {
                waiting->cancel();
                watch.remove_all();
            });
            p.theirs.send("y");
            for (;;) co_await bight::yield();
        };
        co_await bight::with_group(body);
        CHECK(delivered);
    });
}

TEST_CASE("fd_watch: remove ends the waits for that descriptor with closed") {
    ON_EACH_DEMULTIPLEXER;
    on.run([&]() -> task<> {
        pair p;
        fd_watch watch;
        std::error_code why;
        auto wait = [&]() -> task<> {
            why = co_await test::error_of(watch.until_ready(p.fd(), fd_event::readable));
        };
        auto end = [&]() -> task<> {
            co_await turns(3);
            CHECK(watch.list().empty());  // it has no function
            CHECK(watch.remove(p.fd()));
        };
        co_await bight::when_all(wait(), end());
        CHECK(why == bight::errc::closed);
    });
}

TEST_CASE("fd_watch: many descriptors that are ready together are all told, in every turn") {
    ON_EACH_DEMULTIPLEXER;
    on.run([&]() -> task<> {
        std::vector<std::unique_ptr<pair>> all;
        for (int i = 0; i < 150; ++i) all.push_back(std::make_unique<pair>());
        std::vector<int> calls(all.size());
        fd_watch watch;
        for (std::size_t i = 0; i < all.size(); ++i) {
            watch.add(all[i]->fd(), fd_event::readable, [&, i](fd_event) {
                ++calls[i];
                all[i]->take();
            });
            all[i]->theirs.send("x");
        }
        for (std::size_t i = 0; i < all.size(); ++i) {
            while (calls[i] == 0) co_await bight::yield();
        }
        CHECK(calls == std::vector<int>(all.size(), 1));
    });
}

TEST_CASE("fd_watch: it may outlive its reactor, and then watches nothing") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    CAPTURE(kind);
    pair p;
    const temporary_file file;
    bight::reactor_options options;
    options.demultiplexer = kind;
    std::optional<fd_watch> watch;
    {
        bight::reactor r(options);
        watch.emplace(r);
        int calls = 0;
        r.run([](fd_watch& w, int fd, int file_fd, int& called) -> task<> {
            w.add(fd, fd_event::readable, [](fd_event) {});
            w.add(file_fd, fd_event::readable, [&called](fd_event) { ++called; });
            while (called == 0) co_await bight::yield();
        }(*watch, p.fd(), file.fd(), calls));
    }
    CHECK(watch->list().size() == 2);
    CHECK(refusal_of([&] { watch->add(p.theirs.get(), fd_event::readable, [](fd_event) {}); }) ==
          bight::errc::closed);
    CHECK(watch->remove(p.fd()));
}

TEST_CASE("fd_watch: a reactor that was not running yet watches when it runs") {
    ON_EACH_DEMULTIPLEXER;
    pair p;
    int calls = 0;
    fd_watch watch(on.reactor());
    watch.add(p.fd(), fd_event::readable, [&](fd_event) {
        ++calls;
        p.take();
    });
    p.theirs.send("x");
    on.run([&]() -> task<> {
        while (calls == 0) co_await bight::yield();
    });
    CHECK(calls == 1);
    watch.remove_all();
}

TEST_CASE("fd_watch: in a forked child it does nothing, and disturbs nothing of the parent's") {
    ON_EACH_DEMULTIPLEXER;
    on.run([&]() -> task<> {
        pair p;
        fd_watch watch;
        int calls = 0;
        watch.add(p.fd(), fd_event::readable, [&](fd_event) {
            ++calls;
            p.take();
        });
        co_await turns(2);
        test::child forked([&](test::witness_pipe) {
            watch.remove_all();
            const auto why =
                refusal_of([&] { watch.add(p.theirs.get(), fd_event::readable, [](fd_event) {}); });
            return why == bight::errc::closed ? 0 : 1;
        });
        CHECK(forked.exit_status() == 0);
        p.theirs.send("x");
        while (calls == 0) co_await bight::yield();
        CHECK(calls == 1);
    });
}

TEST_CASE("fd_watch: a simulated host has no descriptors to watch") {
    for (const auto& choice : test::reactors_and_personalities()) {
        if (!choice.seed) continue;
        CAPTURE(choice);
        test::reactor_fixture on(choice);
        on.run([&]() -> task<> {
            fd_watch watch;
            CHECK(refusal_of([&] { watch.add(0, fd_event::readable, [](fd_event) {}); }) ==
                  std::errc::not_supported);
            const std::error_code why = co_await test::error_of(watch.until_ready(0, fd_event::readable));
            CHECK(why == std::errc::not_supported);
            CHECK(watch.list().empty());
        });
    }
}
