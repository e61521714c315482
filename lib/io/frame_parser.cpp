#include <bight/io/frame_parser.hpp>

#include "frame_codec.hpp"

#include <utility>

namespace bight {

using detail::frame_codec;
using detail::scanned_frame;

frame_parser::frame_parser(framing how) : how_(std::move(how)) {}

void frame_parser::feed(std::string_view bytes) {
    if (broken_) throw framing_error(*broken_);
    kept_.append(input_);
    input_ = bytes;
}

std::optional<std::string_view> frame_parser::next() {
    if (broken_) throw framing_error(*broken_);
    for (;;) {
        if (begin_ == kept_.size()) {
            kept_.clear();
            begin_ = 0;
        }
        const bool gathers = !kept_.empty();
        const std::string_view bytes = gathers ? std::string_view(kept_).substr(begin_) : input_;
        const scanned_frame found = frame_codec::scan(how_, bytes, searched_);
        if (found.is == scanned_frame::wrong) {
            broken_.emplace(frame_codec::error(how_, found, bytes.size()));
            throw framing_error(*broken_);
        }
        if (found.is == scanned_frame::complete) {
            searched_ = 0;
            if (gathers) {
                begin_ += found.whole;
            } else {
                input_.remove_prefix(found.whole);
            }
            return bytes.substr(found.begin, found.length);
        }
        if (input_.empty()) {
            if (!gathers) kept_ = std::string();  // no memory between frames
            kept_.erase(0, std::exchange(begin_, 0));
            return std::nullopt;
        }
        const std::size_t more =
            gathers ? frame_codec::useful(how_, found, bytes.size(), input_) : input_.size();
        kept_.append(input_.substr(0, more));
        input_.remove_prefix(more);
    }
}

void frame_parser::finish() const {
    if (broken_) throw framing_error(*broken_);
    if (buffered() == 0) return;
    const std::string bytes = kept_.substr(begin_) + std::string(input_);
    std::size_t searched = 0;
    const scanned_frame found = frame_codec::scan(how_, bytes, searched);
    if (found.is != scanned_frame::complete)
        throw framing_error(frame_codec::error(how_, found, bytes.size()));
}

void frame_parser::switch_to(framing how) noexcept {
    how_ = std::move(how);
    searched_ = 0;
    broken_.reset();
}

std::string frame_parser::take_buffered() {
    std::string all = kept_.substr(begin_) + std::string(input_);
    kept_ = std::string();
    begin_ = 0;
    input_ = {};
    searched_ = 0;
    broken_.reset();
    return all;
}

}  // namespace bight
