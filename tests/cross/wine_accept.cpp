// What wine_accept.py runs: calls of Winsock, and nothing of bight. Between "port" and the first accept() it
// waits for the script to stop Wine's server.
#include <winsock2.h>

#include <ws2tcpip.h>

#include <windows.h>

#include <cstdio>

namespace {

const char* what_accept_gives(SOCKET listener) {
    const SOCKET got = ::accept(listener, nullptr, nullptr);
    return got != INVALID_SOCKET                   ? "a connection"
           : ::WSAGetLastError() == WSAEWOULDBLOCK ? "none"
                                                   : "an error";
}

const char* set(HANDLE event, DWORD patience) {
    return ::WaitForSingleObject(event, patience) == WAIT_OBJECT_0 ? "set" : "not set";
}

void say(const char* what, const char* how) {
    std::printf("%s: %s\n", what, how);
    std::fflush(stdout);
}

}  // namespace

int main() {
    WSADATA data;
    ::WSAStartup(MAKEWORD(2, 2), &data);
    const SOCKET listener = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int size = sizeof address;
    const HANDLE event = ::CreateEventW(nullptr, FALSE, FALSE, nullptr);
    if (::bind(listener, reinterpret_cast<sockaddr*>(&address), size) != 0 || ::listen(listener, 10) != 0 ||
        ::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size) != 0 ||
        ::WSAEventSelect(listener, event, FD_ACCEPT) != 0) {
        std::printf("error %d\n", ::WSAGetLastError());
        return 1;
    }
    std::printf("port %d\n", ntohs(address.sin_port));
    std::fflush(stdout);
    ::Sleep(1500);
    say("the first accept()", what_accept_gives(listener));  // of a connection that comes while it is made
    say("its event", set(event, 1000));
    WSANETWORKEVENTS events{};
    ::WSAEnumNetworkEvents(listener, nullptr, &events);
    say("FD_ACCEPT", (events.lNetworkEvents & FD_ACCEPT) != 0 ? "told" : "not told");
    say("the second accept()", what_accept_gives(listener));
    say("another one", "connects");
    say("its event", set(event, 4000));
    say("the third accept()", what_accept_gives(listener));
    ::ExitProcess(0);
}
