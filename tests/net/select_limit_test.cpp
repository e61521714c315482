// The limit of select: descriptors below 1,024.
#include "received_beside.hpp"

#include "support/catch.hpp"
#include "support/connections.hpp"
#include "support/many_descriptors.hpp"
#include "support/reactors.hpp"

#include <bight/bight.hpp>

#include <fcntl.h>

#include <string>
#include <utility>
#include <vector>

using bight::stream;
using bight::task;
using test::receive_beside;

namespace {

task<> say_hello(stream peer) { co_await peer.write("hello"); }

}  // namespace

TEST_CASE("select refuses descriptor 1,024 with a clear error, and the server goes on") {
    const test::many_descriptors room = test::need_descriptors(1100);
    test::reactor_fixture on(bight::demultiplexer_kind::select);
    on.run([&]() -> task<> {
        bight::listener l = bight::listen("tcp:0:interface=127.0.0.1");
        const auto where = l.local();
        stream early = co_await bight::connect(test::endpoint_to(where));
        auto body = [&]() -> task<> {
            std::string hello(5, '\0');
            co_await early.read_exactly(hello);
            CHECK(hello == "hello");
            std::vector<test::raw_socket> fill;
            do fill.emplace_back(::open("/dev/null", O_RDONLY | O_CLOEXEC));
            while (fill.back().get() < 1024);
            on.take_log();
            const auto error = co_await test::error_of(bight::connect(test::endpoint_to(where)));
            CHECK(error == std::errc::too_many_files_open);
            for (int i = 0; i < 2; ++i) {
                const auto high = test::raw_connect(where);
                const std::string got = co_await receive_beside(high);
                CHECK(got.empty());
            }
            int refused = 0;  // said once, however many are refused
            for (const std::string& said : on.take_log()) {
                if (said.find("refused a connection") != std::string::npos) ++refused;
            }
            CHECK(refused == 1);
            fill.clear();
            stream later = co_await bight::connect(test::endpoint_to(where));
            const std::string all = co_await test::read_all(later);
            CHECK(all == "hello");
        };
        co_await bight::when_any(body(), bight::serve(std::move(l), {}, say_hello));
    });
    on.take_log();
}
