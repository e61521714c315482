// Operations whose system calls fail as kernels seldom let them.
#include "accept_faults.hpp"
#include "demux/probes.hpp"
#include "support/catch.hpp"

#include <cerrno>

TEST_CASE("an accept that a signal interrupts is made again at once") {
    const auto kind = GENERATE(from_range(test::those_that_call_accept()));
    CAPTURE(kind);
    test::demultiplexer_fixture on(kind);
    sockaddr_in where{};
    auto& listening = on.add(test::listen_on_loopback(where));
    test::plain_probe accept(listening, test::operation_kind::accept);
    const int client = test::connect_to(where);
    test::accept_errors() = {EINTR, EINTR};
    on.start(accept);
    CHECK(accept.completions == 1);
    CHECK(accept.result >= 0);
    CHECK(test::accept_errors().empty());
    if (accept.result >= 0) ::close(accept.handle());
    ::close(client);
}
