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

// UTF-8, without the line end that the texts of the system have.
std::string text_of(unsigned long code) {
    wchar_t wide[512];
    constexpr unsigned long how =
        FORMAT_MESSAGE_FROM_SYSTEM | FORMAT_MESSAGE_IGNORE_INSERTS | FORMAT_MESSAGE_MAX_WIDTH_MASK;
    const unsigned long length =
        ::FormatMessageW(how, nullptr, code, 0, wide, static_cast<unsigned long>(std::size(wide)), nullptr);
    if (length == 0) return "unknown error";
    std::string text = to_utf8({wide, length});
    while (!text.empty() &&
           (text.back() == ' ' || text.back() == '.' || text.back() == '\n' || text.back() == '\r')) {
        text.pop_back();
    }
    return text;
}

class category final : public std::error_category {
  public:
    const char* name() const noexcept override { return "windows"; }
    std::string message(int code) const override {
        return text_of(static_cast<unsigned long>(code)) + " (Windows error " + std::to_string(code) + ")";
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
    return {number, std::generic_category()};
}

bool is_of_system(std::error_code code) noexcept {
    return code.category() == windows_category() || code.category() == std::generic_category();
}

}  // namespace bight::detail
