#include <bight/net/send_file.hpp>

#include "kept_transport.hpp"

#include "../core/system_error.hpp"
#include "../demux/demultiplexer.hpp"
#include "../demux/file_operation.hpp"
#include "../demux/sendfile_calls.hpp"
#include "../io/kernel_write.hpp"
#include "../io/write_in_turn.hpp"

#include <bight/core/detail/awaiter.hpp>
#include <bight/core/detail/waiter.hpp>
#include <bight/core/error.hpp>
#include <bight/core/reactor.hpp>
#include <bight/io/detail/stream.hpp>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <system_error>

namespace bight {

namespace {

constexpr std::size_t part_in_kernel = std::size_t{1} << 18;
constexpr std::size_t part_in_memory = std::size_t{1} << 16;

// Awaits one read of a file at an offset. One that has begun is not interrupted, so the memory is its own
// until then.
class file_read final : public detail::waiter, public detail::awaiter_base<file_read> {
  public:
    file_read(detail::native_handle file, std::uint64_t offset, mutable_buffer into) noexcept
        : operation_(*this) {
        operation_.file = file;
        operation_.offset = offset;
        operation_.memory = into;
    }

    /// How many bytes; 0 at the end of the file.
    std::size_t await_resume() const {
        if (operation_.error() != 0) {
            throw std::system_error(detail::system_error_code(operation_.error()),
                                    "send_file: reading byte " + std::to_string(operation_.offset) +
                                        " of file " + std::to_string(operation_.file));
        }
        return static_cast<std::size_t>(operation_.result);
    }

    void cancel() noexcept override {
        if (detail::demultiplexer_of(home()).cancel(operation_)) confirm_cancel();
    }
    void describe(std::string& out) const override {
        out += "a read of file " + std::to_string(operation_.file);
    }

  private:
    friend detail::awaiter_base<file_read>;

    class reading final : public detail::file_operation {
      public:
        explicit reading(file_read& of) noexcept : of_(of) { kind = detail::operation_kind::read_at; }

      private:
        void completed() noexcept override { of_.completed(); }
        file_read& of_;
    };

    bool suspend(detail::promise_base& p) noexcept {
        if (!begin(p)) return true;
        detail::demultiplexer& demux = detail::demultiplexer_of(home());
        if (demux.simulated()) {
            operation_.result = perform(operation_);
            return finish_now();
        }
        ++demux.operations;
        return demux.start(operation_) ? finish_now() : true;
    }
    void completed() noexcept {
        if (operation_.result == -ECANCELED) {
            confirm_cancel();
        } else {
            ready_now().resume();
        }
    }

    reading operation_;
};

// Of what is in a file.
class file_write final : public detail::kernel_write {
  public:
    file_write(transport& to, detail::native_handle file, std::uint64_t offset, std::size_t size,
               std::uint64_t& moved) noexcept
        : kernel_write(to, size, moved), file_(file), offset_(offset) {}
    // The end of the file is for a plain read to find.
    std::int64_t move_to(int socket) noexcept override {
        const std::int64_t sent = detail::send_from_file(socket, file_, offset_, left);
        return sent == 0 ? -ENOSYS : sent;
    }
    bool socket_refuses() const noexcept override { return false; }
    void took(std::size_t bytes) noexcept override {
        kernel_write::took(bytes);
        offset_ += bytes;
    }

  private:
    const detail::native_handle file_;
    std::uint64_t offset_;
};

// A part must not look whole, whatever the stream is used for afterwards.
class whole_or_cut {
  public:
    whole_or_cut(stream& to, std::uint64_t size, const std::uint64_t& sent) noexcept
        : to_(to), size_(size), sent_(sent) {}
    whole_or_cut(const whole_or_cut&) = delete;
    whole_or_cut& operator=(const whole_or_cut&) = delete;
    ~whole_or_cut() {
        if (sent_ > 0 && sent_ < size_) to_->write_cut(true);
    }

  private:
    const detail::kept_transport to_;
    const std::uint64_t size_;
    const std::uint64_t& sent_;
};

// Into the page cache, from where it is sent.
task<> fetch(detail::native_handle file, std::uint64_t offset, std::size_t size) {
    const auto memory = std::make_unique_for_overwrite<char[]>(size);
    (void)co_await file_read(file, offset, mutable_buffer(memory.get(), size));
}

// It may have been moved away while something was awaited.
void refuse_if_gone(const stream& to) {
    if (!to) detail::throw_stream_error(detail::no_connection(), "send a file to", nullptr);
}

// Until the end of the part, or until something is to go through memory.
task<> send_in_kernel(stream& to, detail::native_handle file, std::uint64_t offset, std::uint64_t size,
                      std::uint64_t& so_far) {
    while (so_far < size && to && to.lower().writes_in_kernel() && detail::has_sendfile()) {
        const std::uint64_t at = offset + so_far;
        const auto part = static_cast<std::size_t>(std::min<std::uint64_t>(size - so_far, part_in_kernel));
        if (!detail::is_at_hand(file, at, part)) {
            co_await fetch(file, at, part);
            refuse_if_gone(to);
        }
        if (co_await file_write(to.lower(), file, at, part, so_far) > 0) co_return;
    }
}

task<> send_through_memory(stream& to, detail::native_handle file, std::uint64_t offset, std::uint64_t size,
                           std::uint64_t& so_far) {
    const auto room = static_cast<std::size_t>(std::min<std::uint64_t>(size - so_far, part_in_memory));
    const auto memory = std::make_unique_for_overwrite<char[]>(room);
    while (so_far < size) {
        const auto part = static_cast<std::size_t>(std::min<std::uint64_t>(size - so_far, room));
        const std::size_t got =
            co_await file_read(file, offset + so_far, mutable_buffer(memory.get(), part));
        if (got == 0) {
            throw std::system_error(errc::end_of_stream, "send_file: file " + std::to_string(file) +
                                                             " ends at byte " +
                                                             std::to_string(offset + so_far) + " of " +
                                                             std::to_string(offset + size));
        }
        refuse_if_gone(to);
        co_await detail::write_bytes_in_turn(to.lower(), const_buffer(memory.get(), got));
        so_far += got;
    }
}

}  // namespace

task<> send_file(stream& to, native_file file, std::uint64_t offset, std::uint64_t size,
                 std::uint64_t& so_far) {
    so_far = 0;
    refuse_if_gone(to);
    if (&to.lower().home() != reactor::current())
        detail::throw_stream_error(errc::wrong_thread, "send a file to", &to.lower());
    constexpr auto last_offset = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
    if (offset > last_offset || size > last_offset - offset) {
        throw std::system_error(std::make_error_code(std::errc::value_too_large),
                                "send_file: " + std::to_string(size) + " bytes from byte " +
                                    std::to_string(offset));
    }
    const auto handle = static_cast<detail::native_handle>(file);
    if (const int error = detail::refuses_offsets(handle)) {
        throw std::system_error(detail::system_error_code(error),
                                "send_file: file " + std::to_string(handle));
    }
    const whole_or_cut mark(to, size, so_far);
    co_await send_in_kernel(to, handle, offset, size, so_far);
    refuse_if_gone(to);
    if (so_far < size) co_await send_through_memory(to, handle, offset, size, so_far);
}

task<> send_file(stream& to, native_file file, std::uint64_t offset, std::uint64_t size) {
    std::uint64_t sent = 0;
    co_await send_file(to, file, offset, size, sent);
}

}  // namespace bight
