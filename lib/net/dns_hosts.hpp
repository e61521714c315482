// dns_hosts: the names and addresses of a hosts file, each found at once.
#pragma once

#include <bight/io/address.hpp>
#include <bight/net/dns_resolver.hpp>

#include <string>
#include <unordered_map>
#include <vector>

namespace bight::detail {

class dns_hosts {
  public:
    explicit dns_hosts(const std::vector<dns_options::host>& entries);

    /// Those of this family (none: of both), in the order of the entries; their ports do not
    /// matter.
    std::vector<address> addresses_of(const std::string& name, address::family_type family) const;
    /// The first of its names, or null. Its port does not matter.
    const std::string* name_of(const address& of) const;

  private:
    std::unordered_map<std::string, std::vector<address>> by_name_;  // in lower case, without a final dot
    std::unordered_map<std::string, std::string> by_address_;
};

}  // namespace bight::detail
