// pipe_transport: the transport of a pipe or a terminal.
#pragma once

#include "../core/process.hpp"
#include "../demux/demultiplexer.hpp"

#include <bight/core/detail/frame_pool.hpp>
#include <bight/io/transport.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <system_error>

namespace bight::detail {

/// Who wants to know when a pipe_transport gives no more bytes. It is kept until then.
class pipe_end_listener {
  public:
    virtual void keep_for_pipe() noexcept = 0;
    /// Called once: its end, or an error, was read, or it was closed on this side. The transport has let go.
    virtual void pipe_has_ended() noexcept = 0;

  protected:
    ~pipe_end_listener() = default;
};

/// One descriptor that is no socket: an end of a pipe, or a terminal. It lives until neither a stream nor the
/// kernel uses it. docs/design/processes.md says how it reads, writes and ends.
class pipe_transport final : public transport, private descriptor, public pooled {
  public:
    enum class way : std::uint8_t { reads, writes, both };

    /// Takes over `fd`, which becomes non-blocking. Throws std::system_error or std::bad_alloc, and then
    /// closes it. `what` is for messages: "the output of sort".
    static pipe_transport& make(reactor& home, int fd, way goes, std::string what);
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

    pipe_transport(reactor& home, way goes, std::string what);
    ~pipe_transport() override;
    void unused() noexcept override;
    void keep() noexcept override { retain(); }
    void drop() noexcept override { release(); }
    void abandoned() noexcept override { give_no_more(); }

    bool try_read(read_request& request) noexcept;
    bool try_or_wait(read_request& request) noexcept;
    void may_be_readable() noexcept;
    void end_reading(read_request& request, int error) noexcept;
    void take_write(write_request& request) noexcept;
    void sent() noexcept;
    void watched() noexcept;
    bool peer_has_gone(peer_ending& how) const noexcept;
    void give_no_more() noexcept;
    /// The reactor, which a forked child leaves as it was, may be gone.
    bool in_forked_child() const noexcept { return made_in_ != this_process(); }
    void detach_now(std::error_code why) noexcept;

    waiting waiting_;
    sending sending_;
    watching watching_;
    std::string what_;
    pipe_end_listener* listener_ = nullptr;
    const unsigned made_in_ = this_process();
    int read_error_ = 0;   // with which reading has ended
    int write_error_ = 0;  // with which writes fail
    way way_;
    bool read_to_end_ = false;
};

}  // namespace bight::detail
