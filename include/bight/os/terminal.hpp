// open_terminal, terminal_mode: serial ports and other terminals, and how they behave.
#pragma once

#include <bight/core/export.hpp>
#include <bight/core/task.hpp>
#include <bight/io/stream.hpp>
#include <bight/os/command.hpp>

#include <cstdint>
#include <memory>
#include <string>

namespace BIGHT_EXPORT bight {

namespace detail {
class kept_terminal_mode;
}

enum class terminal_parity : std::uint8_t { none, even, odd };

/// How one side of a serial line tells the other to wait.
enum class terminal_flow_control : std::uint8_t {
    none,
    hardware,  ///< by the lines RTS and CTS
    software,  ///< by the bytes XOFF (^S) and XON (^Q), which then cannot be sent as others
};

/// What open_terminal sets.
struct terminal_settings {
    unsigned speed = 0;      ///< bits per second, in both directions; 0: as it is
    unsigned data_bits = 8;  ///< 5 to 8
    unsigned stop_bits = 1;  ///< 1 or 2
    terminal_parity parity = terminal_parity::none;
    terminal_flow_control flow_control = terminal_flow_control::none;
    /// Bytes come and go as they are, each at once. If not, lines, echo, signals and translations stay as
    /// they are.
    bool raw = true;
};

/// Opens a serial port or another terminal by its path ("/dev/ttyUSB0"), sets it, and gives it as a stream of
/// both directions. It does not become the controlling terminal, and modem lines are not waited for (CLOCAL).
/// When the stream is closed, aborted or destroyed the settings are again what they were before.
///
/// A read gives what has come. A line that is gone (an adapter that was pulled out, a pseudo-terminal whose
/// master was closed) is the end of the stream, or EIO. shutdown_write is EOPNOTSUPP: a terminal has no end
/// of one direction. Closing may wait for what a serial driver still has to send, as long as that allows
/// (closing_wait of setserial(8)).
///
/// Throws std::system_error with the path: ENOENT, EACCES, EBUSY, …; ENOTTY for what is no terminal; EINVAL
/// for a setting that bight does not know, or the terminal does not take (a pseudo-terminal has no parity):
/// then it is as before. errc::unavailable on a simulated host and on Windows. Cancelling leaves nothing
/// open. Thread: the reactor's. See termios(3).
task<stream> open_terminal(std::string path, terminal_settings settings = {});

/// Keeps a terminal in another mode while it lives; afterwards the mode is what it was before. Move-only.
///
///     bight::stream keys = bight::standard_input();
///     bight::terminal_mode mode = bight::terminal_mode::raw(keys);
///
/// A process that is killed, or ends by _exit, leaves the mode as it is; `reset` in the shell helps then. It
/// may outlive its stream. In a forked child it does nothing: the mode is the parent's. Thread: any, one at a
/// time.
class terminal_mode {
  public:
    /// Each key at once and as it is, not shown: ^C is the byte 3 and no signal. What is written is not
    /// translated: a line ends with "\r\n". Throws std::system_error: ENOTTY when the stream is no terminal,
    /// EBADF when it is closed; EIO, or a stop (SIGTTOU), when the process is in the background.
    static terminal_mode raw(const stream& of);
    /// Lines as before, not shown: for passwords.
    static terminal_mode without_echo(const stream& of);

    terminal_mode() noexcept;
    terminal_mode(terminal_mode&& other) noexcept;
    terminal_mode& operator=(terminal_mode&& other) noexcept;
    terminal_mode(const terminal_mode&) = delete;
    ~terminal_mode();
    /// As before now.
    void restore() noexcept;

  private:
    explicit terminal_mode(std::unique_ptr<detail::kept_terminal_mode> kept) noexcept;
    std::unique_ptr<detail::kept_terminal_mode> kept_;
};

/// Whether the stream is a terminal.
bool is_terminal(const stream& s) noexcept;
/// The size of its window. Throws std::system_error: ENOTTY when it is none.
window_size size_of_terminal(const stream& of);

}  // namespace bight
