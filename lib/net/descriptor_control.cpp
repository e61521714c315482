#include "descriptor_control.hpp"

#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

namespace bight::detail {

namespace {

#if defined(__linux__)
// The kernel closes what has no room before this process has it.
constexpr bool rest_is_closed = true;
constexpr int process_descriptor = 0x04;  // SCM_PIDFD, for which a program may have asked (SO_PASSPIDFD)
#if defined(SO_PASSPIDFD)
constexpr int pass_pidfd = SO_PASSPIDFD;
#elif defined(__sparc__) || defined(__hppa__)
constexpr int pass_pidfd = -1;
#else
constexpr int pass_pidfd = 76;  // since Linux 6.5, and headers may be older than the kernel
#endif
constexpr int sender = SO_PASSCRED;
// One off is that of both times, in either form (SO_TIMESTAMP_NEW).
constexpr std::array additions{SO_PASSCRED, SO_PASSSEC, pass_pidfd, SO_TIMESTAMP, SO_TIMESTAMPNS};
constexpr int no_more_control_data = ENOBUFS;  // that a receiver is full is EAGAIN
#else
// macOS gives this process all of them, and tells it only of those that have room.
constexpr bool rest_is_closed = false;
constexpr int process_descriptor = -1;
constexpr int sender = -1;
constexpr std::array<int, 0> additions{};
constexpr int no_more_control_data = -1;  // by ENOBUFS it says that a receiver is full
#endif

}  // namespace

bool descriptor_control::offered() noexcept { return true; }

// An option that the kernel does not know is off.
void descriptor_control::come_alone(native_handle socket, bool but_sender) noexcept {
    constexpr int off = 0;
    for (const int which : additions) {
        if (which == sender && but_sender) continue;
        (void)::setsockopt(socket, SOL_SOCKET, which, &off, sizeof off);
    }
}

bool descriptor_control::is_refusal(int error) noexcept { return error == no_more_control_data; }

void descriptor_control::make_room(std::size_t count, std::size_t beside) noexcept {
    if (count == 0) {
        size_ = beside;
    } else {
        size_ = rest_is_closed ? beside + CMSG_LEN(count * sizeof(int)) : sizeof bytes_;
    }
}

void descriptor_control::put(const std::vector<int>& descriptors) noexcept {
    const std::size_t size = descriptors.size() * sizeof(int);
    std::memset(bytes_, 0, sizeof bytes_);
    auto* const header = reinterpret_cast<cmsghdr*>(bytes_);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = static_cast<decltype(header->cmsg_len)>(CMSG_LEN(size));
    std::memcpy(CMSG_DATA(header), descriptors.data(), size);
    size_ = CMSG_SPACE(size);
}

std::size_t descriptor_control::take(std::vector<owned_descriptor>& to, std::size_t most) noexcept {
    msghdr message{};
    message.msg_control = data();
    message.msg_controllen = static_cast<decltype(message.msg_controllen)>(size_);
    std::size_t came = 0;
    for (cmsghdr* c = CMSG_FIRSTHDR(&message); c; c = CMSG_NXTHDR(&message, c)) {
        const bool rights = c->cmsg_type == SCM_RIGHTS;
        if (c->cmsg_level != SOL_SOCKET || (!rights && c->cmsg_type != process_descriptor)) continue;
        const std::size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (std::size_t i = 0; i < count; ++i) {
            int fd = -1;
            std::memcpy(&fd, CMSG_DATA(c) + i * sizeof fd, sizeof fd);
            owned_descriptor one(fd);
            if (rights && came++ < most) to.push_back(std::move(one));
        }
    }
    size_ = 0;
    return came;
}

}  // namespace bight::detail
