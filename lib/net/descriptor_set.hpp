// descriptor_set: the descriptors of an fd_watch.
#pragma once

#include "watch_kernel.hpp"

#include <bight/core/detail/intrusive_list.hpp>
#include <bight/core/detail/thread_checker.hpp>
#include <bight/net/fd_watch.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <source_location>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace bight::detail {

/// A wait for one of the descriptors to become ready, which the set ends when there is something to do that
/// its kernel object does not know of.
class set_wait {
  public:
    /// May be called several times.
    virtual void interrupt() noexcept = 0;
    /// Before the handler of an entry is called: what happens from now on is its.
    virtual void acts_for(const watched_entry& e) noexcept = 0;

  protected:
    set_wait() noexcept = default;
    ~set_wait() = default;
};

/// What is the same on every system: who is told, when, and of what was asked for. The kernel's part
/// (watch_kernel) registers descriptors, and says which are ready. What it has no readiness of stands in
/// `files_` while anything of it is to be told.
class descriptor_set {
  public:
    descriptor_set() noexcept = default;
    descriptor_set(const descriptor_set&) = delete;
    descriptor_set& operator=(const descriptor_set&) = delete;
    ~descriptor_set();

    void add(int fd, fd_interest wanted, fd_watch::handler call, std::source_location where);
    void change(int fd, fd_interest wanted);
    bool remove(int fd) noexcept;
    std::vector<watched_fd> remove_all();
    std::vector<watched_fd> list() const;
    std::size_t size() const noexcept { return size_; }
    /// "fd 7, fd 9 (closed)". Throws std::bad_alloc.
    void describe(std::string& out) const;

    /// The watch has been destroyed.
    void close() noexcept;
    bool closed() const noexcept { return closed_; }
    /// It has descriptors, and never ran, and that was not for an error or a cancellation. Throws nothing.
    bool was_in_vain() const noexcept;

    /// The kernel's part, which is made when it is first needed. Throws std::system_error.
    watch_kernel& open();
    /// Whether `deliver` has something to do of which the kernel's part knows nothing.
    bool has_files() const noexcept { return !files_.empty(); }
    /// Calls the handlers of what is ready now, each once, and 64 of either kind at most.
    void deliver(set_wait& by);

    /// One at a time: false when it runs already.
    bool begin_run() noexcept {
        home_.check("an fd_watch");
        has_run_ = true;
        return !std::exchange(runs_, true);
    }
    void end_run() noexcept { runs_ = false; }
    void waits(set_wait* on) noexcept { waiting_ = on; }

    /// Throws std::system_error on a simulated host, and in a forked child.
    void refuse_elsewhere() const;

  private:
    struct number {
        std::shared_ptr<watched_entry> watched;  // null: nothing
        bool tainted = false;
    };
    using numbers = std::unordered_map<int, number>;
    class undelivered;

    bool is_ours() const noexcept { return !kernel_ || kernel_->is_ours(); }
    std::shared_ptr<watched_entry> find(const watch_event& event) const noexcept;
    void list_file(watched_entry& e) noexcept;
    void unlist_file(watched_entry& e) noexcept;
    std::shared_ptr<watched_entry> take(numbers::iterator at) noexcept;
    void deliver_events(set_wait& by);
    void deliver_files(set_wait& by);
    void notify() const noexcept {
        if (waiting_) waiting_->interrupt();
    }

    numbers numbers_;
    std::size_t size_ = 0;
    intrusive_list<watched_entry> files_;
    std::unique_ptr<watch_kernel> kernel_;
    std::uint32_t generation_ = 0;
    std::uint64_t round_ = 0;
    set_wait* waiting_ = nullptr;
    bool runs_ = false;
    bool has_run_ = false;
    bool closed_ = false;
    thread_checker home_;
};

}  // namespace bight::detail
