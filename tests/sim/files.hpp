// Operations on files of the host that a program runs on.
#pragma once

#include "core/system_error.hpp"
#include "demux/demultiplexer.hpp"
#include "demux/file_operation.hpp"

#include <bight/bight.hpp>
#include <bight/core/detail/waiter.hpp>

#include <cerrno>
#include <coroutine>
#include <cstdint>
#include <string>
#include <utility>

namespace test {

using bight::detail::operation_kind;

/// Awaits one operation of the demultiplexer of the reactor that runs here.
class file_call final : public bight::detail::waiter {
  public:
    explicit file_call(operation_kind what)
        : demux_(bight::detail::demultiplexer_of(*bight::reactor::current())) {
        op.kind = what;
    }

    bool await_ready() const noexcept { return false; }
    template <class P>
    bool await_suspend(std::coroutine_handle<P> caller) {
        op.call = this;
        if (!begin(caller.promise())) return true;
        return demux_.start(op) ? finish_now() : true;
    }
    /// Bytes, a handle, 0, or -errno.
    std::int64_t await_resume() const noexcept {
        return op.result < 0 ? -bight::detail::errno_of(op.error()) : op.result;
    }
    void cancel() noexcept override {
        if (demux_.cancel(op)) confirm_cancel();
    }

    struct operation final : bight::detail::status_operation {
        file_call* call = nullptr;

      private:
        void completed() noexcept override { call->done(); }
    };
    operation op;

  private:
    void done() noexcept {
        if (op.result == -ECANCELED && op.cancel_asked) {
            confirm_cancel();
        } else {
            ready();
        }
    }
    bight::detail::demultiplexer& demux_;
};

inline bight::task<std::int64_t> open_file(std::string path, int flags) {
    file_call call(operation_kind::open_file);
    call.op.path = path.c_str();
    call.op.flags = flags;
    call.op.mode = 0600;
    const std::int64_t result = co_await std::move(call);
    co_return result;
}
inline bight::task<std::int64_t> on_handle(operation_kind what, std::int64_t file) {
    file_call call(what);
    call.op.file = static_cast<int>(file);
    const std::int64_t result = co_await std::move(call);
    co_return result;
}
inline bight::task<std::int64_t> write_at(std::int64_t file, std::string text, std::uint64_t at = 0) {
    file_call call(operation_kind::write_at);
    call.op.file = static_cast<int>(file);
    call.op.bytes = bight::const_buffer(text);
    call.op.offset = at;
    const std::int64_t result = co_await std::move(call);
    co_return result;
}

}  // namespace test
