// What the errors of look-ups say, whatever their system calls them.
#include <bight/net/resolver.hpp>

#include "../io/socket_headers.hpp"

#include <string>

namespace bight {

namespace {

// Systems have other codes for a name without addresses, and some have the same one.
bool says_no_such_name(int code) noexcept {
#if defined(EAI_NODATA)
    if (code == EAI_NODATA) return true;
#endif
#if defined(WSANO_DATA)
    if (code == WSANO_DATA) return true;  // which the headers of Windows have under no name of POSIX
#endif
#if defined(EAI_ADDRFAMILY)
    if (code == EAI_ADDRFAMILY) return true;
#endif
    return code == EAI_NONAME;
}

class meaning final : public std::error_category {
  public:
    const char* name() const noexcept override { return "resolver"; }
    std::string message(int condition) const override {
        switch (static_cast<resolver_errc>(condition)) {
            case resolver_errc::no_such_name: return "there is no such name";
            case resolver_errc::try_again: return "no server has answered";
            case resolver_errc::failed: return "the look-up has failed";
            case resolver_errc::no_such_service: return "there is no such service";
        }
        return "unknown";
    }
    bool equivalent(const std::error_code& code, int condition) const noexcept override {
        if (code.category() != resolver_category()) return false;
        switch (static_cast<resolver_errc>(condition)) {
            case resolver_errc::no_such_name: return says_no_such_name(code.value());
            case resolver_errc::try_again: return code.value() == EAI_AGAIN;
            case resolver_errc::failed: return code.value() == EAI_FAIL;
            case resolver_errc::no_such_service: return code.value() == EAI_SERVICE;
        }
        return false;
    }
};

}  // namespace

std::error_condition make_error_condition(resolver_errc e) noexcept {
    static const meaning the_category;
    return {static_cast<int>(e), the_category};
}

std::error_code make_error_code(resolver_errc e) noexcept {
    const int code = e == resolver_errc::no_such_name ? EAI_NONAME
                     : e == resolver_errc::try_again  ? EAI_AGAIN
                     : e == resolver_errc::failed     ? EAI_FAIL
                                                      : EAI_SERVICE;
    return {code, resolver_category()};
}

}  // namespace bight
