// The ready queue's list: first in, first out, and it owns nothing.
#include <bight/core/detail/work_item.hpp>

#include "support/catch.hpp"

#include <array>
#include <string>

using bight::detail::work_item;
using bight::detail::work_queue;

namespace {

class letter final : public work_item {
  public:
    explicit letter(char c) noexcept : c_(c) {}
    void run() noexcept override { said += c_; }
    static inline std::string said;

  private:
    char c_;
};

std::string run_all(work_queue& q) {
    letter::said.clear();
    while (work_item* const item = q.pop()) item->run();
    return letter::said;
}

}  // namespace

TEST_CASE("a work_queue gives its items in the order in which they came, and then none") {
    work_queue q;
    CHECK(q.empty());
    CHECK(q.pop() == nullptr);
    letter a('a');
    letter b('b');
    letter c('c');
    q.push(a);
    CHECK_FALSE(q.empty());
    q.push(b);
    q.push(c);
    CHECK(run_all(q) == "abc");
    CHECK(q.empty());
}

TEST_CASE("an item may be pushed again once it is out, before the others of its queue have been") {
    work_queue q;
    letter a('a');
    letter b('b');
    q.push(a);
    q.push(b);
    CHECK(q.pop() == &a);
    q.push(a);
    CHECK(run_all(q) == "ba");
}

TEST_CASE("a queue that is appended comes behind what is there, and is empty then") {
    work_queue first;
    work_queue second;
    letter a('a');
    letter b('b');
    letter c('c');
    letter d('d');
    first.append(second);
    CHECK(first.empty());
    second.push(a);
    second.push(b);
    first.append(second);
    CHECK(second.empty());
    second.push(c);
    first.append(second);
    first.push(d);
    second.append(first);
    CHECK(first.empty());
    CHECK(run_all(second) == "abcd");
}
