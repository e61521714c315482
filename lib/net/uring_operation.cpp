#include <bight/net/uring_operation.hpp>

#include "../core/system_error.hpp"
#include "../demux/demultiplexer.hpp"
#include "../demux/prepared_operation.hpp"

#include <bight/core/detail/awaiter.hpp>
#include <bight/core/detail/waiter.hpp>
#include <bight/core/error.hpp>
#include <bight/core/reactor.hpp>

#if BIGHT_HAS_IO_URING
#include <liburing.h>
#endif

#include <cerrno>
#include <exception>
#include <stdexcept>
#include <string>
#include <system_error>

namespace bight {

#if BIGHT_HAS_IO_URING

namespace detail {

namespace {

using preparation = std::function<void(io_uring_sqe&)>;

// Of Linux 6.7 and 6.15.
constexpr unsigned op_read_multishot = 49;
constexpr unsigned op_receive_zero_copy = 58;

// Completes again and again, and takes something each time, which nobody would get but the first time.
bool takes_again_and_again(const io_uring_sqe& entry) noexcept {
    switch (entry.opcode) {
        case IORING_OP_ACCEPT: return (entry.ioprio & IORING_ACCEPT_MULTISHOT) != 0;
        case IORING_OP_RECV:
        case IORING_OP_RECVMSG: return (entry.ioprio & IORING_RECV_MULTISHOT) != 0;
        default: return entry.opcode == op_read_multishot || entry.opcode == op_receive_zero_copy;
    }
}

// An entry that does nothing goes to the kernel in the place of one that is refused.
class uring_awaiter final : public waiter, public awaiter_base<uring_awaiter> {
  public:
    explicit uring_awaiter(const preparation& prepare) noexcept : operation_(*this, prepare) {}

    uring_completion await_resume() const {
        if (operation_.refused) std::rethrow_exception(operation_.refused);
        if (operation_.error() != 0) {
            throw std::system_error(system_error_code(operation_.error()),
                                    "an operation of io_uring that the program prepared");
        }
        return {static_cast<std::int32_t>(operation_.result), operation_.completion_flags};
    }

    void cancel() noexcept override {
        if (demultiplexer_of(home()).cancel(operation_)) confirm_cancel();
    }
    void describe(std::string& out) const override { out += "an operation of io_uring that it prepared"; }

  private:
    friend awaiter_base<uring_awaiter>;

    class pending final : public prepared_operation {
      public:
        pending(uring_awaiter& of, const preparation& how) noexcept : of_(of), prepare_(how) {
            kind = operation_kind::prepared;
        }
        void prepare(io_uring_sqe& entry) noexcept override {
            constexpr unsigned refused_flags =
                IOSQE_IO_LINK | IOSQE_IO_HARDLINK | IOSQE_IO_DRAIN | IOSQE_CQE_SKIP_SUCCESS;
            try {
                prepare_(entry);
                if ((entry.flags & refused_flags) != 0) {
                    throw std::invalid_argument(
                        "uring_operation: an entry that is linked, drains or completes in silence is about "
                        "other entries, too: flags " +
                        std::to_string(entry.flags));
                }
                if (takes_again_and_again(entry)) {
                    throw std::invalid_argument(
                        "uring_operation: a multishot that receives or accepts goes on after its first "
                        "completion, and what it takes then would be lost: await one operation after the "
                        "other");
                }
            } catch (...) {
                refused = std::current_exception();
                io_uring_prep_nop(&entry);
                entry.flags = 0;
            }
        }
        std::exception_ptr refused;

      private:
        void completed() noexcept override { of_.completed(); }
        uring_awaiter& of_;
        const preparation& prepare_;
    };

    bool suspend(promise_base& p) noexcept {
        if (!begin(p)) return true;
        demultiplexer& demux = demultiplexer_of(home());
        ++demux.operations;
        return demux.start(operation_) ? finish_now() : true;
    }
    void completed() noexcept {
        if (operation_.result == -ECANCELED && owner().cancel_requested()) {
            confirm_cancel();
        } else {
            ready_now().resume();
        }
    }

    pending operation_;
};

}  // namespace

}  // namespace detail

#endif

task<uring_completion> uring_operation(std::function<void(io_uring_sqe&)> prepare) {
    reactor& here = *reactor::current();
    if (!prepare) {
        throw std::invalid_argument(
            "uring_operation: it is given an empty function, and needs one that "
            "fills in an entry");
    }
#if BIGHT_HAS_IO_URING
    if (detail::demultiplexer_of(here).takes_prepared()) {
        co_return co_await detail::uring_awaiter(prepare);
    }
#endif
    throw std::system_error(errc::unavailable, "uring_operation: this reactor is on " +
                                                   std::string(here.demultiplexer_name()) +
                                                   ", and not on io_uring");
    co_return uring_completion();
}

}  // namespace bight
