#include <bight/bight.hpp>
#include <bight/sim/trace.hpp>
#include <bight/sim/world.hpp>

#include "support/catch.hpp"
#include "support/echo.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <set>
#include <string>
#include <string_view>
#include <vector>

using namespace std::chrono_literals;
using bight::task;
using test::echo;
namespace sim = bight::sim;

namespace {

// As strict as RFC 8259. Throws std::invalid_argument at the first thing that is no JSON.
class json_reader {
  public:
    explicit json_reader(std::string_view text) : text_(text) {}
    void read_all() {
        read_value();
        skip_space();
        if (!text_.empty()) fail("something after the value");
    }

  private:
    [[noreturn]] void fail(const char* why) const {
        throw std::invalid_argument(std::string(why) + " before: " + std::string(text_.substr(0, 40)));
    }
    char peek() const { return text_.empty() ? '\0' : text_.front(); }
    bool take(char c) {
        if (peek() != c) return false;
        text_.remove_prefix(1);
        return true;
    }
    void skip_space() {
        while (take(' ') || take('\n') || take('\t') || take('\r')) continue;
    }
    void read_value() {
        skip_space();
        switch (peek()) {
            case '{': return read_list('{', '}', true);
            case '[': return read_list('[', ']', false);
            case '"': return read_string();
            default: return read_number();
        }
    }
    void read_list(char opening, char closing, bool members) {
        take(opening);
        skip_space();
        if (take(closing)) return;
        std::set<std::string_view> names;
        do {
            skip_space();
            if (members) {
                const std::string_view before = text_;
                read_string();
                if (!names.insert(before.substr(0, before.size() - text_.size())).second)
                    fail("a name twice");
                if (!take(':')) fail("no colon");
            }
            read_value();
            skip_space();
        } while (take(','));
        if (!take(closing)) fail("a list does not end");
    }
    void read_string() {
        if (!take('"')) fail("no string");
        while (!take('"')) {
            const auto c = static_cast<unsigned char>(peek());
            if (c < 0x20 || c > 0x7e) fail("a byte that is not printable ASCII");
            text_.remove_prefix(1);
            if (c != '\\') continue;
            const char kind = peek();
            if (!take('u')) {
                if (kind != '"' && kind != '\\') fail("an unknown escape");
                text_.remove_prefix(1);
                continue;
            }
            if (text_.size() < 4 || text_.substr(0, 4).find_first_not_of("0123456789abcdef") < 4)
                fail("no \\uXXXX");
            text_.remove_prefix(4);
        }
    }
    void read_digits() {
        const std::size_t digits = std::min(text_.find_first_not_of("0123456789"), text_.size());
        if (digits == 0) fail("no digit");
        text_.remove_prefix(digits);
    }
    void read_number() {
        take('-');
        const bool zero = peek() == '0';
        const std::string_view before = text_;
        read_digits();
        if (zero && before.size() - text_.size() > 1) fail("a zero in front");
        if (take('.')) read_digits();
    }

    std::string_view text_;
};

std::vector<std::string> lines_of(const std::string& text) {
    std::vector<std::string> lines;
    std::size_t begin = 0;
    while (begin < text.size()) {
        const std::size_t end = text.find('\n', begin);
        REQUIRE(end != std::string::npos);
        lines.push_back(text.substr(begin, end - begin));
        begin = end + 1;
    }
    return lines;
}

void check_json(std::string_view text) { CHECK_NOTHROW(json_reader(text).read_all()); }

std::size_t count_of(std::string_view text, std::string_view what) {
    std::size_t found = 0;
    for (std::size_t at = text.find(what); at != std::string_view::npos; at = text.find(what, at + 1))
        ++found;
    return found;
}

// The data in a page.
std::string data_of(const std::string& page) {
    const std::string_view opening = "<script type=\"application/json\" id=\"trace\">";
    const std::size_t begin = page.find(opening);
    REQUIRE(begin != std::string::npos);
    const std::size_t from = begin + opening.size();
    return page.substr(from, page.find("</script>", from) - from);
}

sim::trace with(const sim::trace_event& e) {
    sim::trace t;
    t.add(e);
    return t;
}

const sim::trace_event full{1'234'567'890ns, "arrive", "a", "b", 3, 5, "hello", 1s, 2s};

}  // namespace

TEST_CASE("an event is one line of JSON, whose times are in seconds and show every nanosecond") {
    CHECK(with(full).to_json_lines() ==
          R"({"at":1.234567890,"what":"arrive","from":"a","to":"b","link":3,"bytes":5,"text":"hello",)"
          R"("sent":1.000000000,"until":2.000000000})"
          "\n");
}

TEST_CASE("what does not apply is left out of the line, and a packet sent at the very beginning is not") {
    sim::trace t;
    t.add({0ns, "heal"});
    t.add({1ns, "connect", "a", "b", 0, 0, {}, 0ns});
    CHECK(t.to_json_lines() ==
          "{\"at\":0.000000000,\"what\":\"heal\"}\n"
          "{\"at\":0.000000001,\"what\":\"connect\",\"from\":\"a\",\"to\":\"b\",\"sent\":0.000000000}\n");
}

TEST_CASE("any bytes at all make valid lines and a valid page") {
    std::string every;
    for (int c = 0; c < 256; ++c) every += static_cast<char>(c);
    sim::trace t;
    t.add_host(every, every);
    t.add({1s, "note", every, {}, 0, 0, every});
    const std::vector<std::string> lines = lines_of(t.to_json_lines());
    REQUIRE(lines.size() == 1);
    check_json(lines.front());
    CHECK(count_of(lines.front(), "\\u0000") == 2);
    CHECK(count_of(lines.front(), "\\u00ff") == 2);
    CHECK(count_of(lines.front(), "\\\"") == 2);
    check_json(data_of(t.to_html("every byte")));
}

TEST_CASE("events come out as they went in") {
    const sim::trace t = with(full);
    REQUIRE(t.events().size() == 1);
    const sim::trace_event e = t.events().front();
    CHECK(e.at == full.at);
    CHECK(e.what == "arrive");
    CHECK(e.from == "a");
    CHECK(e.to == "b");
    CHECK(e.link == 3);
    CHECK(e.bytes == 5);
    CHECK(e.text == "hello");
    CHECK(e.sent == 1s);
    CHECK(e.until == 2s);
    const sim::trace_event rest = with({5s, "heal"}).events().back();
    CHECK(rest.from.empty());
    CHECK(rest.to.empty());
    CHECK(rest.text.empty());
    CHECK(rest.sent == sim::trace_event::never);
    CHECK(rest.until == sim::trace_event::never);
}

TEST_CASE("a copy of a trace outlives it") {
    sim::trace copy;
    {
        sim::trace t = with(full);
        t.add({3s, "note", {}, {}, 0, 0, "a note that is too long to be kept within a string object"});
        copy = t;
    }
    REQUIRE(copy.events().size() == 2);
    CHECK(copy.events()[0].from == "a");
    CHECK(copy.events()[1].text == "a note that is too long to be kept within a string object");
    copy.clear();
    CHECK(copy.events().empty());
    CHECK(copy.hosts().size() == 2);
}

TEST_CASE("the digest differs when anything differs, and only then") {
    std::set<std::uint64_t> digests;
    std::size_t traces = 0;
    const auto add = [&](const sim::trace& t) {
        digests.insert(t.digest());
        ++traces;
    };
    const auto add_changed = [&](auto change) {
        sim::trace_event e = full;
        change(e);
        add(with(e));
    };
    add(sim::trace());
    add(with(full));
    add_changed([](auto& e) { e.at += 1ns; });
    add_changed([](auto& e) { e.what = "end"; });
    add_changed([](auto& e) { e.from = "c"; });
    add_changed([](auto& e) { e.from = "b"; });
    add_changed([](auto& e) { e.from = {}; });
    add_changed([](auto& e) { e.to = "c"; });
    add_changed([](auto& e) { e.to = {}; });
    add_changed([](auto& e) { std::swap(e.from, e.to); });
    add_changed([](auto& e) { e.link = 4; });
    add_changed([](auto& e) { e.bytes = 6; });
    add_changed([](auto& e) { e.text = "hellp"; });
    add_changed([](auto& e) { e.text = "hello, and more"; });
    add_changed([](auto& e) { e.text = {}; });
    add_changed([](auto& e) { e.sent += 1ns; });
    add_changed([](auto& e) { e.sent = sim::trace_event::never; });
    add_changed([](auto& e) { e.until += 1ns; });
    sim::trace twice = with(full);
    twice.add(full);
    add(twice);
    // The same letters, cut elsewhere.
    for (const auto& [first, second] : {std::pair("ab", "c"), std::pair("a", "bc")}) {
        sim::trace t;
        t.add({1s, "note", {}, {}, 0, 0, first});
        t.add({1s, "note", {}, {}, 0, 0, second});
        add(t);
    }
    sim::trace elsewhere;
    elsewhere.add_host("a", "10.0.0.1");
    elsewhere.add(full);
    add(elsewhere);
    CHECK(digests.size() == traces);
    CHECK(with(full).digest() == with(full).digest());
}

TEST_CASE("a page contains its data, and nothing in it becomes HTML or script") {
    const std::string attack =
        "</script><script>alert('1')</script><!-- <img src=x onerror=alert(2)> &lt;b&gt;";
    sim::trace t;
    t.add_host(attack, attack);
    t.add({1s, "note", attack, {}, 0, 0, attack});
    const std::string page = t.to_html("<b>" + attack);
    CHECK(count_of(page, "<script") == 2);  // the data and the program
    CHECK(count_of(page, "</script>") == 2);
    CHECK(count_of(page, "<img") == 0);
    CHECK(count_of(page, "<!--") == 0);
    CHECK(count_of(page, "<b>") == 0);
    CHECK(count_of(page, "&lt;/script&gt;") == 4);  // twice in each of title and heading
    CHECK(count_of(page, "&amp;lt;b") == 2);
    const std::string data = data_of(page);
    check_json(data);
    CHECK(data.find_first_of("<>&") == std::string::npos);
    CHECK(count_of(data, "\\u003c/script\\u003e") == 6);  // twice in each of name, address and text
}

TEST_CASE("a page needs nothing but itself") {
    const std::string page = with(full).to_html("a trace");
    CHECK(count_of(page, "<title>a trace</title>") == 1);
    CHECK(count_of(page, "//") == count_of(page, "// "));  // comments, and no address
    for (const char* loads : {"http:", "https:", "src=", "href=", "@import", "url(", "fetch(", "import(",
                              "eval(", "innerHTML", "XMLHttpRequest", "WebSocket", "document.write"}) {
        CAPTURE(loads);
        CHECK(count_of(page, loads) == 0);
    }
    CHECK(count_of(page, "default-src 'none'") == 1);
}

TEST_CASE("the data of a page has the hosts, also those that nothing happened on, and every event") {
    sim::trace t;
    t.add_host("idle", "10.0.0.9");
    t.add({7ns, "connect", "a", "b", 1, 0, "10.0.0.2:80", 3ns});
    t.add({9ns, "pause", "b", {}, 0, 0, {}, sim::trace_event::never, 2s});
    t.add({10ns, "connect", "b", "a", 2});
    const std::string data = data_of(t.to_html("x"));
    check_json(data);
    CHECK(
        data ==
        "\n{\"hosts\":[[\"idle\",\"10.0.0.9\"],[\"a\",\"\"],[\"b\",\"\"]],\"names\":[\"connect\",\"pause\"],"
        "\"events\":[\n"
        "[7,0,1,2,1,0,3,-1,\"10.0.0.2:80\"],\n"
        "[9,1,2,-1,0,0,-1,2000000000,\"\"],\n"
        "[10,0,2,1,2,0,-1,-1,\"\"]\n]}\n");
}

namespace {

task<> ask_and_leave() {
    bight::stream peer = co_await bight::connect("tcp:server:7000");
    co_await peer.write("hello");
    co_await peer.read_some();
}

// The events of this kind, as lines.
std::vector<sim::trace_event> events_of(const sim::world& w, std::string_view what) {
    std::vector<sim::trace_event> found;
    for (const sim::trace_event& e : w.trace().events()) {
        if (e.what == what) found.push_back(e);
    }
    return found;
}

}  // namespace

TEST_CASE("each packet of a world has the time when it was sent") {
    sim::world_options options;
    options.link = {3ms, 3ms, 3ms, 0};
    sim::world w(1, options);
    w.add("server").on_boot([]() -> task<> { co_await bight::serve("tcp:7000", echo); });
    w.add("client").run(ask_and_leave);
    w.run();
    std::size_t packets = 0;
    for (const char* what : {"connect", "connected", "arrive"}) {
        CAPTURE(what);
        const auto found = events_of(w, what);
        CHECK_FALSE(found.empty());
        for (const sim::trace_event& e : found) {
            CHECK(e.at - e.sent == 3ms);
            ++packets;
        }
    }
    CHECK(packets == 4);
    CHECK(events_of(w, "connect").front().from == "client");
    CHECK(events_of(w, "connected").front().from == "server");
    for (const std::string& line : lines_of(w.trace().to_json_lines())) check_json(line);
    REQUIRE(w.trace().hosts().size() == 2);
    CHECK(w.trace().hosts()[0].name == "server");
    CHECK(w.trace().hosts()[0].ip == "10.0.0.1");
}

TEST_CASE("a packet that waited at a cut arrives with the time when it was sent") {
    sim::world_options options;
    options.link = {1ms, 1ms, 1ms, 0};
    sim::world w(1, options);
    auto& server = w.add("server");
    server.on_boot([]() -> task<> { co_await bight::serve("tcp:7000", echo); });
    auto& client = w.add("client");
    client.run([]() -> task<> {
        bight::stream peer = co_await bight::connect("tcp:server:7000");
        co_await bight::sleep_for(1s);
        co_await peer.write("late");
        co_await peer.read_some();
    });
    w.run_for(500ms);
    w.cut(server, client);
    w.run_for(2s);
    w.mend(server, client);
    w.run();
    const auto arrived = events_of(w, "arrive");
    REQUIRE(arrived.size() == 2);
    CHECK(arrived.front().sent < 1100ms);
    CHECK(arrived.front().at >= 2500ms);
}

TEST_CASE("a pause says when it is over") {
    sim::world w(1);
    auto& sleeper = w.add("sleeper");
    w.run_for(1s);
    sleeper.pause(5s);
    const auto found = events_of(w, "pause");
    REQUIRE(found.size() == 1);
    CHECK(found.front().at == w.elapsed());
    CHECK(found.front().until == w.elapsed() + 5s);
}

TEST_CASE("who is refused learns it from the host that refused") {
    sim::world w(1);
    w.add("server");
    w.add("client").run([]() -> task<> {
        try {
            co_await bight::connect("tcp:server:7000");
        } catch (const std::exception&) {
        }
    });
    w.run();
    const auto refuse = events_of(w, "refuse");
    const auto refused = events_of(w, "refused");
    REQUIRE_FALSE(refuse.empty());
    REQUIRE(refuse.size() == refused.size());
    CHECK(refuse.front().from == "client");
    CHECK(refuse.front().to == "server");
    CHECK(refused.front().from == "server");
    CHECK(refused.front().to == "client");
    CHECK(refused.front().sent == refuse.front().at);
}

TEST_CASE("a trace that is full forgets its older half, and says so") {
    const auto bounded = [](std::size_t most, int events) {
        sim::trace t;
        t.keep_last(most);
        t.add_host("a");
        for (int i = 0; i < events; ++i) {
            const std::string text = std::to_string(i);
            t.add({std::chrono::milliseconds(i), "note", "a", {}, 0, 0, text});
        }
        return t;
    };
    const sim::trace t = bounded(10, 23);
    const auto events = t.events();
    REQUIRE(events.size() <= 10);
    CHECK(events[0].what == "forgotten");
    CHECK(events[0].bytes == 23 - (events.size() - 1));
    for (std::size_t i = 1; i < events.size(); ++i) {
        const std::string number = std::to_string(23 - (events.size() - i));
        CHECK(events[i].text == number);
        CHECK(events[i].from == "a");
    }
    CHECK(t.to_json_lines().starts_with(R"({"at":0.0)"));
    CHECK(bounded(10, 23).digest() == t.digest());
    CHECK(bounded(10, 22).digest() != t.digest());
    CHECK(bounded(0, 23).events().size() == 23);
    for (std::size_t most = 1; most < 30; ++most) {
        INFO(most);
        const sim::trace kept = bounded(most, 1000);
        CHECK(kept.events().size() <= std::max<std::size_t>(most, 3));
        CHECK(kept.events().back().text == "999");
    }
}

TEST_CASE("what a trace has forgotten counts in its digest") {
    const auto with_first = [](std::string_view first) {
        sim::trace t;
        t.keep_last(8);
        for (int i = 0; i < 100; ++i)
            t.add({std::chrono::milliseconds(i), "note", {}, {}, 0, 0, i == 0 ? first : "x"});
        return t.digest();
    };
    CHECK(with_first("a") != with_first("b"));
    CHECK(with_first("a") == with_first("a"));
}
