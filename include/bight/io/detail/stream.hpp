// Implementation of bight/io/stream.hpp.
#pragma once

#include <bight/core/detail/awaiter.hpp>
#include <bight/core/detail/waiter.hpp>
#include <bight/core/export.hpp>
#include <bight/core/reactor.hpp>
#include <bight/core/result.hpp>
#include <bight/core/task.hpp>
#include <bight/io/buffer.hpp>
#include <bight/io/chunk.hpp>
#include <bight/io/transport.hpp>

#include <chrono>
#include <coroutine>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

namespace BIGHT_EXPORT bight {

namespace detail {

/// Whether the reactor of `t` runs on another thread than this one.
bool belongs_elsewhere(const transport& t) noexcept;
/// Ends the process: "a stream was `how` on another thread than its reactor's".
[[noreturn]] void stream_used_elsewhere(const char* how) noexcept;

/// EBADF, the error of an empty handle.
std::error_code no_connection() noexcept;
/// Ends the process: an empty stream was used.
[[noreturn]] void stream_is_empty() noexcept;

/// Throws std::system_error(error, "read from 127.0.0.1:5000"); `on` is null for an empty stream.
[[noreturn]] void throw_stream_error(std::error_code error, const char* operation, const transport* on);
/// The same of a read and of a write; of errc::busy they say what is in the way, if it is still there.
[[noreturn]] void throw_read_error(std::error_code error, const transport* on);
[[noreturn]] void throw_write_error(std::error_code error, const transport* on);

/// Awaits one read.
class read_awaiter : public read_request {
  public:
    read_awaiter(transport* from, mutable_buffer memory) noexcept : read_request(from, memory) {}
    read_awaiter(read_awaiter&&) noexcept = default;

  protected:
    ~read_awaiter() = default;
    bool suspend(promise_base& p) noexcept;
    /// For a cancelled task, and for a stream that is empty, belongs elsewhere, or has more to do than to
    /// read.
    [[gnu::noinline]] bool suspend_rarely(promise_base& p) noexcept;
    void throw_error() const {
        if (failed()) throw_read_error(error(), transport_if_any());
    }
};

class [[nodiscard("co_await it"), gnu::warn_unused]] read_chunk_awaiter final
    : public read_awaiter,
      public awaiter_base<read_chunk_awaiter> {
  public:
    explicit read_chunk_awaiter(transport* from) noexcept : read_awaiter(from, mutable_buffer{}) {}
    chunk await_resume() {
        throw_error();
        return std::move(data);
    }
    result<chunk> take_result() noexcept {
        if (failed()) return error();
        return std::move(data);
    }

  private:
    friend awaiter_base<read_chunk_awaiter>;
};

class [[nodiscard("co_await it"), gnu::warn_unused]] read_into_awaiter final
    : public read_awaiter,
      public awaiter_base<read_into_awaiter> {
  public:
    read_into_awaiter(transport* from, mutable_buffer memory) noexcept : read_awaiter(from, memory) {}
    std::size_t await_resume() {
        throw_error();
        return count;
    }
    result<std::size_t> take_result() noexcept {
        if (failed()) return error();
        return count;
    }

  private:
    friend awaiter_base<read_into_awaiter>;
    bool suspend(promise_base& p) noexcept {
        return into.size > 0 ? read_awaiter::suspend(p) : read_nothing(p);
    }
    bool read_nothing(promise_base& p) noexcept;
};

/// Awaits one write. The pieces themselves are in write_awaiter.
class [[nodiscard("co_await it"), gnu::warn_unused]] write_awaiter_base : public write_request {
  public:
    void await_resume() {
        if (failed()) throw_write_error(error(), transport_if_any());
    }
    result<void> take_result() noexcept { return error(); }

  protected:
    explicit write_awaiter_base(transport* to) noexcept : write_request(to) {}
    write_awaiter_base(write_awaiter_base&&) noexcept = default;
    ~write_awaiter_base() = default;
    bool suspend(promise_base& p, const_buffer* first, std::size_t number) noexcept;

  private:
    [[gnu::noinline]] bool suspend_rarely(promise_base& p) noexcept;
    [[gnu::noinline]] bool wait(promise_base& p) noexcept;
};

template <std::size_t N>
class [[nodiscard("co_await it"), gnu::warn_unused]] write_awaiter final
    : public write_awaiter_base,
      public awaiter_base<write_awaiter<N>> {
  public:
    template <class... Pieces>
    explicit write_awaiter(transport* to, const Pieces&... bytes) noexcept
        : write_awaiter_base(to), pieces_{const_buffer(bytes)...} {}

  private:
    friend awaiter_base<write_awaiter>;
    bool suspend(promise_base& p) noexcept { return write_awaiter_base::suspend(p, pieces_, N); }
    const_buffer pieces_[N];
};

class [[nodiscard("co_await it"), gnu::warn_unused]] write_list_awaiter final
    : public write_awaiter_base,
      public awaiter_base<write_list_awaiter> {
  public:
    write_list_awaiter(transport* on, std::span<const_buffer> list) noexcept
        : write_awaiter_base(on), list_(list) {}

  private:
    friend awaiter_base<write_list_awaiter>;
    bool suspend(promise_base& p) noexcept {
        return write_awaiter_base::suspend(p, list_.data(), list_.size());
    }
    std::span<const_buffer> list_;
};

/// Awaits the close of a stream, or the shutdown of its outgoing direction.
class [[nodiscard("co_await it"), gnu::warn_unused]] end_awaiter final : public waiter,
                                                                         public awaiter_base<end_awaiter> {
  public:
    end_awaiter(transport* t, duration patience, bool only_writing) noexcept
        : transport_(t), patience_(patience), only_writing_(only_writing) {}

    void await_resume() const {
        if (error_) throw_stream_error(error_, only_writing_ ? "end writing to" : "close", transport_);
    }
    result<void> take_result() const noexcept { return error_; }

    void cancel() noexcept override;
    void describe(std::string& out) const override;

  private:
    friend class closer;
    friend awaiter_base<end_awaiter>;
    bool suspend(promise_base& p) noexcept;
    void ended(std::error_code error) noexcept {
        error_ = error;
        ready();
    }

    transport* transport_;
    duration patience_;
    std::error_code error_;
    bool only_writing_;
};

}  // namespace detail

}  // namespace bight
