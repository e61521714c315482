// A kernel that refuses to go on with an io_uring for now.
#pragma once

#include "support/catch.hpp"

#include <linux/filter.h>
#include <linux/io_uring.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <array>
#include <cstddef>
#include <cstdint>

namespace test {

enum class enters {
    that_submit_alone,  // and look for no completions
    that_wait,          // for a completion
};

/// From here on this thread's calls of io_uring_enter of that kind fail with `error`. Nothing undoes it.
inline void refuse_enters(enters which, int error) {
    const auto argument = [](std::uint32_t n) {
        return static_cast<std::uint32_t>(offsetof(seccomp_data, args) + n * sizeof(std::uint64_t));
    };
    constexpr std::uint32_t fewest_completions = 2;
    constexpr std::uint32_t flags = 3;
    const bool waits = which == enters::that_wait;
    const std::uint32_t any = waits ? ~std::uint32_t{0} : IORING_ENTER_GETEVENTS;
    const auto refuse_if_set = static_cast<std::uint8_t>(waits ? 0 : 1);
    const auto refuse_if_not = static_cast<std::uint8_t>(waits ? 1 : 0);
    std::array<sock_filter, 6> program{{
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_enter, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, argument(waits ? fewest_completions : flags)),
        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, any, refuse_if_set, refuse_if_not),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | static_cast<std::uint32_t>(error)),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    }};
    sock_fprog all{static_cast<unsigned short>(program.size()), program.data()};
    REQUIRE(::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
    REQUIRE(::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &all) == 0);
}

}  // namespace test
