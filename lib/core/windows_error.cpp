#include "system_error.hpp"

#include "windows_error_numbers.hpp"
#include "windows_text.hpp"

#include <winsock2.h>

#include <windows.h>

#include <cerrno>
#include <iterator>
#include <string>

namespace bight::detail {

namespace {

// UTF-8, without the line end that the texts of the system have. Empty when it has none for the code.
std::string text_of(unsigned long code) {
    wchar_t wide[512];
    constexpr unsigned long how =
        FORMAT_MESSAGE_FROM_SYSTEM | FORMAT_MESSAGE_IGNORE_INSERTS | FORMAT_MESSAGE_MAX_WIDTH_MASK;
    const unsigned long length =
        ::FormatMessageW(how, nullptr, code, 0, wide, static_cast<unsigned long>(std::size(wide)), nullptr);
    std::string text = to_utf8({wide, length});
    while (!text.empty() &&
           (text.back() == ' ' || text.back() == '.' || text.back() == '\n' || text.back() == '\r')) {
        text.pop_back();
    }
    return text;
}

// The C library of mingw has texts for the first forty only.
const char* text_of_errno(int number) noexcept {
    switch (number) {
        case EADDRINUSE: return "address in use";
        case EADDRNOTAVAIL: return "address not available";
        case EAFNOSUPPORT: return "address family not supported";
        case EALREADY: return "connection already in progress";
        case ECANCELED: return "operation cancelled";
        case ECONNABORTED: return "connection aborted";
        case ECONNREFUSED: return "connection refused";
        case ECONNRESET: return "connection reset";
        case EDESTADDRREQ: return "destination address required";
        case EHOSTUNREACH: return "host unreachable";
        case EINPROGRESS: return "operation in progress";
        case EISCONN: return "already connected";
        case ELOOP: return "too many levels of links";
        case EMSGSIZE: return "message too long";
        case ENETDOWN: return "network down";
        case ENETRESET: return "network reset";
        case ENETUNREACH: return "network unreachable";
        case ENOBUFS: return "no buffer space";
        case ENOPROTOOPT: return "no such option of the protocol";
        case ENOTCONN: return "not connected";
        case ENOTSOCK: return "not a socket";
        case ENOTSUP:
        case EOPNOTSUPP: return "not supported";
        case EPROTONOSUPPORT: return "protocol not supported";
        case EPROTOTYPE: return "wrong type of socket";
        case ETIMEDOUT: return "timed out";
        default: return nullptr;
    }
}

class errno_texts final : public std::error_category {
  public:
    const char* name() const noexcept override { return "errno"; }
    std::string message(int code) const override {
        const char* const text = text_of_errno(code);
        return text ? text : std::generic_category().message(code);
    }
    std::error_condition default_error_condition(int code) const noexcept override {
        return {code, std::generic_category()};
    }
};

const std::error_category& category_of_errno() noexcept {
    static const errno_texts the_category;
    return the_category;
}

class category final : public std::error_category {
  public:
    const char* name() const noexcept override { return "windows"; }
    std::string message(int code) const override {
        std::string text = text_of(static_cast<unsigned long>(code));
        if (text.empty()) text = category_of_errno().message(default_error_condition(code).value());
        return text + " (Windows error " + std::to_string(code) + ")";
    }
    std::error_condition default_error_condition(int code) const noexcept override {
        const int number = errno_for_windows(static_cast<unsigned long>(code));
        return {number == 0 && code != 0 ? EIO : number, std::generic_category()};
    }
};

constexpr bool is_no_failure(int error) noexcept {
    return error == ECANCELED || error == EAGAIN || error == EINPROGRESS || error == EINTR;
}

}  // namespace

const std::error_category& windows_category() noexcept {
    static const category the_category;
    return the_category;
}

int error_number(unsigned long windows_code) noexcept {
    const int known = errno_for_windows(windows_code);
    const int number = known != 0 ? known : EIO;
    // All codes of the two functions are below 16,000.
    if (is_no_failure(number) || windows_code > 0x7fff) return number;
    return number | static_cast<int>(windows_code) << 16;
}

int last_error() noexcept { return error_number(::GetLastError()); }

int last_socket_error() noexcept { return error_number(static_cast<unsigned long>(::WSAGetLastError())); }

std::error_code system_error_code(int number) noexcept {
    const int code = number >> 16;
    if (code != 0) return {code, windows_category()};
    return {number, category_of_errno()};
}

bool is_of_system(std::error_code code) noexcept {
    return code.category() == windows_category() || code.category() == category_of_errno();
}

}  // namespace bight::detail
