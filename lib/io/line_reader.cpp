#include <bight/io/line_reader.hpp>

#include <bight/core/detail/wait_list.hpp>

#include <utility>

namespace bight {

// Counts the tasks in next(); lives in its frame.
class line_reader::reading {
  public:
    explicit reading(line_reader& r) noexcept : reader_(r) { ++reader_.readings_; }
    reading(const reading&) = delete;
    reading& operator=(const reading&) = delete;
    ~reading() { --reader_.readings_; }

  private:
    line_reader& reader_;
};

line_reader::~line_reader() {
    if (readings_ > 0) {
        detail::abort_misused(
            "a line_reader was destroyed while a task waits for its next line: it must outlive that");
    }
}

task<std::optional<std::string>> line_reader::next() {
    const reading here(*this);
    std::string line;
    append();
    while (!take_line(line)) {
        more_ = co_await stream_.read_some();
        if (!more_) co_return std::nullopt;
        append();
    }
    co_return std::optional<std::string>(std::move(line));
}

bool line_reader::take_line(std::string& line) {
    const std::string_view rest = buffered();
    const std::size_t found = rest.find(delimiter_, searched_);
    // A line of maximal length may be followed by a part of its delimiter.
    const bool too_long =
        found == std::string_view::npos ? rest.size() >= limit_ + delimiter_.size() : found > limit_;
    if (too_long) {
        detail::throw_stream_error(
            errc::too_long, ("read a line of at most " + std::to_string(limit_) + " bytes from").c_str(),
            &stream_.lower());
    }
    if (found == std::string_view::npos) {
        searched_ = rest.size() < delimiter_.size() ? 0 : rest.size() - delimiter_.size() + 1;
        return false;
    }
    line.assign(rest.substr(0, found));
    begin_ += found + delimiter_.size();
    searched_ = 0;
    return true;
}

// The lines given out are removed from the buffer only here, not at each line.
void line_reader::append() {
    if (!more_) return;
    buffer_.erase(0, std::exchange(begin_, 0));
    buffer_.append(more_.begin(), more_.end());
    more_.reset();
}

void line_reader::give_back() {
    append();
    const std::string_view rest = buffered();
    if (!rest.empty()) stream_.unread(chunk::copy_of(rest));
    buffer_.clear();
    begin_ = searched_ = 0;
}

}  // namespace bight
