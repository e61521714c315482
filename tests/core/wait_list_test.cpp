#include <bight/core/detail/wait_list.hpp>

#include "support/catch.hpp"

#include <string>

namespace {

class item final : public bight::detail::listed_waiter {
  public:
    explicit item(char n) : name(n) {}
    void cancel() noexcept override {}
    char name;
};

using list = bight::detail::wait_list<item>;

std::string names(const list& l) {
    std::string all;
    for (const item* i = l.front(); i; i = l.next(*i)) all += i->name;
    return all;
}

}  // namespace

TEST_CASE("a wait list gives back what it holds first in, first out") {
    list l;
    CHECK(l.empty());
    CHECK(l.front() == nullptr);
    CHECK(l.pop_front() == nullptr);
    item a('a'), b('b'), c('c');
    l.push_back(a);
    l.push_back(b);
    l.push_back(c);
    CHECK(names(l) == "abc");
    CHECK(l.pop_front() == &a);
    l.push_back(a);
    CHECK(names(l) == "bca");
    CHECK(l.pop_front() == &b);
    CHECK(l.pop_front() == &c);
    CHECK(l.pop_front() == &a);
    CHECK(l.empty());
}

TEST_CASE("a waiter can leave a wait list from any place, and come back") {
    const int place = GENERATE(0, 1, 2);
    list l;
    item all[] = {item('a'), item('b'), item('c')};
    for (item& i : all) l.push_back(i);
    l.remove(all[place]);
    std::string expected = "abc";
    expected.erase(static_cast<std::size_t>(place), 1);
    CHECK(names(l) == expected);
    l.push_back(all[place]);
    CHECK(names(l) == expected + all[place].name);
    for (item& i : all) l.remove(i);
    CHECK(l.empty());
    l.push_back(all[1]);
    CHECK(names(l) == "b");
}

TEST_CASE("a waiter can be inserted in front of another, or at the end") {
    list l;
    item a('a'), b('b'), c('c'), d('d');
    l.insert(nullptr, c);
    l.insert(&c, a);
    l.insert(&c, b);
    l.insert(nullptr, d);
    CHECK(names(l) == "abcd");
    CHECK(l.pop_front() == &a);
    CHECK(names(l) == "bcd");
}
