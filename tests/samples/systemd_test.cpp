// A server whose socket is opened by a service manager.
#include "server.hpp"

#include "support/skip.hpp"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <cstdint>
#include <stdexcept>
#include <string>

using namespace test;

namespace {

// Connects as soon as somebody listens.
client client_of(std::uint16_t port) {
    const sockaddr_in at = loopback(port);
    for (const auto until = deadline(); steady::now() < until;) {
        client made(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
        if (::connect(made.native_handle(), reinterpret_cast<const sockaddr*>(&at), sizeof at) == 0)
            return made;
        ::usleep(10'000);
    }
    throw std::runtime_error("nobody listens");
}

void talk_to(std::uint16_t port) {
    client peer = client_of(port);
    REQUIRE(peer.send("hello"));
    CHECK(peer.read(5) == "hello");
}

}  // namespace

TEST_CASE("a server takes the socket that it was passed, by its name") {
    const auto kind = GENERATE(from_range(demultiplexers()));
    CAPTURE(kind);
    const plain_listener door;
    REQUIRE(::fcntl(door.native_handle(), F_SETFD, 0) == 0);
    // What a service manager does: descriptor 3 on, and who they are for.
    const std::string script =
        "LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=web; export LISTEN_PID LISTEN_FDS "
        "LISTEN_FDNAMES; exec " +
        sample("echo") + " systemd:web 3<&" + std::to_string(door.native_handle());
    process echo({"/bin/sh", "-c", script}, {use_reactor(kind)});
    talk_to(door.port());
    echo.signal(SIGTERM);
    CHECK(echo.wait() == exit_state{143, 0});
}

TEST_CASE("systemd-socket-activate starts a server at its first client, which is served") {
    const std::string activate = "/usr/bin/systemd-socket-activate";
    if (::access(activate.c_str(), X_OK) != 0) skip("there is no systemd-socket-activate");
    const std::uint16_t port = free_port();
    process echo({activate, "-l", "127.0.0.1:" + std::to_string(port), sample("echo"), "systemd:index=0"});
    talk_to(port);
    echo.signal(SIGTERM);
    CHECK(echo.wait() == exit_state{143, 0});
}
