// The forms that docs/design/pitfalls.md says to write, on whatever compiler builds this: each creates and
// destroys an object once, and gives its value.
#include "support/catch.hpp"

#include <bight/core/finally.hpp>
#include <bight/core/group.hpp>
#include <bight/core/reactor.hpp>
#include <bight/core/sleep.hpp>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace {

int living = 0;

// Counts itself: a second destruction makes `living` negative.
class counted {
  public:
    explicit counted(std::string value) : text(std::move(value)) { ++living; }
    counted(const counted& other) : text(other.text) { ++living; }
    counted(counted&& other) noexcept : text(std::move(other.text)) { ++living; }
    counted& operator=(const counted&) = default;
    counted& operator=(counted&&) = default;
    ~counted() { --living; }
    std::string text;
};

struct options {
    counted name;
    int number = 0;
};

const std::string long_text = "long enough to need memory of its own";

bight::task<counted> make(std::string text) {
    co_await bight::yield();
    co_return counted(std::move(text));
}

bight::task<std::size_t> length(options o) {
    co_await bight::yield();
    co_return o.name.text.size();
}

bight::task<bool> more(int& left) {
    co_await bight::yield();
    co_return left-- > 0;
}

bight::task<std::optional<counted>> next(int& left) {
    co_await bight::yield();
    if (left-- <= 0) co_return std::nullopt;
    co_return counted(long_text);
}

// No local at the top level: the form that PR 106188 breaks when the condition declares nothing.
bight::task<> loop_with_a_flag(int& left, int& rounds) {
    while (const bool again = co_await more(left)) rounds += again;
}

bight::task<> loop_with_a_value(int& left, int& rounds) {
    while (auto got = co_await next(left)) rounds += got->text == long_text;
}

bight::task<> branch_on_a_value(int& left, int& rounds) {
    if (auto got = co_await next(left); got) ++rounds;
}

bight::task<std::size_t> named_aggregate() {
    options o{counted(long_text)};
    const std::size_t got = co_await length(std::move(o));
    co_return got;
}

bight::task<std::string> branches_instead_of_a_conditional(bool first) {
    std::string text;
    if (first) {
        auto got = co_await make("a " + long_text);
        text = got.text;
    } else {
        auto got = co_await make("b " + long_text);
        text = got.text;
    }
    co_return text;
}

bight::task<std::pair<counted, counted>> locals_before_braces() {
    auto first = co_await make("1 " + long_text);
    auto second = co_await make("2 " + long_text);
    co_return std::pair<counted, counted>(std::move(first), std::move(second));
}

bight::task<std::vector<counted>> push_back_instead_of_a_list() {
    std::vector<counted> all;
    auto first = co_await make(long_text);
    all.push_back(std::move(first));
    co_return all;
}

bight::task<std::unique_ptr<counted>> local_before_new() {
    auto made = co_await make(long_text);
    co_return std::make_unique<counted>(std::move(made));
}

bight::task<> named_lambda(std::vector<std::string>& heard) {
    const counted name(long_text);
    auto body = [name, &heard](bight::group& g) -> bight::task<> {
        g.spawn([name, &heard]() -> bight::task<> {
            co_await bight::yield();
            heard.push_back(name.text);
        });
        co_await bight::yield();
        heard.push_back(name.text);
    };
    co_await bight::with_group(std::move(body));
}

bight::task<> named_clean_up(std::vector<std::string>& heard) {
    const counted name(long_text);
    auto clean_up = [name, &heard]() -> bight::task<> {
        co_await bight::yield();
        heard.push_back(name.text);
    };
    co_await bight::finally(bight::yield(), std::move(clean_up));
}

}  // namespace

TEST_CASE("an await in a condition that declares a variable works without a local at the top level") {
    bight::reactor r;
    int left = 3;
    int rounds = 0;
    r.run(loop_with_a_flag(left, rounds));
    CHECK(rounds == 3);
    left = 3;
    r.run(loop_with_a_value(left, rounds));
    CHECK(rounds == 6);
    left = 1;
    r.run(branch_on_a_value(left, rounds));
    CHECK(rounds == 7);
    CHECK(living == 0);
}

TEST_CASE("what is named before it is awaited is destroyed once") {
    bight::reactor r;
    CHECK(r.run(named_aggregate()) == long_text.size());
    CHECK(living == 0);
    CHECK(r.run(branches_instead_of_a_conditional(true)) == "a " + long_text);
    CHECK(r.run(branches_instead_of_a_conditional(false)) == "b " + long_text);
    CHECK(living == 0);
    {
        const auto both = r.run(locals_before_braces());
        CHECK(both.first.text == "1 " + long_text);
        CHECK(both.second.text == "2 " + long_text);
        const auto all = r.run(push_back_instead_of_a_list());
        REQUIRE(all.size() == 1);
        CHECK(all.front().text == long_text);
        const auto made = r.run(local_before_new());
        CHECK(made->text == long_text);
        CHECK(living == 4);
    }
    CHECK(living == 0);
}

TEST_CASE("lambdas that are coroutines keep their captures when a scope stores them") {
    bight::reactor r;
    std::vector<std::string> heard;
    r.run(named_lambda(heard));
    CHECK(heard == std::vector<std::string>{long_text, long_text});
    heard.clear();
    r.run(named_clean_up(heard));
    CHECK(heard == std::vector<std::string>{long_text});
    CHECK(living == 0);
}
