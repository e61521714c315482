#include "new_socket.hpp"

#include "option_values.hpp"
#include "resolve.hpp"

#include "../core/system_error.hpp"

#include <bight/core/error.hpp>

#include <cerrno>
#include <chrono>
#include <system_error>
#include <thread>

namespace bight::detail {

namespace {

// A killed server that used io_uring holds its addresses a little longer: the kernel destroys the ring, and
// with it the sockets, some 50 ms after the process has ended.
constexpr int most_binds = 26;
constexpr std::chrono::milliseconds between_binds{10};

[[noreturn]] void making_failed(int error, const std::string& what) {
    throw std::system_error(system_error_code(error), what);
}

}  // namespace

new_socket::new_socket(socket_calls& calls, int family, socket_type type, const std::string& where)
    : calls_(calls), type_(type), where_(where), fd_(calls.open(family, type)) {
    if (fd_ < 0) making_failed(-fd_, "socket for " + where);
}

void new_socket::set(socket_calls::option which, bool on) const {
    if (const int error = calls_.set(fd_, which, on); error < 0)
        making_failed(-error, "setsockopt for " + where_);
}

void new_socket::set(const socket_options& options) const { set_options(calls_, fd_, options, where_); }

// `make_way` is called before each try, and returns what is at the address.
template <class F>
void new_socket::bind(const address& to, F make_way) const {
    for (int tries = 1;; ++tries) {
        const auto found = make_way();
        const int error = calls_.bind(fd_, to);
        if (error >= 0) return;
        if (errno_of(-error) != EADDRINUSE || found != socket_calls::occupant::none || tries == most_binds ||
            &calls_ != &kernel_sockets()) {
            const bool other_file = found == socket_calls::occupant::no_socket;
            making_failed(-error, "cannot bind to " + where_ +
                                      (other_file ? ", where a file is that is no socket" : ""));
        }
        std::this_thread::sleep_for(between_binds);
    }
}

void new_socket::bind(const address& to) const {
    bind(to, [] { return socket_calls::occupant::none; });
}

new_socket::path_binding::path_binding(const new_socket& of, const address& to, int mode)
    : calls_(of.calls_) {
    if (to.path().starts_with('@')) {
        of.bind(to);
        return;
    }
    std::string path = calls_.full_path(to);
    lock_ = calls_.lock_directory_of(path);
    try {
        // Set before bind, so that the file is never more accessible than it should be, and again afterwards,
        // without the umask.
        if (mode >= 0) calls_.set_coming_mode(of.fd_, mode);
        of.bind(to, [&] { return calls_.remove_stale(to, of.type_); });
        file_ = calls_.file_at(std::move(path));
        const int error = mode >= 0 ? calls_.set_mode(to, mode) : 0;
        if (error < 0) making_failed(-error, "chmod of " + to.path());
    } catch (...) {
        end();
        throw;
    }
}

void new_socket::path_binding::end() noexcept {
    if (lock_ >= 0) calls_.close(lock_);
    if (file_) calls_.remove(file_);
}

address address_to_bind(const endpoint& e, const char* what) {
    const std::string& host = e.interface.empty() ? e.host : e.interface;
    if (host.empty()) return address::from_ip(e.only_ipv6() ? "::" : "0.0.0.0", e.port);
    address to;
    if (!resolve_locally(host, e.port, e.only_ipv6(), to)) {
        throw std::system_error(errc::bad_endpoint,
                                std::string("cannot ") + what + ' ' + e.to_string() + ": \"" + host +
                                    "\" is not an address of an interface (a numeric address, or localhost)");
    }
    return to;
}

}  // namespace bight::detail
