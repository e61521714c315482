// file_call: awaits one operation on a file or a path.
#pragma once

#include "../demux/demultiplexer.hpp"
#include "../demux/file_operation.hpp"

#include <bight/core/detail/awaiter.hpp>
#include <bight/core/detail/waiter.hpp>
#include <bight/core/error.hpp>
#include <bight/core/reactor.hpp>

#include <cerrno>
#include <cstdint>
#include <optional>
#include <string>

namespace bight::detail {

/// Awaits `op`, which its maker has filled in, and gives its result. One that has begun is not interrupted.
/// `what` and `path` are for the tree of tasks. A virtual clock stands still while the system works on it; on
/// a simulated host it takes virtual time.
template <class Operation = file_operation>
class file_call final : public waiter, public awaiter_base<file_call<Operation>> {
  public:
    file_call(operation_kind kind, const char* what, const char* path) noexcept
        : op(*this), what_(what), path_(path) {
        op.kind = kind;
        op.path = path;
    }

    std::int64_t await_resume() const noexcept { return op.result; }
    /// False: there was no thread for it.
    bool has_begun() const noexcept { return begun_; }

    void cancel() noexcept override {
        if (demultiplexer_of(home()).cancel(op)) confirm_cancel();
    }
    void describe(std::string& out) const override {
        out += what_;
        out += ' ';
        out += printable(path_);
    }

    class pending final : public Operation {
      public:
        explicit pending(file_call& of) noexcept : of_(of) {}

      private:
        void completed() noexcept override { of_.completed(); }
        file_call& of_;
    };
    pending op;

  private:
    friend awaiter_base<file_call>;
    bool suspend(promise_base& p) noexcept {
        if (!begin(p)) return true;
        demultiplexer& demux = demultiplexer_of(home());
        ++demux.operations;
        begun_ = !demux.start(op);
        if (begun_ && !demux.simulated()) outside_.emplace(home());
        return begun_ ? true : finish_now();
    }
    void completed() noexcept {
        outside_.reset();
        if (op.result == -ECANCELED && owner().cancel_requested()) {
            confirm_cancel();
        } else {
            ready_now().resume();
        }
    }

    const char* what_;
    const char* path_;
    bool begun_ = false;
    std::optional<outside_work> outside_;
};

}  // namespace bight::detail
