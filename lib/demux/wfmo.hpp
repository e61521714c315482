// wfmo: the demultiplexer of WaitForMultipleObjects (Windows).
#pragma once

#include "completion_request.hpp"
#include "readiness.hpp"

#include "../io/socket_headers.hpp"

#include <windows.h>

#include <atomic>
#include <cstddef>
#include <vector>

namespace bight::detail {

/// One wait holds 64 handles: the event that wakes it, events of sockets, and other handles that operations
/// wait for. An event is shared by many sockets (WSAEventSelect), which are asked one by one when it is set;
/// so the number of sockets has no limit, and the cost of an event grows with it. Events are edges, as
/// epoll's are. Reads and writes of pipes end by calls of the system's on this thread (APCs).
class wfmo final : public readiness {
  public:
    /// Throws std::system_error.
    explicit wfmo(reactor& home);
    ~wfmo() override;

    std::string_view name() const noexcept override { return "wfmo"; }
    bool idle() const noexcept override { return in_kernel_ == 0 && readiness::idle(); }
    void wait(duration limit) override;
    void wake() noexcept override;

    /// The handles that are neither sockets nor read and written, and may be attached at a time.
    static constexpr std::size_t most_handles = 31;

  private:
    /// Sockets that share an event.
    struct group {
        HANDLE event = nullptr;
        std::vector<descriptor*> members;
    };
    static constexpr std::size_t most_groups = MAXIMUM_WAIT_OBJECTS - 1 - most_handles;
    /// A further group is made when all have so many members.
    static constexpr std::size_t comfortable = 8;

    void watch(descriptor& d) override;
    void unwatch(descriptor& d) noexcept override;
    void interest_changed(descriptor& d) noexcept override;
    void accept_ended(descriptor& d) noexcept override { d.slot &= ~tells_connection; }

    // Reads and writes (wfmo_transfers.cpp)
    attempt transfer(operation& op) noexcept override;
    bool stop_transfer(operation& op) noexcept override;
    attempt begin_transfer(operation& op, void* data, std::size_t size) noexcept;
    completion_request* request_for(operation& op) noexcept;
    void give_back(completion_request& r) noexcept;
    static void CALLBACK has_transferred(DWORD error, DWORD count, OVERLAPPED* call) noexcept;
    void transferred(completion_request& r, DWORD error, DWORD count) noexcept;

    /// No event says that there is room unless a send has found none; nor, under Wine, that there is a
    /// connection when an accept has found none: operations that wait for that look this often.
    static constexpr DWORD between_looks = 20;  // ms
    static bool looks_again(const descriptor& d) noexcept;
    void look_again() noexcept;
    void select_shared_ones(const descriptor& closed) noexcept;
    void tell_shared_ones() noexcept;

    // descriptor::slot: of a socket, its group, whether it is looked at again and again, whether (under
    // Wine) it has told of a connection and no accept has ended since, and its place in the group; of another
    // handle, whether it is waited for.
    static constexpr int group_mask = 31;
    static constexpr int is_looked_at = 32;
    static constexpr int tells_connection = 64;
    static constexpr int place_shift = 7;
    static constexpr int idle_handle = -2;
    static constexpr int awaited_handle = -3;
    static constexpr int overlapped_handle = -4;  // which is read and written, and not waited for
    static bool is_socket(const descriptor& d) noexcept { return d.slot >= 0; }

    std::size_t roomiest_group();
    void ask_all(group& g) noexcept;
    void ask(descriptor& d) noexcept;
    bool evict_closed(int error) noexcept;

    HANDLE wake_event_ = nullptr;
    std::atomic<bool> woken_{false};
    std::vector<group> groups_;
    std::vector<descriptor*> awaited_;  // handles
    completion_request* free_ = nullptr;
    std::size_t in_kernel_ = 0;  // requests of transfers that have not ended
    std::size_t looking_ = 0;    // sockets that are looked at again
    std::size_t handles_ = 0;    // attached
};

}  // namespace bight::detail
