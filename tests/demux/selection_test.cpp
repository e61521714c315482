// Which demultiplexer a reactor gets: what the options and BIGHT_REACTOR ask for.
#include "refused_reactor.hpp"
#include "support/reactors.hpp"

#include <algorithm>
#include <cstdlib>
#include <optional>
#include <string>

using bight::demultiplexer_kind;
using Catch::Contains;
using test::asking_for;
using test::refusal;

namespace {

constexpr const char* variable = "BIGHT_REACTOR";

/// BIGHT_REACTOR is `value`, or not set for null, until the end of the scope.
class scoped_variable {
  public:
    explicit scoped_variable(const char* value) {
        if (const char* old = std::getenv(variable)) old_ = old;
        set(value);
    }
    scoped_variable(const scoped_variable&) = delete;
    scoped_variable& operator=(const scoped_variable&) = delete;
    ~scoped_variable() { set(old_ ? old_->c_str() : nullptr); }

  private:
    static void set(const char* value) {
        if (value) {
            ::setenv(variable, value, 1);
        } else {
            ::unsetenv(variable);
        }
    }
    std::optional<std::string> old_;
};

}  // namespace

TEST_CASE("BIGHT_REACTOR names the demultiplexer") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    const std::string name(test::name_of(kind));
    const scoped_variable set(name.c_str());
    const bight::reactor r;
    CHECK(r.demultiplexer_name() == name);
    CHECK(r.fallback_reason().empty());
}

TEST_CASE("the options name the demultiplexer") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    const scoped_variable set(nullptr);
    const bight::reactor r(asking_for(kind));
    CHECK(r.demultiplexer_name() == test::name_of(kind));
    CHECK(r.fallback_reason().empty());
}

TEST_CASE("the options beat BIGHT_REACTOR") {
    const auto& all = test::demultiplexers();
    const std::string value = GENERATE_COPY(std::string(test::name_of(all.front())), std::string("nonsense"));
    const scoped_variable set(value.c_str());
    const bight::reactor r(asking_for(all.back()));
    CHECK(r.demultiplexer_name() == test::name_of(all.back()));
}

TEST_CASE("a name that BIGHT_REACTOR cannot have is refused with a list of those it can") {
    const char* const value = GENERATE("uring", "EPOLL", "epoll ", "automatic");
    const scoped_variable set(value);
    const std::string said = refusal();
    CHECK_THAT(said, Contains("unavailable: "));
    CHECK_THAT(said, Contains("\"" + std::string(value) + "\""));
    CHECK_THAT(said, Contains(variable));
    const auto list = said.find("available here: ");
    REQUIRE(list != std::string::npos);
    for (const auto kind : test::demultiplexers()) {
        CHECK_THAT(said.substr(list), Contains(std::string(test::name_of(kind))));
    }
}

TEST_CASE("a demultiplexer of other systems is refused as such") {
    if (std::ranges::count(test::demultiplexers(), demultiplexer_kind::kqueue) > 0) {
        test::skip("this bight has kqueue");
    }
    const scoped_variable set("kqueue");
    const std::string said = refusal();
    CHECK_THAT(said, Contains("kqueue, asked for by the environment variable BIGHT_REACTOR"));
    CHECK_THAT(said, Contains("is none of this system's; available here: "));
    for (const auto kind : test::demultiplexers()) {
        CHECK_THAT(said, Contains(std::string(test::name_of(kind))));
    }
}

TEST_CASE("a number that is no demultiplexer_kind is refused, with what there is") {
    const scoped_variable set(nullptr);
    const std::string said = refusal(asking_for(static_cast<demultiplexer_kind>(99)));
    CHECK_THAT(said, Contains("unavailable: "));
    CHECK_THAT(said, Contains("reactor_options::demultiplexer is 99, which is no demultiplexer_kind"));
    CHECK_THAT(said,
               Contains("; available here: " + std::string(test::name_of(test::demultiplexers().front()))));
}

TEST_CASE("without a wish, or with an empty one, the best that works here is used") {
    const char* const value = GENERATE(static_cast<const char*>(nullptr), "");
    const scoped_variable set(value);
    const bight::reactor r;
    CHECK(r.demultiplexer_name() == test::name_of(test::demultiplexers().front()));
}

TEST_CASE("a refused reactor leaves no descriptor open") {
    const scoped_variable set("nonsense");
    const int before = test::open_descriptors();
    CHECK_FALSE(refusal().empty());
    CHECK(test::open_descriptors() == before);
}
