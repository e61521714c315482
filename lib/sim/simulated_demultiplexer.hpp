// simulated_demultiplexer: the demultiplexer of a reactor on a simulated host.
#pragma once

#include "host_thread.hpp"
#include "world_state.hpp"

#include "../demux/block_pool.hpp"
#include "../demux/demultiplexer.hpp"

#include <memory>
#include <string_view>
#include <vector>

namespace bight::sim::detail {

/// How far an operation has come (operation::stage).
enum stage : std::uint8_t {
    stage_waits,
    stage_being_tried,
    stage_queued,  // reported as if it could go on: its call is made when it leaves the ready queue
    stage_ended,
};

/// Completes operations with their results. What it is like beyond that is a matter of its world's habits: by
/// default data that arrives for a socket is given to the waiting operation at once.
class simulated_demultiplexer final : public bight::detail::demultiplexer {
  public:
    simulated_demultiplexer(host_thread& on, bight::reactor& home);
    ~simulated_demultiplexer() override;

    std::string_view name() const noexcept override { return "simulation"; }
    void attach(bight::detail::descriptor& d) override;
    void detach(bight::detail::descriptor& d, bool close_it) noexcept override;
    bool start(bight::detail::operation& op) noexcept override;
    bool cancel(bight::detail::operation& op) noexcept override;
    bool settle(bight::detail::operation& op) noexcept override;
    void wait(duration limit) override;
    void wake() noexcept override { thread_.wake(); }
    bool idle() const noexcept override { return late_.empty() && on_disk_.empty() && done_.empty(); }
    void stop_all() noexcept override;
    std::int64_t read_failure(const bight::detail::descriptor& d) const noexcept override;
    time_point next_event() const noexcept override { return host_.world.next_event(); }
    bool simulated() const noexcept override { return true; }
    bight::detail::socket_calls& sockets() noexcept override { return thread_.sockets(); }
    bool reads_directly(const bight::detail::descriptor&) const noexcept override { return true; }
    std::unique_ptr<bight::detail::change_feed> follow_files(bight::detail::change_listener& to) override;
    std::size_t lent_buffers() const noexcept override { return blocks_->lent(); }
    const void* lender() const noexcept override { return blocks_; }

    /// Whether the next wait will queue a completion.
    bool has_news() const noexcept { return !done_.empty() && !gathering_; }
    /// The number of the first completion. Only when has_news().
    std::uint64_t first_news() const noexcept { return done_.front().place; }
    /// Something has changed for the reader or the writer of this descriptor.
    void changed(bight::detail::descriptor& d, bool reading) noexcept;

  private:
    struct completion {
        bight::detail::operation* op;
        std::uint64_t place;  ///< its place among completions at the same time
        int slot;             ///< of its descriptor; -1: it has none
    };

    bool try_now(bight::detail::operation& op);
    bool try_receive(bight::detail::receive_operation& op, socket& s);
    bool try_send(bight::detail::send_operation& op, const std::shared_ptr<socket>& s);
    bool try_accept(bight::detail::operation& op, socket& s);
    bool try_connect(bight::detail::connect_operation& op, const std::shared_ptr<socket>& s);
    bool start_on_disk(bight::detail::file_operation& op);
    std::int64_t perform_on_disk(bight::detail::file_operation& op, const disk_state::snapshot* covered);
    template <class Predicate>
    void end_on_disk(Predicate which);
    void finish_without_descriptor(bight::detail::operation& op);
    void look_for_end(bight::detail::descriptor& d);
    void finish(bight::detail::operation& op);
    void end_cancelled(bight::detail::operation& op);
    void finish_late_ones();
    void end_what_takes_time();
    void finish_late(bight::detail::operation& op);
    /// Lets it wait in its line; now and then it is tried in vain.
    void park(bight::detail::operation& op);
    void tell(bight::detail::operation& op);
    /// A number for keyed_chance that identifies what has completed, on which connection and where.
    std::uint64_t number_of(bight::detail::operation& op);
    /// Whether the fault happens to this operation.
    bool suffers(bight::detail::operation& op, fault f);
    void try_for_nothing_soon(bight::detail::operation& op, int times);
    void try_in_vain_some_time(bight::detail::operation& op);
    /// A descriptor became ready: its first operation is queued, and makes its call then.
    void report_ready(bight::detail::operation& op);
    /// The same, if one waits in this line by now.
    void report_first(int fd, bool reading);

    // What the habits of the world decide.
    const habits& has() const noexcept { return host_.world.has; }
    bool ends_later(bight::detail::operation& op);
    bool calls_in_turn(const bight::detail::operation& op) const noexcept;
    /// Whether its call would end now.
    bool could_end(const bight::detail::operation& op) const;
    /// Has it end with the events to come, unless it succeeds before.
    void cancel_some_time(bight::detail::operation& op);
    void forget_cancelling(const bight::detail::operation& op) noexcept;
    void gather();
    std::vector<completion> next_report();
    void count_what_is_reported(const std::vector<completion>& told);

    host_thread& thread_;
    host_state& host_;
    bight::reactor& home_;
    bight::detail::block_pool* blocks_;
    std::vector<bight::detail::operation*> late_;  // operations with results that are reported late
    std::vector<bight::detail::operation*> on_disk_;
    std::vector<completion> done_;  // the next wait queues them, or some
    bool gathering_ = false;        // they wait for more
    struct cancellation {
        bight::detail::operation* op;
        std::uint64_t number;
    };
    std::vector<cancellation> cancelling_;  // that take time, as they were asked for
    std::uint64_t cancellations_ = 0;
    int next_slot_ = 0;
    int last_slot_ = -1;  // the last that a wait reported
};

}  // namespace bight::sim::detail
