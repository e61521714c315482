// Names of a test's own, which getaddrinfo finds in place of those that the machine knows.
#pragma once

#include <memory>
#include <string>
#include <vector>

namespace test {

/// What addresses the machine has, as far as AI_ADDRCONFIG goes.
enum class machine { has_both_families, has_loopback_only };

/// As long as it lives, look-ups of `name` give these addresses, in this order. Thread: any.
class fake_name {
  public:
    fake_name(std::string name, std::vector<std::string> ips, machine on = machine::has_both_families);
    fake_name(const fake_name&) = delete;
    fake_name& operator=(const fake_name&) = delete;
    ~fake_name();

  private:
    std::string name_;
};

/// As long as it lives, look-ups of `name` hang; then they fail (EAI_AGAIN). Thread: any.
class hanging_name {
  public:
    explicit hanging_name(std::string name);
    hanging_name(const hanging_name&) = delete;
    hanging_name& operator=(const hanging_name&) = delete;
    /// Waits until those that hang have ended.
    ~hanging_name();

  private:
    std::string name_;
};

/// How many look-ups of this name hang now. Thread: any.
int hanging_look_ups(const std::string& name);

}  // namespace test
