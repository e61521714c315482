#include <bight/os/terminal.hpp>

#include "child_pipe.hpp"
#include "descriptor_claim.hpp"
#include "file_call.hpp"
#include "file_error.hpp"
#include "pipe_transport.hpp"
#include "stream_over.hpp"

#include "../core/process.hpp"
#include "../core/system_error.hpp"
#include "../demux/file_operation.hpp"

#include <bight/net/owned_descriptor.hpp>

#include <fcntl.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <string>
#include <system_error>
#include <utility>

namespace bight {

namespace detail {

namespace {

struct terminal_speed {
    unsigned bits;
    speed_t code;
};

// Those of POSIX, and what systems have beyond them.
constexpr terminal_speed terminal_speeds[] = {
    {50, B50},           {75, B75},     {110, B110},   {134, B134},     {150, B150},
    {200, B200},         {300, B300},   {600, B600},   {1200, B1200},   {1800, B1800},
    {2400, B2400},       {4800, B4800}, {9600, B9600}, {19200, B19200}, {38400, B38400},
#if defined(B57600)
    {57600, B57600},
#endif
#if defined(B115200)
    {115200, B115200},
#endif
#if defined(B230400)
    {230400, B230400},
#endif
#if defined(B460800)
    {460800, B460800},
#endif
#if defined(B500000)
    {500000, B500000},
#endif
#if defined(B921600)
    {921600, B921600},
#endif
#if defined(B1000000)
    {1000000, B1000000},
#endif
#if defined(B2000000)
    {2000000, B2000000},
#endif
#if defined(B3000000)
    {3000000, B3000000},
#endif
#if defined(B4000000)
    {4000000, B4000000},
#endif
};

[[noreturn]] void refuse_setting(const std::string& path, const std::string& what) {
    throw std::system_error(system_error_code(EINVAL), "open_terminal " + printable(path) + ": " + what);
}

speed_t code_of_speed(const std::string& path, unsigned bits) {
    for (const terminal_speed& s : terminal_speeds) {
        if (s.bits == bits) return s.code;
    }
    refuse_setting(path, "a speed of " + std::to_string(bits) + " bits per second");
}

tcflag_t code_of_data_bits(const std::string& path, unsigned bits) {
    switch (bits) {
        case 5: return CS5;
        case 6: return CS6;
        case 7: return CS7;
        case 8: return CS8;
        default: refuse_setting(path, std::to_string(bits) + " data bits: 5 to 8");
    }
}

// As cfmakeraw(3), which not every system has.
void make_raw(termios& t) noexcept {
    t.c_iflag &= ~static_cast<tcflag_t>(IGNBRK | BRKINT | PARMRK | ISTRIP | INLCR | IGNCR | ICRNL | IXON);
    t.c_oflag &= ~static_cast<tcflag_t>(OPOST);
    t.c_lflag &= ~static_cast<tcflag_t>(ECHO | ECHONL | ICANON | ISIG | IEXTEN);
    t.c_cc[VMIN] = 1;
    t.c_cc[VTIME] = 0;
}

void apply_settings(termios& t, const std::string& path, const terminal_settings& s) {
    if (s.raw) make_raw(t);
    if (s.stop_bits != 1 && s.stop_bits != 2) {
        refuse_setting(path, std::to_string(s.stop_bits) + " stop bits: 1 or 2");
    }
    t.c_cflag &= ~static_cast<tcflag_t>(CSIZE | CSTOPB | PARENB | PARODD);
    t.c_cflag |= CREAD | CLOCAL | code_of_data_bits(path, s.data_bits);
    if (s.stop_bits == 2) t.c_cflag |= CSTOPB;
    if (s.parity != terminal_parity::none) t.c_cflag |= PARENB;
    if (s.parity == terminal_parity::odd) t.c_cflag |= PARODD;
    t.c_iflag &= ~static_cast<tcflag_t>(INPCK | IXON | IXOFF | IXANY);
    if (s.parity != terminal_parity::none) t.c_iflag |= INPCK;
    if (s.flow_control == terminal_flow_control::software) t.c_iflag |= IXON | IXOFF;
#if defined(CRTSCTS)
    t.c_cflag &= ~static_cast<tcflag_t>(CRTSCTS);
    if (s.flow_control == terminal_flow_control::hardware) t.c_cflag |= CRTSCTS;
#else
    if (s.flow_control == terminal_flow_control::hardware) refuse_setting(path, "no RTS and CTS here");
#endif
    if (s.speed != 0) {
        const speed_t code = code_of_speed(path, s.speed);
        ::cfsetispeed(&t, code);
        ::cfsetospeed(&t, code);
    }
}

// The call succeeds when anything of it could be set.
void check_taken(int fd, const std::string& path, const termios& wanted, const terminal_settings& s) {
    termios now{};
    if (::tcgetattr(fd, &now) < 0) throw_file_error("open_terminal", path, -errno);
    const auto differs = [&](tcflag_t which) { return ((now.c_cflag ^ wanted.c_cflag) & which) != 0; };
    if (differs(PARENB | PARODD)) refuse_setting(path, "it does not take that parity");
    if (differs(CSIZE)) refuse_setting(path, "it does not take that number of data bits");
    if (differs(CSTOPB)) refuse_setting(path, "it does not take that number of stop bits");
    if (s.speed != 0 && (::cfgetospeed(&now) != ::cfgetospeed(&wanted))) {
        refuse_setting(path, "it does not take a speed of " + std::to_string(s.speed) + " bits per second");
    }
}

// The settings that a terminal had before; a forked child leaves them to its parent.
class terminal_claim final : public descriptor_claim {
  public:
    terminal_claim(int fd, const termios& before) noexcept : fd_(fd), before_(before) {}
    ~terminal_claim() override {
        if (process_ == this_process()) ::tcsetattr(fd_, TCSANOW, &before_);
    }

  private:
    const int fd_;
    const termios before_;
    const unsigned process_ = this_process();
};

termios settings_of(const stream& of, const char* who) {
    termios now{};
    if (!of || of.native_handle() < 0) {
        throw std::system_error(system_error_code(EBADF), std::string(who) + " of a closed stream");
    }
    if (::tcgetattr(of.native_handle(), &now) < 0) throw std::system_error(system_error_code(errno), who);
    return now;
}

}  // namespace

class kept_terminal_mode {
  public:
    kept_terminal_mode(int fd, const termios& before)
        : fd_(::fcntl(fd, F_DUPFD_CLOEXEC, 3)), before_(before) {
        if (!fd_) throw std::system_error(system_error_code(errno), "terminal_mode");
    }
    kept_terminal_mode(const kept_terminal_mode&) = delete;
    kept_terminal_mode& operator=(const kept_terminal_mode&) = delete;
    ~kept_terminal_mode() {
        if (process_ == this_process()) ::tcsetattr(fd_.get(), TCSANOW, &before_);
    }
    void set(const termios& wanted) const {
        if (::tcsetattr(fd_.get(), TCSANOW, &wanted) < 0) {
            throw std::system_error(system_error_code(errno), "terminal_mode");
        }
    }

  private:
    const owned_descriptor fd_;
    const termios before_;
    const unsigned process_ = this_process();
};

}  // namespace detail

task<stream> open_terminal(std::string path, terminal_settings settings) {
    reactor& home = detail::reactor_with_descriptors("open_terminal");
    detail::check_path("open_terminal", path);
    detail::file_call<> call(detail::operation_kind::open_file, "the opening of", path.c_str());
    call.op.flags = O_RDWR | O_NONBLOCK | O_NOCTTY;  // a line without a carrier would be waited for
    const std::int64_t result = co_await std::move(call);
    detail::check_file_result(result, "open_terminal", path);
    owned_descriptor made(detail::above_standard(static_cast<int>(result)));
    if (!made) detail::throw_file_error("open_terminal", path, -EMFILE);
    termios before{};
    if (::tcgetattr(made.get(), &before) < 0) detail::throw_file_error("open_terminal", path, -errno);
    termios wanted = before;
    detail::apply_settings(wanted, path, settings);
    auto claim = std::make_unique<detail::terminal_claim>(made.get(), before);
    if (::tcsetattr(made.get(), TCSANOW, &wanted) < 0) {
        detail::throw_file_error("open_terminal", path, -errno);
    }
    detail::check_taken(made.get(), path, wanted, settings);
    co_return stream(detail::pipe_transport::make(home, made.release(), detail::pipe_transport::way::both,
                                                  std::move(path), detail::call_mode::own, std::move(claim)));
}

terminal_mode::terminal_mode() noexcept = default;
terminal_mode::terminal_mode(terminal_mode&& other) noexcept = default;
terminal_mode& terminal_mode::operator=(terminal_mode&& other) noexcept = default;
terminal_mode::~terminal_mode() = default;
terminal_mode::terminal_mode(std::unique_ptr<detail::kept_terminal_mode> kept) noexcept
    : kept_(std::move(kept)) {}

void terminal_mode::restore() noexcept { kept_.reset(); }

terminal_mode terminal_mode::raw(const stream& of) {
    const termios before = detail::settings_of(of, "terminal_mode::raw");
    auto kept = std::make_unique<detail::kept_terminal_mode>(of.native_handle(), before);
    termios wanted = before;
    detail::make_raw(wanted);
    kept->set(wanted);
    return terminal_mode(std::move(kept));
}

terminal_mode terminal_mode::without_echo(const stream& of) {
    const termios before = detail::settings_of(of, "terminal_mode::without_echo");
    auto kept = std::make_unique<detail::kept_terminal_mode>(of.native_handle(), before);
    termios wanted = before;
    wanted.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    wanted.c_lflag |= ECHONL;
    kept->set(wanted);
    return terminal_mode(std::move(kept));
}

bool is_terminal(const stream& s) noexcept { return s && ::isatty(s.native_handle()) == 1; }

window_size size_of_terminal(const stream& of) {
    winsize s{};
    if (!of || ::ioctl(of.native_handle(), TIOCGWINSZ, &s) < 0) {
        throw std::system_error(detail::system_error_code(of && errno != EBADF ? errno : EBADF),
                                "size_of_terminal");
    }
    return {s.ws_row, s.ws_col};
}

}  // namespace bight
