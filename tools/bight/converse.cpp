// A small program on one demultiplexer, which uses what every program uses.
#include "this_machine.hpp"

#include <bight/core/error.hpp>
#include <bight/core/reactor.hpp>
#include <bight/core/sleep.hpp>
#include <bight/core/task.hpp>
#include <bight/core/timeout.hpp>
#include <bight/core/when_all.hpp>
#include <bight/io/address.hpp>
#include <bight/io/chunk.hpp>
#include <bight/io/stream.hpp>
#include <bight/net/connect.hpp>
#include <bight/net/listener.hpp>
#include <bight/thread/offload.hpp>

#include <chrono>
#include <exception>
#include <stdexcept>
#include <string>
#include <system_error>

using namespace std::chrono_literals;

namespace doctor {

namespace {

// The server waits for bytes while the client sleeps and then has a thread make them.
bight::task<> talk_at_length() {
    auto listener = bight::listen("tcp:0:interface=127.0.0.1");
    auto client = co_await bight::connect("tcp:127.0.0.1:" + std::to_string(listener.local().port()));
    auto server = co_await listener.accept();
    auto write = [&client]() -> bight::task<> {
        co_await bight::sleep_for(1ms);
        auto make = [] { return std::string("hello"); };
        const std::string made = co_await bight::offload(make);
        co_await client.write(made);
        co_await client.close();
    };
    auto read = [&server]() -> bight::task<std::string> {
        std::string all;
        while (auto chunk = co_await server.read_some()) all += chunk.view();
        co_return all;
    };
    auto [nothing, got] = co_await bight::when_all(write(), read());
    if (got != "hello") throw std::runtime_error("sent \"hello\" and received \"" + got + "\"");
}

template <class F>
failure failure_of(F what) {
    try {
        what();
        return {};
    } catch (const std::system_error& e) {
        return {e.code(), e.what()};
    } catch (const std::exception& e) {
        return {{}, e.what()};
    }
}

bight::task<> talk() { co_await bight::with_timeout(talk_at_length(), 5s); }

}  // namespace

failure this_machine::make_reactor() const {
    return failure_of([] { const bight::reactor made; });
}

failure this_machine::converse(bight::demultiplexer_kind kind) const {
    return failure_of([kind] {
        bight::reactor_options options;
        options.demultiplexer = kind;
        options.stall_limit = 0s;  // whatever BIGHT_STALL_LIMIT says: see make_reactor
        bight::reactor reactor(options);
        reactor.run(talk());
    });
}

}  // namespace doctor
