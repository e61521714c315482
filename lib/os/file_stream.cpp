#include <bight/os/file_stream.hpp>

#include "file_error.hpp"
#include "file_state.hpp"
#include "file_transport.hpp"

#include "../demux/demultiplexer.hpp"
#include "../demux/file_operation.hpp"

#include <bight/core/error.hpp>
#include <bight/core/reactor.hpp>
#include <bight/io/transport.hpp>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <utility>

namespace bight {

namespace detail {

namespace {

constexpr std::size_t chunk_size = std::size_t{1} << 16;

class file_transport final : public transport {
  public:
    file_transport(reactor& home, file_state_ref of, std::uint64_t offset, file_ways goes,
                   std::unique_ptr<descriptor_claim> claim) noexcept
        : transport(home),
          goes_(goes),
          claim_(std::move(claim)),
          file_(std::move(of)),
          handle_(file_->handle),
          read_from_(offset),
          write_to_(offset) {
        reader_op_.kind = operation_kind::read_at;
        writer_op_.kind = operation_kind::write_at;
        closer_op_.kind = operation_kind::close_file;
        for (auto* op : {static_cast<part*>(&reader_op_), static_cast<part*>(&writer_op_),
                         static_cast<part*>(&closer_op_)}) {
            op->file = handle_;
        }
    }

    bool read(read_request& request) noexcept override {
        request.count = 0;
        if (!is_open()) {
            request.set_error(why_closed());
            return true;
        }
        if (goes_ == file_ways::writes) {
            request.set_error(system_error_code(EBADF));
            return true;
        }
        if (request.into.data) {
            reader_op_.memory = request.into;
        } else {
            try {
                heap_block& block = *heap_block::make(chunk_size);
                filled_ = chunk(block, block.bytes(), chunk_size);
            } catch (const std::bad_alloc&) {
                request.set_error(system_error_code(ENOMEM));
                return true;
            }
            reader_op_.memory = mutable_buffer(filled_.data(), chunk_size);
        }
        reader_op_.offset = read_from_;
        if (start(reader_op_)) {
            has_read(request);
            return true;
        }
        reading_ = &request;
        retain();
        return false;
    }

    bool write(write_request& request) noexcept override {
        request.begun = false;
        if (goes_ == file_ways::reads) {
            request.set_error(system_error_code(EBADF));
            return true;
        }
        if (advance(request, 0) || write_rest(request)) return true;
        writing_ = &request;
        retain();
        return false;
    }

    void cancel_read() noexcept override {
        if (!reading_ || !cancel(reader_op_)) return;
        read_request& request = *std::exchange(reading_, nullptr);
        filled_.reset();
        answer_cancelled(request);
    }
    void cancel_write() noexcept override {
        if (!writing_) return;
        write_cancelled_ = true;
        if (!cancel(writer_op_)) return;
        answer_cancelled(*std::exchange(writing_, nullptr));
    }

    bool shutdown_write(end_request&) noexcept override { return true; }

    bool close(end_request& request) noexcept override {
        end_use(errc::closed);
        stop_reading();
        if (reading_ || file_->in_use > 1) {  // the last operation closes it
            let_go_of_file();
            return true;
        }
        file_->handle = invalid_handle;  // for those who have the file from before it was a stream
        if (start(closer_op_)) {         // no thread
            close_in_place(handle_);
            return true;
        }
        closing_ = &request;
        retain();
        return false;
    }

    void abort(std::error_code reason) noexcept override {
        if (closing_) std::exchange(closing_, nullptr)->complete(reason);
        if (!is_open()) return;
        retain();
        end_use(reason ? reason : make_error_code(errc::aborted));
        stop_reading();
        cancel_write();
        let_go_of_file();
        release();
    }

    int native_handle() const noexcept override {
        return file_ && file_->handle == handle_ ? static_cast<int>(handle_) : -1;
    }
    void describe(std::string& out) const override {
        out += file_ ? printable(file_->path) : "a closed file";
    }

  private:
    // A virtual clock stands still while the system works on it, as in file_call.
    class part : public file_operation {
      public:
        std::optional<outside_work> outside;

      protected:
        ~part() = default;
    };
    template <void (file_transport::*done)() noexcept>
    class part_of final : public part {
      public:
        explicit part_of(file_transport& of) noexcept : of_(of) {}

      private:
        void completed() noexcept override {
            outside.reset();
            (of_.*done)();
        }
        file_transport& of_;
    };

    bool start(part& op) noexcept {
        demultiplexer& demux = demultiplexer_of(home());
        ++demux.operations;
        if (demux.start(op)) return true;
        if (!demux.simulated()) op.outside.emplace(home());
        return false;
    }
    bool cancel(part& op) noexcept {
        if (!demultiplexer_of(home()).cancel(op)) return false;
        op.outside.reset();
        return true;
    }

    // Reading

    void has_read(read_request& request) noexcept {
        const std::int64_t result = reader_op_.result;
        if (!is_open()) {
            request.set_error(why_closed());
        } else if (result < 0) {
            request.set_error(system_error_code(reader_op_.error()));
        } else {
            request.count = static_cast<std::size_t>(result);
            if (read_from_ != at_the_position) read_from_ += request.count;
            if (filled_ && request.count > 0) {
                filled_.truncate(request.count);
                request.data.take_from(filled_);
            }
        }
        filled_.reset();
    }
    void read_ended() noexcept {
        read_request& request = *std::exchange(reading_, nullptr);
        if (reader_op_.result == -ECANCELED) {
            filled_.reset();
            let_go_of_file();
            answer_cancelled(request);
            return;
        }
        has_read(request);
        let_go_of_file();
        request.complete_now();
        release();
    }
    void stop_reading() noexcept {
        if (reading_) cancel_read();
    }

    // Writing

    // Drops what was written from the request. True when that was all.
    static bool advance(write_request& request, std::size_t size) noexcept {
        if (size > 0) request.begun = true;
        while (request.count > 0 && size >= request.pieces->size) {
            size -= request.pieces->size;
            ++request.pieces;
            --request.count;
        }
        if (size > 0) {
            const_buffer& piece = *request.pieces;
            piece = const_buffer(static_cast<const char*>(piece.data) + size, piece.size - size);
        }
        return request.count == 0;
    }
    // True when the write has ended at once.
    bool write_rest(write_request& request) noexcept {
        do {
            writer_op_.offset = file_->appends ? at_the_end : write_to_;
            writer_op_.from = request.pieces;
            writer_op_.piece_count = std::min(request.count, pieces_of_a_call);
            if (!start(writer_op_)) return false;
        } while (!has_written_part(request));
        return true;
    }
    // True when the write has ended.
    bool has_written_part(write_request& request) noexcept {
        const std::int64_t result = writer_op_.result;
        if (result > 0) {
            if (write_to_ != at_the_position) write_to_ += static_cast<std::uint64_t>(result);
            return advance(request, static_cast<std::size_t>(result));
        }
        if (request.begun) write_cut(true);
        request.set_error(result < 0 ? system_error_code(writer_op_.error()) : system_error_code(EIO));
        return true;
    }
    void write_ended() noexcept {
        write_request& request = *writing_;
        const bool cancelled = std::exchange(write_cancelled_, false);
        const bool in_vain = writer_op_.result == -ECANCELED && cancelled;
        if (!in_vain && !has_written_part(request)) {
            if (!cancelled && !write_rest(request)) return;
            if (cancelled) {
                writing_ = nullptr;
                let_go_of_file();
                answer_cancelled(request);
                return;
            }
        }
        writing_ = nullptr;
        let_go_of_file();
        if (in_vain) {
            answer_cancelled(request);
            return;
        }
        request.complete_now();
        release();
    }

    // One that was aborted with its stream gets the reason.
    template <class Request>
    void answer_cancelled(Request& request) noexcept {
        if (is_open() || why_closed() == errc::closed) {
            request.complete_cancelled();
        } else {
            request.complete(why_closed());
        }
        release();
    }

    // The end

    void close_ended() noexcept {
        if (end_request* const request = std::exchange(closing_, nullptr)) {
            if (closer_op_.error() != 0) request->set_error(system_error_code(closer_op_.error()));
            request->complete_now();
        }
        release();
    }
    void let_go_of_file() noexcept {
        if (!is_open() && !reading_ && !writing_ && !closing_) file_.end();
    }
    void end_use(std::error_code why) noexcept {
        set_closed(why);
        claim_.reset();
    }
    void unused() noexcept override {
        end_use(errc::closed);
        delete this;
    }

    const file_ways goes_;
    std::unique_ptr<descriptor_claim> claim_;
    file_use file_;
    const detail::native_handle handle_;
    std::uint64_t read_from_;
    std::uint64_t write_to_;
    read_request* reading_ = nullptr;
    write_request* writing_ = nullptr;
    end_request* closing_ = nullptr;
    chunk filled_;  // the buffer of a read that has none
    bool write_cancelled_ = false;
    part_of<&file_transport::read_ended> reader_op_{*this};
    part_of<&file_transport::write_ended> writer_op_{*this};
    part_of<&file_transport::close_ended> closer_op_{*this};
};

}  // namespace

transport& make_file_transport(reactor& home, file_state_ref of, std::uint64_t offset, file_ways goes,
                               std::unique_ptr<descriptor_claim> claim) {
    return *new file_transport(home, std::move(of), offset, goes, std::move(claim));
}

}  // namespace detail

stream file_stream(file of, std::uint64_t offset) {
    detail::file_state_ref state = detail::file_access_key::share(of);
    detail::check_open(state, "stream of");
    constexpr auto last = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
    if (offset > last) {
        detail::refuse_file(
            EINVAL, "stream of " + detail::printable(state->path) + " from byte " + std::to_string(offset));
    }
    if (const int why = detail::why_no_offsets(*state))
        detail::throw_file_error("stream of", state->path, -why);
    reactor* const home = reactor::current();
    if (!home) {
        throw std::system_error(errc::wrong_thread,
                                "a file is made a stream for the reactor that runs, and none runs on this "
                                "thread");
    }
    of = file();
    return stream(detail::make_file_transport(*home, std::move(state), offset));
}

}  // namespace bight
