// A call to another reactor and its cancellation, in every order of their atomic operations.
#include <bight/thread/detail/call_ticket.hpp>

#include "support/interleavings.hpp"

#include "support/catch.hpp"

namespace {

using model = test::model_threads;
using test::require;

// A decision that looks first and writes afterwards.
template <template <class> class Atomic>
class late_decision {
  public:
    bool decide() {
        if (decided_.load()) return false;
        decided_.store(true);
        return true;
    }

  private:
    Atomic<bool> decided_{false};
};

// A ticket in an inbox, and the frame of the task that waits: thread 0 sends the call and is cancelled;
// thread 1 is the reactor that is called.
template <class Decision>
struct call {
    model::atomic<int> inbox;
    model::atomic<int> sent;  // what remote_call waits for before it uses the ticket
    model::atomic<int> answered;
    Decision decision;
    bool frame_lives = true;
    bool begun = false;
    int tickets_freed = 0;

    void thread(int who) {
        if (who == 0) {
            caller();
        } else {
            reactor();
        }
    }
    void caller() {
        inbox.store(1);
        sent.store(1);
        if (decision.decide()) {
            require(!begun, "a call that has begun was given up");
            frame_lives = false;
            return;
        }
        answered.wait_while_zero();
        require(begun, "an answer to a call that did not begin");
        frame_lives = false;
        ++tickets_freed;
    }
    void reactor() {
        inbox.wait_while_zero();
        sent.wait_while_zero();
        if (!decision.decide()) {
            ++tickets_freed;
            return;
        }
        require(frame_lives, "the frame is gone, and the call begins");
        begun = true;
        answered.store(1);
    }
    void finish() {
        require(tickets_freed == 1, "the ticket is freed once");
        require(!frame_lives, "the frame is left");
    }
};

}  // namespace

TEST_CASE("in every order a call begins or is given up, and the ticket is freed once") {
    const auto found = test::explore<call<bight::detail::call_decision<model::atomic>>>(2);
    CHECK(found.failure == "");
    CHECK(found.complete);
}

TEST_CASE("the search of orders finds a decision that both sides win") {
    CHECK(test::explore<call<late_decision<model::atomic>>>(2).failure != "");
}
