// How functions are named in trees of tasks and in reports.
#include <bight/core/error.hpp>
#include <bight/core/task.hpp>

#include "support/catch.hpp"
#include "support/reactors.hpp"

#include <functional>
#include <map>
#include <source_location>
#include <string>
#include <utility>
#include <vector>

using bight::task;

namespace test_names {

// The name that the line which calls it has.
std::string name(std::source_location where = std::source_location::current()) {
    const std::string line = bight::detail::describe_location(where);
    return line.substr(0, line.rfind(" at "));
}

namespace {

struct handler {
    task<std::string> operator()(int) { co_return name(); }
    task<std::string> operator<<(int) const { co_return name(); }
    task<std::string> operator<(int) const { co_return name(); }
    task<std::string> operator->*(int) const { co_return name(); }
    explicit operator std::string() const { return name(); }
    template <class T>
    task<std::string> member(T) const {
        co_return name();
    }
    auto make() const {
        return []() -> task<std::string> { co_return name(); };
    }
};

template <class T, int N>
struct box {
    task<std::string> get(std::map<int, T>, void (*)(int)) { co_return name(); }
};

template <class F>
task<std::string> call(F f) {
    std::string of_lambda = co_await f(1);
    co_return name() + ", " + of_lambda;
}

task<std::vector<std::pair<int, std::function<std::string(int)>>>> complicated(std::string& out) {
    out = name();
    co_return {};
}

auto deduced() -> task<std::pair<std::string, void (*)(int)>> { co_return {name(), nullptr}; }

task<std::string> in_lambdas() {
    auto outer = [](auto) -> task<std::string> {
        auto inner = [](std::string text) -> task<std::string> { co_return text + name(); };
        struct local {
            task<std::string> run() { co_return name(); }
        };
        const std::string of_inner = co_await inner("");
        const std::string of_local = co_await local().run();
        co_return name() + ", " + of_inner + ", " + of_local;
    };
    co_return co_await outer(1);
}

const auto global = []() -> task<std::string> { co_return name(); };

}  // namespace

}  // namespace test_names

TEST_CASE("a function is named as its author writes it: without types, parameters and unnamed namespaces") {
    using namespace test_names;
    bight::reactor r;
    handler h;
    std::string of_complicated;
    CHECK(r.run(h(1)) == "test_names::handler::operator()");
    CHECK(r.run(h << 1) == "test_names::handler::operator<<");
    CHECK(r.run(h < 1) == "test_names::handler::operator<");
    CHECK(r.run(h->*1) == "test_names::handler::operator->*");
    CHECK(static_cast<std::string>(h).starts_with("test_names::handler::operator "));
    CHECK(r.run(h.member(std::string())) == "test_names::handler::member");
    CHECK(r.run(h.member([](int) {})) == "test_names::handler::member");
    CHECK(r.run(box<std::vector<int>, 3>().get({}, nullptr)) == "test_names::box::get");
    r.run(complicated(of_complicated));
    CHECK(of_complicated == "test_names::complicated");
    CHECK(r.run(deduced()).first == "test_names::deduced");
}

TEST_CASE("a lambda is named by the function that it is written in") {
    using namespace test_names;
    bight::reactor r;
    CHECK(r.run(handler().make()()) == "a lambda in test_names::handler::make");
    CHECK(r.run(in_lambdas()) ==
          "a lambda in test_names::in_lambdas, a lambda in test_names::in_lambdas, "
          "test_names::in_lambdas::local::run");
    CHECK(r.run(global()) == "a lambda in test_names");
    auto here = [&](int) -> task<std::string> { co_return name(); };
    const std::string both = r.run(call(here));
    CHECK(both.starts_with("test_names::call, a lambda in "));
    CHECK(both.find_first_of("<>()*") == std::string::npos);
}
