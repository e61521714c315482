// witness: on which thread an object went.
#pragma once

#include <thread>
#include <utility>

namespace test {

/// Writes down on which thread the last of its kind is destroyed.
class witness {
  public:
    explicit witness(std::thread::id& died_on) : died_on_(&died_on) {}
    witness(witness&& other) noexcept : died_on_(std::exchange(other.died_on_, nullptr)) {}
    ~witness() {
        if (died_on_) *died_on_ = std::this_thread::get_id();
    }

  private:
    std::thread::id* died_on_;
};

}  // namespace test
