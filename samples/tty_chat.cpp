// The chat for people: what others say comes above the line that is being typed.   tty_chat [ENDPOINT]
//
// Keys: left, right, home, end, backspace, delete, ^U and ^K (erase to the beginning, to the end), ^W (a
// word); ^D in an empty line and ^C leave. When input or output is no terminal, plain lines go both ways.
#include <bight/bight.hpp>
#include <bight/os/standard_streams.hpp>
#include <bight/os/terminal.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

// What others send must not move the cursor, or worse.
std::string without_controls(std::string_view text) {
    std::string clean;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const auto byte = static_cast<unsigned char>(text[i]);
        const bool second_set = byte == 0xc2 && i + 1 < text.size() && (text[i + 1] & 0xe0) == 0x80;  // UTF-8
        if (second_set) ++i;
        clean += byte < 0x20 || byte == 0x7f || second_set ? '?' : text[i];
    }
    return clean;
}

// A line that is edited, in UTF-8: a character is a byte and those that go on with it.
class line_editor {
  public:
    enum class outcome { goes_on, line, end, interrupt };

    outcome key(char byte) {
        if (escape_ != escape::none) return in_escape(byte);
        switch (byte) {
            case '\r':
            case '\n': return outcome::line;
            case '\x03': return outcome::interrupt;
            case '\x04':
                if (text_.empty()) return outcome::end;
                erase(cursor_, after(cursor_));
                break;
            case '\x01': cursor_ = 0; break;
            case '\x05': cursor_ = text_.size(); break;
            case '\x02': cursor_ = before(cursor_); break;
            case '\x06': cursor_ = after(cursor_); break;
            case '\x08':
            case '\x7f': erase(before(cursor_), cursor_); break;
            case '\x0b': erase(cursor_, text_.size()); break;
            case '\x15': erase(0, cursor_); break;
            case '\x17': erase(word_before(), cursor_); break;
            case '\x1b': escape_ = escape::begun; break;
            default:
                if (static_cast<unsigned char>(byte) < 0x20 || text_.size() >= longest) break;
                text_.insert(cursor_++, 1, byte);
        }
        return outcome::goes_on;
    }

    std::string take() {
        cursor_ = 0;
        return std::exchange(text_, {});
    }

    // Draws it anew, in one row of `columns`: of a long line the part around the cursor.
    std::string drawn(std::size_t columns) const {
        constexpr std::string_view prompt = "> ";
        const std::size_t room = columns > prompt.size() + 1 ? columns - prompt.size() - 1 : 1;
        std::size_t from = cursor_;
        std::size_t shown_before = 0;
        while (from > 0 && shown_before < room) {
            from = before(from);
            ++shown_before;
        }
        std::size_t to = cursor_;
        std::size_t shown_after = 0;
        while (to < text_.size() && shown_before + shown_after < room) {
            to = after(to);
            ++shown_after;
        }
        std::string out = "\r\x1b[K" + std::string(prompt) + text_.substr(from, to - from);
        if (shown_after > 0) out += "\x1b[" + std::to_string(shown_after) + "D";
        return out;
    }

  private:
    enum class escape { none, begun, sequence };
    static constexpr std::size_t longest = 400;

    // ESC [ D, ESC O H, ESC [ 3 ~ and the like; what is unknown is passed over.
    outcome in_escape(char byte) {
        if (escape_ == escape::begun) {
            escape_ = byte == '[' || byte == 'O' ? escape::sequence : escape::none;
            number_ = 0;
            return outcome::goes_on;
        }
        if (byte >= '0' && byte <= '9') {
            number_ = std::min(number_, 1000) * 10 + (byte - '0');
            return outcome::goes_on;
        }
        if (byte < '@' || byte > '~') return outcome::goes_on;
        escape_ = escape::none;
        const bool numbered = byte == '~';
        if (byte == 'D') cursor_ = before(cursor_);
        if (byte == 'C') cursor_ = after(cursor_);
        if (byte == 'H' || (numbered && (number_ == 1 || number_ == 7))) cursor_ = 0;
        if (byte == 'F' || (numbered && (number_ == 4 || number_ == 8))) cursor_ = text_.size();
        if (numbered && number_ == 3) erase(cursor_, after(cursor_));
        return outcome::goes_on;
    }

    bool goes_on(std::size_t at) const { return (text_[at] & 0xc0) == 0x80; }
    std::size_t before(std::size_t at) const {
        if (at > 0) --at;
        while (at > 0 && goes_on(at)) --at;
        return at;
    }
    std::size_t after(std::size_t at) const {
        if (at < text_.size()) ++at;
        while (at < text_.size() && goes_on(at)) ++at;
        return at;
    }
    std::size_t word_before() const {
        std::size_t at = cursor_;
        while (at > 0 && text_[at - 1] == ' ') --at;
        while (at > 0 && text_[at - 1] != ' ') --at;
        return at;
    }
    void erase(std::size_t from, std::size_t to) {
        text_.erase(from, to - from);
        cursor_ = from;
    }

    std::string text_;
    std::size_t cursor_ = 0;
    escape escape_ = escape::none;
    int number_ = 0;
};

// What is shown: lines, and with an editor the line that is being typed below them.
class screen {
  public:
    screen(bight::stream& on, bool edits) : on_(on), out_(on, waits()) {
        if (edits) editor_.emplace();
    }
    line_editor* editor() { return editor_ ? &*editor_ : nullptr; }
    void draw() {
        if (editor_) out_.send(editor_->drawn(columns()));
    }
    // Waits while the terminal is stopped, so that what others say waits in the kernel.
    bight::task<> show(std::string line) {
        std::string text = without_controls(line);
        text = editor_ ? "\r\x1b[K" + text + "\r\n" + editor_->drawn(columns()) : text + "\n";
        co_await out_.push(bight::payload(text));
    }
    void leave_line() { out_.send("\r\n"); }
    void erase_line() {
        if (editor_) out_.send("\r\x1b[K");
    }

  private:
    static bight::outbox_options waits() {
        bight::outbox_options options;
        options.when_full = bight::overflow_policy::wait;
        return options;
    }
    std::size_t columns() const {
        const std::size_t told = bight::size_of_terminal(on_).columns;
        return told > 0 ? told : 80;
    }
    bight::stream& on_;
    bight::outbox out_;
    std::optional<line_editor> editor_;
};

bight::task<> hear(bight::stream& server, screen& shown) {
    bight::line_reader lines(server);
    while (auto line = co_await lines.next()) co_await shown.show(*line);
}

// Both give false for ^C.
bight::task<bool> say_keys(bight::stream& keys, bight::stream& server, screen& shown) {
    shown.draw();
    line_editor& editor = *shown.editor();
    while (auto some = co_await keys.read_some()) {
        for (const char byte : some.view()) {
            const auto now = editor.key(byte);
            if (now == line_editor::outcome::interrupt) co_return false;
            if (now == line_editor::outcome::end) co_return true;
            if (now != line_editor::outcome::line) continue;
            shown.draw();
            shown.leave_line();
            const std::string line = editor.take() + "\r\n";
            co_await server.write(line);
        }
        shown.draw();
    }
    co_return true;
}

bight::task<bool> say_lines(bight::stream& input, bight::stream& server) {
    bight::line_reader lines(input, "\n");
    while (auto line = co_await lines.next()) {
        const std::string text = *line + "\r\n";
        co_await server.write(text);
    }
    const std::string rest(lines.buffered());
    if (!rest.empty()) co_await server.write(rest, "\r\n");
    co_return true;
}

bight::task<int> chat(std::string where) {
    bight::stream input = bight::standard_input();
    bight::stream output = bight::standard_output();
    bight::stream server = co_await bight::connect(where);
    const bool edits = bight::is_terminal(input) && bight::is_terminal(output);
    bight::terminal_mode mode;
    if (edits) mode = bight::terminal_mode::raw(input);
    screen shown(output, edits);
    int status = 0;
    co_await bight::with_group([&](bight::group& both) -> bight::task<> {
        both.spawn([&]() -> bight::task<> {
            co_await hear(server, shown);
            both.cancel();  // nobody is there to be talked to
        });
        bool leaves = true;
        if (edits) {
            leaves = co_await say_keys(input, server, shown);
        } else {
            leaves = co_await say_lines(input, server);
        }
        if (!leaves) {
            status = 130;
            both.cancel();
        } else {
            co_await server.shutdown_write();  // the server's answer to that is its end
        }
    });
    shown.erase_line();
    co_return status;
}

int main(int argc, char** argv) { return bight::run(chat(argc > 1 ? argv[1] : "tcp:localhost:8123")); }
