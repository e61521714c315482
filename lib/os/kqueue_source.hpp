// kqueue_source: what kqueue(2) tells of open files.
#pragma once

#include "change_descriptor.hpp"
#include "change_source.hpp"

#include <string>
#include <vector>

namespace bight::detail {

class kqueue_source final : public change_source {
  public:
    /// Throws std::system_error.
    explicit kqueue_source(reactor& home);
    kqueue_source(const kqueue_source&) = delete;
    kqueue_source& operator=(const kqueue_source&) = delete;
    ~kqueue_source() override { end(); }

    int open(int in, const std::string& name, bool follow_link, told_file& made) override;
    void close(int fd) noexcept override;
    bool is_removed(int fd) noexcept override;
    void take(std::vector<told_of_file>& to) override;
    task<> wait() override;
    void end() noexcept override;
    bool is_open() const noexcept override { return queue_ && queue_->is_open(); }

  private:
    change_descriptor* queue_ = nullptr;
};

}  // namespace bight::detail
