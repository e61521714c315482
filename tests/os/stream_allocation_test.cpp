// Failing allocations while streams are made of standard descriptors, pipes, FIFOs and terminals.
// (process_allocation_test.cpp replaces the functions of this program.)
#include "children.hpp"
#include "plain_descriptors.hpp"

#include "support/allocation_faults.hpp"
#include "support/connections.hpp"

#include "os/stream_over.hpp"

#include <bight/os/pipe.hpp>
#include <bight/os/standard_streams.hpp>
#include <bight/os/terminal.hpp>

#include <sys/stat.h>

#include <cstring>
#include <string>

using namespace test;

TEST_CASE("without memory a standard stream is not made, or is whole; nothing is left of it") {
    const auto kind = GENERATE(from_range(demultiplexers()));
    const switched again(bight::detail::opens_again, GENERATE(true, false));
    CAPTURE(kind);
    const temporary_directory where;
    const plain_pipe pipe;
    const bight::owned_descriptor file(
        ::open(where.file("file").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    REQUIRE(file);
    const fault_tally tally =
        fail_each_allocation_on(kind, [&](reactor_fixture&, allocation_fault& fault) -> bight::task<> {
            const in_place_of input(0, pipe.reads.get());
            const in_place_of output(1, file.get());
            const in_place_of errors(2, pipe.writes.get());
            const failing now(fault);
            bight::stream in = bight::standard_input();
            bight::stream out = bight::standard_output(bight::standard_descriptor::becomes_null);
            bight::stream err = bight::standard_error();
            co_await err.write("some");
            const auto part = co_await in.read_some();
            co_await out.write(part);
            co_await out.close();
        });
    CHECK(tally.allocations > 5);
}

TEST_CASE("without memory a pipe, a FIFO or a terminal is not opened, or is whole; nothing is left of it") {
    const auto kind = GENERATE(from_range(demultiplexers()));
    CAPTURE(kind);
    const temporary_directory where;
    const std::string path = where.file("fifo");
    REQUIRE(::mkfifo(path.c_str(), 0600) == 0);
    const plain_terminal peer;
    const termios before = peer.settings();
    const fault_tally tally =
        fail_each_allocation_on(kind, [&](reactor_fixture&, allocation_fault& fault) -> bight::task<> {
            const failing now(fault);
            bight::pipe_streams pipe = bight::make_pipe();
            co_await pipe.writer.write("some");
            char bytes[4];
            co_await pipe.reader.read_exactly(bytes);
            bight::stream reader = co_await bight::open_fifo(path, bight::fifo_end::reader);
            bight::stream writer = co_await bight::open_fifo(path, bight::fifo_end::writer);
            bight::stream port = co_await bight::open_terminal(peer.name);
            const bight::terminal_mode mode = bight::terminal_mode::without_echo(port);
            co_await port.write("x");
        });
    CHECK(tally.allocations > 10);
    const termios after = peer.settings();
    CHECK(after.c_lflag == before.c_lflag);
    CHECK(std::memcmp(after.c_cc, before.c_cc, sizeof before.c_cc) == 0);
}
