// A machine on which all is fine, until a test changes something.
#pragma once

#include "support/catch.hpp"

#include <doctor.hpp>

#include <cerrno>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace test {

class fake_machine final : public doctor::machine {
  public:
    fake_machine() {
        report.demultiplexers = {{bight::demultiplexer_kind::io_uring, "io_uring", {}, {}},
                                 {bight::demultiplexer_kind::epoll, "epoll", {}, {}},
                                 {bight::demultiplexer_kind::poll, "poll", {}, {}},
                                 {bight::demultiplexer_kind::select, "select", {}, {}}};
        report.features = {{"multishot_limit", "6.17", true, "it is slow"},
                           {"accept4", "2.6.28", true, "it is slow, too"}};
        limits = {{doctor::resource::open_files, {100'000, 1'000'000}},
                  {doctor::resource::locked_memory, {8 << 20, 8 << 20}},
                  {doctor::resource::processes, {10'000, 10'000}}};
        files = {{"/proc/self/status", "Name:\tbight\nSeccomp:\t0\nSeccomp_filters:\t0\n"},
                 {"/proc/self/cgroup", "0::/system.slice/chat.service\n"},
                 {"/proc/sys/kernel/io_uring_disabled", "0\n"},
                 {"/proc/sys/kernel/threads-max", "100000\n"},
                 {"/proc/sys/net/core/somaxconn", "4096\n"},
                 {"/proc/sys/net/ipv4/ip_local_port_range", "32768\t60999\n"},
                 {"/etc/nsswitch.conf", "passwd: files\nhosts: files dns\n"},
                 {"/etc/resolv.conf",
                  "# by hand\nsearch example.org\nnameserver 192.0.2.1\nnameserver 192.0.2.2\n"}};
    }

    /// io_uring is refused, as the library says it.
    void refuse_io_uring(int error) {
        report.demultiplexers[0].refusal = "io_uring_setup: refused";
        report.demultiplexers[0].error = {error, std::system_category()};
    }
    void filter() { files["/proc/self/status"] = "Name:\tbight\nSeccomp:\t2\nSeccomp_filters:\t1\n"; }

    std::string kernel() const override { return release; }
    unsigned processors() const override { return cores; }
    bool is_root() const override { return root; }
    std::optional<std::string> read(const std::string& path) const override {
        const auto at = files.find(path);
        return at == files.end() ? std::nullopt : std::optional(at->second);
    }
    std::optional<std::string> variable(const char* name) const override {
        const auto at = variables.find(name);
        return at == variables.end() ? std::nullopt : std::optional(at->second);
    }
    doctor::limit limit_of(doctor::resource r) const override { return limits.at(r); }
    bight::platform_report platform() const override { return report; }
    doctor::failure make_reactor() const override { return refused; }
    doctor::failure converse(bight::demultiplexer_kind kind) const override {
        if (speechless_by && (speechless == kind || speechless == bight::demultiplexer_kind::automatic))
            return speechless_by;
        return {};
    }
    int bind(const std::string& ip) const override {
        const auto at = bind_errors.find(ip);
        return at == bind_errors.end() ? 0 : at->second;
    }
    int connect(const std::string& ip) const override {
        const auto at = connect_errors.find(ip);
        return at == connect_errors.end() ? bind(ip) : at->second;
    }
    doctor::look_up resolve(const std::string&) const override { return localhost; }

    std::string release = "6.18.1";
    unsigned cores = 4;
    bool root = false;
    bight::platform_report report;
    doctor::failure refused;
    bight::demultiplexer_kind speechless = bight::demultiplexer_kind::automatic;  // all
    doctor::failure speechless_by;
    std::map<std::string, std::string> files;
    std::map<std::string, std::string> variables;
    std::map<doctor::resource, doctor::limit> limits;
    std::map<std::string, int> bind_errors;
    std::map<std::string, int> connect_errors;
    doctor::look_up localhost{{"127.0.0.1", "::1"}, {}};
};

/// "GROUP/NAME: STATE: FOUND -> ADVICE"
inline std::string say(const doctor::machine& m, std::string_view group, std::string_view name,
                       const doctor::examination_options& options = {}) {
    for (const doctor::finding& f : doctor::examine(m, options)) {
        if (f.group != group || f.name != name) continue;
        const std::string advice = f.advice.empty() ? "" : " -> " + f.advice;
        return std::string(doctor::name_of(f.state)) + ": " + f.found + advice;
    }
    return "there is no finding " + std::string(group) + "/" + std::string(name);
}

}  // namespace test
