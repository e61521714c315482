#include <bight/net/descriptor_passing.hpp>

#include "acceptor.hpp"
#include "passing.hpp"
#include "socket_transport.hpp"

#include "../core/reactor_state.hpp"
#include "../core/system_error.hpp"

#include <bight/core/error.hpp>
#include <bight/core/reactor.hpp>
#include <bight/io/detail/stream.hpp>
#include <bight/net/listener.hpp>

#include <cerrno>
#include <string>
#include <utility>

namespace bight {

namespace {

[[noreturn]] void refuse(std::error_code error, const char* what, const stream& of, const std::string& why) {
    std::string text = what;
    text += ' ';
    of.lower().describe(text);
    throw std::system_error(error, text + ": " + why);
}

[[noreturn]] void refuse(int error, const char* what, const stream& of, const std::string& why) {
    refuse({error, detail::errno_category()}, what, of, why);
}

// The socket of a stream that may be used here.
detail::socket_transport& socket_under(const stream& of, const char* what) {
    if (!of) detail::throw_stream_error(detail::no_connection(), what, nullptr);
    if (detail::belongs_elsewhere(of.lower()))
        detail::throw_stream_error(errc::wrong_thread, what, &of.lower());
    auto* const socket = dynamic_cast<detail::socket_transport*>(&of.lower());
    if (!socket) refuse(EOPNOTSUPP, what, of, "it is no socket");
    return *socket;
}

// The same of one that passes descriptors.
detail::socket_transport& passing_socket(const stream& of, const char* what) {
    detail::socket_transport& socket = socket_under(of, what);
    if (!socket.attached()) detail::throw_stream_error(socket.why_closed(), what, &socket);
    if (!socket.passes_descriptors()) {
        refuse(EOPNOTSUPP, what, of,
               detail::descriptor_control::offered() ? "descriptors are passed over Unix sockets alone"
                                                     : "this system passes no descriptors over sockets");
    }
    return socket;
}

constexpr const char* to_accept = "accept descriptors from";
constexpr const char* to_send = "send descriptors to";

}  // namespace

void accept_descriptors(stream& from, std::size_t limit) {
    detail::socket_transport& socket = passing_socket(from, to_accept);
    if (limit == 0) refuse(EINVAL, to_accept, from, "a limit of 0; without this call it takes none");
    const std::error_code error = socket.accept_descriptors(limit);
    if (error == errc::busy) {
        refuse(error, to_accept, from, "it was read before, and what had come then is lost: call this first");
    }
    if (error) detail::throw_stream_error(error, to_accept, &socket);
}

received_descriptors take_descriptors(stream& from) noexcept {
    const auto* const socket = from ? dynamic_cast<detail::socket_transport*>(&from.lower()) : nullptr;
    if (detail::descriptor_intake* const intake = socket ? socket->intake() : nullptr)
        return std::exchange(intake->held, {});
    received_descriptors none;
    if (!from) none.missing = detail::no_connection();
    if (socket && socket->passes_descriptors()) none.missing = errc::not_accepted;
    return none;
}

task<received_message> receive_descriptors(stream& from, mutable_buffer memory, std::size_t limit) {
    const bool accepts = passing_socket(from, to_accept).intake() != nullptr;
    if (memory.size == 0) refuse(EINVAL, to_accept, from, "memory of 0 bytes, and 0 bytes mean the end");
    if (!accepts) accept_descriptors(from, limit);
    received_message message;
    message.size = co_await from.read_some(memory);
    static_cast<received_descriptors&>(message) = take_descriptors(from);
    co_return message;
}

task<> send_descriptors(stream& to, std::vector<int> descriptors, payload bytes) {
    detail::socket_transport& socket = passing_socket(to, to_send);
    if (bytes.size() == 0) refuse(EINVAL, to_send, to, "no bytes, and they go with the first one");
    if (descriptors.empty()) refuse(EINVAL, to_send, to, "none were given");
    if (descriptors.size() > most_descriptors_of_a_message) {
        refuse(EINVAL, to_send, to,
               std::to_string(descriptors.size()) + " of them, and a message takes " +
                   std::to_string(most_descriptors_of_a_message));
    }
    co_await detail::descriptor_write(socket, descriptors, bytes);
}

task<> send_descriptor(stream& to, int descriptor, payload bytes) {
    return send_descriptors(to, std::vector<int>(1, descriptor), std::move(bytes));
}

task<> send_descriptor(stream& to, owned_descriptor descriptor, payload bytes) {
    co_await send_descriptor(to, descriptor.get(), std::move(bytes));
}

owned_descriptor release_descriptor(stream&& of) {
    constexpr const char* to_release = "take the socket out of";
    if (of && detail::reactor_state::in_forked_child(of.lower().home())) {
        refuse(errc::wrong_thread, to_release, of, "it belongs to the parent of this process");
    }
    detail::socket_transport& socket = socket_under(of, to_release);
    if (!detail::descriptor_control::offered()) {
        refuse(EOPNOTSUPP, to_release, of, "on this system it stays with its reactor");
    }
    int fd = -1;
    const std::error_code error = socket.release_socket(fd);
    if (error == errc::busy) refuse(error, to_release, of, socket.what_holds_socket());
    if (error == errc::aborted && socket.is_open()) {
        refuse(error, to_release, of, "a write was cut short, and the peer has a part of it");
    }
    if (error) detail::throw_stream_error(error, to_release, &socket);
    const stream emptied = std::move(of);
    return owned_descriptor(fd);
}

released_listener release_listener(listener&& of) {
    constexpr const char* to_release = "take the socket out of";
    detail::acceptor* const acceptor = detail::acceptor_access::of(of);
    if (!acceptor) {
        throw std::system_error(
            detail::no_connection(),
            std::string(to_release) + " an empty listener, which was closed, moved from, or never opened");
    }
    const auto refuse_because = [&](std::error_code error, const char* why) {
        std::string text = to_release;
        text += " a listener";
        if (error != errc::wrong_thread) {  // nothing of another reactor's may be looked at
            text += " at ";
            acceptor->describe(text);
        }
        throw std::system_error(error, text + ": " + why);
    };
    if (detail::reactor_state::in_forked_child(acceptor->home()))
        refuse_because(errc::wrong_thread, "it belongs to the parent of this process");
    if (&acceptor->home() != reactor::current())
        refuse_because(errc::wrong_thread, "it belongs to another reactor");
    const std::error_code not_offered = std::make_error_code(std::errc::operation_not_supported);
    if (!detail::descriptor_control::offered())
        refuse_because(not_offered, "on this system it stays with its reactor");
    released_listener released;
    const std::error_code error = acceptor->release_socket(released);
    if (error == errc::busy) refuse_because(error, "an accept waits there, or has not ended yet");
    if (error == not_offered) refuse_because(error, "another reactor has the socket");
    if (error) refuse_because(error, "it was closed");
    const listener emptied = std::move(of);
    return released;
}

}  // namespace bight
