// address: an IPv4, IPv6 or Unix-domain socket address.
#pragma once

#include <bight/core/export.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace BIGHT_EXPORT bight {

/// An IPv4, IPv6 or Unix-domain address, or none. A plain value, which involves no name look-up. Two
/// addresses are equal when family, address, scope and port are equal, or the paths; padding, IPv6 flow
/// labels and bytes after the end of a path do not count. Thread: any.
class address {
  public:
    enum class family_type : std::uint8_t { none, ipv4, ipv6, unix_domain };

    address() noexcept = default;
    /// From the kernel's form: a `sockaddr` of `size` bytes, at any alignment. An unknown family, or fewer
    /// bytes than the family needs, gives an empty address.
    static address from_native(const void* sockaddr, std::size_t size) noexcept;
    /// A numeric IPv4 or IPv6 address ("127.0.0.1", "::1", "fe80::1%eth0", "fe80::1%2"); throws
    /// std::system_error (EINVAL) naming the text when it is not one. After '%' comes the number or the name
    /// of an interface of this machine.
    static address from_ip(std::string_view text, std::uint16_t port);
    /// Sets `out` and returns true when `text` is a numeric address; otherwise leaves `out` unchanged.
    static bool parse_ip(std::string_view text, std::uint16_t port, address& out) noexcept;
    /// A Unix-domain path; "@name" is the abstract namespace of Linux. Throws std::system_error: ENAMETOOLONG
    /// for more than 107 bytes on Linux (after the '@'), EINVAL for an empty path or name, and for a NUL byte
    /// in a path.
    static address from_path(std::string_view path);

    family_type family() const noexcept { return family_; }
    explicit operator bool() const noexcept { return family_ != family_type::none; }
    /// "127.0.0.1", "::1", "fe80::1%2"; empty for Unix-domain addresses.
    std::string host() const;
    std::uint16_t port() const noexcept;
    /// The path, with '@' in front for the abstract namespace; empty for others, and for an unnamed Unix
    /// socket. A file whose own name begins with '@' is given as "./@name".
    std::string path() const;
    /// "127.0.0.1:80", "[::1]:80", "unix:/run/x", "unix:@name", "unix:(unnamed)", "(none)". For display:
    /// control bytes, which a peer may have put into its name, appear as \x0a.
    std::string to_string() const;

    /// The kernel's form: a `sockaddr*`, its size, and its AF_… number.
    const void* native() const noexcept { return storage_; }
    std::size_t native_size() const noexcept { return size_; }
    int native_family() const noexcept;

    bool operator==(const address& other) const noexcept;
    /// A hash, which is the same for equal addresses.
    std::size_t hash() const noexcept;

  private:
    alignas(8) unsigned char storage_[112] = {};
    std::uint8_t size_ = 0;
    family_type family_ = family_type::none;
};

}  // namespace bight

template <>
struct std::hash<bight::address> {
    std::size_t operator()(const bight::address& a) const noexcept { return a.hash(); }
};
