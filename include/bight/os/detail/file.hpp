// Implementation of bight/os/file.hpp.
#pragma once

#include <bight/core/detail/awaiter.hpp>
#include <bight/core/detail/waiter.hpp>
#include <bight/core/export.hpp>
#include <bight/core/reactor.hpp>
#include <bight/core/result.hpp>
#include <bight/io/buffer.hpp>
#include <bight/io/native_file.hpp>

#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <system_error>
#include <utility>

namespace BIGHT_EXPORT bight {
namespace detail {

struct file_state;

void keep(file_state& s) noexcept;
void drop(file_state& s) noexcept;
native_file handle_of(const file_state& s) noexcept;

/// A reference to an open file; with the last one it is closed.
class file_state_ref {
  public:
    file_state_ref() noexcept = default;
    /// Takes over a reference.
    explicit file_state_ref(file_state* owned) noexcept : state_(owned) {}
    file_state_ref(const file_state_ref& other) noexcept : state_(other.state_) {
        if (state_) keep(*state_);
    }
    file_state_ref(file_state_ref&& other) noexcept : state_(std::exchange(other.state_, nullptr)) {}
    file_state_ref& operator=(file_state_ref other) noexcept {
        std::swap(state_, other.state_);
        return *this;
    }
    ~file_state_ref() {
        if (state_) drop(*state_);
    }
    explicit operator bool() const noexcept { return state_ != nullptr; }
    file_state* get() const noexcept { return state_; }
    file_state& operator*() const noexcept { return *state_; }
    file_state* operator->() const noexcept { return state_; }

  private:
    file_state* state_ = nullptr;
};

/// The offset of what is appended.
inline constexpr std::uint64_t end_of_file = std::numeric_limits<std::uint64_t>::max();
/// An offset that a user gives; no file has the last one.
inline constexpr std::uint64_t no_end(std::uint64_t offset) noexcept {
    return offset == end_of_file ? end_of_file - 1 : offset;
}

/// One read or write. The operation of the demultiplexer lies in it.
class file_transfer : public waiter {
  public:
    void cancel() noexcept override;
    void describe(std::string& out) const override;

  protected:
    file_transfer(file_state* of, std::uint64_t offset) noexcept  // NOLINT(*-member-init)
        : state_(of), offset_(offset) {}
    file_transfer(file_transfer&& other) noexcept  // NOLINT(*-member-init)
        : waiter(std::move(other)), state_(other.state_), offset_(other.offset_) {}
    ~file_transfer() {
        if (kept_) drop(*state_);
    }

    bool suspend_read(promise_base& p, const mutable_buffer* pieces, std::size_t count) noexcept;
    bool suspend_write(promise_base& p, const_buffer* pieces, std::size_t count) noexcept;
    /// The error, or none.
    std::error_code error() const noexcept;
    std::size_t moved() const noexcept { return moved_; }
    void throw_error() const {
        if (error_ != 0) throw_it();
    }

  private:
    class pending;
    pending& operation() noexcept;
    bool refused(bool writes) noexcept;
    bool start_read() noexcept;
    bool start_write() noexcept;
    bool took(std::int64_t result) noexcept;
    void completed() noexcept;
    bool begun() noexcept;
    void ended() noexcept;
    [[noreturn]] void throw_it() const;

    static constexpr std::size_t room = 192;

    file_state* state_;
    std::uint64_t offset_;
    const_buffer* from_ = nullptr;  // a write: what is left
    std::size_t from_count_ = 0;
    std::size_t moved_ = 0;
    int error_ = 0;
    bool kept_ = false;
    bool writes_ = false;
    std::optional<outside_work> outside_;  // a virtual clock stands still meanwhile
    alignas(std::max_align_t) unsigned char operation_[room];
};

class [[nodiscard("co_await it"), gnu::warn_unused]] file_read_awaiter final
    : public file_transfer,
      public awaiter_base<file_read_awaiter> {
  public:
    file_read_awaiter(file_state* of, std::uint64_t offset, mutable_buffer into) noexcept
        : file_transfer(of, offset), into_(into) {}
    std::size_t await_resume() const {
        throw_error();
        return moved();
    }
    result<std::size_t> take_result() const noexcept {
        if (error()) return error();
        return moved();
    }

  private:
    friend awaiter_base<file_read_awaiter>;
    bool suspend(promise_base& p) noexcept { return suspend_read(p, &into_, 1); }
    mutable_buffer into_;
};

class [[nodiscard("co_await it"), gnu::warn_unused]] file_read_list_awaiter final
    : public file_transfer,
      public awaiter_base<file_read_list_awaiter> {
  public:
    file_read_list_awaiter(file_state* of, std::uint64_t offset,
                           std::span<const mutable_buffer> into) noexcept
        : file_transfer(of, offset), into_(into) {}
    std::size_t await_resume() const {
        throw_error();
        return moved();
    }
    result<std::size_t> take_result() const noexcept {
        if (error()) return error();
        return moved();
    }

  private:
    friend awaiter_base<file_read_list_awaiter>;
    bool suspend(promise_base& p) noexcept { return suspend_read(p, into_.data(), into_.size()); }
    std::span<const mutable_buffer> into_;
};

template <std::size_t N>
class [[nodiscard("co_await it"), gnu::warn_unused]] file_write_awaiter final
    : public file_transfer,
      public awaiter_base<file_write_awaiter<N>> {
  public:
    template <class... Pieces>
    file_write_awaiter(file_state* of, std::uint64_t offset, const Pieces&... bytes) noexcept
        : file_transfer(of, offset), pieces_{const_buffer(bytes)...} {}
    void await_resume() const { throw_error(); }
    result<void> take_result() const noexcept { return error(); }

  private:
    friend awaiter_base<file_write_awaiter>;
    bool suspend(promise_base& p) noexcept { return suspend_write(p, pieces_, N); }
    const_buffer pieces_[N];
};

class [[nodiscard("co_await it"), gnu::warn_unused]] file_write_list_awaiter final
    : public file_transfer,
      public awaiter_base<file_write_list_awaiter> {
  public:
    file_write_list_awaiter(file_state* of, std::uint64_t offset, std::span<const_buffer> list) noexcept
        : file_transfer(of, offset), list_(list) {}
    void await_resume() const { throw_error(); }
    result<void> take_result() const noexcept { return error(); }

  private:
    friend awaiter_base<file_write_list_awaiter>;
    bool suspend(promise_base& p) noexcept { return suspend_write(p, list_.data(), list_.size()); }
    std::span<const_buffer> list_;
};

struct file_access_key;

}  // namespace detail
}  // namespace bight
