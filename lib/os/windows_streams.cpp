// Standard streams, pipes, FIFOs and terminals, which bight has not on Windows yet: consoles know no
// overlapped calls.
#include <bight/os/pipe.hpp>
#include <bight/os/standard_streams.hpp>
#include <bight/os/terminal.hpp>

#include <bight/core/error.hpp>

#include <memory>
#include <string>
#include <system_error>
#include <utility>

namespace bight {

namespace {

[[noreturn]] void refuse_stream(const char* what) {
    throw std::system_error(errc::unavailable, std::string(what) + ": not on Windows");
}

}  // namespace

stream standard_input(standard_descriptor) { refuse_stream("standard input"); }
stream standard_output(standard_descriptor) { refuse_stream("standard output"); }
stream standard_error(standard_descriptor) { refuse_stream("standard error"); }
pipe_streams make_pipe() { refuse_stream("make_pipe"); }
stream descriptor_stream(owned_descriptor) { refuse_stream("descriptor_stream"); }

task<stream> open_fifo(std::string, fifo_end, fifo_options) {
    refuse_stream("open_fifo");
    co_return stream();
}

task<stream> open_terminal(std::string, terminal_settings) {
    refuse_stream("open_terminal");
    co_return stream();
}

class detail::kept_terminal_mode {};

terminal_mode::terminal_mode() noexcept = default;
terminal_mode::terminal_mode(terminal_mode&& other) noexcept = default;
terminal_mode& terminal_mode::operator=(terminal_mode&& other) noexcept = default;
terminal_mode::~terminal_mode() = default;
terminal_mode::terminal_mode(std::unique_ptr<detail::kept_terminal_mode> kept) noexcept
    : kept_(std::move(kept)) {}
void terminal_mode::restore() noexcept { kept_.reset(); }
terminal_mode terminal_mode::raw(const stream&) { refuse_stream("terminal_mode::raw"); }
terminal_mode terminal_mode::without_echo(const stream&) { refuse_stream("terminal_mode::without_echo"); }
bool is_terminal(const stream&) noexcept { return false; }
window_size size_of_terminal(const stream&) { refuse_stream("size_of_terminal"); }

}  // namespace bight
