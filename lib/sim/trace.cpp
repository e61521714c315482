#include <bight/sim/trace.hpp>

#include "json.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <limits>
#include <string>

namespace bight::sim {

namespace {

std::int64_t nanoseconds_of(duration d) noexcept {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(d).count();
}

void append_member(std::string& out, const char* name, std::string_view text) {
    if (text.empty()) return;
    out += ",\"";
    out += name;
    out += "\":";
    detail::append_quoted(out, text);
}

void append_member(std::string& out, const char* name, std::uint64_t number) {
    if (number == 0) return;
    out += ",\"";
    out += name;
    out += "\":" + std::to_string(number);
}

void append_seconds(std::string& out, const char* name, duration since_the_beginning) {
    const std::int64_t ns = nanoseconds_of(since_the_beginning);
    char member[48];
    std::snprintf(member, sizeof member, "\"%s\":%lld.%09lld", name,
                  static_cast<long long>(ns / 1'000'000'000), static_cast<long long>(ns % 1'000'000'000));
    out += member;
}

void append_line(std::string& out, const trace_event& e) {
    out += '{';
    append_seconds(out, "at", e.at);
    append_member(out, "what", e.what);
    append_member(out, "from", e.from);
    append_member(out, "reactor", std::uint64_t{e.reactor});
    append_member(out, "to", e.to);
    append_member(out, "link", e.link);
    append_member(out, "bytes", e.bytes);
    append_member(out, "text", e.text);
    if (e.sent != trace_event::never) append_seconds(out += ',', "sent", e.sent);
    if (e.until != trace_event::never) append_seconds(out += ',', "until", e.until);
    out += "}\n";
}

// Hashes eight bytes at a time. Each step is one-to-one, so that a difference in one word is never lost.
class hasher {
  public:
    void word(std::uint64_t value) noexcept {
        state_ = (state_ ^ value) * 0x9e3779b97f4a7c15;
        state_ ^= state_ >> 29;
    }
    void text(std::string_view s) noexcept {
        word(s.size());
        while (!s.empty()) {
            std::uint64_t value = 0;
            const std::size_t size = std::min(s.size(), sizeof value);
            std::memcpy(&value, s.data(), size);
            word(value);
            s.remove_prefix(size);
        }
    }
    std::uint64_t state() const noexcept { return state_; }

  private:
    std::uint64_t state_ = 0xcbf29ce484222325;
};

}  // namespace

std::string trace::to_json_lines() const {
    std::string out;
    for (std::size_t i = 0; i < events_.size(); ++i) append_line(out, event(i));
    return out;
}

std::uint64_t trace::digest() const noexcept { return digest_of(events_.size()); }

// The digest of the first `count` events, of the dropped ones before them, and of the hosts.
std::uint64_t trace::digest_of(std::size_t count) const noexcept {
    hasher hash;
    hash.word(digest_of_forgotten_);
    for (const host_name& h : hosts_) {
        hash.text(h.name);
        hash.text(h.ip);
    }
    for (std::size_t i = 0; i < count; ++i) {
        const stored_event& e = events_[i];
        hash.word(static_cast<std::uint64_t>(e.at));
        hash.word(static_cast<std::uint64_t>(e.sent));
        hash.word(static_cast<std::uint64_t>(e.until));
        hash.word(e.link);
        hash.word(e.bytes);
        hash.word(std::uint64_t{e.reactor} << 32 | std::uint64_t{e.from} << 16 | e.to);
        hash.text(e.what);
        hash.word(e.text_size);
    }
    const std::size_t end = count < events_.size() ? events_[count].text_begin : texts_.size();
    hash.text(std::string_view(texts_).substr(0, end));
    return hash.state();
}

void trace::forget_half() {
    const std::size_t kept = most_ / 2;
    const std::size_t count = events_.size() - kept;
    digest_of_forgotten_ = digest_of(count);
    forgotten_ += count - (forgotten_ > 0 ? 1 : 0);  // without the "forgotten" event itself
    const std::int64_t until = events_[count - 1].at;
    const std::size_t texts = kept > 0 ? events_[count].text_begin : texts_.size();
    texts_.erase(0, texts);
    events_.erase(events_.begin(), events_.begin() + static_cast<std::ptrdiff_t>(count - 1));
    for (stored_event& e : events_) e.text_begin -= std::min(texts, e.text_begin);
    constexpr std::int64_t never = -1;
    events_.front() = {until, never, never, 0, forgotten_, "forgotten", 0, 0, no_host, no_host, 0};
}

trace::host_number trace::add_host(std::string_view name, std::string_view ip) {
    hosts_.push_back({std::string(name), std::string(ip)});
    return static_cast<host_number>(hosts_.size() - 1);
}

trace::host_number trace::number_of(std::string_view name) {
    if (name.empty()) return no_host;
    for (std::size_t i = 0; i < hosts_.size(); ++i) {
        if (hosts_[i].name == name) return static_cast<host_number>(i);
    }
    return add_host(name);
}

void trace::add(const trace_event& e) {
    const host_number from = number_of(e.from);
    const host_number to = number_of(e.to);
    add(e, from, to);
}

void trace::add(const trace_event& e, host_number from, host_number to) {
    if (most_ > 0 && events_.size() >= std::max<std::size_t>(most_, 3)) forget_half();
    const std::string_view text = e.text.substr(0, std::numeric_limits<std::uint32_t>::max());
    events_.push_back({nanoseconds_of(e.at), nanoseconds_of(e.sent), nanoseconds_of(e.until), e.link, e.bytes,
                       e.what, texts_.size(), static_cast<std::uint32_t>(text.size()), from, to, e.reactor});
    texts_ += text;
}

void trace::clear() noexcept {
    events_.clear();
    texts_.clear();
    forgotten_ = digest_of_forgotten_ = 0;
}

trace_event trace::event(std::size_t index) const noexcept {
    const stored_event& e = events_[index];
    const auto name = [this](host_number n) {
        return n == no_host ? std::string_view() : std::string_view(hosts_[n].name);
    };
    using std::chrono::nanoseconds;
    return {nanoseconds(e.at),
            e.what,
            name(e.from),
            name(e.to),
            e.link,
            e.bytes,
            std::string_view(texts_).substr(e.text_begin, e.text_size),
            nanoseconds(e.sent),
            nanoseconds(e.until),
            e.reactor};
}

}  // namespace bight::sim
