// overlapped_pipe: the transport of this side of a pipe of Windows.
#pragma once

#include "pipe_end_listener.hpp"

#include "../demux/demultiplexer.hpp"

#include <bight/core/detail/frame_pool.hpp>
#include <bight/io/chunk.hpp>
#include <bight/io/transport.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <system_error>

namespace bight::detail {

/// One end of a pipe that was made for overlapped calls (make_overlapped_pipe), in one direction. It lives
/// until neither a stream nor the kernel uses it. docs/design/processes.md says how it reads, writes and
/// ends.
class overlapped_pipe final : public transport, private descriptor, public pooled {
  public:
    enum class way : std::uint8_t { reads, writes };

    /// Takes over `handle`. Throws std::system_error or std::bad_alloc, and then closes it. `what` is for
    /// messages: "descriptor 1 of sort".
    static overlapped_pipe& make(reactor& home, detail::native_handle handle, way goes, std::string what);
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
    bool attached() const noexcept override { return demux != nullptr; }
    void abort(std::error_code reason) noexcept override;
    int native_handle() const noexcept override { return static_cast<int>(fd); }
    void describe(std::string& out) const override;
    std::size_t unwritten() const noexcept override;

  private:
    class receiving final : public receive_operation {
      public:
        explicit receiving(overlapped_pipe& p) noexcept {
            kind = operation_kind::read;
            target = &p.target_;
            on = &p;
        }

      private:
        void completed() noexcept override { pipe_of(*this).received(); }
    };
    class sending final : public send_operation {
      public:
        explicit sending(overlapped_pipe& p) noexcept {
            kind = operation_kind::write;
            on = &p;
        }

      private:
        void completed() noexcept override { pipe_of(*this).sent(); }
    };
    static overlapped_pipe& pipe_of(const operation& op) noexcept {
        return static_cast<overlapped_pipe&>(*op.on);
    }

    overlapped_pipe(reactor& home, way goes, std::string what);
    ~overlapped_pipe() override;
    void unused() noexcept override;
    void keep() noexcept override { retain(); }
    void drop() noexcept override { release(); }
    void abandoned() noexcept override { give_no_more(); }

    bool give_memory_to(receive_target& target, std::size_t size) noexcept;
    void take_read(read_request& request) noexcept;
    void take_write(write_request& request) noexcept;
    void received() noexcept;
    void sent() noexcept;
    void watched() noexcept;
    void give_no_more() noexcept;
    void detach_now(std::error_code why) noexcept;

    receive_target target_;
    receiving receiving_;
    sending sending_;
    std::string what_;
    pipe_end_listener* listener_ = nullptr;
    heap_block* block_ = nullptr;  // what a read without memory of its own receives into
    int read_error_ = 0;           // with which reading has ended
    int write_error_ = 0;          // with which writes fail
    way way_;
    char nothing_ = 0;  // what a watch would read
    bool read_to_end_ = false;
};

}  // namespace bight::detail
