// pipe_transport: the transport of a pipe, a terminal, or what else has readiness.
#pragma once

#include "descriptor_claim.hpp"
#include "pipe_end_listener.hpp"
#include "process_calls.hpp"

#include "../core/process.hpp"
#include "../demux/demultiplexer.hpp"

#include <bight/core/detail/frame_pool.hpp>
#include <bight/core/export.hpp>
#include <bight/io/transport.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <system_error>

namespace BIGHT_EXPORT bight {
namespace detail {

/// How a descriptor is kept from blocking the reactor.
enum class call_mode : std::uint8_t {
    own,          ///< the open file is nobody else's: it becomes non-blocking
    of_socket,    ///< a socket: each call says that it does not wait
    asked_first,  ///< shared, and stays as it is: each call comes after a poll
};

/// One descriptor: an end of a pipe, a terminal; or a socket that is read and written only, as one that
/// others share is. It lives until neither a stream nor the kernel uses it. docs/design/processes.md says how
/// it reads, writes and ends, docs/design/standard_streams.md what it does with descriptors that are shared.
class pipe_transport final : public transport, private descriptor, public pooled {
  public:
    enum class way : std::uint8_t { reads, writes, both };

    /// Takes over `fd`. Throws std::system_error or std::bad_alloc, and then closes it. `what` is for
    /// messages: "the output of sort".
    static pipe_transport& make(reactor& home, int fd, way goes, std::string what,
                                call_mode calls = call_mode::own,
                                std::unique_ptr<descriptor_claim> claim = nullptr);
    /// A FIFO that nobody has opened for writing yet: the first read waits for that, and finds no end.
    void wait_for_writer() noexcept { awaits_writer_ = true; }
    /// Tells `who` of its end; at most once, before anything is read.
    void tell(pipe_end_listener& who) noexcept;

    bool read(read_request& request) noexcept override;
    bool write(write_request& request) noexcept override;
    void cancel_read() noexcept override;
    void cancel_write() noexcept override;
    bool watch(watch_request& request) noexcept override;
    void cancel_watch() noexcept override;
    bool shutdown_write(end_request& request) noexcept override;
    bool close(end_request& request) noexcept override;
    void push() noexcept override;
    bool attached() const noexcept override { return demux != nullptr; }
    void forget() noexcept override;
    void abort(std::error_code reason) noexcept override;
    int native_handle() const noexcept override { return static_cast<int>(fd); }
    void describe(std::string& out) const override;
    std::size_t unwritten() const noexcept override;

  private:
    class waiting final : public operation {
      public:
        explicit waiting(pipe_transport& t) noexcept {
            kind = operation_kind::poll_read;
            believes_events = true;
            on = &t;
        }

      private:
        void completed() noexcept override { transport_of(*this).may_be_readable(); }
    };
    class sending final : public send_operation {
      public:
        explicit sending(pipe_transport& t) noexcept {
            kind = operation_kind::write;
            on = &t;
        }

      private:
        void completed() noexcept override { transport_of(*this).sent(); }
    };
    class watching final : public operation {
      public:
        explicit watching(pipe_transport& t) noexcept {
            kind = operation_kind::poll_end;
            on = &t;
        }

      private:
        void completed() noexcept override { transport_of(*this).watched(); }
    };
    static pipe_transport& transport_of(const operation& op) noexcept {
        return static_cast<pipe_transport&>(*op.on);
    }

    pipe_transport(reactor& home, int of, way goes, std::string what, call_mode calls,
                   std::unique_ptr<descriptor_claim> claim);
    ~pipe_transport() override;
    void unused() noexcept override;
    void keep() noexcept override { retain(); }
    void drop() noexcept override { release(); }
    void abandoned() noexcept override {
        claim_.reset();
        give_no_more();
    }

    bool try_read(read_request& request) noexcept;
    void writer_has_come() noexcept;
    std::int64_t read_call(void* to, std::size_t size) const noexcept;
    bool try_or_wait(read_request& request) noexcept;
    void may_be_readable() noexcept;
    void end_reading(read_request& request, int error) noexcept;
    void take_write(write_request& request) noexcept;
    void sent() noexcept;
    void watched() noexcept;
    bool has_hung_up() const noexcept;
    bool peer_has_gone(peer_ending& how) const noexcept;
    void give_no_more() noexcept;
    /// The reactor, which a forked child leaves as it was, may be gone.
    bool in_forked_child() const noexcept { return made_in_ != this_process(); }
    void detach_now(std::error_code why) noexcept;

    waiting waiting_;
    sending sending_;
    watching watching_;
    pipe_calls* simulated_;  // null: the system's
    std::string what_;
    std::unique_ptr<descriptor_claim> claim_;
    pipe_end_listener* listener_ = nullptr;
    const unsigned made_in_ = this_process();
    int read_error_ = 0;   // with which reading has ended
    int write_error_ = 0;  // with which writes fail
    way way_;
    call_mode calls_;
    bool read_to_end_ = false;
    bool awaits_writer_ = false;
};

}  // namespace detail
}  // namespace bight
