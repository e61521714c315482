// blocking_calls: worker threads for file operations, for the demultiplexers other than io_uring.
#pragma once

#include "file_operation.hpp"

#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

namespace bight::detail {

class demultiplexer;

/// Performs file operations on a few threads, started when needed, in order of arrival. All calls come on the
/// reactor's thread.
class blocking_calls {
  public:
    static constexpr std::size_t most_threads = 4;

    /// `owner` is woken when an operation is done.
    explicit blocking_calls(demultiplexer& owner) noexcept : owner_(owner) {}
    blocking_calls(const blocking_calls&) = delete;
    blocking_calls& operator=(const blocking_calls&) = delete;
    /// No operation may be in progress.
    ~blocking_calls();

    /// False when there is no thread and none can be started.
    bool start(file_operation& op) noexcept;
    /// True when the operation had not begun and has been removed.
    bool cancel(file_operation& op) noexcept;
    /// The operations that have ended since the last call, linked by operation::behind, in the order in which
    /// they ended.
    operation* take_done() noexcept;

  private:
    struct line {
        operation* first = nullptr;
        operation* last = nullptr;
        void push(operation& op) noexcept;
        operation* pop() noexcept;
        bool remove(operation& op) noexcept;
    };

    std::size_t under_way() noexcept;
    bool make_thread() noexcept;
    void work() noexcept;

    demultiplexer& owner_;
    std::mutex mutex_;  // guards everything below
    std::condition_variable something_;
    line waiting_;
    line done_;
    std::size_t under_way_ = 0;  // calls that wait or have begun
    bool ends_ = false;
    std::vector<std::thread> threads_;  // the reactor's thread only
};

}  // namespace bight::detail
