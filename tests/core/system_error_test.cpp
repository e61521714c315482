// Which std::errc an error of the system is, and that its own code stays.
#include <bight/core/error.hpp>

#include "core/system_error.hpp"
#include "core/windows_error_numbers.hpp"
#include "support/catch.hpp"

#include <cerrno>
#include <string>
#include <system_error>

using bight::detail::errno_category;
using bight::detail::errno_for_windows;
using bight::detail::errno_of;
using bight::detail::system_error_code;

namespace {

struct row {
    unsigned long code;
    int number;
    std::errc condition;
};

// Written out from the documentation of Windows; the codes of the first group are those that overlapped
// operations end with, where the calls have those of the second.
constexpr row table[] = {
    {59, ECONNABORTED, std::errc::connection_aborted},               // ERROR_UNEXP_NET_ERR
    {64, ECONNRESET, std::errc::connection_reset},                   // ERROR_NETNAME_DELETED
    {121, ETIMEDOUT, std::errc::timed_out},                          // ERROR_SEM_TIMEOUT
    {234, EMSGSIZE, std::errc::message_size},                        // ERROR_MORE_DATA
    {995, ECANCELED, std::errc::operation_canceled},                 // ERROR_OPERATION_ABORTED
    {1225, ECONNREFUSED, std::errc::connection_refused},             // ERROR_CONNECTION_REFUSED
    {1231, ENETUNREACH, std::errc::network_unreachable},             // ERROR_NETWORK_UNREACHABLE
    {1232, EHOSTUNREACH, std::errc::host_unreachable},               // ERROR_HOST_UNREACHABLE
    {1236, ECONNABORTED, std::errc::connection_aborted},             // ERROR_CONNECTION_ABORTED
    {10013, EACCES, std::errc::permission_denied},                   // WSAEACCES
    {10022, EINVAL, std::errc::invalid_argument},                    // WSAEINVAL
    {10024, EMFILE, std::errc::too_many_files_open},                 // WSAEMFILE
    {10035, EAGAIN, std::errc::resource_unavailable_try_again},      // WSAEWOULDBLOCK
    {10038, ENOTSOCK, std::errc::not_a_socket},                      // WSAENOTSOCK
    {10042, ENOPROTOOPT, std::errc::no_protocol_option},             // WSAENOPROTOOPT
    {10047, EAFNOSUPPORT, std::errc::address_family_not_supported},  // WSAEAFNOSUPPORT
    {10048, EADDRINUSE, std::errc::address_in_use},                  // WSAEADDRINUSE
    {10049, EADDRNOTAVAIL, std::errc::address_not_available},        // WSAEADDRNOTAVAIL
    {10051, ENETUNREACH, std::errc::network_unreachable},            // WSAENETUNREACH
    {10053, ECONNABORTED, std::errc::connection_aborted},            // WSAECONNABORTED
    {10054, ECONNRESET, std::errc::connection_reset},                // WSAECONNRESET
    {10055, ENOBUFS, std::errc::no_buffer_space},                    // WSAENOBUFS
    {10057, ENOTCONN, std::errc::not_connected},                     // WSAENOTCONN
    {10058, EPIPE, std::errc::broken_pipe},                          // WSAESHUTDOWN
    {10060, ETIMEDOUT, std::errc::timed_out},                        // WSAETIMEDOUT
    {10061, ECONNREFUSED, std::errc::connection_refused},            // WSAECONNREFUSED
    {10065, EHOSTUNREACH, std::errc::host_unreachable},              // WSAEHOSTUNREACH
    {2, ENOENT, std::errc::no_such_file_or_directory},               // ERROR_FILE_NOT_FOUND
    {5, EACCES, std::errc::permission_denied},                       // ERROR_ACCESS_DENIED
    {8, ENOMEM, std::errc::not_enough_memory},                       // ERROR_NOT_ENOUGH_MEMORY
    {80, EEXIST, std::errc::file_exists},                            // ERROR_FILE_EXISTS
    {109, EPIPE, std::errc::broken_pipe},                            // ERROR_BROKEN_PIPE
    {112, ENOSPC, std::errc::no_space_on_device},                    // ERROR_DISK_FULL
    {145, ENOTEMPTY, std::errc::directory_not_empty},                // ERROR_DIR_NOT_EMPTY
};

}  // namespace

TEST_CASE("each code of Windows stands for the errno that it is documented for") {
    for (const row& r : table) {
        INFO("code " << r.code);
        CHECK(errno_for_windows(r.code) == r.number);
        CHECK(std::error_code(r.number, std::generic_category()) == r.condition);
    }
    CHECK(errno_for_windows(0) == 0);
    CHECK(errno_for_windows(1399) == 0);  // in no table
}

TEST_CASE("an errno that bight finds itself is the condition of that name") {
    for (const int number : {EINVAL, EBADF, ECONNRESET, ECONNREFUSED, ETIMEDOUT, ENOMEM}) {
        INFO("errno " << number);
        const std::error_condition expected(number, std::generic_category());
        CHECK(std::error_code(number, errno_category()) == expected);
        CHECK(system_error_code(number) == expected);
        CHECK(system_error_code(number).value() == number);
        CHECK(errno_of(number) == number);
        CHECK(bight::detail::is_of_system(system_error_code(number)));
    }
    CHECK_FALSE(bight::detail::is_of_system(bight::errc::closed));
}

#if defined(_WIN32)

TEST_CASE("a code of Windows is kept, and equals the condition that it stands for") {
    for (const row& r : table) {
        INFO("code " << r.code);
        const int number = bight::detail::error_number(r.code);
        CHECK(errno_of(number) == r.number);
        const std::error_code told = system_error_code(number);
        CHECK(told == r.condition);
        CHECK(bight::detail::is_of_system(told));
        // What is no failure is compared as it is.
        if (r.number == EAGAIN || r.number == ECANCELED) {
            CHECK(number == r.number);
            continue;
        }
        CHECK(told.value() == static_cast<int>(r.code));
        CHECK(told.category() == bight::detail::windows_category());
        CHECK(told.message().find("Windows error " + std::to_string(r.code)) != std::string::npos);
    }
}

TEST_CASE("a code of Windows that is in no table is an input/output error that keeps its code") {
    const int number = bight::detail::error_number(1399);
    CHECK(errno_of(number) == EIO);
    CHECK(system_error_code(number) == std::errc::io_error);
    CHECK(system_error_code(number).value() == 1399);
    CHECK(errno_of(bight::detail::error_number(0xc0000001)) == EIO);
}

TEST_CASE("two codes for one condition are two errors") {
    const std::error_code by_completion = system_error_code(bight::detail::error_number(64));
    const std::error_code by_call = system_error_code(bight::detail::error_number(10054));
    CHECK(by_completion != by_call);
    CHECK(by_completion == std::errc::connection_reset);
    CHECK(by_call == std::errc::connection_reset);
}

#endif
