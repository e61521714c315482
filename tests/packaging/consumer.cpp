// A program outside of bight's tree: it compiles, links, awaits in a loop that needs jumps between
// coroutines, catches what the library throws, and talks to itself.
#include <bight/bight.hpp>

#include <cstdio>
#include <stdexcept>
#include <string>

namespace {

bight::task<int> one() { co_return 1; }

bight::task<int> count(int limit) {
    int sum = 0;
    while (sum < limit) {
        const int next = co_await one();
        sum += next;
    }
    co_return sum;
}

bight::task<> fails(const char* how) {
    co_await bight::yield();
    throw std::runtime_error(how);
}

bight::task<bool> errors_are_caught() {
    bool bad_endpoint = false;
    try {
        bight::stream none = co_await bight::connect("nonsense:1");
    } catch (const std::system_error& e) {
        bad_endpoint = e.code() == bight::errc::bad_endpoint;
    }
    bool both = false;
    try {
        co_await bight::when_all(fails("one"), fails("two"));
    } catch (const bight::aggregate_error& e) {
        both = e.errors().size() == 2;
    } catch (const std::runtime_error&) {  // the second was cancelled in time
        both = true;
    }
    co_return bad_endpoint&& both;
}

bight::task<bool> talks() {
    bight::listener l = bight::listen("tcp:0:interface=127.0.0.1");
    bight::stream client = co_await bight::connect("tcp:127.0.0.1:" + std::to_string(l.local().port()));
    bight::stream server = co_await l.accept();
    co_await client.write("hello");
    co_await client.close();
    std::string all;
    while (auto chunk = co_await server.read_some()) all += chunk.view();
    co_return all == "hello";
}

int failed(const char* what) {
    std::fprintf(stderr, "failed: %s\n", what);
    return 1;
}

}  // namespace

int main() {
    constexpr int limit = 1'000'000;
    bight::reactor reactor;
    if (reactor.run(count(limit)) != limit) return failed("a loop of awaits");
    if (!reactor.run(errors_are_caught())) return failed("errors of the library");
    if (!reactor.run(talks())) return failed("a connection");
    bight::virtual_clock clock;
    bight::reactor_options options;
    options.clock = &clock;
    bight::reactor stuck(options);
    try {
        stuck.run([]() -> bight::task<> {
            bight::manual_reset_event never;
            co_await never.wait();
        }());
    } catch (const bight::deadlock&) {
        return 0;
    }
    return failed("a deadlock");
}
