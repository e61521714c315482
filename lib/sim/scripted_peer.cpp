#include <bight/sim/scripted_peer.hpp>

#include <bight/core/error.hpp>
#include <bight/core/reactor.hpp>
#include <bight/core/result.hpp>
#include <bight/core/sleep.hpp>
#include <bight/core/timeout.hpp>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <optional>
#include <utility>

namespace bight::sim {

namespace {

constexpr std::size_t most_shown = 80;

// Quotes bytes as in source code, on one line and shortened.
std::string in_quotes(std::string_view bytes) {
    std::string out = "\"";
    for (const char c : bytes.substr(0, most_shown)) {
        switch (c) {
            case '\r': out += "\\r"; break;
            case '\n': out += "\\n"; break;
            case '\t': out += "\\t"; break;
            case '"': out += "\\\""; break;
            case '\\': out += "\\\\"; break;
            default:
                if (c >= ' ' && c <= '~') {
                    out += c;
                } else {
                    char hex[5];
                    std::snprintf(hex, sizeof hex, "\\x%02x",
                                  static_cast<unsigned>(static_cast<unsigned char>(c)));
                    out += hex;
                }
        }
    }
    out += '"';
    if (bytes.size() > most_shown) out += "... (" + std::to_string(bytes.size()) + " bytes)";
    return out;
}

// "5 s", "0.25 s": not by printf, which follows the locale.
std::string seconds(duration d) {
    std::string text = std::to_string(d / std::chrono::seconds(1));
    std::string fraction = std::to_string((d % std::chrono::seconds(1)).count());
    fraction.insert(0, 9 - fraction.size(), '0');
    fraction.erase(fraction.find_last_not_of('0') + 1);
    if (!fraction.empty()) text += "." + fraction;
    return text + " s";
}

std::string file_of(const char* path) {
    const std::string_view all = path;
    return std::string(all.substr(all.find_last_of('/') + 1));
}

}  // namespace

// One play of a script. Bytes that it has read but not used go back to the stream at the end.
class script_player {
  public:
    script_player(const std::vector<scripted_peer::step>& steps, stream& on) noexcept
        : steps_(steps), on_(on) {}
    script_player(const script_player&) = delete;
    script_player& operator=(const script_player&) = delete;
    ~script_player() {
        if (came_.empty() || !on_.is_open()) return;
        try {
            on_.unread(chunk::copy_of(came_));
        } catch (...) {
            on_.abort(std::make_error_code(std::errc::not_enough_memory));
        }
    }

    task<> play() {
        using action = scripted_peer::action;
        for (at_ = 0; at_ < steps_.size(); ++at_) {
            begun_ = on_.lower().home().now();
            switch (now().what) {
                case action::expect: co_await expect(); break;
                case action::skip_until: co_await skip_until(); break;
                case action::expect_silence: co_await expect_silence(); break;
                case action::expect_end: co_await expect_end(); break;
                case action::expect_reset: co_await expect_reset(); break;
                case action::send: co_await send(); break;
                case action::wait: co_await sleep_for(now().time); break;
                case action::shutdown_write: co_await end(on_.shutdown_write(now().time)); break;
                case action::close: co_await end(on_.close(now().time)); break;
                case action::abort: on_.abort(); break;
            }
        }
    }

  private:
    enum class news : std::uint8_t { bytes, end, error, nothing };
    const scripted_peer::step& now() const noexcept { return steps_[at_]; }

    // Waits for more input, for as long as the step may still take.
    task<news> more() {
        const duration left = now().time - (on_.lower().home().now() - begun_);
        auto got = co_await try_with_timeout(receive(), std::max<duration>(left, duration::zero()));
        if (!got) co_return news::nothing;
        error_ = got->error();
        if (error_) co_return news::error;
        const chunk bytes = std::move(*got).value();
        came_.append(bytes.begin(), bytes.end());
        co_return bytes.empty() ? news::end : news::bytes;
    }
    task<result<chunk>> receive() {
        auto got = co_await as_result(on_.read_some());
        co_return got;
    }

    task<> expect() {
        const std::string& text = now().text;
        for (;;) {
            const std::size_t size = std::min(text.size(), came_.size());
            const auto differs = static_cast<std::size_t>(
                std::mismatch(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(size), came_.begin())
                    .first -
                text.begin());
            if (differs < size) fail_at(differs, "came");
            if (size == text.size()) break;
            const news n = co_await more();
            if (n != news::bytes) fail_for(n, size);
        }
        use(text.size());
    }

    task<> skip_until() {
        const std::string& delimiter = now().text;
        std::size_t searched = 0;
        for (;;) {
            const std::size_t found = came_.find(delimiter, searched);
            if (found != std::string::npos) {
                use(found + delimiter.size());
                co_return;
            }
            searched = came_.size() < delimiter.size() ? 0 : came_.size() - delimiter.size() + 1;
            const news n = co_await more();
            if (n != news::bytes) fail_for(n, came_.size());
        }
    }

    task<> expect_silence() {
        if (!came_.empty()) fail_at(0, "came");
        const news n = co_await more();
        if (n == news::bytes) fail_at(0, "came");
        if (n != news::nothing) fail_for(n, 0);
    }

    task<> expect_end() {
        if (!came_.empty()) fail_at(0, "came");
        const news n = co_await more();
        if (n == news::bytes) fail_at(0, "came");
        if (n != news::end) fail_for(n, 0);
    }

    task<> expect_reset() {
        if (!came_.empty()) fail_at(0, "came");
        const news n = co_await more();
        if (n == news::bytes) fail_at(0, "came");
        if (n != news::error || error_ != std::error_code(ECONNRESET, bight::detail::errno_category())) fail_for(n, 0);
    }

    task<> send() {
        bool first = true;
        for (const std::string& piece : now().pieces) {
            if (!std::exchange(first, false)) co_await sleep_for(now().gap);
            auto written = co_await try_with_timeout(write(piece), now().time);
            if (!written) {
                fail("not taken within " + seconds(now().time), 0, errc::timed_out);
            } else if (!written->has_value()) {
                fail("failed: " + written->error().message(), 0, written->error());
            }
        }
    }
    task<result<void>> write(const std::string& piece) {
        auto written = co_await as_result(on_.write(piece));
        co_return written;
    }

    template <class A>
    task<> end(A operation) {
        auto ended = co_await as_result(std::move(operation));
        if (!ended.has_value()) fail("failed: " + ended.error().message(), 0, ended.error());
    }

    void use(std::size_t size) {
        came_.erase(0, size);
        read_ += size;
    }

    // Fails with a message about what came up to `at`, and what happened then.
    [[noreturn]] void fail_for(news n, std::size_t at) {
        switch (n) {
            case news::bytes: fail_at(at, "came");
            case news::end: fail_at(at, "came, then the end of the stream", errc::end_of_stream);
            case news::error: fail_at(at, "came, then " + error_.message(), error_);
            case news::nothing: break;
        }
        fail_at(at, (came_.empty() ? "came within " : "came, and no more within ") + seconds(now().time),
                errc::timed_out);
    }
    [[noreturn]] void fail_at(std::size_t at, const std::string& what, std::error_code code = {}) {
        std::string message = "at byte " + std::to_string(at);
        if (read_ > 0) message += " (byte " + std::to_string(read_ + at) + " of all)";
        message += ": " + (came_.empty() ? "nothing" : in_quotes(came_)) + ' ' + what;
        fail(message, at, code);
    }
    [[noreturn]] void fail(const std::string& what, std::size_t at, std::error_code code) {
        throw script_error("step " + std::to_string(at_ + 1) + " (" + file_of(now().where.file_name()) + ':' +
                               std::to_string(now().where.line()) + "): " + description() + ": " + what,
                           at_ + 1, read_ + at, code);
    }
    std::string description() const {
        using action = scripted_peer::action;
        switch (now().what) {
            case action::expect: return "expect " + in_quotes(now().text);
            case action::skip_until: return "skip until " + in_quotes(now().text);
            case action::expect_silence: return "expect silence for " + seconds(now().time);
            case action::expect_end: return "expect the end of the stream";
            case action::expect_reset: return "expect a reset";
            case action::send: return "send " + in_quotes(now().text);
            case action::wait: return "wait";
            case action::shutdown_write: return "shutdown_write";
            case action::close: return "close";
            case action::abort: return "abort";
        }
        return {};
    }

    const std::vector<scripted_peer::step>& steps_;
    stream& on_;
    std::size_t at_ = 0;
    time_point begun_{};
    std::string came_;        // and has not been used
    std::uint64_t read_ = 0;  // bytes used before
    std::error_code error_;
};

scripted_peer& scripted_peer::add(step s) {
    steps_.push_back(std::move(s));
    return *this;
}

scripted_peer& scripted_peer::expect(std::string bytes, line where) {
    return add(step(action::expect, limit_, where, std::move(bytes)));
}
scripted_peer& scripted_peer::expect_line(std::string text, line where) {
    text += "\r\n";
    return expect(std::move(text), where);
}
scripted_peer& scripted_peer::skip_until(std::string delimiter, line where) {
    return add(step(action::skip_until, limit_, where, std::move(delimiter)));
}
scripted_peer& scripted_peer::expect_silence(duration d, line where) {
    return add(step(action::expect_silence, d, where));
}
scripted_peer& scripted_peer::expect_end(line where) { return add(step(action::expect_end, limit_, where)); }
scripted_peer& scripted_peer::expect_reset(line where) {
    return add(step(action::expect_reset, limit_, where));
}

scripted_peer& scripted_peer::send(const std::string& bytes, line where) {
    const std::size_t size = bytes.size();
    return send_in_pieces(bytes, size, duration::zero(), where);
}
scripted_peer& scripted_peer::send_in_pieces(const std::string& bytes, std::size_t size, duration gap,
                                             line where) {
    std::vector<std::string> pieces;
    if (size == 0) size = 1;
    for (std::size_t at = 0; at < bytes.size(); at += size) pieces.push_back(bytes.substr(at, size));
    return send_in_pieces(std::move(pieces), gap, where);
}
scripted_peer& scripted_peer::send_in_pieces(std::vector<std::string> pieces, duration gap, line where) {
    step s(action::send, limit_, where);
    for (const std::string& piece : pieces) s.text += piece;
    s.pieces = std::move(pieces);
    s.gap = gap;
    return add(std::move(s));
}

scripted_peer& scripted_peer::wait(duration d, line where) { return add(step(action::wait, d, where)); }
scripted_peer& scripted_peer::shutdown_write(line where) {
    return add(step(action::shutdown_write, limit_, where));
}
scripted_peer& scripted_peer::close(line where) { return add(step(action::close, limit_, where)); }
scripted_peer& scripted_peer::abort(line where) { return add(step(action::abort, limit_, where)); }

task<> scripted_peer::play(stream& on) {
    script_player player(steps_, on);
    co_await player.play();
}

}  // namespace bight::sim
