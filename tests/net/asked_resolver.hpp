// asked_resolver: a resolver of a test's own, which answers when and as the test says.
#pragma once

#include <bight/core/duration.hpp>
#include <bight/io/address.hpp>
#include <bight/net/resolver.hpp>
#include <bight/sync/event.hpp>

#include <map>
#include <optional>
#include <string>
#include <system_error>
#include <vector>

namespace test {

class asked_resolver final : public bight::resolver {
  public:
    explicit asked_resolver(bool answers_at_once = true) : answering(answers_at_once) {}

    std::map<std::string, std::vector<std::string>> names;  ///< the others are not found
    std::optional<bight::duration> ttl;
    std::error_code failure = std::make_error_code(std::errc::address_not_available);
    bight::manual_reset_event answering;  ///< look-ups wait for it
    std::vector<std::string> asked;       ///< in their order
    int under_way = 0;
    bool of_each_family = false;  ///< whatever it is asked for
    bool paths = false;           ///< gives one of those, too

  protected:
    bight::task<bight::resolved_host> look_up(std::string host, bight::address::family_type family) override {
        using enum bight::address::family_type;
        asked.push_back(host + (family == ipv4 ? " over IPv4" : family == ipv6 ? " over IPv6" : ""));
        const counted here(under_way);
        co_await answering.wait();
        bight::resolved_host found;
        found.ttl = ttl;
        for (const std::string& ip : names[host]) {
            const auto a = bight::address::from_ip(ip, 0);
            if (of_each_family || family == none || family == a.family()) found.addresses.push_back(a);
        }
        if (paths) found.addresses.insert(found.addresses.begin(), bight::address::from_path("/run/x"));
        if (found.addresses.empty()) throw std::system_error(failure, host + " is not found");
        co_return found;
    }
    bight::task<std::string> look_up_name(bight::address of) override {
        asked.push_back("the name of " + of.host());
        const counted here(under_way);
        co_await answering.wait();
        for (const auto& [name, ips] : names) {
            for (const std::string& ip : ips) {
                if (ip == of.host()) co_return name;
            }
        }
        throw std::system_error(failure, of.host() + " has no name");
    }

  private:
    struct counted {
        explicit counted(int& of) : count(of) { ++count; }
        counted(const counted&) = delete;
        counted& operator=(const counted&) = delete;
        ~counted() { --count; }
        int& count;
    };
};

/// Addresses in words: "127.0.0.1:80 [::1]:80".
inline std::string in_words(const bight::resolved_host& found) {
    std::string text;
    for (const bight::address& a : found.addresses) text += (text.empty() ? "" : " ") + a.to_string();
    return text;
}

}  // namespace test
