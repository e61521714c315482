#include <bight/io/line_reader.hpp>

#include <bight/core/detail/wait_list.hpp>

namespace bight {

line_reader::~line_reader() {
    if (reader_.in_use_) {
        detail::abort_misused(
            "a line_reader was destroyed while a task waits for its next line: it must outlive that");
    }
}

task<std::optional<std::string>> line_reader::next() { return reader_.until(delimiter_, "a line"); }

}  // namespace bight
