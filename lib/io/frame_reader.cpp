#include <bight/io/frame_reader.hpp>

#include "frame_codec.hpp"

#include <bight/core/detail/wait_list.hpp>
#include <bight/core/error.hpp>

#include <limits>
#include <type_traits>

namespace bight {

using detail::frame_codec;
using detail::scanned_frame;

frame_reader::~frame_reader() {
    if (bytes_.in_use_) {
        detail::abort_misused(
            "a frame_reader was destroyed while a task waits for its next frame: it must outlive that");
    }
}

void frame_reader::switch_to(framing how) {
    if (bytes_.in_use_)
        detail::throw_stream_error(errc::busy, "switch the framing of", &bytes_.stream_.lower());
    how_ = std::move(how);
}

template <class T>
task<std::optional<T>> frame_reader::next_as() {
    if (bytes_.in_use_) detail::throw_read_error(errc::busy, &bytes_.stream_.lower());
    std::size_t searched = 0;
    scanned_frame found = frame_codec::scan(how_, bytes_.buffered(), searched);
    while (found.is == scanned_frame::unfinished) {
        const std::string_view there =
            co_await bytes_.peek(found.wanted, std::numeric_limits<std::size_t>::max());
        if (there.size() < found.wanted) {  // the end
            if (there.empty()) co_return std::nullopt;
            throw framing_error(frame_codec::error(how_, found, there.size(), &bytes_.stream_.lower()));
        }
        found = frame_codec::scan(how_, bytes_.buffered(), searched);
    }
    if (found.is == scanned_frame::wrong)
        throw framing_error(
            frame_codec::error(how_, found, bytes_.buffered().size(), &bytes_.stream_.lower()));
    std::optional<T> frame(std::in_place, bytes_.buffered().substr(found.begin, found.length));
    const std::string_view taken = bytes_.take(found.whole);
    bytes_.tell_what_is_left();
    if constexpr (std::is_same_v<T, std::string_view>) frame = taken.substr(found.begin, found.length);
    co_return frame;
}

task<std::optional<std::string>> frame_reader::next() { return next_as<std::string>(); }
task<std::optional<std::string_view>> frame_reader::next_view() { return next_as<std::string_view>(); }

}  // namespace bight
