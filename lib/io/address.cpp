#include <bight/io/address.hpp>

#include "address_headers.hpp"

#include <bight/core/error.hpp>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <system_error>

namespace bight {
namespace {

constexpr std::size_t path_offset = offsetof(sockaddr_un, sun_path);
constexpr std::size_t path_capacity = sizeof(sockaddr_un::sun_path);

// Copies, because the storage is an array of bytes to the language, and a caller's pointer may be unaligned.
template <class Sockaddr>
Sockaddr as(const void* native) noexcept {
    Sockaddr copy;
    std::memcpy(&copy, native, sizeof copy);
    return copy;
}

// The finaliser of SplitMix64: each bit of the input reaches every bit of the result.
std::uint64_t mix(std::uint64_t x) noexcept {
    x += 0x9e3779b97f4a7c15U;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9U;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebU;
    return x ^ (x >> 31);
}

enum class ip_fault { none, not_an_address, unknown_interface };

// Numbers are tried before names, so that the result of host() always means the same interface.
bool read_scope(std::string_view zone, std::uint32_t& scope) noexcept {
    const char* end = zone.data() + zone.size();
    if (auto [stop, error] = std::from_chars(zone.data(), end, scope); error == std::errc{} && stop == end)
        return true;
    char name[IF_NAMESIZE] = {};
    if (zone.size() >= sizeof name) return false;
    std::copy(zone.begin(), zone.end(), name);
    scope = if_nametoindex(name);
    return scope != 0;
}

ip_fault read_ip(std::string_view text, std::uint16_t port, address& out) noexcept {
    const std::size_t percent = text.find('%');
    const std::string_view digits = text.substr(0, percent);
    char terminated[INET6_ADDRSTRLEN] = {};
    if (digits.size() >= sizeof terminated || text.find('\0') != text.npos) return ip_fault::not_an_address;
    std::copy(digits.begin(), digits.end(), terminated);

    sockaddr_in ipv4{};
    if (percent == text.npos && inet_pton(AF_INET, terminated, &ipv4.sin_addr) == 1) {
        ipv4.sin_family = AF_INET;
        ipv4.sin_port = htons(port);
        out = address::from_native(&ipv4, sizeof ipv4);
        return ip_fault::none;
    }
    sockaddr_in6 ipv6{};
    if (inet_pton(AF_INET6, terminated, &ipv6.sin6_addr) != 1) return ip_fault::not_an_address;
    if (percent != text.npos) {
        if (percent + 1 == text.size()) return ip_fault::not_an_address;
        std::uint32_t scope = 0;
        if (!read_scope(text.substr(percent + 1), scope)) return ip_fault::unknown_interface;
        ipv6.sin6_scope_id = scope;
    }
    ipv6.sin6_family = AF_INET6;
    ipv6.sin6_port = htons(port);
    out = address::from_native(&ipv6, sizeof ipv6);
    return ip_fault::none;
}

[[noreturn]] void fail(int error, const std::string& message) {
    throw std::system_error(error, detail::errno_category(), message);
}

}  // namespace

address address::from_native(const void* sockaddr, std::size_t size) noexcept {
    address result;
    decltype(::sockaddr::sa_family) family = AF_UNSPEC;
    constexpr std::size_t family_offset = offsetof(::sockaddr, sa_family);
    if (!sockaddr || size < family_offset + sizeof family) return result;
    std::memcpy(&family, static_cast<const char*>(sockaddr) + family_offset, sizeof family);

    auto keep = [&](family_type type, std::size_t bytes) {
        static_assert(sizeof(sockaddr_un) <= sizeof storage_ && sizeof(sockaddr_in6) <= sizeof storage_);
        std::memcpy(result.storage_, sockaddr, bytes);
        result.size_ = static_cast<std::uint8_t>(bytes);
        result.family_ = type;
    };
    if (family == AF_INET && size >= sizeof(sockaddr_in)) {
        keep(family_type::ipv4, sizeof(sockaddr_in));
    } else if (family == AF_INET6 && size >= sizeof(sockaddr_in6)) {
        keep(family_type::ipv6, sizeof(sockaddr_in6));
    } else if (family == AF_UNIX && size >= path_offset) {
        const char* path = static_cast<const char*>(sockaddr) + path_offset;
        // The kernel may report one byte more than the structure holds: the NUL after a path that fills it.
        const std::size_t given = std::min(size - path_offset, path_capacity);
        if (given == 0 || (path[0] == '\0' && !detail::has_abstract_namespace)) {
            keep(family_type::unix_domain, path_offset);
        } else if (path[0] == '\0') {
            // Every byte of an abstract name counts, NUL bytes too: it cannot be cut to fit.
            if (size - path_offset <= path_capacity) keep(family_type::unix_domain, path_offset + given);
        } else {
            // Normalises the path: up to its NUL, and including it where there is room.
            const std::size_t length = static_cast<std::size_t>(std::find(path, path + given, '\0') - path);
            keep(family_type::unix_domain, path_offset + length);
            if (length < path_capacity) ++result.size_;
        }
    }
    return result;
}

address address::from_ip(std::string_view text, std::uint16_t port) {
    address result;
    switch (read_ip(text, port, result)) {
        case ip_fault::none: break;
        case ip_fault::not_an_address:
            fail(EINVAL, '"' + detail::printable(text) + "\" is not a numeric IPv4 or IPv6 address");
        case ip_fault::unknown_interface:
            fail(EINVAL, '"' + detail::printable(text) + "\": this machine has no interface \"" +
                             detail::printable(text.substr(text.find('%') + 1)) + '"');
    }
    return result;
}

bool address::parse_ip(std::string_view text, std::uint16_t port, address& out) noexcept {
    return read_ip(text, port, out) == ip_fault::none;
}

address address::from_path(std::string_view path) {
    const bool abstract = path.starts_with('@');
    const std::size_t longest = abstract ? path_capacity : path_capacity - 1;  // the '@' becomes a NUL
    if (path.empty()) fail(EINVAL, "a Unix-domain path is empty");
    if (path == "@") fail(EINVAL, "the abstract name after \"@\" is empty");
    if (abstract && !detail::has_abstract_namespace)
        fail(EOPNOTSUPP, '"' + detail::printable(path) + "\": only Linux has abstract names");
    if (!abstract && path.find('\0') != path.npos)
        fail(EINVAL, '"' + detail::printable(path) + "\" has a NUL byte, which no path can have");
    if (path.size() > longest)
        fail(ENAMETOOLONG, '"' + detail::printable(path) + "\" has " + std::to_string(path.size()) +
                               " bytes, and a socket's path at most " + std::to_string(longest));
    sockaddr_un native{};
    native.sun_family = AF_UNIX;
    std::copy(path.begin(), path.end(), native.sun_path);
    if (abstract) native.sun_path[0] = '\0';
    return from_native(&native, path_offset + path.size() + (abstract ? 0 : 1));
}

std::string address::host() const {
    char digits[INET6_ADDRSTRLEN] = {};
    if (family_ == family_type::ipv4) {
        const auto native = as<sockaddr_in>(storage_);
        return inet_ntop(AF_INET, &native.sin_addr, digits, sizeof digits);
    }
    if (family_ == family_type::ipv6) {
        const auto native = as<sockaddr_in6>(storage_);
        std::string text = inet_ntop(AF_INET6, &native.sin6_addr, digits, sizeof digits);
        if (native.sin6_scope_id != 0) text += '%' + std::to_string(native.sin6_scope_id);
        return text;
    }
    return {};
}

std::uint16_t address::port() const noexcept {
    if (family_ == family_type::ipv4) return ntohs(as<sockaddr_in>(storage_).sin_port);
    if (family_ == family_type::ipv6) return ntohs(as<sockaddr_in6>(storage_).sin6_port);
    return 0;
}

std::string address::path() const {
    if (family_ != family_type::unix_domain || size_ <= path_offset) return {};
    const char* bytes = reinterpret_cast<const char*>(storage_) + path_offset;
    const std::size_t count = size_ - path_offset;
    if (bytes[0] == '\0') return '@' + std::string(bytes + 1, count - 1);
    std::string text(bytes, bytes[count - 1] == '\0' ? count - 1 : count);
    return text.starts_with('@') ? "./" + text : text;
}

std::string address::to_string() const {
    switch (family_) {
        case family_type::none: break;
        case family_type::ipv4: return host() + ':' + std::to_string(port());
        case family_type::ipv6: return '[' + host() + "]:" + std::to_string(port());
        case family_type::unix_domain:
            return size_ <= path_offset ? "unix:(unnamed)" : "unix:" + detail::printable(path());
    }
    return "(none)";
}

int address::native_family() const noexcept {
    switch (family_) {
        case family_type::none: break;
        case family_type::ipv4: return AF_INET;
        case family_type::ipv6: return AF_INET6;
        case family_type::unix_domain: return AF_UNIX;
    }
    return AF_UNSPEC;
}

bool address::operator==(const address& b) const noexcept {
    const address& a = *this;
    if (a.family_ != b.family_) return false;
    switch (a.family_) {
        case address::family_type::none: break;
        case address::family_type::ipv4: {
            const auto x = as<sockaddr_in>(a.storage_), y = as<sockaddr_in>(b.storage_);
            return x.sin_addr.s_addr == y.sin_addr.s_addr && x.sin_port == y.sin_port;
        }
        case address::family_type::ipv6: {
            const auto x = as<sockaddr_in6>(a.storage_), y = as<sockaddr_in6>(b.storage_);
            return std::memcmp(&x.sin6_addr, &y.sin6_addr, sizeof x.sin6_addr) == 0 &&
                   x.sin6_port == y.sin6_port && x.sin6_scope_id == y.sin6_scope_id;
        }
        case address::family_type::unix_domain:
            return a.size_ == b.size_ && std::memcmp(a.storage_ + path_offset, b.storage_ + path_offset,
                                                     a.size_ - path_offset) == 0;
    }
    return true;
}

// Built from exactly what == compares.
std::size_t address::hash() const noexcept {
    std::uint64_t h = mix(static_cast<std::uint64_t>(family_));
    if (family_ == family_type::ipv4) {
        const auto native = as<sockaddr_in>(storage_);
        h = mix(h ^ (static_cast<std::uint64_t>(native.sin_addr.s_addr) << 16 | native.sin_port));
    } else if (family_ == family_type::ipv6) {
        const auto native = as<sockaddr_in6>(storage_);
        std::uint64_t halves[2];
        static_assert(sizeof halves == sizeof native.sin6_addr);
        std::memcpy(halves, &native.sin6_addr, sizeof halves);
        h = mix(h ^ halves[0]);
        h = mix(h ^ halves[1]);
        h = mix(h ^ (static_cast<std::uint64_t>(native.sin6_scope_id) << 16 | native.sin6_port));
    } else if (family_ == family_type::unix_domain) {
        const char* bytes = reinterpret_cast<const char*>(storage_) + path_offset;
        h = mix(h ^ std::hash<std::string_view>{}({bytes, size_ - path_offset}));
    }
    return static_cast<std::size_t>(h);
}

}  // namespace bight
