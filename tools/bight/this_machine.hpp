// this_machine: the one on which the program runs.
#pragma once

#include "machine.hpp"

namespace doctor {

class this_machine final : public machine {
  public:
    std::string kernel() const override;
    unsigned processors() const override;
    bool is_root() const override;
    std::optional<std::string> read(const std::string& path) const override;
    std::optional<std::string> variable(const char* name) const override;
    limit limit_of(resource r) const override;
    bight::platform_report platform() const override;
    failure make_reactor() const override;
    failure converse(bight::demultiplexer_kind kind) const override;
    int bind(const std::string& ip) const override;
    int connect(const std::string& ip) const override;
    look_up resolve(const std::string& name) const override;
};

}  // namespace doctor
