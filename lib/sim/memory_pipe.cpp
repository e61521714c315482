#include "memory_transport.hpp"

#include <bight/core/error.hpp>

#include <algorithm>
#include <cerrno>

namespace bight::sim {

chunking chunking::split_at(std::vector<std::uint64_t> places) {
    chunking c(kind::split, 0);
    std::sort(places.begin(), places.end());
    c.places_ = std::move(places);
    return c;
}

std::size_t chunking::next(std::uint64_t position, std::size_t written, std::size_t there) noexcept {
    switch (kind_) {
        case kind::as_written: return std::min(written, there);
        case kind::merged: return there;
        case kind::at_most: return std::min(most_, there);
        case kind::random: return std::min(static_cast<std::size_t>(source_.between(1, most_)), there);
        case kind::split: {
            const auto place = std::upper_bound(places_.begin(), places_.end(), position);
            if (place == places_.end() || *place - position >= there) return there;
            return static_cast<std::size_t>(*place - position);
        }
    }
    return there;
}

namespace detail {

bool memory_pipe::passes(std::error_code e) noexcept {
    return e == std::errc::not_enough_memory || e == std::errc::no_buffer_space;
}

std::size_t memory_pipe::room(std::size_t wanted) const noexcept {
    const std::size_t used = bytes_.size() - begin_ + lost_;
    std::uint64_t size = used < options_.capacity ? options_.capacity - used : 0;
    // Does not cross a place where a fault happens.
    if (taken_ < options_.reset_at) size = std::min(size, options_.reset_at - taken_);
    if (taken_ < options_.silent_from) size = std::min(size, options_.silent_from - taken_);
    return static_cast<std::size_t>(std::min<std::uint64_t>(size, wanted));
}

time_point memory_pipe::arrival(time_point now) noexcept {
    last_arrival_ = std::max(last_arrival_, saturating_add(now, options_.latency));
    return last_arrival_;
}

void memory_pipe::add(const char* data, std::size_t size, time_point now) {
    if (silent() || ending_ != ending::none) {
        lost_ += size;
    } else if (unread_for_ever_) {
        lost_ += size;
        if (answers_) fail_writes({EPIPE, bight::detail::errno_category()}, saturating_add(arrival(now), back_));
    } else {
        if (begin_ > bytes_.size() / 2) {
            bytes_.erase(0, begin_);
            begin_ = 0;
        }
        const time_point arrives = arrival(now);
        const std::size_t before = bytes_.size();
        bytes_.append(data, size);
        if (!new_part_ && !parts_.empty() && parts_.back().arrives == arrives) {
            parts_.back().size += size;
        } else {
            try {
                parts_.push_back({size, arrives});
            } catch (...) {
                bytes_.resize(before);
                throw;
            }
        }
        new_part_ = false;
    }
    taken_ += size;
}

void memory_pipe::put_end(time_point now) noexcept {
    if (ending_ != ending::none || silent()) return;
    ending_ = ending::end;
    ending_arrives_ = arrival(now);
}

// A reset after the end changes nothing for the reader.
time_point memory_pipe::put_reset(std::error_code error, time_point now) noexcept {
    if (silent()) return time_point::max();
    const time_point arrives = arrival(now);
    if (ending_ == ending::none) {
        ending_ = ending::reset;
        ending_arrives_ = arrives;
        reset_error_ = error;
    }
    return arrives;
}

void memory_pipe::fail_writes(std::error_code error, time_point t) noexcept {
    if (t >= writes_fail_from_) return;
    writes_fail_from_ = t;
    writes_fail_with_ = error;
}

std::error_code memory_pipe::injected_write_error() noexcept {
    if (writes_++ != options_.failing_write) return {};
    if (!passes(options_.write_error)) fail_writes(options_.write_error, time_point::min());
    return options_.write_error;
}

std::error_code memory_pipe::injected_read_error() noexcept {
    if (reads_fail_with_ || reads_++ != options_.failing_read) return reads_fail_with_;
    if (!passes(options_.read_error)) reads_fail_with_ = options_.read_error;
    return options_.read_error;
}

std::size_t memory_pipe::readable(std::size_t most, time_point now, const char*& at) noexcept {
    if (parts_.empty() || parts_.front().arrives > now) return 0;
    std::size_t there = 0;
    for (const part& p : parts_) {
        if (p.arrives > now) break;
        there += p.size;
    }
    at = bytes_.data() + begin_;
    return std::min(options_.reads.next(read_, parts_.front().size, there), most);
}

void memory_pipe::consume(std::size_t size) noexcept {
    begin_ += size;
    read_ += size;
    while (size > 0) {
        part& first = parts_.front();
        const std::size_t of_it = std::min(size, first.size);
        first.size -= of_it;
        size -= of_it;
        if (first.size == 0) parts_.pop_front();
    }
    if (begin_ == bytes_.size()) {
        bytes_.clear();
        begin_ = 0;
    }
}

memory_pipe::ending memory_pipe::arrived_ending(time_point now) const noexcept {
    return parts_.empty() && ending_arrives_ <= now ? ending_ : ending::none;
}

time_point memory_pipe::next_arrival() const noexcept {
    if (!parts_.empty()) return parts_.front().arrives;
    return ending_ != ending::none ? ending_arrives_ : time_point::max();
}

void memory_pipe::stop_reading(bool answers, bool waits, time_point now) noexcept {
    unread_for_ever_ = true;
    answers_ = answers;
    const std::error_code error{EPIPE, bight::detail::errno_category()};
    const auto late =
        std::find_if(parts_.begin(), parts_.end(), [now](const part& p) { return p.arrives > now; });
    if (answers && waits) fail_writes(error, saturating_add(now, back_));
    if (answers && late != parts_.end()) fail_writes(error, saturating_add(late->arrives, back_));
    parts_.clear();
    bytes_.clear();
    begin_ = 0;
}

void memory_pipe::break_off(std::error_code error, time_point now) noexcept {
    while (!parts_.empty() && parts_.back().arrives > now) {
        bytes_.resize(bytes_.size() - parts_.back().size);
        lost_ += parts_.back().size;
        parts_.pop_back();
    }
    if (ending_ != ending::none && ending_arrives_ <= now) return;
    ending_ = ending::reset;
    ending_arrives_ = now;
    reset_error_ = error;
}

}  // namespace detail
}  // namespace bight::sim
