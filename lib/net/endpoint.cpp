#include "../io/socket_headers.hpp"

#include <bight/core/error.hpp>
#include <bight/io/address.hpp>
#include <bight/net/endpoint.hpp>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <climits>
#include <optional>
#include <span>
#include <system_error>
#include <vector>

namespace bight {
namespace {

constexpr std::size_t socket_path_capacity = sizeof(sockaddr_un::sun_path);
constexpr std::uint64_t second = 1'000'000'000;  // in nanoseconds

enum class key {
    host,
    port,
    interface,
    path,
    mode,
    descriptor,
    name,
    index,
    backlog,
    timeout,
    reuse_port,
    local_port,
    keep_alive,
    keep_alive_interval,
    keep_alive_count,
    user_timeout,
    send_buffer,
    receive_buffer,
    dscp,
    device,
    dual_stack
};

struct key_text {
    key which;
    std::string_view name;
    std::string_view expected;  // for error messages
};

constexpr key_text key_texts[] = {
    {key::host, "host", "a host name or address"},
    {key::port, "port", "a port (0 to 65535)"},
    {key::interface, "interface", "an address of this machine"},
    {key::path, "path", "a path"},
    {key::mode, "mode", "a mode in octal (0 to 777)"},
    {key::descriptor, "descriptor", "a descriptor (0 to 2147483647)"},
    {key::name, "name", "a name of sockets, of at most 255 printable characters without a \":\""},
    {key::index, "index", "a number (0 to 65535)"},
    {key::backlog, "backlog", "a backlog (1 to 2147483647; without one it is the system's maximum)"},
    {key::timeout, "timeout", "a time-out in seconds, such as 5 or 0.5"},
    {key::reuse_port, "reuse_port", "yes or no"},
    {key::local_port, "local_port", "a port (1 to 65535)"},
    {key::keep_alive, "keep_alive", "whole seconds until the first probe (1 to 32767)"},
    {key::keep_alive_interval, "keep_alive_interval", "whole seconds between probes (1 to 32767)"},
    {key::keep_alive_count, "keep_alive_count", "a number of probes (1 to 127)"},
    {key::user_timeout, "user_timeout", "a time-out in seconds, such as 20 or 0.5, of at most 2147483"},
    {key::send_buffer, "send_buffer", "a number of bytes (1 to 2147483647)"},
    {key::receive_buffer, "receive_buffer", "a number of bytes (1 to 2147483647)"},
    {key::dscp, "dscp", "a code point (0 to 63)"},
    {key::device, "device", "the name of a network interface, of at most 15 bytes"},
    {key::dual_stack, "dual_stack", "yes or no"},
};

// The rows are in the order of the enumeration.
const key_text& text_of(key k) { return key_texts[static_cast<std::size_t>(k)]; }

constexpr key tcp6_keys[] = {key::host,
                             key::port,
                             key::interface,
                             key::backlog,
                             key::timeout,
                             key::reuse_port,
                             key::local_port,
                             key::keep_alive,
                             key::keep_alive_interval,
                             key::keep_alive_count,
                             key::user_timeout,
                             key::send_buffer,
                             key::receive_buffer,
                             key::dscp,
                             key::device,
                             key::dual_stack};
constexpr auto tcp_keys = std::span<const key>(tcp6_keys).first<std::size(tcp6_keys) - 1>();
constexpr key udp6_keys[] = {key::host,       key::port,       key::interface,   key::timeout,
                             key::reuse_port, key::local_port, key::send_buffer, key::receive_buffer,
                             key::dscp,       key::device,     key::dual_stack};
constexpr auto udp_keys = std::span<const key>(udp6_keys).first<std::size(udp6_keys) - 1>();
constexpr key unix_keys[] = {key::path,    key::mode,        key::backlog,
                             key::timeout, key::send_buffer, key::receive_buffer};
constexpr key descriptor_keys[] = {key::descriptor};
constexpr key inherited_keys[] = {key::name, key::index};

struct kind_text {
    endpoint::kind_type which;
    std::string_view name;
    std::span<const key> keys;
    std::size_t positional;  // how many of the first keys may be given without names
    key required;            // the last of these, which is meant when only one argument is given
    std::string_view example;
};

constexpr kind_text kind_texts[] = {
    {endpoint::kind_type::tcp, "tcp", tcp_keys, 2, key::port, "tcp:8123"},
    {endpoint::kind_type::tcp6, "tcp6", tcp6_keys, 2, key::port, "tcp6:8123"},
    {endpoint::kind_type::udp, "udp", udp_keys, 2, key::port, "udp:8123"},
    {endpoint::kind_type::udp6, "udp6", udp6_keys, 2, key::port, "udp6:8123"},
    {endpoint::kind_type::unix_domain, "unix", unix_keys, 1, key::path, "unix:/run/name"},
    {endpoint::kind_type::descriptor, "fd", descriptor_keys, 1, key::descriptor, "fd:3"},
    {endpoint::kind_type::inherited, "systemd", inherited_keys, 1, key::name,
     "systemd:web, or systemd:index=0"},
};

// "a, b or c"
template <class Range, class Name>
std::string list(const Range& items, std::string_view last_joint, Name name) {
    std::string text;
    for (std::size_t i = 0; i < std::size(items); ++i) {
        if (i > 0) text += i + 1 == std::size(items) ? last_joint : std::string_view(", ");
        text += name(items[i]);
    }
    return text;
}

std::string key_list(std::span<const key> keys, std::string_view last_joint) {
    return list(keys, last_joint, [](key k) { return text_of(k).name; });
}

std::string in_quotes(std::string_view text) {
    return text.empty() ? "nothing" : '"' + detail::printable(text) + '"';
}

// The text between two unescaped ':', with escapes resolved. Positions refer to the original string.
struct segment {
    std::size_t start = 0;
    std::string name;
    bool named = false;
    std::size_t value_start = 0;
    std::string value;
    key meaning{};
};

class parser {
  public:
    explicit parser(std::string_view text) : text_(text) {}

    endpoint parse() {
        split();
        choose_kind();
        give_names();
        give_meanings_to_the_unnamed();
        refuse_duplicates();
        for (const segment& s : arguments_) read(s);
        check_whole();
        return result_;
    }

  private:
    [[noreturn]] void fail(std::size_t position, std::string_view expected, std::string_view found,
                           std::string_view hint = {}) const {
        std::string message = "endpoint \"" + detail::printable(text_) + "\": at position " +
                              std::to_string(position) + ": expected ";
        message += expected;
        message += ", found ";
        message += found;
        message += hint;
        throw std::system_error(make_error_code(errc::bad_endpoint), message);
    }

    // Reports an error at byte `index` of the segment's value.
    [[noreturn]] void fail_value(const segment& s, std::size_t index, std::string_view expected,
                                 std::string_view hint = {}) const {
        fail(position(s, index), expected, in_quotes(s.value), hint);
    }

    std::size_t position(const segment& s, std::size_t index) const {
        std::size_t at = s.value_start;
        for (; index > 0; --index) at += text_[at] == '\\' ? 2 : 1;
        return at;
    }

    void split() {
        segment current;
        auto finish = [&](std::size_t next) {
            arguments_.push_back(std::move(current));
            current = segment{};
            current.start = current.value_start = next;
        };
        for (std::size_t i = 0; i < text_.size(); ++i) {
            const char c = text_[i];
            if (c == '\\') {
                if (++i == text_.size())
                    fail(i - 1, "a character after the \"\\\"", "the end",
                         " (a \"\\\" itself is written \"\\\\\")");
                current.value += text_[i];
            } else if (c == '[' && i == current.value_start && !arguments_.empty() &&
                       has_address(arguments_.front().value)) {
                i = in_brackets(i, current);
            } else if (c == ':') {
                finish(i + 1);
            } else if (c == '=' && !current.named && !arguments_.empty()) {
                current.named = true;
                current.name = std::move(current.value);
                current.value.clear();
                current.value_start = i + 1;
            } else {
                current.value += c;
            }
        }
        finish(text_.size());
    }

    static bool has_address(std::string_view name) {
        return name.starts_with("tcp") || name.starts_with("udp");
    }

    // Parses an IPv6 address in brackets, as in URLs (RFC 3986, 3.2.2): its colons are not separators.
    // Returns the position of its last byte.
    std::size_t in_brackets(std::size_t begin, segment& s) const {
        const std::size_t end = text_.find(']', begin);
        if (end == text_.npos) fail(text_.size(), "a \"]\" after the address", "the end");
        if (end + 1 < text_.size() && text_[end + 1] != ':')
            fail(end + 1, "a \":\" or the end after the \"]\"", in_quotes(text_.substr(end + 1)));
        s.value = text_.substr(begin + 1, end - begin - 1);
        s.value_start = begin + 1;
        address ip;
        if (!address::parse_ip(s.value, 0, ip) || ip.family() != address::family_type::ipv6)
            fail(begin + 1, "an IPv6 address in brackets", in_quotes(s.value));
        return end;
    }

    void choose_kind() {
        const std::string name = std::move(arguments_.front().value);
        arguments_.erase(arguments_.begin());
        kind_ = std::find_if(std::begin(kind_texts), std::end(kind_texts),
                             [&](auto& k) { return k.name == name; });
        if (kind_ == std::end(kind_texts)) {
            const std::string known = list(kind_texts, " or ", [](auto& row) { return row.name; });
            fail(0, "the kind of endpoint (" + known + ") first, as in tcp:8123", in_quotes(name));
        }
        result_.kind = kind_->which;
    }

    void give_names() {
        for (segment& s : arguments_) {
            if (!s.named) continue;
            auto known = std::find_if(kind_->keys.begin(), kind_->keys.end(),
                                      [&](key k) { return text_of(k).name == s.name; });
            if (known == kind_->keys.end()) {
                const std::string expected =
                    "an argument of " + std::string(kind_->name) + " (" + key_list(kind_->keys, " or ") + ")";
                const auto odd = s.name.find_first_not_of("abcdefghijklmnopqrstuvwxyz_");
                fail(s.start, expected, in_quotes(s.name),
                     odd == s.name.npos ? "" : " (a \"=\" inside a value is written \"\\=\")");
            }
            s.meaning = *known;
        }
    }

    void give_meanings_to_the_unnamed() {
        const auto allowed = kind_->keys.first(kind_->positional);
        std::vector<segment*> unnamed;
        for (segment& s : arguments_)
            if (!s.named) unnamed.push_back(&s);
        // `tcp:` lacks its port; any other empty argument is probably a ':' that should be escaped.
        for (const segment* s : unnamed)
            if (s->value.empty() && arguments_.size() > 1)
                fail(s->start, "an argument", s->start == text_.size() ? "the end" : "another \":\"",
                     colon_hint);
        if (unnamed.size() > allowed.size())
            fail(unnamed[allowed.size()]->start, "name=value",
                 in_quotes(unnamed[allowed.size()]->value) + ": " + std::string(kind_->name) +
                     " takes only " + key_list(allowed, " and ") + " without a name",
                 colon_hint);
        if (unnamed.size() == allowed.size()) {
            for (std::size_t i = 0; i < allowed.size(); ++i) unnamed[i]->meaning = allowed[i];
        } else if (unnamed.size() == 1) {
            // `tcp:localhost:port=1234`: the port is named, so this is the host, unless it is a number.
            const std::string& value = unnamed[0]->value;
            const bool number = value.find_first_not_of("0123456789") == value.npos;
            unnamed[0]->meaning = named(kind_->required) && !number ? allowed[0] : kind_->required;
        }
    }

    bool named(key meaning) const {
        return std::any_of(arguments_.begin(), arguments_.end(),
                           [&](const segment& s) { return s.named && s.meaning == meaning; });
    }

    void refuse_duplicates() const {
        for (auto later = arguments_.begin(); later != arguments_.end(); ++later)
            for (auto first = arguments_.begin(); first != later; ++first)
                if (first->meaning == later->meaning)
                    fail(later->start, in_quotes(text_of(later->meaning).name) + " only once", "it again",
                         " (the first is at position " + std::to_string(first->start) + ")");
    }

    void read(const segment& s) {
        const std::string_view expected = text_of(s.meaning).expected;
        if (s.value.empty()) fail(s.value_start, expected, "nothing", s.named ? colon_hint : "");
        switch (s.meaning) {
            case key::host: result_.host = read_host(s, expected); break;
            case key::port: result_.port = read_port(s, expected); break;
            case key::interface: result_.interface = read_host(s, expected); break;
            case key::path: result_.path = read_path(s); break;
            case key::mode: result_.mode = read_number(s, expected, 8, 0, 0777); break;
            case key::descriptor: result_.descriptor = read_number(s, expected, 10, 0, INT_MAX); break;
            case key::name: result_.name = read_name(s, expected); break;
            case key::index: result_.index = read_number(s, expected, 10, 0, 65535); break;
            case key::backlog: result_.backlog = read_number(s, expected, 10, 1, INT_MAX); break;
            case key::timeout: result_.timeout = read_seconds(s, expected); break;
            case key::reuse_port: result_.reuse_port = read_yes(s, expected); break;
            case key::dual_stack: result_.dual_stack = read_yes(s, expected); break;
            case key::local_port:
                result_.local_port = static_cast<std::uint16_t>(read_number(s, expected, 10, 1, 65535));
                break;
            default: read_option(s, expected); break;
        }
    }

    void read_option(const segment& s, std::string_view expected) {
        socket_options& o = result_.options;
        switch (s.meaning) {
            case key::keep_alive:
                o.keep_alive_idle = std::chrono::seconds(read_number(s, expected, 10, 1, 32767));
                break;
            case key::keep_alive_interval:
                o.keep_alive_interval = std::chrono::seconds(read_number(s, expected, 10, 1, 32767));
                break;
            case key::keep_alive_count: o.keep_alive_count = read_number(s, expected, 10, 1, 127); break;
            case key::user_timeout:
                o.user_timeout = read_seconds(s, expected);
                if (*o.user_timeout > std::chrono::seconds(2147483)) fail_value(s, 0, expected);
                break;
            case key::send_buffer: o.send_buffer = read_number(s, expected, 10, 1, INT_MAX); break;
            case key::receive_buffer: o.receive_buffer = read_number(s, expected, 10, 1, INT_MAX); break;
            case key::dscp: o.dscp = read_number(s, expected, 10, 0, 63); break;
            default: {
                const bool odd = s.value.find('\0') != s.value.npos || s.value.find('/') != s.value.npos;
                if (odd || s.value.size() > 15) fail_value(s, 0, expected);
                o.device = std::string_view(s.value);
                break;
            }
        }
    }

    std::string with_host() const { return std::string(kind_->name) + ":localhost:8123"; }

    bool read_yes(const segment& s, std::string_view expected) const {
        if (s.value != "yes" && s.value != "no") fail_value(s, 0, expected);
        return s.value == "yes";
    }

    std::string read_host(const segment& s, std::string_view expected) const {
        if (s.value.starts_with("//")) fail_value(s, 0, expected, " (no URL: as in " + with_host() + ")");
        if (const auto nul = s.value.find('\0'); nul != s.value.npos)
            fail_value(s, nul, std::string(expected) + " without a NUL byte");
        address ip;
        if (result_.only_ipv6() && address::parse_ip(s.value, 0, ip) &&
            ip.family() == address::family_type::ipv4)
            fail_value(s, 0, "an IPv6 address or a name", " (" + std::string(kind_->name) + " is IPv6 only)");
        return s.value;
    }

    std::uint16_t read_port(const segment& s, std::string_view expected) const {
        // `tcp:localhost`: the only unnamed argument is taken as the port.
        if (!s.named && result_.host.empty() && s.value.find_first_of("0123456789") == s.value.npos)
            fail_value(s, 0, expected, " (a host has its port after it, as in " + with_host() + ")");
        return static_cast<std::uint16_t>(read_number(s, expected, 10, 0, 65535));
    }

    int read_number(const segment& s, std::string_view expected, int base, int lowest, int highest) const {
        std::int64_t number = 0;
        for (std::size_t i = 0; i < s.value.size(); ++i) {
            const int digit = s.value[i] - '0';
            if (digit < 0 || digit >= base) fail_value(s, i, expected);
            number = std::min<std::int64_t>(number * base + digit, std::int64_t{INT_MAX} + 1);
        }
        if (number < lowest || number > highest) fail_value(s, 0, expected);
        return static_cast<int>(number);
    }

    // Parsed by hand: strtod() depends on the locale, and floating point cannot represent every nanosecond.
    duration read_seconds(const segment& s, std::string_view expected) const {
        constexpr std::uint64_t longest = INT64_MAX;  // nanoseconds
        std::uint64_t whole = 0, fraction = 0, unit = second;
        bool point = false, digits = false, beyond = false;
        for (std::size_t i = 0; i < s.value.size(); ++i) {
            const char c = s.value[i];
            if (c == '.' && !point) {
                point = true;
                continue;
            }
            if (c < '0' || c > '9') fail_value(s, i, expected);
            digits = true;
            const auto digit = static_cast<std::uint64_t>(c - '0');
            if (!point) {
                whole = std::min(whole * 10 + digit, longest / second + 1);
            } else if (unit > 1) {
                unit /= 10;
                fraction += digit * unit;
            } else {
                beyond = beyond || digit > 0;
            }
        }
        if (!digits) fail_value(s, 0, expected);
        // Rounded up, so that a tiny time-out does not become zero.
        const std::uint64_t total = std::min(whole * second + fraction + (beyond ? 1 : 0), longest);
        return std::chrono::nanoseconds(static_cast<std::int64_t>(total));
    }

    // What systemd allows (fd_name_is_valid).
    std::string read_name(const segment& s, std::string_view expected) const {
        for (std::size_t i = 0; i < s.value.size(); ++i) {
            if (s.value[i] < ' ' || s.value[i] > '~' || s.value[i] == ':') fail_value(s, i, expected);
        }
        if (s.value.size() > 255) fail_value(s, 255, expected);
        return s.value;
    }

    std::string read_path(const segment& s) const {
        const bool marked = s.value.front() == '@';
        const bool abstract = marked && text_[s.value_start] == '@';
        if (abstract && s.value.size() == 1)
            fail(s.value_start + 1, "a name after the \"@\"", "nothing",
                 " (a file called \"@\" is written \"\\@\")");
        const auto nul = s.value.find('\0');
        if (!abstract && nul != s.value.npos) fail_value(s, nul, "a path without a NUL byte");
        std::string path = marked && !abstract ? "./" + s.value : s.value;
        const std::size_t longest = abstract ? socket_path_capacity : socket_path_capacity - 1;
        if (path.size() > longest)
            fail_value(s, longest - (path.size() - s.value.size()),
                       "no more than " + std::to_string(longest) + " bytes of path",
                       " of " + std::to_string(path.size()) + " bytes");
        return path;
    }

    void check_whole() const {
        const auto find = [&](key k) {
            return std::find_if(arguments_.begin(), arguments_.end(),
                                [k](auto& s) { return s.meaning == k; });
        };
        const bool has_place = find(key::index) != arguments_.end();
        if (find(kind_->required) == arguments_.end() && !has_place)
            fail(text_.size(), text_of(kind_->required).expected, "the end",
                 ", as in " + std::string(kind_->example));
        if (const auto mode = find(key::mode); mode != arguments_.end() && result_.path.starts_with('@'))
            fail(mode->start, "no mode for the abstract name " + in_quotes(result_.path), "one",
                 " (it has no file whose mode could be set)");
    }

    static constexpr std::string_view colon_hint = " (a \":\" inside a value is written \"\\:\")";
    std::string_view text_;
    std::vector<segment> arguments_;  // includes the kind until choose_kind()
    const kind_text* kind_ = nullptr;
    endpoint result_;
};

std::string escaped(std::string_view value) {
    std::string text;
    for (const char c : value) {
        if (c == ':' || c == '=' || c == '\\') text += '\\';
        text += c;
    }
    return text;
}

std::string host_text(const std::string& host) {
    address ip;
    const bool is_ipv6 = address::parse_ip(host, 0, ip) && ip.family() == address::family_type::ipv6;
    return is_ipv6 ? '[' + host + ']' : escaped(host);
}

std::string octal(int number) {
    char digits[16];
    return {digits, std::to_chars(digits, std::end(digits), number, 8).ptr};
}

std::string seconds(duration length) {
    const auto count = std::chrono::duration_cast<std::chrono::nanoseconds>(length).count();
    const auto nanoseconds = static_cast<std::uint64_t>(count);
    std::string text = std::to_string(nanoseconds / second);
    if (nanoseconds % second != 0) {
        // The leading 1 keeps the zeros; the point then replaces it.
        std::string fraction = std::to_string(second + nanoseconds % second);
        fraction.front() = '.';
        text += fraction.substr(0, fraction.find_last_not_of('0') + 1);
    }
    return text;
}

}  // namespace

endpoint endpoint::parse(std::string_view text) { return parser(text).parse(); }

std::string endpoint::to_string() const {
    const auto row = std::find_if(std::begin(kind_texts), std::end(kind_texts),
                                  [&](const kind_text& k) { return k.which == kind; });
    std::string text(row->name);
    const auto add = [&](std::string_view key_name, const std::string& value) {
        text += ':';
        if (!key_name.empty()) (text += key_name) += '=';
        text += value;
    };
    const bool tcp = kind == kind_type::tcp || kind == kind_type::tcp6;
    const bool ip = tcp || is_udp();
    if (kind == kind_type::descriptor) return text + ':' + std::to_string(descriptor);
    if (kind == kind_type::inherited) {
        if (!name.empty()) add({}, escaped(name));
        if (name.empty() || index > 0) add("index", std::to_string(index));
        return text;
    }
    if (ip) {
        if (!host.empty()) add({}, host_text(host));
        add({}, std::to_string(port));
        if (!interface.empty()) add("interface", host_text(interface));
    } else {
        add({}, escaped(path));
        if (mode >= 0) add("mode", octal(mode));
    }
    if (!is_udp() && backlog > 0) add("backlog", std::to_string(backlog));
    if (timeout >= duration::zero()) add("timeout", seconds(timeout));
    if (ip && reuse_port) add("reuse_port", "yes");
    if (ip && local_port > 0) add("local_port", std::to_string(local_port));
    const auto number = [&](std::string_view key_name, std::optional<int> value) {
        if (value) add(key_name, std::to_string(*value));
    };
    if (tcp && options.keep_alive_idle) add("keep_alive", seconds(*options.keep_alive_idle));
    if (tcp && options.keep_alive_interval) add("keep_alive_interval", seconds(*options.keep_alive_interval));
    if (tcp) number("keep_alive_count", options.keep_alive_count);
    if (tcp && options.user_timeout) add("user_timeout", seconds(*options.user_timeout));
    number("send_buffer", options.send_buffer);
    number("receive_buffer", options.receive_buffer);
    if (ip) number("dscp", options.dscp);
    if (ip && options.device) add("device", escaped(options.device.text()));
    if (ip && only_ipv6() && dual_stack) add("dual_stack", "yes");
    return text;
}

}  // namespace bight
