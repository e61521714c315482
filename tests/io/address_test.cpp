#include <bight/io/address.hpp>

#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <random>
#include <string>
#include <system_error>
#include <unordered_set>
#include <vector>

#include "support/catch.hpp"
#include "support/error_of.hpp"
#include "support/unix_sockets.hpp"

using bight::address;
using family = bight::address::family_type;

namespace {

template <class Make>
std::system_error thrown_by(Make make) {
    try {
        make();
    } catch (const std::system_error& e) {
        return e;
    }
    FAIL("nothing was thrown");
    return std::system_error(std::error_code());
}

bool contains(const std::string& text, const std::string& part) { return text.find(part) != text.npos; }

// A Unix-domain sockaddr with these bytes as its path.
address from_unix_bytes(const std::string& path) {
    sockaddr_un native{};
    native.sun_family = AF_UNIX;
    std::memcpy(native.sun_path, path.data(), path.size());
    return address::from_native(&native, offsetof(sockaddr_un, sun_path) + path.size());
}

// A descriptor that is closed with the test, bound to `where`.
class bound_socket {
  public:
    explicit bound_socket(const address& where) : descriptor_(socket(where.native_family(), SOCK_STREAM, 0)) {
        REQUIRE(descriptor_ >= 0);
        REQUIRE(bind(descriptor_, static_cast<const sockaddr*>(where.native()),
                     static_cast<socklen_t>(where.native_size())) == 0);
    }
    bound_socket(const bound_socket&) = delete;
    bound_socket& operator=(const bound_socket&) = delete;
    ~bound_socket() { close(descriptor_); }

    int descriptor() const { return descriptor_; }
    address local() const {
        sockaddr_storage native{};
        socklen_t size = sizeof native;
        REQUIRE(getsockname(descriptor_, reinterpret_cast<sockaddr*>(&native), &size) == 0);
        return address::from_native(&native, size);
    }

  private:
    int descriptor_;
};

std::string unique_name() { return "bight-address-test-" + std::to_string(getpid()); }

// The path of a file that does not exist.
std::string unique_file() {
    const std::string file = (std::filesystem::temp_directory_path() / unique_name()).generic_string();
    std::filesystem::remove(file);
    return file;
}

}  // namespace

TEST_CASE("an address starts as none", "[address]") {
    const address none;
    CHECK_FALSE(none);
    CHECK(none.family() == family::none);
    CHECK(none.native_family() == AF_UNSPEC);
    CHECK(none.native_size() == 0);
    CHECK(none.port() == 0);
    CHECK(none.host().empty());
    CHECK(none.path().empty());
    CHECK(none.to_string() == "(none)");
    CHECK(none == address());
}

TEST_CASE("a numeric IPv4 address keeps its host and port", "[address]") {
    const auto a = address::from_ip("127.0.0.1", 80);
    CHECK(a);
    CHECK(a.family() == family::ipv4);
    CHECK(a.host() == "127.0.0.1");
    CHECK(a.port() == 80);
    CHECK(a.path().empty());
    CHECK(a.to_string() == "127.0.0.1:80");
    REQUIRE(a.native_family() == AF_INET);
    REQUIRE(a.native_size() == sizeof(sockaddr_in));
    sockaddr_in native;
    std::memcpy(&native, a.native(), sizeof native);
    CHECK(native.sin_family == AF_INET);
    CHECK(native.sin_port == htons(80));
    CHECK(native.sin_addr.s_addr == htonl(INADDR_LOOPBACK));
}

TEST_CASE("a numeric IPv6 address keeps its host and port", "[address]") {
    const auto a = address::from_ip("::1", 65535);
    CHECK(a.family() == family::ipv6);
    CHECK(a.host() == "::1");
    CHECK(a.port() == 65535);
    CHECK(a.to_string() == "[::1]:65535");
    CHECK(a.native_family() == AF_INET6);
    CHECK(a.native_size() == sizeof(sockaddr_in6));
    CHECK(address::from_ip("2001:DB8:0:0::0001", 1).host() == "2001:db8::1");
    CHECK(address::from_ip("::ffff:127.0.0.1", 1).family() == family::ipv6);
}

TEST_CASE("the scope of an IPv6 address is a number or the name of an interface", "[address]") {
    const auto numbered = address::from_ip("fe80::1%2", 80);
    CHECK(numbered.host() == "fe80::1%2");
    CHECK(numbered.to_string() == "[fe80::1%2]:80");
    CHECK(address::from_ip("fe80::1%4294967295", 80).host() == "fe80::1%4294967295");
    CHECK(address::from_ip("fe80::1%0", 80) == address::from_ip("fe80::1", 80));

    struct if_nameindex* interfaces = if_nameindex();
    REQUIRE(interfaces);
    for (const auto* i = interfaces; i->if_index != 0; ++i) {
        const auto named = address::from_ip("fe80::1%" + std::string(i->if_name), 80);
        CHECK(named == address::from_ip("fe80::1%" + std::to_string(i->if_index), 80));
    }
    if_freenameindex(interfaces);
}

TEST_CASE("what is no numeric address is refused, and the output is left alone", "[address]") {
    using namespace std::string_literals;
    const std::vector<std::string> bad = {
        "",
        " ",
        "localhost",
        "127.0.0",
        "127.0.0.1.",
        "127.0.0.256",
        "127.1",
        "127.0.0.1 ",
        " 127.0.0.1",
        "127.0.0.1\0"s,
        "127.0.0.1\0x"s,
        "1.2.3.4%lo",
        "1.2.3.4:80",
        "[::1]",
        "::1::",
        ":::",
        "1:2:3",
        "::1%",
        "%1",
        "::1%no such",
        "::g",
        "::1%-1",
        "::1\0"s,
        "::1%1\0"s,
        "1:2:3:4:5:6:7:8:9",
        std::string(5000, '1'),
        "::1%" + std::string(5000, 'x'),
    };
    for (const std::string& text : bad) {
        CAPTURE(text);
        auto out = address::from_ip("127.0.0.9", 9);
        CHECK_FALSE(address::parse_ip(text, 80, out));
        CHECK(out.to_string() == "127.0.0.9:9");
        CHECK(thrown_by([&] { address::from_ip(text, 80); }).code() == test::from_errno(EINVAL));
    }
}

TEST_CASE("the error for a bad numeric address names the text", "[address]") {
    CHECK(contains(thrown_by([] { address::from_ip("10.0.0", 1); }).what(), "\"10.0.0\""));
    CHECK(contains(thrown_by([] { address::from_ip("a\nb", 1); }).what(), "\"a\\x0ab\""));
    const std::string unknown = thrown_by([] { address::from_ip("fe80::1%no/such", 1); }).what();
    CHECK(contains(unknown, "\"fe80::1%no/such\""));
    CHECK(contains(unknown, "no interface \"no/such\""));
}

TEST_CASE("a zone without a name is told apart from an interface that is not there", "[address]") {
    const auto said_of = [](const char* text) {
        try {
            bight::address::from_ip(text, 1);
        } catch (const std::system_error& e) {
            return std::string(e.what());
        }
        return std::string("nothing");
    };
    CHECK(said_of("fe80::1%").find("is not a numeric IPv4 or IPv6 address") != std::string::npos);
    CHECK(said_of("fe80::1%none").find("this machine has no interface \"none\"") != std::string::npos);
}

TEST_CASE("any IPv6 address is found again in its text", "[address]") {
    std::mt19937 random(8123);
    for (int round = 0; round < 2000; ++round) {
        sockaddr_in6 native{};
        native.sin6_family = AF_INET6;
        native.sin6_port = static_cast<in_port_t>(random());
        native.sin6_scope_id = round % 3 == 0 ? static_cast<std::uint32_t>(random()) : 0;
        // Runs of zeros are what the text form compresses.
        for (auto& byte : native.sin6_addr.s6_addr)
            byte = random() % 2 ? static_cast<std::uint8_t>(random()) : std::uint8_t{0};
        const auto a = address::from_native(&native, sizeof native);
        CAPTURE(a.to_string());
        const auto again = address::from_ip(a.host(), a.port());
        CHECK(again == a);
        CHECK(again.hash() == a.hash());
    }
}

TEST_CASE("a Unix-domain path is kept", "[address]") {
    const auto a = address::from_path("/run/x");
    CHECK(a.family() == family::unix_domain);
    CHECK(a.path() == "/run/x");
    CHECK(a.to_string() == "unix:/run/x");
    CHECK(a.host().empty());
    CHECK(a.port() == 0);
    CHECK(a.native_family() == AF_UNIX);
    CHECK(a.native_size() == offsetof(sockaddr_un, sun_path) + sizeof "/run/x");
}

TEST_CASE("an abstract name has '@' in front", "[address]") {
    test::need_abstract_names();
    const auto a = address::from_path("@name");
    CHECK(a.path() == "@name");
    CHECK(a.to_string() == "unix:@name");
    CHECK(a.native_size() == offsetof(sockaddr_un, sun_path) + 5);
    CHECK(a == from_unix_bytes(std::string("\0name", 5)));
    // Each byte of an abstract name counts.
    const auto longer = from_unix_bytes(std::string("\0name\0", 6));
    CHECK_FALSE(a == longer);
    CHECK(longer.path() == std::string("@name\0", 6));
    CHECK(address::from_path(longer.path()) == longer);
    CHECK(from_unix_bytes(std::string("\0", 1)).path() == "@");
    const std::unordered_set<address> set{a, longer, address::from_path("name")};
    CHECK(set.size() == 3);
    CHECK(set.contains(address::from_path("@name")));
}

TEST_CASE("where there are no abstract names, one is refused with the reason", "[address]") {
    if (test::has_abstract_names()) test::skip("there are abstract names");
    const std::system_error error = thrown_by([] { address::from_path("@name"); });
    CHECK(error.code() == test::from_errno(EOPNOTSUPP));
    CHECK(contains(error.what(), "\"@name\""));
    // What a kernel would say of such a name is an address without one.
    CHECK(from_unix_bytes(std::string("\0name", 5)) == from_unix_bytes(""));
}

TEST_CASE("a file whose name begins with '@' is not taken for an abstract name", "[address]") {
    const auto a = from_unix_bytes("@name");
    CHECK(a.path() == "./@name");
    if (test::has_abstract_names()) CHECK_FALSE(a == address::from_path("@name"));
    CHECK(address::from_path("./@name").path() == "./@name");
}

TEST_CASE("an unnamed Unix-domain socket has an empty path", "[address]") {
    test::need_unix_sockets();
    const auto where = address::from_path(unique_file());
    const bound_socket listening(where);
    REQUIRE(listen(listening.descriptor(), 1) == 0);
    const int unnamed = socket(AF_UNIX, SOCK_STREAM, 0);
    REQUIRE(connect(unnamed, static_cast<const sockaddr*>(where.native()),
                    static_cast<socklen_t>(where.native_size())) == 0);
    const int accepted = accept(listening.descriptor(), nullptr, nullptr);
    sockaddr_storage native{};
    socklen_t size = sizeof native;
    CHECK(getpeername(accepted, reinterpret_cast<sockaddr*>(&native), &size) == 0);
    close(accepted);
    close(unnamed);
    std::filesystem::remove(where.path());
    const auto a = address::from_native(&native, size);
    CHECK(a);
    CHECK(a.family() == family::unix_domain);
    CHECK(a.path().empty());
    CHECK(a.to_string() == "unix:(unnamed)");
}

TEST_CASE("a path is 107 bytes at most", "[address]") {
    const std::string longest(107, 'x');
    CHECK(address::from_path(longest).path() == longest);
    const auto too_long = test::from_errno(ENAMETOOLONG);
    CHECK(thrown_by([&] { address::from_path(longest + 'x'); }).code() == too_long);
    CHECK(contains(thrown_by([&] { address::from_path(longest + "yz"); }).what(), "xyz\" has 109 bytes"));
}

TEST_CASE("an abstract name is 107 bytes at most", "[address]") {
    test::need_abstract_names();
    const std::string longest(107, 'x');
    CHECK(address::from_path('@' + longest).path() == '@' + longest);
    CHECK(thrown_by([&] { address::from_path('@' + longest + 'x'); }).code() ==
          test::from_errno(ENAMETOOLONG));
    // It counts every byte, and so cannot be cut: one that is too long is refused.
    sockaddr_storage abstract{};
    abstract.ss_family = AF_UNIX;
    CHECK(address::from_native(&abstract, sizeof(sockaddr_un)));
    CHECK_FALSE(address::from_native(&abstract, sizeof(sockaddr_un) + 1));
}

TEST_CASE("a path that is empty or holds a NUL byte is refused", "[address]") {
    const auto invalid = test::from_errno(EINVAL);
    for (const std::string& path : {std::string(), std::string("@"), std::string("/a\0b", 4)})
        CHECK(thrown_by([&] { address::from_path(path); }).code() == invalid);
}

TEST_CASE("control bytes in a path are shown as numbers", "[address]") {
    CHECK(address::from_path("/a\nb\x1b[2J\x7f").to_string() == "unix:/a\\x0ab\\x1b[2J\\x7f");
    CHECK(address::from_path("/ä b").to_string() == "unix:/ä b");
    CHECK(address::from_path("/a\nb").path() == "/a\nb");
    if (!test::has_abstract_names()) return;
    CHECK(address::from_path("@a\nb\x1b[2J\x7f").to_string() == "unix:@a\\x0ab\\x1b[2J\\x7f");
    CHECK(address::from_path("@a\nb").path() == "@a\nb");
}

TEST_CASE("the kernel gives back the address that a socket was bound to", "[address]") {
    const auto ipv4 = bound_socket(address::from_ip("127.0.0.1", 0)).local();
    CHECK(ipv4.host() == "127.0.0.1");
    CHECK(ipv4.port() != 0);
    if (test::has_abstract_names()) {
        const auto abstract = address::from_path('@' + unique_name());
        CHECK(bound_socket(abstract).local() == abstract);
    }
}

TEST_CASE("the kernel gives back the path that a socket was bound to", "[address]") {
    test::need_unix_sockets();
    const std::string file = unique_file();
    const auto path = address::from_path(file);
    CHECK(bound_socket(path).local() == path);
    std::filesystem::remove(file);
}

TEST_CASE("a path that fills the kernel's structure, without a NUL, is read whole", "[address]") {
    std::string file = unique_file();
    REQUIRE(file.size() < 108);
    file.resize(108, 'x');
    sockaddr_un native{};
    native.sun_family = AF_UNIX;
    std::memcpy(native.sun_path, file.data(), file.size());
    const auto full = address::from_native(&native, sizeof native);
    CHECK(full.path() == file);
    CHECK(full.native_size() == sizeof native);
    // What getsockname() reports for such a socket: 111 bytes, one more than the structure has.
    if (test::no_unix_sockets()) return;
    std::filesystem::remove(file);
    const auto local = bound_socket(full).local();
    std::filesystem::remove(file);
    CHECK(local == full);
    CHECK(local.path() == file);
}

TEST_CASE("padding, flow labels and bytes after a path do not matter to == and hash", "[address]") {
    sockaddr_in ipv4{};
    ipv4.sin_family = AF_INET;
    ipv4.sin_port = htons(80);
    ipv4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    std::memset(ipv4.sin_zero, 0xff, sizeof ipv4.sin_zero);
    const auto padded = address::from_native(&ipv4, sizeof ipv4);
    CHECK(padded == address::from_ip("127.0.0.1", 80));
    CHECK(padded.hash() == address::from_ip("127.0.0.1", 80).hash());

    sockaddr_in6 ipv6{};
    ipv6.sin6_family = AF_INET6;
    ipv6.sin6_port = htons(80);
    ipv6.sin6_addr = in6addr_loopback;
    ipv6.sin6_flowinfo = 0x1234;
    const auto labelled = address::from_native(&ipv6, sizeof ipv6);
    CHECK(labelled == address::from_ip("::1", 80));
    CHECK(labelled.hash() == address::from_ip("::1", 80).hash());

    for (const std::string& bytes :
         {std::string("/run/x"), std::string("/run/x\0", 7), std::string("/run/x\0rest", 11)}) {
        CHECK(from_unix_bytes(bytes) == address::from_path("/run/x"));
        CHECK(from_unix_bytes(bytes).hash() == address::from_path("/run/x").hash());
    }
}

TEST_CASE("addresses that differ in anything else differ", "[address]") {
    std::vector<address> all = {
        address(),
        address::from_ip("127.0.0.1", 80),
        address::from_ip("127.0.0.1", 81),
        address::from_ip("127.0.0.2", 80),
        address::from_ip("::1", 80),
        address::from_ip("::1", 81),
        address::from_ip("::2", 80),
        address::from_ip("1::1", 80),
        address::from_ip("::1%2", 80),
        address::from_ip("::1%3", 80),
        address::from_ip("::ffff:127.0.0.1", 80),
        from_unix_bytes(""),
        address::from_path("/run/x"),
        address::from_path("/run/y"),
        address::from_path("/run/xx"),
        address::from_path("run"),
    };
    if (test::has_abstract_names()) all.push_back(address::from_path("@run"));
    for (std::size_t i = 0; i < all.size(); ++i)
        for (std::size_t j = 0; j < all.size(); ++j) {
            CAPTURE(all[i].to_string(), all[j].to_string());
            CHECK((all[i] == all[j]) == (i == j));
        }
    const std::unordered_set<address> set(all.begin(), all.end());
    CHECK(set.size() == all.size());
    CHECK(set.contains(address::from_path("run")));
}

TEST_CASE("the hash tells ports and hosts apart", "[address]") {
    std::unordered_set<std::size_t> hashes;
    for (std::uint16_t port = 0; port < 1000; ++port) {
        hashes.insert(address::from_ip("127.0.0.1", port).hash());
        hashes.insert(address::from_ip("::1", port).hash());
        hashes.insert(address::from_ip("::" + std::to_string(port + 2), 0).hash());
    }
    CHECK(hashes.size() > 2990);
}

TEST_CASE("too few bytes for the family give an empty address", "[address]") {
    for (const char* text : {"127.0.0.1", "::1"}) {
        const auto whole = address::from_ip(text, 80);
        for (std::size_t size = 0; size < whole.native_size(); ++size) {
            CAPTURE(text, size);
            // Copied to a block of just this size: a read beyond it is an error to the address sanitizer.
            const auto* bytes = static_cast<const unsigned char*>(whole.native());
            const std::vector<unsigned char> block(bytes, bytes + size);
            CHECK_FALSE(address::from_native(block.data(), size));
        }
    }
    CHECK_FALSE(address::from_native(nullptr, sizeof(sockaddr_in)));
    const auto path = address::from_path("/run/x");
    CHECK_FALSE(address::from_native(path.native(), 1));
    // A path may be cut anywhere.
    for (std::size_t size = offsetof(sockaddr_un, sun_path); size < path.native_size(); ++size) {
        const auto* bytes = static_cast<const unsigned char*>(path.native());
        const std::vector<unsigned char> block(bytes, bytes + size);
        CHECK(address::from_native(block.data(), size).path() ==
              std::string("/run/x").substr(0, size - offsetof(sockaddr_un, sun_path)));
    }
}

TEST_CASE("an unknown family gives an empty address", "[address]") {
    sockaddr_storage native{};
    for (const int number : {AF_UNSPEC, 16, 17, 0xffff}) {  // AF_NETLINK and AF_PACKET of Linux
        native.ss_family = static_cast<decltype(native.ss_family)>(number);
        CHECK_FALSE(address::from_native(&native, sizeof native));
    }
}

TEST_CASE("a native address may be larger than its family needs, and not aligned", "[address]") {
    for (const address& a : {address::from_ip("127.0.0.1", 80), address::from_ip("fe80::1%2", 80),
                             address::from_path("/run/x")}) {
        std::vector<unsigned char> block(sizeof(sockaddr_storage) + 1);
        std::memcpy(block.data() + 1, a.native(), a.native_size());
        const auto copy = address::from_native(block.data() + 1, sizeof(sockaddr_storage));
        CHECK(copy == a);
        CHECK(copy.native_size() == a.native_size());
    }
    // Of a path without an end, what the kernel's structure holds.
    sockaddr_storage endless;
    std::memset(&endless, 'x', sizeof endless);
    endless.ss_family = AF_UNIX;
    CHECK(address::from_native(&endless, sizeof endless).path() == std::string(108, 'x'));
}
