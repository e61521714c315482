#include <bight/net/overlapped_operation.hpp>

#include "../core/platform.hpp"
#include "../core/system_error.hpp"
#include "../demux/demultiplexer.hpp"
#include "../demux/operation.hpp"

#include <bight/core/detail/awaiter.hpp>
#include <bight/core/detail/waiter.hpp>
#include <bight/core/error.hpp>
#include <bight/core/reactor.hpp>

#include <windows.h>

#include <cerrno>
#include <cstdint>
#include <exception>
#include <stdexcept>
#include <string>
#include <system_error>

namespace bight {

namespace detail {

namespace {

using beginning = std::function<bool(OVERLAPPED&)>;

constexpr const char* whose = "an overlapped call that the program began";

// The event of a call, which the demultiplexer watches.
class watched_event final : public descriptor {
  public:
    static watched_event& make(demultiplexer& in) {
        auto* const made = new watched_event;
        try {
            const HANDLE event = ::CreateEventW(nullptr, TRUE, FALSE, nullptr);
            if (!event) throw std::system_error(system_error_code(last_error()), "CreateEvent");
            made->fd = reinterpret_cast<native_handle>(event);
            in.attach(*made);
        } catch (...) {
            if (made->fd != invalid_handle) ::CloseHandle(made->event());
            made->drop();
            throw;
        }
        return *made;
    }
    HANDLE event() const noexcept { return reinterpret_cast<HANDLE>(fd); }
    void close() noexcept {
        if (demux) demux->detach(*this, true);
        drop();
    }
    void keep() noexcept override { ++users_; }
    void drop() noexcept override {
        if (--users_ == 0) delete this;
    }

  private:
    unsigned users_ = 1;
};

class overlapped_awaiter final : public waiter, public awaiter_base<overlapped_awaiter> {
  public:
    overlapped_awaiter(HANDLE handle, const beginning& begin, demultiplexer& in)
        : handle_(handle), begin_(begin), event_(watched_event::make(in)), wait_(*this, event_) {
        // An odd event: no completion port is told of this call (GetQueuedCompletionStatus).
        call_.hEvent = reinterpret_cast<HANDLE>(reinterpret_cast<std::uintptr_t>(event_.event()) | 1);
    }
    overlapped_awaiter(const overlapped_awaiter&) = delete;
    overlapped_awaiter& operator=(const overlapped_awaiter&) = delete;
    ~overlapped_awaiter() { event_.close(); }

    std::size_t await_resume() const {
        if (refused_) std::rethrow_exception(refused_);
        if (error_ != ERROR_SUCCESS) throw std::system_error(system_error_code(error_number(error_)), whose);
        return transferred_;
    }

    // Where nothing is found the call has ended, and its event says so.
    void cancel() noexcept override { ::CancelIoEx(handle_, &call_); }
    void describe(std::string& out) const override { out += whose; }

  private:
    friend awaiter_base<overlapped_awaiter>;

    class wait_operation final : public operation {
      public:
        wait_operation(overlapped_awaiter& of, descriptor& event) noexcept : of_(of) {
            kind = operation_kind::poll_read;
            on = &event;
        }

      private:
        void completed() noexcept override { of_.ended(); }
        overlapped_awaiter& of_;
    };

    bool suspend(promise_base& p) noexcept {
        if (!begin(p)) return true;
        try {
            const bool done = begin_(call_);
            const DWORD error = done ? ERROR_SUCCESS : ::GetLastError();
            if (!done && error != ERROR_IO_PENDING) {
                error_ = error;
                return finish_now();
            }
        } catch (...) {
            refused_ = std::current_exception();
            return finish_now();
        }
        // What begin called may have cancelled this task, when there was no call to cancel yet.
        if (owner().cancel_requested()) ::CancelIoEx(handle_, &call_);
        demultiplexer& demux = demultiplexer_of(home());
        ++demux.operations;
        if (!demux.start(wait_)) return true;
        // It is over, or there is no memory for the wait.
        if (wait_.result < 0) ::CancelIoEx(handle_, &call_);
        take_result();
        if (wait_.result < 0 && error_ == ERROR_OPERATION_ABORTED) error_ = ERROR_NOT_ENOUGH_MEMORY;
        return finish_now();
    }
    void ended() noexcept {
        take_result();
        if (error_ == ERROR_OPERATION_ABORTED && owner().cancel_requested()) {
            confirm_cancel();
        } else {
            ready_now().resume();
        }
    }
    // Waits for the event, which is set but in the case above.
    void take_result() noexcept {
        ::WaitForSingleObject(event_.event(), INFINITE);
        DWORD bytes = 0;
        error_ = ::GetOverlappedResult(handle_, &call_, &bytes, FALSE) ? ERROR_SUCCESS : ::GetLastError();
        transferred_ = bytes;
    }

    HANDLE handle_;
    const beginning& begin_;
    watched_event& event_;
    wait_operation wait_;
    OVERLAPPED call_{};
    DWORD error_ = ERROR_SUCCESS;
    std::size_t transferred_ = 0;
    std::exception_ptr refused_;
};

}  // namespace

}  // namespace detail

task<std::size_t> overlapped_operation(void* handle, std::function<bool(_OVERLAPPED&)> begin) {
    reactor& here = *reactor::current();
    if (!begin) {
        throw std::invalid_argument(
            "overlapped_operation: it is given an empty function, and needs one that "
            "makes the call");
    }
    if (detail::platform::current()) {
        throw std::system_error(errc::unavailable,
                                "overlapped_operation: a simulated host has no such calls");
    }
    co_return co_await detail::overlapped_awaiter(handle, begin, detail::demultiplexer_of(here));
}

}  // namespace bight
