#include <bight/io/frame_writer.hpp>

#include "frame_codec.hpp"

#include <string>
#include <string_view>

namespace bight {

task<> frame_writer::write(const_buffer payload) {
    const std::string_view text(static_cast<const char*>(payload.data), payload.size);
    const detail::frame_codec::edges around = detail::frame_codec::edges_of(how_, text);
    const std::string tail(around.tail);  // the framing may be switched while this waits
    if (gathers_) {
        co_await gathers_->write(around.head(), text, tail);
    } else {
        co_await to_->write(around.head(), text, tail);
    }
}

}  // namespace bight
