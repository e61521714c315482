// IDNA by libidn2, if it is installed: glibc uses it for names, too.
#include "idna.hpp"

#include "../core/system_error.hpp"

#include <bight/core/error.hpp>

#include <dlfcn.h>

#include <cerrno>
#include <memory>
#include <new>
#include <system_error>

namespace bight::detail {

namespace {

// Of idn2.h, which need not be installed.
using to_idna = int (*)(const unsigned char* name, unsigned char** form, int flags);
using free_form = void (*)(void* form);
constexpr int normalise = 1;         // IDN2_NFC_INPUT
constexpr int non_transitional = 8;  // IDN2_NONTRANSITIONAL: as in RFC 5891, with capitals in lower case
constexpr int out_of_memory = -100;  // IDN2_MALLOC

struct library {
    to_idna look_up = nullptr;
    free_form free = nullptr;

    library() noexcept {
        void* loaded = ::dlopen("libidn2.so.0", RTLD_LAZY | RTLD_LOCAL);
        if (!loaded) loaded = ::dlopen("libidn2.0.dylib", RTLD_LAZY | RTLD_LOCAL);  // macOS
        if (!loaded) return;
        free = reinterpret_cast<free_form>(::dlsym(loaded, "idn2_free"));
        if (free) look_up = reinterpret_cast<to_idna>(::dlsym(loaded, "idn2_lookup_u8"));
    }
};

[[noreturn]] void refuse(const std::string& name, const char* why) {
    throw std::system_error(EINVAL, errno_category(), "look-up of " + name + why);
}

}  // namespace

std::string idna_form(const std::string& name) {
    static const library loaded;
    if (!loaded.look_up) {
        refuse(name, ": names beyond ASCII need libidn2, which is not installed; give its IDNA form (xn--…)");
    }
    unsigned char* made = nullptr;
    const int status = loaded.look_up(reinterpret_cast<const unsigned char*>(name.c_str()), &made,
                                      normalise | non_transitional);
    const std::unique_ptr<unsigned char, free_form> freed(made, loaded.free);
    if (status == out_of_memory) throw std::bad_alloc();
    if (status != 0 || !made) refuse(name, ": it has no IDNA form (xn--…)");
    return reinterpret_cast<const char*>(made);
}

}  // namespace bight::detail
