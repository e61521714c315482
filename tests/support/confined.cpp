// Runs a program as a strict container would: io_uring is refused with EPERM, there is no network but the
// loopback interface, and no IPv6.
//
//     confined PROGRAM [ARGUMENT...]
//
// If such a container cannot be made, prints why and ends with status 125.
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

namespace {

constexpr int cannot = 125;

void check(bool done, const std::string& what) {
    if (done) return;
    std::fprintf(stderr, "confined: %s: %s\n", what.c_str(), std::strerror(errno));
    std::exit(cannot);
}

void write_file(const std::string& path, const std::string& text) {
    const int fd = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
    check(fd >= 0, path);
    check(::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size()), path);
    ::close(fd);
}

// A user who is not root becomes root in a new user namespace, with the same number outside.
void enter_network_of_its_own() {
    const uid_t user = ::geteuid();
    const gid_t group = ::getegid();
    if (user == 0) {
        check(::unshare(CLONE_NEWNET) == 0, "unshare(CLONE_NEWNET)");
        return;
    }
    check(::unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0, "unshare(CLONE_NEWUSER | CLONE_NEWNET)");
    write_file("/proc/self/setgroups", "deny");
    write_file("/proc/self/uid_map", "0 " + std::to_string(user) + " 1");
    write_file("/proc/self/gid_map", "0 " + std::to_string(group) + " 1");
}

void bring_loopback_up() {
    const int any = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    check(any >= 0, "socket");
    ifreq lo{};
    std::strcpy(lo.ifr_name, "lo");
    check(::ioctl(any, SIOCGIFFLAGS, &lo) == 0, "SIOCGIFFLAGS of lo");
    lo.ifr_flags = static_cast<short>(lo.ifr_flags | IFF_UP);
    check(::ioctl(any, SIOCSIFFLAGS, &lo) == 0, "SIOCSIFFLAGS of lo");
    ::close(any);
}

// Refuses io_uring as the default profile of Docker and Podman does.
void refuse_io_uring() {
    constexpr std::array<std::uint32_t, 3> refused{SYS_io_uring_setup, SYS_io_uring_enter,
                                                   SYS_io_uring_register};
    std::array<sock_filter, 2 * refused.size() + 2> program{};
    std::size_t n = 0;
    program[n++] = BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr));
    for (const std::uint32_t number : refused) {
        program[n++] = BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1);
        program[n++] = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM);
    }
    program[n++] = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    sock_fprog all{static_cast<unsigned short>(n), program.data()};
    check(::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0, "PR_SET_NO_NEW_PRIVS");
    check(::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &all) == 0, "PR_SET_SECCOMP");
}

}  // namespace

int main(int argc, char** argv) {
    if (argc < 2) {
        std::fprintf(stderr, "usage: confined PROGRAM [ARGUMENT...]\n");
        return cannot;
    }
    enter_network_of_its_own();
    // A kernel without IPv6 has no such file, and needs none.
    const std::string ipv6 = "/proc/sys/net/ipv6/conf/all/disable_ipv6";
    if (::access(ipv6.c_str(), F_OK) == 0) write_file(ipv6, "1");
    bring_loopback_up();
    refuse_io_uring();
    ::execvp(argv[1], argv + 1);
    check(false, argv[1]);
}
