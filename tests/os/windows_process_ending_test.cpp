// The end of a child of Windows: by a signal of this process's, with its handle, with its group; and many at
// once.
#include "windows_children.hpp"

#include "support/cancellable.hpp"

#include <bight/core/group.hpp>
#include <bight/core/timeout.hpp>
#include <bight/core/when_all.hpp>

#include <cerrno>
#include <chrono>
#include <cstddef>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

using namespace test;
using namespace std::chrono_literals;
using bight::command;
using bight::process;
using bight::process_status;

namespace {

/// A handle on a child, for after its own handle has gone.
class observed {
  public:
    explicit observed(const process& child)
        : handle_(::OpenProcess(SYNCHRONIZE, FALSE, static_cast<DWORD>(child.id()))) {
        REQUIRE(handle_);
    }
    observed(const observed&) = delete;
    observed& operator=(const observed&) = delete;
    ~observed() { ::CloseHandle(handle_); }
    bool lives() const { return ::WaitForSingleObject(handle_, 0) == WAIT_TIMEOUT; }

  private:
    HANDLE handle_;
};

}  // namespace

TEST_CASE("a child of Windows that was ended from here says by which signal, and is not there for another") {
    const int signal = GENERATE(9, 15);
    with_children([signal]() -> bight::task<> {
        process child = process::spawn(child_program("sleep"));
        CHECK(child.kill(0));
        CHECK(child.kill(signal));
        const process_status how = co_await child.wait();
        CHECK(how.signal() == signal);
        CHECK_FALSE(how.code());
        CHECK_FALSE(how.success());
        CHECK_FALSE(child.kill(signal));
        CHECK_FALSE(child.kill(0));
        process other = process::spawn(child_program("sleep"));
        for (const int unknown : {1, 2, 12345, -1}) CHECK_THROWS_AS(other.kill(unknown), std::system_error);
        CHECK_FALSE(other.status());
        const process_status second = co_await other.end();
        CHECK(second.signal() == 15);
        const process_status again = co_await other.end();
        CHECK(again == second);
        process third = process::spawn(child_program("sleep"));
        const process_status at_once = co_await third.end(0s);
        CHECK(at_once.signal() == 9);
    });
}

TEST_CASE("a child of Windows whose handle goes is ended, and the run waits for it") {
    std::optional<observed> seen;
    with_children([&]() -> bight::task<> {
        process child = process::spawn(child_program("sleep").pipe_from(1));
        seen.emplace(child);
        co_await until_ready(child);
        CHECK(seen->lives());
    });
    CHECK_FALSE(seen->lives());
}

TEST_CASE("an error or a cancellation that unwinds a task ends its children on Windows, too") {
    std::optional<observed> seen;
    with_children([&]() -> bight::task<> {
        auto fails = [&]() -> bight::task<> {
            process child = process::spawn(child_program("sleep").pipe_from(1));
            seen.emplace(child);
            co_await until_ready(child);
            throw std::runtime_error("it fails");
        };
        bool failed = false;
        try {
            co_await fails();
        } catch (const std::runtime_error&) {
            failed = true;
        }
        CHECK(failed);
        auto waits = []() -> bight::task<> {
            process child = process::spawn(child_program("sleep"));
            co_await child.wait();
        };
        const bool done = co_await bight::try_with_timeout(waits(), 1ms);
        CHECK_FALSE(done);
    });
    CHECK_FALSE(seen->lives());
}

TEST_CASE("a handle that outlives its reactor on Windows is of a child that was killed with it") {
    const auto kind = GENERATE(from_range(demultiplexers()));
    process child;
    std::optional<observed> seen;
    {
        bight::reactor r(options_on(kind));
        auto body = [&]() -> bight::task<> {
            child = process::spawn(child_program("sleep").pipe_to(0).pipe_from(1).new_group());
            seen.emplace(child);
            co_await until_ready(child);
        };
        r.run(body());
        bight::stream gone = std::move(child.standard_input());
        bight::stream also = std::move(child.standard_output());
    }
    CHECK_FALSE(seen->lives());
    CHECK(child.status()->signal() == 9);
    CHECK_FALSE(child.kill());
}

TEST_CASE("a group of Windows ends with its handle, and so does what its leader has left behind") {
    std::optional<observed> grandchild;
    with_children([&]() -> bight::task<> {
        // The child of the leader says that it is ready, and lives on.
        process leader = process::spawn(child_program("leader").pipe_to(0).pipe_from(1).new_group());
        co_await until_ready(leader);
        CHECK(leader.kill(0));
        co_await leader.standard_input().close();
        const process_status how = co_await leader.wait();
        CHECK(how.success());
        CHECK(leader.kill(0));  // there may be somebody
        const auto drained = co_await bight::try_with_timeout(leader.wait_drained(), 5ms);
        CHECK_FALSE(drained);
        bight::stream out = std::move(leader.standard_output());
        {
            const process gone = std::move(leader);
        }
        const std::string rest = co_await all_of(out);  // its end is that of the last who had it
        CHECK(rest.empty());

        process second = process::spawn(child_program("leader").pipe_to(0).pipe_from(1).new_group());
        co_await until_ready(second);
        CHECK(second.kill());
        const std::string none = co_await all_of(second.standard_output());
        CHECK(none.empty());
        const process_status killed = co_await second.wait_drained();
        CHECK(killed.signal() == 9);
    });
}

TEST_CASE("a child without a group leaves its own children alone") {
    with_children([]() -> bight::task<> {
        process leader = process::spawn(child_program("late").pipe_to(0).pipe_from(1));
        const process_status how = co_await leader.wait();
        CHECK(how.code() == 3);
        bight::stream in = std::move(leader.standard_input());
        bight::stream out = std::move(leader.standard_output());
        {
            const process gone = std::move(leader);
        }
        co_await in.close();
        const std::string said = co_await all_of(out);
        CHECK(said == "late");
    });
}

TEST_CASE("a wait for a child of Windows that is cancelled leaves it to the next one, and several may wait") {
    with_children([]() -> bight::task<> {
        process child = process::spawn(child_program("until-end").pipe_to(0));
        const auto none = co_await bight::try_with_timeout(child.wait(), 1ms);
        CHECK_FALSE(none);
        cancellable one;
        std::optional<process_status> first;
        std::optional<process_status> second;
        auto wait_into = [&](std::optional<process_status>& to) -> bight::task<> {
            to = co_await child.wait();
        };
        auto body = [&](bight::group& g) -> bight::task<> {
            g.spawn(one.run(wait_into(first)));
            g.spawn(wait_into, std::ref(second));
            co_await turns(3);
            one.cancel();
            co_await turns(3);
            CHECK_FALSE(one.running());
            co_await child.standard_input().close();
        };
        co_await bight::with_group(body);
        CHECK_FALSE(first);
        REQUIRE(second);
        CHECK(second->code() == 3);
    });
}

TEST_CASE("a leader of a group on Windows is asked to end by Ctrl-Break, and may do as it likes") {
    with_children([]() -> bight::task<> {
        process heeds = process::spawn(child_program("break").pipe_from(1).new_group());
        co_await until_ready(heeds);
        const auto how = co_await heeds.end(20s);
        CHECK(how.code() == 7);
        const std::string said = co_await all_of(heeds.standard_output());
        CHECK(said == "break\n");
        process does_not_care = process::spawn(child_program("sleep").pipe_from(1).new_group());
        co_await until_ready(does_not_care);
        const auto ended = co_await does_not_care.end(20s);
        CHECK(ended.signal() == 15);
    });
}

TEST_CASE("many children of Windows at once, each with its own status; wfmo says how many it takes") {
    const auto kind = GENERATE(from_range(demultiplexers()));
    reactor_fixture on(kind);
    INFO(name_of(kind));
    on.run(
        [&]() -> bight::task<> {
            constexpr std::size_t few = 31;
            const std::size_t wanted = kind == bight::demultiplexer_kind::wfmo ? few : 60;
            std::vector<process> children;
            for (std::size_t i = 0; i < wanted; ++i) {
                children.push_back(
                    process::spawn(child_program("exit", std::to_string(100 + i)).pipe_from(1)));
            }
            if (kind == bight::demultiplexer_kind::wfmo) {
                const auto error = error_of_spawn(child_program("sleep"));
                // Some may have ended by now.
                if (error.code) {
                    CHECK(error.code == from_errno(EMFILE));
                    CHECK_THAT(error.text, Catch::Contains("at most 31 handles"));
                }
            }
            for (std::size_t i = 0; i < wanted; ++i) {
                const process_status how = co_await children[i].wait();
                CHECK(how.code() == static_cast<int>(100 + i));
            }
        },
        60s);
}
