#include "demultiplexer.hpp"
#include "time_limit.hpp"
#include "waker.hpp"

#include <bight/core/error.hpp>

#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

namespace bight::detail {

namespace {

// The demultiplexer of a running reactor in a forked child. The tasks there are copies; the connections and
// their kernel objects belong to the parent. Timers, threads and stops work, and operations that wait for a
// descriptor can be cancelled, so that the child can leave `run` gracefully. But no operation can be started
// on a descriptor, and closing one closes only the child's copy.
class forked_child final : public demultiplexer {
  public:
    explicit forked_child(reactor& home) : home_(home) {}

    std::string_view name() const noexcept override { return "none (in a forked child)"; }

    void attach(descriptor&) override {
        throw std::system_error(errc::unavailable,
                                "this process was forked by a task of the reactor, whose descriptors are its "
                                "parent's: end the task, and make another reactor");
    }
    void detach(descriptor& d, bool close_it) noexcept override {
        end_line(d.reading);
        end_line(d.writing);
        if (operation* const op = take_ending(d, -ECANCELED)) detail::reactor_access::schedule(home_, *op);
        if (close_it && d.fd >= 0) ::close(d.fd);
        d.fd = invalid_handle;
        unlist(d);
    }
    bool start(operation& op) noexcept override {
        op.settled = op.cancel_asked = op.underway = false;
        op.result = -EBADF;
        return true;
    }
    bool cancel(operation& op) noexcept override {
        op.cancel_asked = true;
        if (op.settled) return false;
        op.in_flight = false;
        if (!op.on) {
            count_without_descriptor(-1);
            return true;
        }
        leave_line(op);
        op.on->drop();
        return true;
    }
    bool settle(operation&) noexcept override { return true; }

    void wait(duration limit) override {
        pollfd woken{waker_.descriptor(), POLLIN, 0};
        if (::poll(&woken, 1, limit == duration::max() ? -1 : to_milliseconds(limit)) > 0) waker_.drain();
    }
    void wake() noexcept override { waker_.wake(); }
    void forked() noexcept override { waker_.forget(); }

  private:
    void end_line(operation*& first) noexcept {
        operation* op = std::exchange(first, nullptr);
        while (op) {
            operation* const next = std::exchange(op->behind, nullptr);
            op->result = -ECANCELED;
            op->settled = true;
            detail::reactor_access::schedule(home_, *op);
            op = next;
        }
    }

    reactor& home_;
    waker waker_;
};

}  // namespace

std::unique_ptr<event_port> demultiplexer::heir_in_child(reactor& home) {
    auto made = std::make_unique<forked_child>(home);
    hand_on(*made);
    return made;
}

}  // namespace bight::detail
