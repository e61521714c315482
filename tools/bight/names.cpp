// How names are looked up: by getaddrinfo(3), on threads of bight's.
#include "doctor.hpp"

#include <algorithm>
#include <sstream>
#include <string>

namespace doctor {

namespace {

// nsswitch.conf(5)
finding examine_sources(const machine& m) {
    const std::string path = "/etc/nsswitch.conf";
    finding f{{}, "sources", state::fine, {}, {}};
    const auto text = m.read(path);
    if (!text) {
        f.found = "there is no " + path + ": the C library looks into its files and asks DNS";
        return f;
    }
    std::istringstream lines(*text);
    std::string line;
    while (std::getline(lines, line) && f.found.empty()) {
        std::istringstream words(line.substr(0, line.find('#')));
        std::string word;
        if (!(words >> word) || word != "hosts:") continue;
        while (words >> word) f.found += (f.found.empty() ? "" : " ") + word;
    }
    if (f.found.empty()) {
        f.found = path + " has no line for hosts: the C library decides";
    } else if ((" " + f.found + " ").find(" files ") == std::string::npos) {
        f.state = state::note;
        f.found += ": /etc/hosts is not read";
        f.advice = "\"hosts: files dns\" in " + path;
    }
    return f;
}

// resolv.conf(5)
finding examine_servers(const machine& m) {
    const std::string path = "/etc/resolv.conf";
    finding f{{}, "servers", state::fine, {}, {}};
    std::istringstream lines(m.read(path).value_or(""));
    std::string line;
    while (std::getline(lines, line)) {
        std::istringstream words(line);
        std::string keyword;
        std::string value;
        if (words >> keyword >> value && keyword == "nameserver")
            f.found += (f.found.empty() ? "" : ", ") + value;
    }
    if (f.found.empty()) {
        f.state = state::note;
        f.found =
            path + " names no server: names are asked of this machine, and where nothing listens, not found";
        f.advice = "\"nameserver ADDRESS\" in " + path;
    }
    return f;
}

finding examine_localhost(const machine& m) {
    finding f{{}, "localhost", state::fine, {}, {}};
    const look_up found = m.resolve("localhost");
    const std::string is_known = "bight's own connect and listen know it as 127.0.0.1 and ::1 without asking";
    if (!found.error.empty()) {
        f.state = state::note;
        f.found = "is not found by other programs (" + found.error + "); " + is_known;
        f.advice = "\"127.0.0.1 localhost\" and \"::1 localhost\" in /etc/hosts";
        return f;
    }
    for (const std::string& a : found.addresses) f.found += (f.found.empty() ? "" : ", ") + a;
    const bool has_ipv6 =
        std::find(found.addresses.begin(), found.addresses.end(), "::1") != found.addresses.end();
    if (!has_ipv6 && m.bind("::1") == 0) {
        f.state = state::note;
        f.found += ", not ::1, to other programs; " + is_known;
        f.advice = "\"::1 localhost\" in /etc/hosts";
    }
    return f;
}

}  // namespace

findings examine_names(const machine& m) {
    return {examine_sources(m), examine_servers(m), examine_localhost(m)};
}

}  // namespace doctor
