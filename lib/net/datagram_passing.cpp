// Descriptors that go along with Unix datagrams. docs/design/descriptor_passing.md says who owns which
// descriptor when.
#include "datagram_passing.hpp"

#include "datagram_port.hpp"
#include "passing.hpp"

#include "../core/system_error.hpp"

#include <bight/core/error.hpp>
#include <bight/core/reactor.hpp>
#include <bight/io/detail/stream.hpp>
#include <bight/net/datagram_socket.hpp>

#include <algorithm>
#include <cerrno>
#include <string>
#include <system_error>
#include <utility>

namespace bight {

namespace detail {

datagram_port* datagram_port_access::of(const datagram_socket& s) noexcept { return s.port_; }

descriptors_receive::descriptors_receive(datagram_port* on, mutable_buffer memory, received_descriptors& to,
                                         std::size_t most, std::size_t beside) noexcept
    : receive_datagrams_awaiter(on), to_(to), most_(most) {
    slot_.memory = memory;
    control_.make_room(most, beside);
}

descriptors_receive::~descriptors_receive() {
    std::vector<owned_descriptor> none;
    control_.set_size(told_.arrived ? told_.size : 0);
    control_.take(none, 0);
}

bool descriptors_receive::suspend(promise_base& p) noexcept {
    told_.data = control_.data();
    told_.size = control_.size();
    along_ = &told_;
    return receive_datagrams_awaiter::suspend(p, &slot_, 1);
}

received_datagram descriptors_receive::await_resume() {
    check();
    control_.set_size(told_.arrived ? told_.size : 0);
    told_.arrived = false;
    const std::size_t came = control_.take(to_.descriptors, most_);
    if (came > most_ || (told_.cut_off && came == most_)) {
        to_.missing = errc::too_long;
    } else if (told_.cut_off) {
        to_.missing = system_error_code(EMFILE);
    }
    return slot_.got;
}

descriptors_send::descriptors_send(datagram_port* on, const address* to, const_buffer bytes,
                                   const std::vector<int>& descriptors) noexcept
    : send_datagrams_awaiter(on), wanted_(to), bytes_(bytes), descriptors_(descriptors) {
    control_.put(descriptors);
}

void descriptors_send::await_resume() const {
    if (on_ && error_ == no_connection()) {
        std::string text = "send descriptors from ";
        on_->describe(text);
        throw std::system_error(error_, text + what_is_not_open(sockets_here(), descriptors_));
    }
    check();
}

bool descriptors_send::suspend(promise_base& p) noexcept {
    told_.data = control_.data();
    told_.size = control_.size();
    along_ = &told_;
    return suspend_pieces(p, wanted_, &bytes_, 1);
}

}  // namespace detail

namespace {

[[noreturn]] void refuse(int error, const char* what, const detail::datagram_port& at,
                         const std::string& why) {
    std::string text = what;
    at.describe(text);
    throw std::system_error(error, detail::errno_category(), text + ": " + why);
}

// The port, if it passes descriptors; null when the await is to say what is wrong with it.
detail::datagram_port* passing_port(const datagram_socket& of, const char* what) {
    detail::datagram_port* const port = detail::datagram_port_access::of(of);
    if (!port || &port->home() != reactor::current()) return nullptr;
    if (!port->passes_descriptors()) {
        refuse(EOPNOTSUPP, what, *port,
               detail::descriptor_control::offered() ? "descriptors are passed over Unix sockets alone"
                                                     : "this system passes no descriptors over sockets");
    }
    return port;
}

constexpr const char* receiving_at = "receive descriptors at ";
constexpr const char* sending_from = "send descriptors from ";

}  // namespace

task<received_with_descriptors> receive_descriptors(datagram_socket& from, mutable_buffer memory,
                                                    std::size_t limit) {
    detail::datagram_port* const port = passing_port(from, receiving_at);
    if (port && limit == 0) refuse(EINVAL, receiving_at, *port, "a limit of 0; receive_from takes none");
    received_with_descriptors got;
    const std::size_t most = std::min(limit, most_descriptors_of_a_message);
    got.descriptors.reserve(most);
    const std::size_t beside = port ? port->room_beside_descriptors() : 0;
    detail::datagram_port* const at = detail::datagram_port_access::of(from);
    got.datagram = co_await detail::descriptors_receive(at, memory, got, most, beside);
    co_return got;
}

task<> send_descriptors(datagram_socket& by, std::vector<int> descriptors, payload bytes, address to) {
    if (detail::datagram_port* const port = passing_port(by, sending_from)) {
        if (descriptors.empty()) refuse(EINVAL, sending_from, *port, "none were given");
        if (descriptors.size() > most_descriptors_of_a_message) {
            refuse(EINVAL, sending_from, *port,
                   std::to_string(descriptors.size()) + " of them, and a datagram takes " +
                       std::to_string(most_descriptors_of_a_message));
        }
    }
    descriptors.resize(std::min(descriptors.size(), most_descriptors_of_a_message));
    detail::datagram_port* const at = detail::datagram_port_access::of(by);
    co_await detail::descriptors_send(at, to ? &to : nullptr, bytes, descriptors);
}

task<> send_descriptor(datagram_socket& by, int descriptor, payload bytes, address to) {
    return send_descriptors(by, std::vector<int>(1, descriptor), std::move(bytes), std::move(to));
}

task<> send_descriptor(datagram_socket& by, owned_descriptor descriptor, payload bytes, address to) {
    co_await send_descriptor(by, descriptor.get(), std::move(bytes), std::move(to));
}

}  // namespace bight
