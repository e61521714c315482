#include <bight/core/detail/intrusive_list.hpp>

#include "support/catch.hpp"

#include <type_traits>
#include <utility>
#include <vector>

namespace {

struct entry : bight::detail::list_hook<entry> {
    explicit entry(int n) noexcept : number(n) {}
    int number;
};

template <class List>
std::vector<int> numbers_in(const List& list) {
    std::vector<int> numbers;
    for (const entry& e : list) numbers.push_back(e.number);
    return numbers;
}

using numbers = std::vector<int>;
using bight::detail::counted_list;
using bight::detail::intrusive_list;

}  // namespace

TEST_CASE("an intrusive list takes entries at either end, and before another") {
    intrusive_list<entry> list;
    CHECK(list.empty());
    CHECK(list.front() == nullptr);
    entry one(1), two(2), three(3), four(4), five(5);
    list.push_back(two);
    list.push_front(one);
    list.push_back(four);
    list.insert(&four, three);
    list.insert(nullptr, five);
    CHECK(numbers_in(list) == numbers{1, 2, 3, 4, 5});
    CHECK(list.front() == &one);
    CHECK(list.next(one) == &two);
    CHECK(list.next(five) == nullptr);
}

TEST_CASE("an entry leaves an intrusive list from wherever it is, and may enter again") {
    intrusive_list<entry> list;
    entry one(1), two(2), three(3);
    for (entry* e : {&one, &two, &three}) list.push_back(*e);
    list.remove(two);
    CHECK(numbers_in(list) == numbers{1, 3});
    list.remove(three);
    list.push_back(two);
    CHECK(numbers_in(list) == numbers{1, 2});
    list.remove(one);
    CHECK(list.front() == &two);
    list.insert(&two, one);
    CHECK(list.pop_front() == &one);
    CHECK(list.pop_front() == &two);
    CHECK(list.pop_front() == nullptr);
    CHECK(list.empty());
    list.push_front(three);
    list.push_back(one);
    CHECK(numbers_in(list) == numbers{3, 1});
}

TEST_CASE("others may enter and leave while a loop goes through an intrusive list") {
    intrusive_list<entry> list;
    entry one(1), two(2), three(3), four(4);
    for (entry* e : {&one, &two, &three}) list.push_back(*e);
    numbers seen;
    for (const entry& e : list) {
        seen.push_back(e.number);
        if (&e != &two) continue;
        list.remove(one);
        list.remove(three);
        list.push_back(four);
    }
    CHECK(seen == numbers{1, 2, 4});
    CHECK(numbers_in(list) == numbers{2, 4});
}

TEST_CASE("a list that is moved takes its entries with it, and an entry that is copied is in none") {
    counted_list<entry> list;
    entry one(1), two(2);
    list.push_back(one);
    list.push_back(two);
    counted_list<entry> other(std::move(list));
    CHECK(list.empty());  // NOLINT(bugprone-use-after-move)
    CHECK(list.size() == 0);
    entry copied(one);
    list.push_front(copied);
    other.remove(one);
    CHECK(numbers_in(list) == numbers{1});
    CHECK(numbers_in(other) == numbers{2});
    CHECK(other.size() == 1);
    STATIC_REQUIRE(!std::is_copy_constructible_v<counted_list<entry>>);
}

TEST_CASE("a counted list knows how many entries it has") {
    counted_list<entry> list;
    entry one(1), two(2), three(3);
    list.push_back(two);
    list.push_front(one);
    list.push_back(three);
    CHECK(list.size() == 3);
    list.remove(two);
    CHECK(list.size() == 2);
    CHECK(list.pop_front() == &one);
    CHECK(list.pop_front() == &three);
    CHECK(list.pop_front() == nullptr);
    CHECK(list.size() == 0);
}
