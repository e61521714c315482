#include "dns_hosts.hpp"

#include "resolve.hpp"

#include <utility>

namespace bight::detail {

namespace {

std::string key_of(std::string name) {
    if (name.ends_with('.')) name.pop_back();
    return in_lower_case(std::move(name));
}

}  // namespace

dns_hosts::dns_hosts(const std::vector<dns_options::host>& entries) {
    for (const dns_options::host& entry : entries) {
        by_name_[key_of(entry.name)].push_back(entry.at);
        by_address_.try_emplace(entry.at.host(), entry.name);
    }
}

std::vector<address> dns_hosts::addresses_of(const std::string& name, address::family_type family) const {
    std::vector<address> found;
    const auto at = by_name_.find(key_of(name));
    if (at == by_name_.end()) return found;
    for (const address& a : at->second) {
        if (family == address::family_type::none || a.family() == family) found.push_back(a);
    }
    return found;
}

const std::string* dns_hosts::name_of(const address& of) const {
    const auto at = by_address_.find(of.host());
    return at == by_address_.end() ? nullptr : &at->second;
}

}  // namespace bight::detail
