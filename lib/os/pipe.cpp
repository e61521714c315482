#include <bight/os/pipe.hpp>

#include "child_pipe.hpp"
#include "file_call.hpp"
#include "file_error.hpp"
#include "stream_over.hpp"

#include "../core/system_error.hpp"
#include "../demux/file_operation.hpp"

#include <bight/core/error.hpp>
#include <bight/core/sleep.hpp>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <string>
#include <system_error>
#include <utility>

namespace bight {

namespace {

// Who waits for a reader looks at these intervals: no system tells.
constexpr std::chrono::milliseconds first_fifo_look{1};
constexpr std::chrono::milliseconds longest_fifo_pause{50};

}  // namespace

pipe_streams make_pipe() {
    reactor& home = detail::reactor_with_descriptors("make_pipe");
    const detail::pipe_ends ends = detail::open_pipe("make_pipe");
    owned_descriptor reads(ends.reads);
    owned_descriptor writes(ends.writes);
    std::string reader = "the reader of a pipe";
    std::string writer = "the writer of a pipe";
    pipe_streams made;
    using detail::pipe_transport;
    made.reader =
        stream(pipe_transport::make(home, reads.release(), pipe_transport::way::reads, std::move(reader)));
    made.writer =
        stream(pipe_transport::make(home, writes.release(), pipe_transport::way::writes, std::move(writer)));
    return made;
}

task<stream> open_fifo(std::string path, fifo_end end, fifo_options options) {
    reactor& home = detail::reactor_with_descriptors("open_fifo");
    detail::check_path("open_fifo", path);
    using detail::pipe_transport;
    const bool reads = end == fifo_end::reader;
    std::chrono::milliseconds pause = first_fifo_look;
    for (;;) {
        detail::file_call<> call(detail::operation_kind::open_file, "the opening of", path.c_str());
        // Without O_NONBLOCK it would wait on a thread, and could not be cancelled.
        call.op.flags = (reads ? O_RDONLY : O_WRONLY) | O_NONBLOCK | O_NOCTTY;
        const std::int64_t result = co_await std::move(call);
        if (result == -ENXIO && !reads && options.waits_for_reader) {
            co_await sleep_for(pause);
            pause = std::min(pause * 2, longest_fifo_pause);
            continue;
        }
        detail::check_file_result(result, "open", path);
        owned_descriptor made(detail::above_standard(static_cast<int>(result)));
        struct stat is{};
        if (::fstat(made.get(), &is) < 0) detail::throw_file_error("open", path, -errno);
        if (!S_ISFIFO(is.st_mode)) {
            detail::refuse_file(EINVAL, "open " + detail::printable(path) + ": no FIFO; see open_file");
        }
        auto& fifo = pipe_transport::make(home, made.release(),
                                          reads ? pipe_transport::way::reads : pipe_transport::way::writes,
                                          std::move(path));
        if (reads) fifo.wait_for_writer();
        co_return stream(fifo);
    }
}

stream descriptor_stream(owned_descriptor open) {
    reactor& home = detail::reactor_with_descriptors("descriptor_stream");
    using detail::pipe_transport;
    const std::string what = "fd " + std::to_string(open.get());
    const int flags = ::fcntl(open.get(), F_GETFL);
    struct stat is{};
    if (flags < 0 || ::fstat(open.get(), &is) < 0) {
        throw std::system_error(detail::system_error_code(EBADF), "descriptor_stream: " + what);
    }
    if (S_ISSOCK(is.st_mode)) {
        detail::refuse_file(
            EINVAL, "descriptor_stream: " + what + " is a socket: bight::connect(std::move(descriptor))");
    }
    const int access = flags & O_ACCMODE;
    const auto goes = access == O_RDONLY   ? pipe_transport::way::reads
                      : access == O_WRONLY ? pipe_transport::way::writes
                                           : pipe_transport::way::both;
    return detail::stream_over(home, open.release(), goes, what);
}

}  // namespace bight
