#include "inotify.hpp"

#include "../core/system_error.hpp"

#include <bight/core/reactor.hpp>

#include <sys/inotify.h>
#include <unistd.h>

#include <climits>
#include <system_error>

namespace bight::detail {

inotify_queue& inotify_queue::make(reactor& home) {
    auto* const made = new inotify_queue(home);
    made->fd = ::inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    try {
        if (made->fd < 0) {
            throw std::system_error(system_error_code(errno),
                                    "file_watch: inotify_init1 (see fs.inotify.max_user_instances)");
        }
        demultiplexer_of(home).attach(*made);
    } catch (...) {
        if (made->fd >= 0) ::close(made->fd);
        made->drop();
        throw;
    }
    return *made;
}

int inotify_queue::add(const char* path, std::uint32_t mask) const noexcept {
    const int number = ::inotify_add_watch(fd, path, mask);
    return number < 0 ? -errno : number;
}

void inotify_queue::remove(int number) const noexcept {
    if (fd >= 0) (void)::inotify_rm_watch(fd, number);
}

bool inotify_queue::take(std::vector<char>& to) const {
    constexpr std::size_t room = 16384;  // many events; one takes up to NAME_MAX + 17 bytes
    static_assert(room > sizeof(inotify_event) + NAME_MAX + 1);
    const std::size_t before = to.size();
    to.resize(before + room);
    const ssize_t size = ::read(fd, to.data() + before, room);
    const int error = errno;
    to.resize(before + static_cast<std::size_t>(size > 0 ? size : 0));
    if (size < 0 && error != EAGAIN && error != EINTR) {
        throw std::system_error(system_error_code(error), "file_watch: reading what has changed");
    }
    return size > 0;
}

}  // namespace bight::detail
