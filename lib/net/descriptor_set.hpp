// descriptor_set: the descriptors of an fd_watch, in an epoll instance of their own.
#pragma once

#include <bight/core/detail/intrusive_list.hpp>
#include <bight/core/detail/thread_checker.hpp>
#include <bight/net/fd_watch.hpp>

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

struct epoll_event;

namespace bight::detail {

/// A wait for one of the descriptors to become ready, which the set ends when there is something to do that
/// its epoll instance does not know of.
class set_wait {
  public:
    /// May be called several times.
    virtual void interrupt() noexcept = 0;

  protected:
    set_wait() noexcept = default;
    ~set_wait() = default;
};

/// What to add to a message when the error of epoll_ctl(2) is one of its limits; else empty.
const char* limit_of_epoll(int error) noexcept;

/// Each is registered to be reported once (EPOLLONESHOT), and armed again just before its handler is called:
///
/// - Arming names the number, and fails when that is another file by now. So it says whether the descriptor
///   is still the one that was added, with no call more than reporting levels costs.
/// - A registration that nobody can remove, for its number was closed and a duplicate keeps the file open,
///   is reported once at most.
/// - What is still ready is at the end of the kernel's list, so that all have their turn.
///
/// So that a number names one registration, the epoll instance has one of each number at most. One that may
/// be left from a number that was closed is not got rid of: that number is `tainted`, and what is added under
/// it from then on has an epoll instance of its own, which stands in the other for it, as long as the process
/// may open one.
///
/// Events carry the generation of the entry that was added, as another may have its number by then. What
/// epoll refuses to watch, for poll(2) knows no readiness of it, stands in `files_` while anything of it is
/// to be told.
class descriptor_set {
  public:
    descriptor_set() noexcept = default;
    descriptor_set(const descriptor_set&) = delete;
    descriptor_set& operator=(const descriptor_set&) = delete;
    ~descriptor_set();

    void add(int fd, fd_interest wanted, fd_watch::handler call);
    void change(int fd, fd_interest wanted);
    bool remove(int fd) noexcept;
    std::vector<watched_fd> remove_all();
    std::vector<watched_fd> list() const;
    std::size_t size() const noexcept { return size_; }

    /// The watch has been destroyed.
    void close() noexcept;
    bool closed() const noexcept { return closed_; }

    /// The epoll instance, which polls readable when `deliver` has something to do. Throws std::system_error.
    int open();
    /// Whether `deliver` has something to do of which the epoll instance knows nothing.
    bool has_files() const noexcept { return !files_.empty(); }
    /// Calls the handlers of what is ready now, each once, and 64 of either kind at most.
    void deliver();

    /// One at a time: false when it runs already.
    bool begin_run() noexcept {
        home_.check("an fd_watch");
        return !std::exchange(runs_, true);
    }
    void end_run() noexcept { runs_ = false; }
    void waits(set_wait* on) noexcept { waiting_ = on; }

    /// Throws std::system_error on a simulated host, and in a forked child.
    void refuse_elsewhere() const;

  private:
    // What a file is known by.
    struct identity {
        ::dev_t device = 0;
        ::ino_t inode = 0;
        std::int64_t born = 0;  // in seconds; 0 where the file system does not know it
        std::uint32_t born_nanoseconds = 0;
        bool operator==(const identity&) const = default;
    };
    struct entry : list_hook<entry> {
        int fd = -1;
        int own = -1;  // its own epoll instance, if it has one
        std::uint32_t generation = 0;
        std::uint32_t armed = 0;  // the events that the kernel may report; 0: none
        fd_interest wanted;
        bool is_file = false;
        bool is_listed = false;   // in files_
        std::uint64_t round = 0;  // the last in which its turn has been
        identity file;
        fd_watch::handler call;
    };
    struct number {
        std::shared_ptr<entry> watched;  // null: nothing
        bool tainted = false;
    };
    using numbers = std::unordered_map<int, number>;
    class undelivered;

    bool is_ours() const noexcept;
    static std::uint64_t label(const entry& e) noexcept;
    static bool control(int epoll, int how, int fd, std::uint32_t events, const entry& e) noexcept;
    std::shared_ptr<entry> find(const epoll_event& event) const noexcept;
    void enter(entry& made, number& as) const;
    bool replace(entry& made, entry& before, bool tainted) const noexcept;
    static void enter_file(entry& made);
    static std::optional<identity> identity_of(int fd) noexcept;
    bool arm(entry& e) const noexcept;
    bool arm_again(entry& e) const noexcept;
    void list_file(entry& e) noexcept;
    void unlist_file(entry& e) noexcept;
    bool leave(entry& e) noexcept;
    std::shared_ptr<entry> take(numbers::iterator at) noexcept;
    void deliver_events();
    void deliver(const epoll_event& event);
    void deliver_files();
    void notify() const noexcept {
        if (waiting_) waiting_->interrupt();
    }

    numbers numbers_;
    std::size_t size_ = 0;
    intrusive_list<entry> files_;
    int epoll_ = -1;
    std::uint32_t generation_ = 0;
    std::uint64_t round_ = 0;
    set_wait* waiting_ = nullptr;
    unsigned made_in_ = 0;  // the process that has opened it
    bool runs_ = false;
    bool closed_ = false;
    thread_checker home_;
};

}  // namespace bight::detail
