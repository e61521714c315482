// write_in_turn: a write that waits until those who write before it have finished.
#pragma once

#include <bight/core/detail/awaiter.hpp>
#include <bight/io/buffer.hpp>
#include <bight/io/detail/stream.hpp>
#include <bight/io/transport.hpp>

#include <cstddef>
#include <cstdint>

namespace bight::detail {

/// One write of a task, in one line with the outboxes and buffered_writers of its stream. `stream::write` is
/// refused with errc::busy instead, because two tasks that write there by mistake would mix their bytes.
///
/// One that is a part of a writing_turn does not wait, and gives the turn back to that.
///
/// Cancelled while it waits, it leaves the line, and has written nothing.
class write_in_turn : public write_request {
  public:
    void cancel() noexcept override;
    void describe(std::string& out) const override;
    void await_resume() {
        if (failed()) throw_write_error(error(), transport_if_any());
    }

  protected:
    explicit write_in_turn(transport* to, write_request* part_of = nullptr) noexcept
        : write_request(to), part_of_(part_of) {
        have_nothing_yet();
    }
    ~write_in_turn() = default;
    bool suspend(promise_base& p) noexcept;

    /// Starts it: true when it is done, or has failed.
    virtual bool start() noexcept = 0;
    /// The number of bytes, before that.
    virtual std::size_t size() const noexcept = 0;
    /// It is done, or has failed: the turn of the next one.
    virtual void end_turn() noexcept;

  private:
    /// Called back: its turn has come, and it is in the ready queue.
    enum class stage : std::uint8_t { in_line, called_back, cancelled, writing };

    void writer_free() noexcept override;
    void run() noexcept override;
    void settled() noexcept override { end_turn(); }
    bool has_answer() noexcept;

    write_request* const part_of_;
    stage stage_ = stage::in_line;
};

/// Awaits the write of some bytes.
class [[nodiscard("co_await it"), gnu::warn_unused]] write_bytes_in_turn final
    : public write_in_turn,
      public awaiter_base<write_bytes_in_turn> {
  public:
    explicit write_bytes_in_turn(transport& to, const_buffer bytes, write_request* part_of = nullptr) noexcept
        : write_in_turn(&to, part_of), bytes_(bytes) {}

  private:
    friend awaiter_base<write_bytes_in_turn>;
    bool start() noexcept override {
        pieces = &bytes_;
        count = 1;
        return to().write(*this);
    }
    std::size_t size() const noexcept override { return bytes_.size; }

    const_buffer bytes_;
};

}  // namespace bight::detail
