// What resolv.conf(5) and hosts(5) say.
#include <bight/net/dns_resolver.hpp>

#include "../demux/network_platform.hpp"
#include "dns_options.hpp"
#include "environment.hpp"
#include "look_up.hpp"
#include "resolve.hpp"

#include <bight/core/error.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <fstream>
#include <optional>
#include <system_error>
#include <utility>

namespace bight {

namespace {

// Of resolv.conf(5).
constexpr std::uint64_t most_dots = 15;
constexpr std::uint64_t most_seconds = 30;
constexpr std::uint64_t most_attempts = 5;
constexpr std::size_t most_servers = 3;
// More than a file that means well has.
constexpr std::size_t most_domains = 64;

// The words of a line; a comment ends it.
std::vector<std::string_view> words_of(std::string_view line, std::string_view comments) {
    line = line.substr(0, line.find_first_of(comments));
    std::vector<std::string_view> words;
    constexpr std::string_view blanks = " \t\r\f\v";
    for (;;) {
        const std::size_t begin = line.find_first_not_of(blanks);
        if (begin == std::string_view::npos) return words;
        line.remove_prefix(begin);
        const std::size_t end = std::min(line.find_first_of(blanks), line.size());
        words.push_back(line.substr(0, end));
        line.remove_prefix(end);
    }
}

template <class F>
void for_each_line(std::string_view text, F each) {
    while (!text.empty()) {
        const std::size_t end = std::min(text.find('\n'), text.size());
        each(text.substr(0, end));
        text.remove_prefix(std::min(end + 1, text.size()));
    }
}

// The number of "ndots:2" where the name is "ndots:".
std::optional<std::uint64_t> number_of(std::string_view option, std::string_view name) noexcept {
    if (!option.starts_with(name)) return std::nullopt;
    return detail::whole_number(option.substr(name.size()));
}

void read_option(std::string_view option, dns_options& into) {
    if (const auto dots = number_of(option, "ndots:")) {
        into.ndots = static_cast<unsigned>(std::min(*dots, most_dots));
    } else if (const auto seconds = number_of(option, "timeout:")) {
        into.timeout = std::chrono::seconds(std::clamp<std::uint64_t>(*seconds, 1, most_seconds));
    } else if (const auto attempts = number_of(option, "attempts:")) {
        into.attempts = static_cast<unsigned>(std::clamp<std::uint64_t>(*attempts, 1, most_attempts));
    } else if (option == "rotate") {
        into.rotate = true;
    }
}

// The domain of this machine's name, which is searched where no line says otherwise.
void search_domain_of(std::string_view host_name, dns_options& into) {
    const std::size_t dot = host_name.find('.');
    if (dot != std::string_view::npos) into.search.emplace_back(host_name.substr(dot + 1));
}

bool names_domains(std::string_view line) {
    const auto words = words_of(line, "#;");
    return words.size() > 1 && (words[0] == "search" || words[0] == "domain");
}

void read_resolv_conf(std::string_view line, dns_options& into) {
    const auto words = words_of(line, "#;");
    if (words.size() < 2) return;
    address server;
    if (words[0] == "nameserver" && into.servers.size() < most_servers) {
        if (address::parse_ip(words[1], 0, server)) into.servers.push_back(server);
    } else if (words[0] == "search" || words[0] == "domain") {  // the last line counts
        const std::size_t most = words[0] == "domain" ? 1 : most_domains;
        into.search.clear();
        for (std::size_t i = 1; i < words.size() && i <= most; ++i) {
            if (words[i] != ".") into.search.emplace_back(words[i]);
        }
    } else if (words[0] == "options") {
        for (std::size_t i = 1; i < words.size(); ++i) read_option(words[i], into);
    }
}

void read_hosts(std::string_view line, dns_options& into) {
    const auto words = words_of(line, "#");
    address at;
    if (words.empty() || !address::parse_ip(words[0], 0, at)) return;
    for (std::size_t i = 1; i < words.size(); ++i) into.hosts.push_back({std::string(words[i]), at});
}

}  // namespace

std::string detail::contents_of_file(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    std::string text;
    if (!file) return text;
    std::array<char, 4096> memory;
    do {
        errno = 0;
        file.read(memory.data(), memory.size());  // keeps what is thrown to itself
        text.append(memory.data(), static_cast<std::size_t>(file.gcount()));
    } while (file);
    if (file.bad()) {
        throw std::system_error(errno != 0 ? errno : EIO, errno_category(), "cannot read " + path);
    }
    return text;
}

dns_options parse_dns_options(std::string_view resolv_conf, std::string_view hosts,
                              std::string_view host_name) {
    dns_options read;
    bool has_domains = false;
    for_each_line(resolv_conf, [&](std::string_view line) {
        has_domains = has_domains || names_domains(line);
        read_resolv_conf(line, read);
    });
    if (!has_domains) search_domain_of(host_name, read);
    for_each_line(hosts, [&](std::string_view line) { read_hosts(line, read); });
    return read;
}

dns_options system_dns_options() {
    if (!detail::keeps_resolv_conf() || detail::network_platform::current()) {
        throw std::system_error(EOPNOTSUPP, detail::errno_category(),
                                "system_dns_options: there is no resolv.conf here; say whom to ask");
    }
    return parse_dns_options(detail::contents_of_file("/etc/resolv.conf"),
                             detail::contents_of_file("/etc/hosts"),
                             detail::name_of_this_machine());
}

}  // namespace bight
