#include "file_error.hpp"
#include "file_state.hpp"

#include "../demux/demultiplexer.hpp"
#include "../demux/file_operation.hpp"

#include <bight/core/reactor.hpp>
#include <bight/os/detail/file.hpp>

#include <algorithm>
#include <cerrno>
#include <limits>
#include <new>
#include <string>
#include <type_traits>

namespace bight::detail {

class file_transfer::pending final : public file_operation {
  public:
    explicit pending(file_transfer& of) noexcept : of_(of) {}

  private:
    void completed() noexcept override { of_.completed(); }
    file_transfer& of_;
};

file_transfer::pending& file_transfer::operation() noexcept {
    return *std::launder(reinterpret_cast<pending*>(operation_));
}

// What cannot be asked of the system, or means something else there.
bool file_transfer::refused(bool writes) noexcept {
    static_assert(sizeof(pending) <= room && std::is_trivially_destructible_v<pending>);
    writes_ = writes;
    if (!state_ || state_->handle == invalid_handle) {
        error_ = EBADF;
        state_ = nullptr;
        return true;
    }
    keep(*state_);
    kept_ = true;
    if (why_no_offsets(*state_) != 0) {
        error_ = ESPIPE;
        return true;
    }
    const bool at_end = writes && offset_ == end_of_file;
    if (at_end ? !state_->appends : writes && state_->appends) error_ = EINVAL;
    constexpr auto last = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
    if (!at_end && offset_ > last) error_ = EINVAL;
    if (error_ != 0) return true;
    pending& op = *::new (static_cast<void*>(operation_)) pending(*this);
    op.kind = writes ? operation_kind::write_at : operation_kind::read_at;
    op.file = state_->handle;
    op.note = &state_->note;
    ++state_->in_use;
    return false;
}

// The system works on it. Gives true.
bool file_transfer::begun() noexcept {
    if (!demultiplexer_of(home()).simulated()) outside_.emplace(home());
    return true;
}

// It is the owner's to close again.
void file_transfer::ended() noexcept {
    outside_.reset();
    --state_->in_use;
}

bool file_transfer::suspend_read(promise_base& p, const mutable_buffer* pieces, std::size_t count) noexcept {
    if (!begin(p)) return true;
    if (refused(false)) return finish_now();
    pending& op = operation();
    op.offset = offset_;
    while (count > 1 && pieces->size == 0) {  // more of them than a call takes would be the end of the file
        ++pieces;
        --count;
    }
    if (count == 1) {
        op.memory = *pieces;
    } else {
        op.into = pieces;
        op.piece_count = std::min(count, pieces_of_a_call);
    }
    const bool nothing = std::all_of(pieces, pieces + std::min(count, pieces_of_a_call),
                                     [](const mutable_buffer& b) { return b.size == 0; });
    if (!nothing && !start_read()) return begun();
    ended();
    return finish_now();
}

bool file_transfer::suspend_write(promise_base& p, const_buffer* pieces, std::size_t count) noexcept {
    if (!begin(p)) return true;
    if (refused(true)) return finish_now();
    from_ = pieces;
    from_count_ = count;
    if (!took(0) && !start_write()) return begun();
    ended();
    return finish_now();
}

// True when it ended at once.
bool file_transfer::start_read() noexcept {
    demultiplexer& demux = demultiplexer_of(home());
    ++demux.operations;
    if (!demux.start(operation())) return false;
    (void)took(operation().result);
    return true;
}

// Starts a write of what is left. True when all ended at once.
bool file_transfer::start_write() noexcept {
    demultiplexer& demux = demultiplexer_of(home());
    pending& op = operation();
    for (;;) {
        op.offset = offset_ == end_of_file ? at_the_end : offset_ + moved_;
        if (from_count_ == 1) {
            op.bytes = *from_;
            op.piece_count = 0;
        } else {
            op.from = from_;
            op.piece_count = std::min(from_count_, pieces_of_a_call);
        }
        ++demux.operations;
        if (!demux.start(op)) return false;
        if (op.result == 0) op.result = -EIO;
        if (took(op.result)) return true;
    }
}

// Notes what an operation has done. True when there is no more to be done.
bool file_transfer::took(std::int64_t result) noexcept {
    if (result < 0) {
        error_ = static_cast<int>(-result);
        return true;
    }
    auto left = static_cast<std::size_t>(result);
    moved_ += left;
    if (!writes_) return true;
    while (from_count_ > 0 && left >= from_->size) {
        left -= from_->size;
        ++from_;
        --from_count_;
    }
    if (left > 0) *from_ = const_buffer(static_cast<const char*>(from_->data) + left, from_->size - left);
    return from_count_ == 0;
}

void file_transfer::completed() noexcept {
    std::int64_t result = operation().result;
    const bool cancelled = owner().cancel_requested();
    if (result == -ECANCELED && cancelled) {
        ended();
        confirm_cancel();
        return;
    }
    if (writes_ && result == 0) result = -EIO;  // a system that takes nothing of something, and has no error
    if (!took(result)) {
        if (cancelled) {
            ended();
            confirm_cancel();
            return;
        }
        if (!start_write()) return;
    }
    ended();
    ready_now().resume();
}

void file_transfer::cancel() noexcept {
    if (!demultiplexer_of(home()).cancel(operation())) return;
    ended();
    confirm_cancel();
}

void file_transfer::describe(std::string& out) const {
    out += writes_ ? "a write to " : "a read of ";
    out += state_ ? printable(state_->path) : "no file";
}

std::error_code file_transfer::error() const noexcept {
    return error_ == 0 ? std::error_code() : system_error_code(error_);
}

void file_transfer::throw_it() const {
    const char* const call = writes_ ? "write to" : "read";
    if (!state_) refuse_file(EBADF, std::string(call) + " a file that is not open");
    const bool at_end = writes_ && offset_ == end_of_file;
    if (error_ == EINVAL && writes_ && at_end != state_->appends) {
        refuse_file(EINVAL, at_end ? "append to " + printable(state_->path) +
                                         ", which was not opened with open_options::append"
                                   : "write at an offset of " + printable(state_->path) +
                                         ", which was opened with open_options::append");
    }
    std::string text = std::string(call) + " " + printable(state_->path);
    if (!at_end) text += " at byte " + std::to_string(offset_ + (writes_ ? moved_ : 0));
    if (writes_ && moved_ > 0) text += ", after " + std::to_string(moved_) + " bytes";
    if (error_ == ESPIPE) text += ", which has no offsets (see open_fifo and descriptor_stream)";
    throw std::system_error(error(), text);
}

}  // namespace bight::detail
