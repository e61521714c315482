#include "kqueue_source.hpp"

#include <sys/event.h>
#include <sys/stat.h>

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

namespace bight::detail {

namespace {

// Nothing is read of what is only watched: a medium may be taken out (macOS).
#if defined(O_EVTONLY)
constexpr int for_watching = O_EVTONLY | O_CLOEXEC | O_NONBLOCK;
#else
constexpr int for_watching = O_RDONLY | O_CLOEXEC | O_NONBLOCK;
#endif

// libkqueue has no NOTE_REVOKE.
#if defined(NOTE_REVOKE)
constexpr unsigned end_notes = NOTE_DELETE | NOTE_REVOKE;
#else
constexpr unsigned end_notes = NOTE_DELETE;
#endif
constexpr unsigned all_notes = NOTE_WRITE | NOTE_EXTEND | NOTE_ATTRIB | NOTE_LINK | NOTE_RENAME | end_notes;

class kqueue_of_files final : public change_descriptor {
  public:
    explicit kqueue_of_files(reactor& home) noexcept : change_descriptor(home) { is_only_polled = true; }
};

task<> wait_for(change_descriptor& queue) { co_await change_wait(queue); }

}  // namespace

kqueue_source::kqueue_source(reactor& home) {
    auto* const made = new kqueue_of_files(home);
    made->fd = ::kqueue();
    try {
        if (made->fd < 0) throw std::system_error(errno, std::system_category(), "file_watch: kqueue");
        demultiplexer_of(home).attach(*made);
    } catch (...) {
        if (made->fd >= 0) ::close(made->fd);
        made->drop();
        throw;
    }
    queue_ = made;
}

void kqueue_source::end() noexcept {
    if (change_descriptor* const queue = std::exchange(queue_, nullptr)) queue->close();
}

int kqueue_source::open(int in, const std::string& name, bool follow_link, told_file& made) {
    const int fd = ::openat(in, name.c_str(), for_watching | (follow_link ? 0 : O_NOFOLLOW));
    if (fd < 0) return -errno;
    struct stat is{};
    int error = ::fstat(fd, &is) < 0 ? errno : 0;
    if (error == 0 && !S_ISREG(is.st_mode) && !S_ISDIR(is.st_mode)) error = EINVAL;
    if (error == 0) {
        struct kevent add{};
        EV_SET(&add, static_cast<uintptr_t>(fd), EVFILT_VNODE, EV_ADD | EV_CLEAR, all_notes, 0, nullptr);
        if (::kevent(static_cast<int>(queue_->fd), &add, 1, nullptr, 0, nullptr) < 0) error = errno;
    }
    if (error != 0) {
        ::close(fd);
        return -error;
    }
    made.fd = fd;
    made.device = static_cast<std::uint64_t>(is.st_dev);
    made.inode = static_cast<std::uint64_t>(is.st_ino);
    made.is_directory = S_ISDIR(is.st_mode);
    return 0;
}

// Explicit, because a child of fork(2) may have the file, too.
void kqueue_source::close(int fd) noexcept {
    if (is_open()) {
        struct kevent remove{};
        EV_SET(&remove, static_cast<uintptr_t>(fd), EVFILT_VNODE, EV_DELETE, 0, 0, nullptr);
        (void)::kevent(static_cast<int>(queue_->fd), &remove, 1, nullptr, 0, nullptr);
    }
    ::close(fd);
}

bool kqueue_source::is_removed(int fd) noexcept {
    struct stat is{};
    return ::fstat(fd, &is) == 0 && is.st_nlink == 0;
}

void kqueue_source::take(std::vector<told_of_file>& to) {
    constexpr int most = 64;
    for (int count = most; count == most;) {
        struct kevent events[most];
        const timespec no_time{};
        count = ::kevent(static_cast<int>(queue_->fd), nullptr, 0, events, most, &no_time);
        if (count < 0) {
            if (errno == EINTR) return;
            throw std::system_error(errno, std::system_category(), "file_watch: reading what has changed");
        }
        for (int i = 0; i < count; ++i) {
            const auto notes = static_cast<unsigned>(events[i].fflags);
            told_of_file told;
            told.fd = static_cast<int>(events[i].ident);
            told.contents = (notes & (NOTE_WRITE | NOTE_EXTEND | NOTE_LINK)) != 0;
            told.status = (notes & NOTE_ATTRIB) != 0;
            told.gone = (notes & end_notes) != 0;
            told.moved = (notes & NOTE_RENAME) != 0;
            to.push_back(told);
        }
    }
}

task<> kqueue_source::wait() { return wait_for(*queue_); }

}  // namespace bight::detail
