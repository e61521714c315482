// Programs that rely on a habit of the demultiplexers which they were tried on: each throws `relied` under
// the one personality that has another.
#pragma once

#include "demux/probes.hpp"
#include "demux/socket_calls.hpp"

#include <bight/bight.hpp>
#include <bight/sim/world.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace planted {

class relied : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

namespace habits {

using namespace std::chrono_literals;

/// So many connections of a host to itself, over a Unix socket: what is written has arrived.
struct pairs {
    std::vector<bight::stream> ours;
    std::vector<bight::stream> theirs;
};

inline bight::task<pairs> connect_pairs(std::size_t count) {
    bight::listener at = bight::listen("unix:/run/pairs");
    pairs made;
    for (std::size_t i = 0; i < count; ++i) {
        bight::stream one = co_await bight::connect("unix:/run/pairs");
        made.ours.push_back(std::move(one));
        bight::stream other = co_await at.accept();
        made.theirs.push_back(std::move(other));
    }
    co_return made;
}

/// Takes its number from the list, from the place at which it believes it to be.
class numbered {
  public:
    numbered(std::vector<int>& all, int number) : all_(all) { all_.push_back(number); }
    numbered(const numbered&) = delete;
    ~numbered() { all_.erase(all_.begin()); }

  private:
    std::vector<int>& all_;
};

inline bight::task<> read_as(bight::stream& from, std::vector<int>& all, std::vector<int>& ended,
                             int number) {
    const numbered place(all, number);
    struct log {
        std::vector<int>& to;
        int number;
        log(std::vector<int>& t, int n) : to(t), number(n) {}
        ~log() { to.push_back(number); }
    } const at_end(ended, number);
    co_await from.read_some();
}

inline bight::task<> cancelled_tasks_end_in_order() {
    pairs all = co_await connect_pairs(4);
    std::vector<int> present;
    std::vector<int> ended;
    auto body = [&](bight::group& g) -> bight::task<> {
        int number = 0;
        for (bight::stream& s : all.ours)
            g.spawn(read_as, std::ref(s), std::ref(present), std::ref(ended), number++);
        co_await bight::sleep_for(1ms);
        g.cancel();
    };
    co_await bight::with_group(body);
    if (ended != std::vector{0, 1, 2, 3} && ended != std::vector{3, 2, 1, 0}) {
        throw relied("a task that was cancelled later ended earlier");
    }
}

/// A receive that takes an event for its result: tried in vain, it gives its owner an end.
class hasty_receive final : public test::whole_receive {
  public:
    explicit hasty_receive(test::probe_descriptor& d) {
        on = &d;
        kind = bight::detail::operation_kind::receive;
    }
    void run() noexcept override {
        bight::detail::descriptor& d = *on;
        if (!settled && d.demux && !d.demux->settle(*this)) {
            ended_in_vain = d.demux->cancel(*this);
            return;
        }
        in_flight = false;
        came = true;
        d.drop();
    }
    bool came = false;
    bool ended_in_vain = false;

  private:
    void completed() noexcept override {}
};

inline bight::task<> an_event_is_data(bight::address where) {
    bight::detail::demultiplexer& demux = bight::detail::demultiplexer_of(*bight::reactor::current());
    test::probe_descriptor d;
    d.fd = demux.sockets().open(where.native_family(), bight::detail::socket_type::stream);
    demux.attach(d);
    test::connect_probe connect(d, test::operation_kind::connect);
    connect.address = static_cast<const sockaddr*>(where.native());
    connect.address_size = static_cast<socklen_t>(where.native_size());
    if (!demux.start(connect)) {
        while (connect.completions == 0) co_await bight::sleep_for(1ms);
    }
    hasty_receive receive(d);
    const bool at_once = demux.start(receive);
    while (!at_once && !receive.came && !receive.ended_in_vain) co_await bight::sleep_for(1ms);
    receive.data.reset();
    demux.detach(d, true);
    co_await bight::sleep_for(1ms);
    if (receive.ended_in_vain) throw relied("there was nothing to receive");
}

inline bight::task<> as_many_accepts_as_connects() {
    bight::listener at = bight::listen("tcp:7000");
    for (int i = 0; i < 3; ++i) {
        bight::stream caller = co_await bight::connect("tcp:localhost:7000");
        if (i == 1) caller.abort();
        co_await bight::sleep_for(10ms);
    }
    int accepted = 0;
    auto count = [&]() -> bight::task<> {
        for (; accepted < 3; ++accepted) co_await at.accept();
    };
    const bool all = co_await bight::try_with_timeout(count(), 1s);
    if (!all) throw relied("a connection that was made was not accepted");
}

inline bight::task<> write_and_log(bight::stream& to, std::vector<int>& log, int number) {
    co_await to.write("x");
    log.push_back(number);
}

inline bight::task<> what_starts_first_ends_first() {
    pairs all = co_await connect_pairs(4);
    std::vector<int> log;
    auto body = [&](bight::group& g) -> bight::task<> {
        int number = 0;
        for (bight::stream& s : all.ours) g.spawn(write_and_log, std::ref(s), std::ref(log), number++);
        co_return;
    };
    co_await bight::with_group(body);
    if (log != std::vector{0, 1, 2, 3}) throw relied("a write that began later ended earlier");
}

inline bight::task<> what_comes_together_is_told_together() {
    pairs all = co_await connect_pairs(3);
    std::size_t came = 0;
    std::size_t seen = 0;
    auto body = [&](bight::group& g) -> bight::task<> {
        for (bight::stream& s : all.ours) {
            auto read = [&came, &seen, &s]() -> bight::task<> {
                co_await s.read_some();
                if (++came > 1) co_return;
                co_await bight::yield();  // the others, who have been sent something in the same moment
                seen = came;
            };
            g.spawn(read);
        }
        co_await bight::sleep_for(1ms);
        for (bight::stream& s : all.theirs) {
            auto write = [&s]() -> bight::task<> { co_await s.write("x"); };
            g.spawn(write);
        }
    };
    co_await bight::with_group(body);
    if (seen < 3) throw relied("something came at the same time, and was told later");
}

}  // namespace habits

}  // namespace planted
