#include "descriptor_control.hpp"

#include <sys/socket.h>

#include <cstring>
#include <utility>

namespace bight::detail {

namespace {

#if defined(__linux__)
// The kernel closes what has no room before this process has it.
constexpr bool rest_is_closed = true;
constexpr int process_descriptor = 0x04;  // SCM_PIDFD, for which a program may have asked (SO_PASSPIDFD)
#else
// macOS gives this process all of them, and tells it only of those that have room.
constexpr bool rest_is_closed = false;
constexpr int process_descriptor = -1;
#endif

}  // namespace

bool descriptor_control::offered() noexcept { return true; }

void descriptor_control::make_room(std::size_t count) noexcept {
    if (count == 0) {
        size_ = 0;
    } else {
        size_ = rest_is_closed ? CMSG_LEN(count * sizeof(int)) : sizeof bytes_;
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
