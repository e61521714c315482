#include <bight/net/send_file.hpp>

#include "kept_transport.hpp"

#include "../core/system_error.hpp"
#include "../demux/demultiplexer.hpp"
#include "../demux/file_operation.hpp"
#include "../demux/sendfile_calls.hpp"
#include "../demux/socket_calls.hpp"
#include "../io/kernel_write.hpp"
#include "../io/write_in_turn.hpp"
#include "../io/writing_turn.hpp"

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
#include <utility>

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

    /// How many bytes; 0 at the end of the file; or a negative error number.
    std::int64_t await_resume() const noexcept { return operation_.result; }

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
        if (demux.simulated() && operation_.file < detail::first_simulated_descriptor) {
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

// Of what is in a file. Only errors that are surely of the connection are told; whatever else there is, the
// end of the file among it, is for a plain read and a plain write to find, which name it.
class file_write final : public detail::kernel_write {
  public:
    file_write(transport& to, write_request& part_of, detail::native_handle file, std::uint64_t offset,
               std::size_t size, std::uint64_t& moved) noexcept
        : kernel_write(to, size, moved, &part_of), file_(file), offset_(offset) {}
    std::int64_t move_to(int socket) noexcept override {
        const std::int64_t sent = detail::send_from_file(socket, file_, offset_, left);
        switch (sent) {
            case -EAGAIN:
            case -EPIPE:
            case -ECONNRESET:
            case -ETIMEDOUT: return sent;
            default: return sent > 0 ? sent : -ENOSYS;
        }
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

// What is asked of send_file, and how far it is. It is one write: it has its turn once, so that nobody writes
// amid the file, and a close waits for all of it.
class file_sending {
  public:
    file_sending(stream& to, detail::native_handle file, std::uint64_t offset, std::uint64_t size,
                 std::uint64_t& so_far) noexcept
        : to_(to), turn_(to.lower()), file_(file), offset_(offset), size_(size), so_far_(so_far) {}
    file_sending(const file_sending&) = delete;
    file_sending& operator=(const file_sending&) = delete;
    // A part must not look whole, whatever the stream is used for afterwards.
    ~file_sending() {
        if (so_far_ > 0 && so_far_ < size_) to_->write_cut(true);
    }

    task<> send() {
        co_await std::move(turn_);
        co_await send_in_kernel();
        if (so_far_ < size_) co_await send_through_memory();
    }

  private:
    std::uint64_t position() const noexcept { return offset_ + so_far_; }
    std::size_t next_part(std::size_t most) const noexcept {
        return static_cast<std::size_t>(std::min<std::uint64_t>(size_ - so_far_, most));
    }

    // Until the end of the part, or until something is to go through memory.
    task<> send_in_kernel() {
        while (so_far_ < size_ && to_->writes_in_kernel() && detail::has_sendfile()) {
            std::size_t part = next_part(part_in_kernel);
            if (!detail::is_at_hand(file_, position(), part)) {
                part = std::min(part, part_in_memory);
                co_await fetch(part);
            }
            const std::size_t left = co_await file_write(*to_, turn_, file_, position(), part, so_far_);
            if (left > 0) co_return;
        }
    }

    // Into the page cache, from where it is sent. If that fails (there is no thread for it, say), the sending
    // finds out what is wrong with the file, if anything is.
    task<> fetch(std::size_t part) {
        const auto memory = std::make_unique_for_overwrite<char[]>(part);
        (void)co_await file_read(file_, position(), mutable_buffer(memory.get(), part));
    }

    task<> send_through_memory() {
        const std::size_t room = next_part(part_in_memory);
        const auto memory = std::make_unique_for_overwrite<char[]>(room);
        while (so_far_ < size_) {
            const std::int64_t result =
                co_await file_read(file_, position(), mutable_buffer(memory.get(), next_part(room)));
            if (result <= 0) throw_no_bytes(result);
            const auto got = static_cast<std::size_t>(result);
            co_await detail::write_bytes_in_turn(*to_, const_buffer(memory.get(), got), &turn_);
            so_far_ += got;
        }
    }

    [[noreturn]] void throw_no_bytes(std::int64_t result) const {
        const std::string where = "byte " + std::to_string(position()) + " of file " + std::to_string(file_);
        if (result < 0) {
            throw std::system_error(detail::system_error_code(static_cast<int>(-result)),
                                    "send_file: reading " + where);
        }
        throw std::system_error(errc::end_of_stream, "send_file: there is no " + where + ", of which " +
                                                         std::to_string(size_) + " bytes from byte " +
                                                         std::to_string(offset_) + " on were to be sent");
    }

    const detail::kept_transport to_;
    detail::writing_turn turn_;
    const detail::native_handle file_;
    const std::uint64_t offset_;
    const std::uint64_t size_;
    std::uint64_t& so_far_;
};

}  // namespace

task<> send_file(stream& to, native_file file, std::uint64_t offset, std::uint64_t size,
                 std::uint64_t& so_far) {
    so_far = 0;
    if (!to) detail::throw_stream_error(detail::no_connection(), "send a file to", nullptr);
    if (&to.lower().home() != reactor::current())
        detail::throw_stream_error(errc::wrong_thread, "send a file to", &to.lower());
    constexpr auto last_offset = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
    if (offset > last_offset || size > last_offset - offset) {
        throw std::system_error(
            std::make_error_code(std::errc::value_too_large),
            "send_file: " + std::to_string(size) + " bytes from byte " + std::to_string(offset));
    }
    const auto handle = static_cast<detail::native_handle>(file);
    // A simulated one tells when it is read.
    const bool of_simulated_host = handle >= detail::first_simulated_descriptor;
    if (const int error = of_simulated_host ? 0 : detail::refuses_offsets(handle)) {
        throw std::system_error(detail::system_error_code(error),
                                "send_file: file " + std::to_string(handle));
    }
    file_sending all(to, handle, offset, size, so_far);
    co_await all.send();
}

task<> send_file(stream& to, native_file file, std::uint64_t offset, std::uint64_t size) {
    std::uint64_t sent = 0;
    co_await send_file(to, file, offset, size, sent);
}

}  // namespace bight
