#include "socket_faults.hpp"

#include "posix.hpp"

#include <mswsock.h>
#include <windows.h>

#include <cstring>
#include <mutex>

namespace test {

std::atomic<int (*)()> accept_fault{nullptr};

}  // namespace test

namespace {

// How many more sockets there may be.
class budget {
  public:
    void set(bool limited, int left) {
        const std::lock_guard hold(lock_);
        limited_ = limited;
        left_ = left;
    }
    bool take() {
        const std::lock_guard hold(lock_);
        if (limited_ && left_ == 0) return false;
        --left_;
        return true;
    }
    void give_back() {
        const std::lock_guard hold(lock_);
        ++left_;
    }

  private:
    std::mutex lock_;
    bool limited_ = false;
    int left_ = 0;
};

budget& sockets() {
    static budget of_the_program;
    return of_the_program;
}

// The function that has its place taken here.
template <class Call>
Call real(const char* name, Call) {
    return reinterpret_cast<Call>(
        reinterpret_cast<void*>(::GetProcAddress(::GetModuleHandleA("ws2_32.dll"), name)));
}

// A socket that `make` makes, if there may be one more.
template <class Make>
SOCKET one_more(Make make) {
    if (!sockets().take()) {
        ::WSASetLastError(WSAEMFILE);
        return INVALID_SOCKET;
    }
    const SOCKET made = make();
    if (made == INVALID_SOCKET) {
        const int error = ::WSAGetLastError();
        sockets().give_back();
        ::WSASetLastError(error);
    }
    return made;
}

// False when an accept is to fail, which it is told by WSAGetLastError.
bool may_accept() {
    const auto fault = test::accept_fault.load();
    const int error = fault ? fault() : 0;
    if (error != 0) ::WSASetLastError(error);
    return error == 0;
}

SOCKET WSAAPI limited_socket(int family, int type, int protocol) {
    static const auto call = real("socket", &limited_socket);
    return one_more([&] { return call(family, type, protocol); });
}

SOCKET WSAAPI limited_wsa_socket(int family, int type, int protocol, WSAPROTOCOL_INFOW* info, GROUP group,
                                 DWORD flags) {
    static const auto call = real("WSASocketW", &limited_wsa_socket);
    return one_more([&] { return call(family, type, protocol, info, group, flags); });
}

SOCKET WSAAPI limited_accept(SOCKET listening, sockaddr* from, int* size) {
    static const auto call = real("accept", &limited_accept);
    if (!may_accept()) return INVALID_SOCKET;
    return one_more([&] { return call(listening, from, size); });
}

int WSAAPI counted_closesocket(SOCKET s) {
    static const auto call = real("closesocket", &counted_closesocket);
    const int result = call(s);
    if (result == 0) sockets().give_back();
    return result;
}

using accept_ex = BOOL(WINAPI*)(SOCKET, SOCKET, void*, DWORD, DWORD, DWORD, DWORD*, OVERLAPPED*);
accept_ex real_accept_ex = nullptr;

BOOL WINAPI faulty_accept_ex(SOCKET listening, SOCKET made, void* addresses, DWORD data, DWORD local, DWORD remote,
                             DWORD* received, OVERLAPPED* overlapped) {
    return may_accept() && real_accept_ex(listening, made, addresses, data, local, remote, received, overlapped);
}

// AcceptEx is to be had by an ioctl only.
int WSAAPI faulty_ioctl(SOCKET s, DWORD code, void* in, DWORD in_size, void* out, DWORD out_size, DWORD* got,
                        OVERLAPPED* overlapped, LPWSAOVERLAPPED_COMPLETION_ROUTINE completed) {
    static const auto call = real("WSAIoctl", &faulty_ioctl);
    const int result = call(s, code, in, in_size, out, out_size, got, overlapped, completed);
    const GUID accepts = WSAID_ACCEPTEX;
    if (result == 0 && code == SIO_GET_EXTENSION_FUNCTION_POINTER && in_size == sizeof accepts &&
        std::memcmp(in, &accepts, sizeof accepts) == 0) {
        const accept_ex faulty = &faulty_accept_ex;
        std::memcpy(&real_accept_ex, out, sizeof real_accept_ex);
        std::memcpy(out, &faulty, sizeof faulty);
    }
    return result;
}

}  // namespace

// What a call of an imported function goes through. The linker takes these before those of the import library.
extern "C" {
decltype(&limited_socket) __imp_socket = &limited_socket;
decltype(&limited_wsa_socket) __imp_WSASocketW = &limited_wsa_socket;
decltype(&limited_accept) __imp_accept = &limited_accept;
decltype(&counted_closesocket) __imp_closesocket = &counted_closesocket;
decltype(&faulty_ioctl) __imp_WSAIoctl = &faulty_ioctl;
}

namespace test {

few_sockets::few_sockets(int more) { sockets().set(true, more); }
few_sockets::~few_sockets() { sockets().set(false, 0); }

void interrupt_accept(int listening) {
    ::CancelIoEx(reinterpret_cast<HANDLE>(static_cast<std::intptr_t>(listening)), nullptr);
}

}  // namespace test
