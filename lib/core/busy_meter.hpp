// busy_meter: measures how long tasks run between two looks at the demultiplexer.
#pragma once

#include <bight/core/detail/timer.hpp>

#include <chrono>
#include <cstdint>

namespace bight::detail {

/// The processor's time-stamp counter, which costs a tenth of a clock reading; on other processors the clock
/// itself. It runs at a constant rate on every processor of the last fifteen years.
inline std::uint64_t cycle_count() noexcept {
#if defined(__x86_64__) || defined(__i386__)
    return __builtin_ia32_rdtsc();
#elif defined(__aarch64__)
    std::uint64_t count;
    asm volatile("mrs %0, cntvct_el0" : "=r"(count));
    return count;
#else
    return static_cast<std::uint64_t>(clock::now().time_since_epoch().count());
#endif
}

class busy_meter {
  public:
    void begin() noexcept { began_ = cycle_count(); }
    void end() noexcept {
        const std::uint64_t took = cycle_count() - began_;
        if (took > longest_) longest_ = took;
    }

    /// The longest time between begin and end. The length of a cycle is the average since the meter was made.
    duration longest() const noexcept {
        const auto cycles = static_cast<double>(cycle_count() - made_);
        const std::chrono::duration<double, duration::period> real = clock::now() - made_at_;
        const double each = cycles > 0 ? real.count() / cycles : 0;
        return duration(static_cast<duration::rep>(static_cast<double>(longest_) * each));
    }

    /// True about once a millisecond: time to read the clock.
    bool clock_is_due() noexcept {
        if (began_ - clock_read_ < std::uint64_t{1} << 21) return false;
        clock_read_ = began_;
        return true;
    }

  private:
    std::uint64_t began_ = cycle_count();
    std::uint64_t longest_ = 0;
    std::uint64_t clock_read_ = 0;
    std::uint64_t made_ = cycle_count();
    time_point made_at_ = clock::now();
};

}  // namespace bight::detail
