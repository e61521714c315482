// A program with a known tree of tasks, which ends in an abort: for gdb_test.py.
#include <bight/bight.hpp>

#include <chrono>
#include <cstdlib>
#include <functional>
#include <string>
#include <utility>

using bight::stream;
using bight::task;
using namespace std::chrono_literals;

namespace app {

task<> wait_for_lines(stream peer) {
    bight::line_reader lines(peer);
    (void)co_await lines.next();  // line: read
}

task<> serve_client(stream peer) {
    bight::name_task("GET /x for a client");
    co_await wait_for_lines(std::move(peer));  // line: serve
}

task<> sleep_long() {
    co_await bight::sleep_for(1h);  // line: sleep
}

task<> wait_for(bight::mutex& m) {
    auto hold = co_await m.lock();  // line: mutex
}

task<> crash() {
    co_await bight::sleep_for(50ms);
    std::abort();  // line: abort
}

task<> everything() {
    bight::mutex taken;
    auto hold = co_await taken.lock();
    bight::listener l = bight::listen("tcp:0:interface=127.0.0.1");
    const std::string where = "tcp:127.0.0.1:" + std::to_string(l.local().port());
    auto serving = bight::serve(std::move(l), serve_client);
    stream client = co_await bight::connect(where);
    co_await bight::with_group([&](bight::group& g) -> task<> {
        g.spawn(std::move(serving));
        g.spawn(wait_for, std::ref(taken));
        g.spawn([]() -> task<> { co_await bight::with_timeout(sleep_long(), 2h); });
        co_await bight::when_all(crash(), sleep_long());  // line: all
    });
}

}  // namespace app

int main() { return bight::run(app::everything()); }
