#include <bight/io/buffered_reader.hpp>

#include "read_ahead.hpp"
#include "text_item.hpp"

#include <bight/core/detail/wait_list.hpp>
#include <bight/core/error.hpp>

#include <algorithm>
#include <cstring>
#include <utility>

namespace bight {

struct buffered_reader::ending {
    detail::text_end text;
    const char* item = "";  // for error messages
};

// One call that reads; lives in its frame. Views that were given out before are invalid from here on.
class buffered_reader::use {
  public:
    explicit use(buffered_reader& r) : reader_(r), tells_(r.may_tell()) {
        if (r.in_use_) detail::throw_read_error(errc::busy, &r.stream_.lower());
        r.settle();
        r.in_use_ = true;
        if (tells_) r.tell(detail::look_ahead::reads);
    }
    use(const use&) = delete;
    use& operator=(const use&) = delete;
    ~use() {
        reader_.in_use_ = false;
        if (tells_) reader_.tell_what_is_left();
    }
    detail::chunk_read_ahead read() const noexcept { return {reader_.from(), tells_}; }
    detail::memory_read_ahead read(mutable_buffer memory) const noexcept {
        return {reader_.from(), memory, tells_};
    }

  private:
    buffered_reader& reader_;
    bool tells_;
};

buffered_reader::~buffered_reader() {
    if (in_use_) {
        detail::abort_misused(
            "a buffered_reader was destroyed while a task waits in it: it must outlive that");
    }
}

transport* buffered_reader::from() const noexcept { return stream_ ? &stream_.lower() : nullptr; }

// What the stream is told, so that a read of it is no gap in what was read here. A reader that is destroyed
// with bytes takes nothing back: they are missing in the stream from then on. On another thread the read
// itself fails.
void buffered_reader::tell(detail::look_ahead now) const noexcept {
    const reactor* const here = reactor::current();
    if (stream_ && (!here || &stream_.lower().home() == here)) stream_.lower().set_look_ahead(now);
}

// Not while another reads the stream, or has read ahead: the read is refused then, and what was told is that
// one's.
bool buffered_reader::may_tell() const noexcept {
    if (!stream_ || &stream_.lower().home() != reactor::current()) return false;
    const transport& of = stream_.lower();
    const bool another_has_told = of.look_ahead() == detail::look_ahead::reads ||
                                  (of.look_ahead() == detail::look_ahead::holds && buffered().empty());
    return !of.reader() && !another_has_told;
}

void buffered_reader::tell_what_is_left() const noexcept {
    tell(buffered().empty() ? detail::look_ahead::none : detail::look_ahead::holds);
}

// Where the bytes are

// Lets go of what was taken. After a std::bad_alloc the bytes may still be in two places.
void buffered_reader::settle() {
    if (std::exchange(shared_, 0) > 0 || chunk_.empty()) chunk_.reset();
    if (begin_ == kept_.size()) {
        kept_.clear();
        begin_ = 0;
    } else if (chunk_) {
        kept_.append(chunk_.begin(), chunk_.size());
        chunk_.reset();
    }
}

// Before a wait: the chunk's buffer goes back to the reactor, and memory that holds nothing is freed.
void buffered_reader::keep() {
    if (chunk_ && shared_ == 0) kept_.assign(chunk_.view());
    chunk_.reset();
    shared_ = 0;
    if (begin_ == kept_.size()) kept_ = std::string();
    if (begin_ > 0) kept_.erase(0, std::exchange(begin_, 0));
}

// After a read: what came is put behind what was kept, if that is anything, so that it is in one piece.
void buffered_reader::join() {
    if (kept_.empty()) return;
    kept_.append(chunk_.begin(), chunk_.size());
    shared_ = chunk_.size();
}

std::string_view buffered_reader::take(std::size_t count) noexcept {
    if (begin_ == kept_.size()) {
        const std::string_view taken = chunk_.view().substr(0, count);
        chunk_.remove_prefix(count);
        return taken;
    }
    const std::string_view taken = std::string_view(kept_).substr(begin_, count);
    begin_ += count;
    const std::size_t left = kept_.size() - begin_;
    if (left <= shared_) {  // the rest is in the chunk
        chunk_.remove_prefix(shared_ - left);
        kept_.resize(begin_);
        shared_ = 0;
    }
    return taken;
}

std::string buffered_reader::take_string(std::size_t count) {
    const bool alone = begin_ == 0 && count > 0 && !kept_.empty();
    if (!alone) {
        std::string text(buffered().substr(0, count));
        take(count);
        return text;
    }
    if (kept_.size() > count) {
        std::string text = kept_.substr(0, count);
        take(count);
        return text;
    }
    take(count);
    begin_ = 0;
    return std::exchange(kept_, {});
}

void buffered_reader::consume(std::size_t count) noexcept {
    if (in_use_)
        detail::abort_misused("buffered_reader::consume was called while a task waits in the reader");
    if (count > buffered().size()) {
        detail::abort_misused("buffered_reader::consume was given more bytes than are buffered");
    }
    if (count == 0) return;
    take(count);
    tell_what_is_left();
}

chunk buffered_reader::take_buffered() {
    if (in_use_) detail::throw_stream_error(errc::busy, "take what was read from", &stream_.lower());
    settle();
    chunk all = kept_.empty() ? std::move(chunk_) : chunk::copy_of(buffered());
    kept_ = std::string();
    begin_ = 0;
    if (all) tell(detail::look_ahead::none);
    return all;
}

void buffered_reader::give_back() {
    chunk all = take_buffered();
    if (all) stream_.unread(std::move(all));
}

// Lines and delimiters

buffered_reader::ending buffered_reader::end_of_line() const noexcept {
    return {detail::end_of_line(options_.line_ends), "a line"};
}

// True when a whole item is buffered: of `length` bytes, `whole` with its end. No end begins before
// `searched`, counted from the first byte that is buffered.
bool buffered_reader::find(const ending& end, std::size_t& searched, std::size_t& length,
                           std::size_t& whole) const {
    const detail::text_item item = detail::find_item(end.text, buffered(), options_.line_limit, searched);
    if (item.is == detail::text_item::too_long) {
        const std::string what = "read " + std::string(end.item) + " of at most " +
                                 std::to_string(options_.line_limit) + " bytes from";
        detail::throw_stream_error(errc::too_long, what.c_str(), &stream_.lower());
    }
    length = item.length;
    whole = item.whole;
    return item.is == detail::text_item::complete;
}

template <class T>
task<std::optional<T>> buffered_reader::next(ending end) {
    const use here(*this);
    std::size_t searched = 0;
    std::size_t length = 0;
    std::size_t whole = 0;
    while (!find(end, searched, length, whole)) {
        keep();
        chunk_ = co_await here.read();
        if (!chunk_) co_return std::nullopt;
        join();
    }
    std::optional<T> item(std::in_place, buffered().substr(0, length));
    const std::string_view taken = take(whole);
    if constexpr (std::is_same_v<T, std::string_view>) item = taken.substr(0, length);
    co_return item;
}

task<std::optional<std::string>> buffered_reader::line() { return next<std::string>(end_of_line()); }
task<std::optional<std::string_view>> buffered_reader::line_view() {
    return next<std::string_view>(end_of_line());
}
task<std::optional<std::string>> buffered_reader::until(std::string_view delimiter) {
    return until(delimiter, "up to a delimiter, an item");
}
task<std::optional<std::string>> buffered_reader::until(std::string_view delimiter, const char* item) {
    return next<std::string>({{delimiter, false}, item});
}

// Counts

void buffered_reader::refuse_count(std::size_t count, std::size_t limit, const char* what) const {
    if (count <= limit) return;
    const std::string text = std::string(what) + std::to_string(count) + " bytes (count_limit is " +
                             std::to_string(limit) + ") of";
    detail::throw_stream_error(errc::too_long, text.c_str(), &stream_.lower());
}

task<std::string> buffered_reader::exactly(std::size_t count) {
    const use here(*this);
    refuse_count(count, options_.count_limit, "read ");
    while (buffered().size() < count) {
        keep();
        chunk_ = co_await here.read();
        if (!chunk_) detail::throw_stream_error(errc::end_of_stream, "read from", &stream_.lower());
        join();
    }
    co_return take_string(count);
}

namespace {

// Memory of the caller's that is being filled; what came is given back unless it is all.
template <class GiveBack>
class filling {
  public:
    filling(mutable_buffer memory, GiveBack give_back) noexcept
        : memory_(memory), give_back_(std::move(give_back)) {}
    filling(const filling&) = delete;
    filling& operator=(const filling&) = delete;
    ~filling() {
        if (came_ > 0 && came_ < memory_.size)
            give_back_(std::string_view(static_cast<char*>(memory_.data), came_));
    }
    mutable_buffer rest() const noexcept {
        return {static_cast<char*>(memory_.data) + came_, memory_.size - came_};
    }
    void came(std::size_t bytes) noexcept { came_ += bytes; }

  private:
    mutable_buffer memory_;
    GiveBack give_back_;
    std::size_t came_ = 0;
};

}  // namespace

task<> buffered_reader::exactly(mutable_buffer memory) {
    const use here(*this);
    filling into(memory, [this](std::string_view bytes) noexcept {
        try {
            kept_.assign(bytes);
            begin_ = 0;
        } catch (...) {
            stream_.abort(std::make_error_code(std::errc::not_enough_memory));
        }
    });
    if (const std::size_t there = std::min(buffered().size(), memory.size); there > 0) {
        std::memcpy(memory.data, buffered().data(), there);
        take(there);
        into.came(there);
    }
    while (into.rest().size > 0) {
        keep();
        const std::size_t got = co_await here.read(into.rest());
        if (got == 0) detail::throw_stream_error(errc::end_of_stream, "read from", &stream_.lower());
        into.came(got);
    }
}

task<chunk> buffered_reader::some(std::size_t most) {
    const use here(*this);
    if (most == 0) co_return chunk();
    if (buffered().empty()) {
        keep();
        chunk_ = co_await here.read();
    }
    if (kept_.empty() && chunk_.size() <= most) co_return std::move(chunk_);
    const std::size_t count = std::min(buffered().size(), most);
    chunk part = chunk::copy_of(buffered().substr(0, count));
    take(count);
    co_return part;
}

task<std::string_view> buffered_reader::peek(std::size_t count) { return peek(count, options_.count_limit); }
task<std::string_view> buffered_reader::peek(std::size_t count, std::size_t limit) {
    const use here(*this);
    refuse_count(count, limit, "look at ");
    while (buffered().size() < count) {
        keep();
        chunk_ = co_await here.read();
        if (!chunk_) break;
        join();
    }
    co_return buffered().substr(0, count);
}

}  // namespace bight
