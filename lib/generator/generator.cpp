#include <bight/generator/generator.hpp>

#include <bight/core/error.hpp>

#include <cstdio>
#include <cstdlib>
#include <system_error>

namespace bight::detail {

void throw_generator_busy() {
    throw std::system_error(errc::busy, "another task waits for an item of this generator");
}

void throw_generator_cancelled() {
    throw std::system_error(std::make_error_code(std::errc::operation_canceled),
                            "the body of this generator was unwound when an earlier next() was cancelled");
}

void misused_generator() noexcept {
    std::fputs(
        "bight: a generator was destroyed or moved while a task waits for its next item; end that task "
        "first, by keeping the generator in the task that reads it or outside of the group that does\n",
        stderr);
    std::abort();
}

}  // namespace bight::detail
