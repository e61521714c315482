// Servers that run out of descriptors.
#include "received_beside.hpp"

#include "support/catch.hpp"
#include "support/connections.hpp"
#include "support/cpu_time.hpp"
#include "support/few_sockets.hpp"
#include "support/reactors.hpp"

#include <bight/bight.hpp>

#include <sys/socket.h>

#include <chrono>
#include <string>
#include <vector>

using bight::stream;
using bight::task;
using test::receive_beside;

namespace {

// Takes every socket that is left.
std::vector<test::raw_socket> take_all_sockets() {
    std::vector<test::raw_socket> taken;
    for (;;) {
        const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0) return taken;
        taken.emplace_back(fd);
    }
}

task<> greet(stream peer) { co_await peer.write("hello"); }

void exhaust_server(bight::demultiplexer_kind kind, bight::exhaustion_policy policy) {
    // An accept that waits there has its socket already.
    const bool first_is_served = kind == bight::demultiplexer_kind::iocp;
    const bool sheds = policy == bight::exhaustion_policy::shed;
    test::reactor_fixture on(kind);
    std::string where_in_words;
    on.run([&]() -> task<> {
        bight::serve_options serving;
        serving.listen.when_exhausted = policy;
        bight::listener l = bight::listen("tcp:0:interface=127.0.0.1", serving.listen);
        const auto where = l.local();
        where_in_words = where.to_string();
        std::vector<test::raw_socket> clients;
        for (int i = 0; i < 3; ++i) clients.emplace_back(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
        auto body = [&]() -> task<> {
            co_await bight::yield();  // the server accepts
            const test::few_sockets few(32);
            auto taken = take_all_sockets();
            for (const auto& c : clients) {
                CHECK(::connect(c.get(), static_cast<const sockaddr*>(where.native()),
                                static_cast<socklen_t>(where.native_size())) == 0);
            }
            const double before = test::cpu_seconds();
            co_await bight::sleep_for(std::chrono::milliseconds(400));
            CHECK(test::cpu_seconds() - before < 0.1);  // it does not spin
            if (!sheds) taken.clear();
            for (const auto& c : clients) {
                const bool served = !sheds || (first_is_served && &c == &clients.front());
                const std::string got = co_await receive_beside(c);
                CHECK(got == (served ? "hello" : ""));
            }
            taken.clear();
            stream later = co_await bight::connect(test::endpoint_to(where));
            const std::string all = co_await test::read_all(later);
            CHECK(all == "hello");
        };
        co_await bight::when_any(body(), bight::serve(std::move(l), serving, greet));
    });
    const auto said = on.take_log();
    REQUIRE_FALSE(said.empty());
    CHECK(said[0].find("cannot accept connections on " + where_in_words) == 0);
}

}  // namespace

TEST_CASE("out of descriptors, shed: clients are closed at once, and later ones are served") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    CAPTURE(kind);
    exhaust_server(kind, bight::exhaustion_policy::shed);
}

TEST_CASE("out of descriptors, wait: clients wait, and are served when descriptors are free") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    CAPTURE(kind);
    exhaust_server(kind, bight::exhaustion_policy::wait);
}
