// fd_watch_state: what an fd_watch has of the reactor.
#pragma once

#include "fd_poller.hpp"

#include "../demux/demultiplexer.hpp"

#include <bight/core/detail/wait_list.hpp>
#include <bight/core/reactor.hpp>
#include <bight/os/fd_watch.hpp>

#include <cstddef>
#include <cstdint>
#include <exception>
#include <map>
#include <memory>
#include <system_error>
#include <vector>

namespace bight::detail {

/// A descriptor that is watched.
struct watched_entry {
    explicit watched_entry(fd_key k) noexcept : key(k) {}

    fd_key key;
    fd_identity file;
    fd_event interest = fd_event::none;  ///< what `handler` is called for
    std::shared_ptr<fd_handler> handler;
    wait_list<fd_ready_awaiter> waiters;
    fd_event registered = fd_event::none;  ///< what the poller looks for
    bool always_ready = false;             ///< the poller does not look at it: it is a file
};

/// It waits for the poller's object as for any descriptor; when something is ready, it has a turn, in which
/// the functions are called. What is still ready then makes the next turn.
///
/// References are counted: the fd_watch has one, an operation in flight and a turn that was asked for have
/// others; so it outlives an fd_watch that one of the functions has destroyed.
class fd_watch_state final : public descriptor, private operation {
  public:
    explicit fd_watch_state(reactor& home) noexcept;

    void keep() noexcept override { ++references_; }
    void drop() noexcept override {
        if (--references_ == 0) delete this;
    }

    /// The fd_watch goes.
    void end() noexcept;

    void add(int fd, fd_event interest, std::unique_ptr<fd_handler> handler);
    bool set_interest(int fd, fd_event interest);
    bool remove(int fd) noexcept;
    const watched_entry* find(int fd) const noexcept;
    std::vector<watched_fd> list();
    std::vector<watched_fd> remove_all();

    /// True when it is over at once.
    bool wait(fd_ready_awaiter& waiter) noexcept;
    void leave(fd_ready_awaiter& waiter) noexcept;

  private:
    /// The turn that follows when something is ready still.
    class next_turn final : public work_item {
      public:
        explicit next_turn(fd_watch_state& of) noexcept : of_(of) {}
        void run() noexcept override;
        bool asked_for = false;

      private:
        fd_watch_state& of_;
    };

    using entries = std::map<int, std::shared_ptr<watched_entry>>;

    ~fd_watch_state() = default;
    void completed() noexcept override;
    void take_turn() noexcept;
    void tell_files() noexcept;
    void tell(fd_key key, fd_event ready, bool closed) noexcept;
    void call(const std::shared_ptr<watched_entry>& e, fd_event ready) noexcept;
    void end_handler(watched_entry& e, const std::exception_ptr& reason) noexcept;
    void lose(watched_entry& e, const std::exception_ptr& reason) noexcept;
    void wait_for_more() noexcept;
    void ask_for_turn() noexcept;

    /// Whether the kernel's object is this process's, and the reactor's still.
    bool is_open() const noexcept { return demux && demux == own_demux_; }
    void open();
    void close() noexcept;
    void reopen() noexcept;

    std::shared_ptr<watched_entry> make_entry(int fd, fd_event interest);
    std::shared_ptr<watched_entry> entry_of(int fd);
    /// Whether the file behind the number is the one that was added, as far as its identity tells.
    static bool is_same(const watched_entry& e) noexcept;
    /// The same for an entry of which the kernel has told nothing just now.
    bool is_there(const watched_entry& e) const noexcept;
    static fd_event wanted(const watched_entry& e) noexcept;
    int update(watched_entry& e) noexcept;
    void count(const watched_entry& e, int change) noexcept;
    void drop_entry(watched_entry& e) noexcept;
    void drop_if_unused(watched_entry& e) noexcept;

    reactor& home_;
    demultiplexer* own_demux_ = nullptr;
    std::unique_ptr<fd_poller> poller_;
    entries entries_;
    next_turn next_;
    std::size_t references_ = 1;
    std::size_t looked_at_ = 0;  // entries that are registered with the poller
    std::size_t files_ = 0;      // entries that are always ready, and for which somebody waits
    std::uint32_t serial_ = 0;
    bool in_turn_ = false;
    bool ended_ = false;      // the fd_watch has gone
    bool left_over_ = false;  // the poller may tell of a file whose number was closed
    bool stale_ = false;      // it has
};

}  // namespace bight::detail
