#include <bight/core/error.hpp>
#include <bight/os/process.hpp>
#include <bight/os/run_process.hpp>

#include <cerrno>
#include <system_error>
#include <utility>

namespace bight {

namespace {

[[noreturn]] void start_no_program() {
    throw std::system_error(errc::unavailable, "process: bight starts no programs on Windows yet");
}

[[noreturn]] void empty() {
    throw std::system_error(EBADF, detail::errno_category(), "process: an empty handle");
}

}  // namespace

// There is no handle that is not empty.
process process::spawn(const command&) { start_no_program(); }
std::vector<process> pipeline::spawn() const { start_no_program(); }

process& process::operator=(process&& other) noexcept {
    child_ = std::exchange(other.child_, nullptr);
    pipes_ = std::move(other.pipes_);
    return *this;
}
void process::drop() noexcept {}
int process::id() const { empty(); }
stream& process::pipe(int) { empty(); }
stream& process::terminal() { empty(); }
void process::resize_terminal(window_size) { empty(); }
task<process_status> process::wait() { empty(); }
task<process_status> process::wait_drained() { empty(); }
std::optional<process_status> process::status() const { empty(); }
bool process::kill(int) { empty(); }
task<process_status> process::end(duration) { empty(); }

}  // namespace bight
