// A connect to a Unix socket that cannot take it now, of which only Linux says so.
#include "probes.hpp"
#include "support/thread_total.hpp"

#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <string>

using test::connect_probe;
using test::demultiplexer_fixture;
using test::operation_kind;

TEST_CASE("a connect to a Unix socket whose backlog is full is told so, and waits in no thread") {
    demultiplexer_fixture on(GENERATE(from_range(test::demultiplexers())));
    INFO(on.name());
    sockaddr_un where{};
    where.sun_family = AF_UNIX;
    const std::string name = "bight-demux-" + std::to_string(::getpid());
    std::copy(name.begin(), name.end(), where.sun_path + 1);
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
    const int listening = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    REQUIRE(::bind(listening, reinterpret_cast<const sockaddr*>(&where), size) == 0);
    REQUIRE(::listen(listening, 0) == 0);
    const int before = test::thread_total();
    int result = 0;
    for (int i = 0; result == 0 && i < 10; ++i) {
        auto& d = on.add(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
        connect_probe op(d, operation_kind::connect);
        op.address = reinterpret_cast<const sockaddr*>(&where);
        op.address_size = size;
        on.start(op);
        REQUIRE(on.until_completed(op));
        result = static_cast<int>(op.result);
    }
    CHECK(result == -EAGAIN);
    CHECK(test::thread_total() == before);
    ::close(listening);
}
